"""Django's admin as an app, with a site of our own."""

from django.contrib.admin.apps import AdminConfig as DjangoAdminConfig


class AdminConfig(DjangoAdminConfig):
    """Let `admin.site` be ours."""

    default_site = "cpo_platform.admin_site.Site"

    def ready(self) -> None:
        """Find the pages of all apps."""
        # Late: it reads the settings.
        from cpo_platform.common.admin import quick_rows

        quick_rows.install()
        super().ready()
