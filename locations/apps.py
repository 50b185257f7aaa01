from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class LocationsConfig(AppConfig):
    name = "locations"
    verbose_name = _("Locations")

    def ready(self) -> None:
        # Connectors follow the tariffs that they have.
        from locations import receivers

        receivers.connect()
