"""Staff as a Django app."""

from typing import Any

from django.apps import AppConfig, apps

# Sent once after all migrations; no model signal.
from django.db.models.signals import post_migrate  # noqa: TID251
from django.utils.translation import gettext_lazy as _


class StaffConfig(AppConfig):
    """Keep the groups of the roles in step with their table, whenever the database migrates."""

    name = "cpo_platform.staff"
    label = "staff"
    verbose_name = _("Staff")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Have the roles written down after migrations; call people what the sidebar does."""
        apps.get_app_config("auth").verbose_name = self.verbose_name
        post_migrate.connect(_keep_roles, sender=self, dispatch_uid="staff.keep_roles")


def _keep_roles(using: str = "default", apps: Any = None, **_kwargs: Any) -> None:
    if apps is not None and ("staff", "rolegroup") not in _models(apps):
        # Migrated back to before there were roles.
        return
    # Late: models are not loaded when apps are.
    from cpo_platform.staff import operations

    operations.keep_roles(using=using)


def _models(state: Any) -> set[tuple[str, str]]:
    return {(one._meta.app_label, one._meta.model_name) for one in state.get_models()}  # noqa: SLF001  Django's own public name
