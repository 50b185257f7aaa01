from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class RoamingConfig(AppConfig):
    name = "roaming"
    verbose_name = _("Roaming")

    def ready(self) -> None:
        # Connects the domain's signals to the change feed.
        from roaming import receivers

        receivers.connect()
