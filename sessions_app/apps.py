from django.apps import AppConfig
from django.utils.translation import pgettext_lazy


class ChargingConfig(AppConfig):
    name = "sessions_app"
    verbose_name = pgettext_lazy("navigation", "Charging")
