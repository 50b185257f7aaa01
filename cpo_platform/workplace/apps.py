"""The workplace as a Django app."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class WorkplaceConfig(AppConfig):
    """It is above every domain app."""

    name = "cpo_platform.workplace"
    label = "workplace"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = _("Workplace")

    def ready(self) -> None:
        """Have the page of a location lead to its place on the map."""
        # Late: models are not loaded when apps are.
        from cpo_platform.common.admin import register_panel
        from cpo_platform.workplace.panels import map_panel

        register_panel("locations", map_panel, needs="locations.view_location")
