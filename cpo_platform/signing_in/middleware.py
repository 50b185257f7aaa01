"""A person who needs a second factor and has none gets no further than the page that makes one."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import reverse

from cpo_platform.signing_in import policy

# What is needed to make a second factor, or to leave.
OPEN = frozenset(
    {
        "account_login",
        "account_logout",
        "account_reauthenticate",
        "admin:jsi18n",
        "admin:logout",
        "mfa_activate_totp",
        "mfa_reauthenticate",
        "openid_connect_callback",
        "openid_connect_login",
        "set_language",
    }
)


class SecondFactorRequired:
    """Keep REQUIRE_2FA. Everything is closed that is not in `OPEN`."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer as ever: the address has to be known first."""
        return self._get_response(request)

    def process_view(
        self, request: HttpRequest, _view: object, _args: object, _kwargs: dict[str, Any]
    ) -> HttpResponseBase | None:
        """Send whoever has to make a second factor there; nobody is asked for where none is."""
        if settings.REQUIRE_2FA == "never" or settings.SESSION_COOKIE_NAME not in request.COOKIES:
            return None
        match = request.resolver_match
        if match is None or match.view_name in OPEN:
            return None
        user = request.user
        if not user.is_authenticated or policy.may_work(request, user):
            return None
        return HttpResponseRedirect(reverse("mfa_activate_totp"))
