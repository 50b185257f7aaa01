"""Upkeep as a Django app: it has no tables, it listens to Celery."""

from django.apps import AppConfig


class UpkeepConfig(AppConfig):
    name = "cpo_platform.upkeep"
    label = "upkeep"

    def ready(self) -> None:
        """Have Celery tell of its tasks."""
        from cpo_platform.upkeep import task_runs  # noqa: F401  its receivers connect themselves
