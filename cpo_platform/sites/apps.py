"""Sites as a Django app."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class SitesConfig(AppConfig):
    """It is above every domain app."""

    name = "cpo_platform.sites"
    label = "sites"
    verbose_name = _("Sites")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Have the pages of locations and EVSEs show how available they are, and how well kept."""
        # Late: models are not loaded when apps are.
        from cpo_platform.common.admin import (
            Rules,
            register_list_column,
            register_panel,
            register_rules,
        )
        from cpo_platform.sites import receivers, scopes
        from cpo_platform.sites.list_column import SCORE_COLUMN
        from cpo_platform.sites.panels import QUALITY, evse_panel, location_panel, quality_panel
        from cpo_platform.sites.warnings import quality_warnings

        scopes.register()
        receivers.connect()
        register_list_column("locations.location", SCORE_COLUMN)
        register_rules("locations", Rules(quality_warnings, anchor=QUALITY))
        register_panel("locations", quality_panel, needs="locations.view_location")
        register_panel("locations", location_panel, needs="locations.view_location")
        register_panel("evses", evse_panel, needs="locations.view_evse")
