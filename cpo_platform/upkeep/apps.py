"""Upkeep as a Django app: it listens to Celery, and keeps the schedules in step with the code."""

from typing import Any

from django.apps import AppConfig

# Sent once after all migrations; no model signal.
from django.db.models.signals import post_migrate  # noqa: TID251
from django.utils.translation import gettext_lazy as _


class UpkeepConfig(AppConfig):
    name = "cpo_platform.upkeep"
    label = "upkeep"
    verbose_name = _("Platform")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Have Celery tell of its tasks, and the schedules written down after migrations."""
        from cpo_platform.upkeep import ending, task_runs  # noqa: F401  their receivers connect themselves

        post_migrate.connect(_keep_schedules, sender=self, dispatch_uid="upkeep.keep_schedules")


def _keep_schedules(using: str = "default", apps: Any = None, **_kwargs: Any) -> None:
    there = {one._meta.label_lower for one in apps.get_models()} if apps is not None else set()  # noqa: SLF001  Django's own public name
    if using != "default" or {"upkeep.schedule", "django_celery_beat.periodictask"} - there:
        # Migrated back to before there were schedules.
        return
    # Late: models are not loaded when apps are.
    from cpo_platform.upkeep import operations

    operations.keep_schedules()
