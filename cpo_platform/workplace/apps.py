"""The workplace as a Django app."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class WorkplaceConfig(AppConfig):
    """It is above every domain app, and has no tables."""

    name = "cpo_platform.workplace"
    label = "workplace"
    verbose_name = _("Workplace")
