"""Django's admin as an app, with a site of our own."""

from django.contrib.admin.apps import AdminConfig as DjangoAdminConfig


class AdminConfig(DjangoAdminConfig):
    """Let `admin.site` be ours."""

    default_site = "cpo_platform.admin_site.Site"
