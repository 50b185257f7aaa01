"""Bulk changes as a Django app."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class BulkConfig(AppConfig):
    """Jobs that change many objects, each as a person would on its page."""

    name = "cpo_platform.bulk"
    label = "bulk"
    verbose_name = _("Bulk changes")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Offer changes and imports above the lists."""
        # Late: pages are made when all models are there.
        from cpo_platform.bulk.admin.offering import BulkPages
        from cpo_platform.common.admin import register_list_pages

        register_list_pages(BulkPages())
