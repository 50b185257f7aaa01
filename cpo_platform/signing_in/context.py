"""The admin's frame around the pages of signing in."""

from typing import Any

from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

PREFIX = "/accounts/"


def frame(request: HttpRequest) -> dict[str, Any]:
    """Return what the admin's templates need, for pages that are none of the admin's own."""
    if not request.path_info.startswith(PREFIX):
        return {}
    request.current_app = admin.site.name
    return {
        **admin.site.each_context(request),
        "title": _("My account"),
        "email_is_on": settings.EMAIL_IS_ON,
        "oidc_name": settings.OIDC_NAME if settings.OIDC_IS_ON else "",
    }
