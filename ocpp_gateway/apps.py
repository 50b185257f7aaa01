from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class OcppGatewayConfig(AppConfig):
    """Chargers: what they are, what they say, and what is made of it."""

    name = "ocpp_gateway"
    verbose_name = _("Chargers")
