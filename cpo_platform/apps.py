"""The composition root as a Django app: it brings commands and checks, and no models."""

from django.apps import AppConfig


class CpoPlatformConfig(AppConfig):
    """Register what every process needs, whichever command started it."""

    name = "cpo_platform"
    verbose_name = "CPO platform"

    def ready(self) -> None:
        """Register the system checks, and the Celery app that shared tasks belong to."""
        # Late: they read the settings.
        from cpo_platform import celery, checks
        from cpo_platform.signing_in import receivers

        celery.app.set_default()
        checks.register_all()
        receivers.connect()
