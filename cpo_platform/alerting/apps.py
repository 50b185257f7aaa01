"""Alerting as a Django app."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AlertingConfig(AppConfig):
    """What is wrong in the network and on the platform, and who is told."""

    name = "cpo_platform.alerting"
    label = "alerting"
    verbose_name = _("Alerts")
    default_auto_field = "django.db.models.BigAutoField"
