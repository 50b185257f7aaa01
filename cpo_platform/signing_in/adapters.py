"""What allauth asks of its host: who may come in, from where, and how secrets are kept."""

import logging
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.flows.login import get_authentication_records
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.providers.base import AuthProcess
from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AbstractUser, User
from django.http import HttpRequest, HttpResponseRedirect
from django.shortcuts import render

from cpo_platform.common import secrets
from cpo_platform.common.client_address import client_address
from cpo_platform.signing_in import roles

if TYPE_CHECKING:
    from allauth.socialaccount.models import SocialLogin

logger = logging.getLogger(__name__)

# Whoever has just signed in is not asked for the password again at once.
FRESH_SECONDS = 300


class AccountAdapter(DefaultAccountAdapter):
    """Staff signs in; nobody signs up."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Say no: users are made by administrators."""
        return False

    def authenticate(self, request: HttpRequest, **credentials: Any) -> AbstractBaseUser | None:
        """Return who this is; whoever may not work here is nobody, as with a wrong password."""
        user = super().authenticate(request, **credentials)
        if isinstance(user, AbstractUser) and user.is_active and user.is_staff:
            return user
        # Never what was typed into the field of the user: it may well be the password.
        logger.warning("somebody failed to sign in from %s", client_address(request))
        return None

    def get_client_ip(self, request: HttpRequest) -> str:
        """Return an address that the client cannot choose."""
        return client_address(request)

    def is_reauthentication_required(self, *, app: str, **_kwargs: Any) -> bool:
        """Ask for the password again before anything of the second factor is changed."""
        from allauth.core import context  # late: it is of the request

        if not super().is_reauthentication_required(app=app):
            return False
        return not _is_fresh(context.request)

    def send_notification_mail(self, *_args: Any, **_kwargs: Any) -> None:
        """Send none: nobody has set up what they would say."""


def _is_fresh(request: HttpRequest) -> bool:
    user = request.user if isinstance(request.user, AbstractUser) else None
    since = time.time() - FRESH_SECONDS
    return any(record["at"] > since for record in get_authentication_records(request, user))


class SecondFactorAdapter(DefaultMFAAdapter):
    """TOTP secrets and recovery codes are kept as partners' tokens are."""

    def encrypt(self, text: str) -> str:
        """Return what is stored."""
        return secrets.encrypt(text)

    def decrypt(self, encrypted_text: str) -> str:
        """Return what was stored."""
        return secrets.decrypt(encrypted_text)

    def build_totp_svg(self, url: str) -> str:
        """Return the code as an element of a page, without the head of a file of its own."""
        svg: str = super().build_totp_svg(url)
        return svg[svg.index("<svg") :]


class ProviderAdapter(DefaultSocialAccountAdapter):
    """Who was checked by OpenID Connect comes in if there is exactly one such person here."""

    def is_open_for_signup(self, request: HttpRequest, sociallogin: "SocialLogin") -> bool:
        """Say no: the provider vouches for who somebody is, not for whom we employ."""
        return False

    def authenticate_by_email(self, sociallogin: "SocialLogin") -> tuple[AbstractUser, str] | None:
        """Return whose address this is. Only an address that the provider has verified counts."""
        for address in sociallogin.email_addresses:
            if address.verified and address.email:
                found = list(User.objects.filter(email__iexact=address.email)[:2])
                # Of two people with one address, none can be told to be the right one.
                if len(found) == 1:
                    return found[0], address.email
        return None

    def pre_social_login(self, request: HttpRequest, sociallogin: "SocialLogin") -> None:
        """Refuse whoever does not work here, and bring groups in line with the provider's claim.

        Raises:
            ImmediateHttpResponse: with the page that says no.

        """
        if sociallogin.state.get("process") != AuthProcess.LOGIN:
            raise ImmediateHttpResponse(HttpResponseRedirect("/accounts/"))
        user = sociallogin.user
        if not (sociallogin.is_existing and user.is_active and user.is_staff):
            logger.warning("OpenID Connect let somebody through who does not work here")
            raise ImmediateHttpResponse(render(request, "account/signup_closed.html", status=403))
        if settings.OIDC_ROLE_CLAIM:
            roles.follow(user, _claims(sociallogin.account.extra_data))


def _claims(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the provider says: of the id token, and above it what its userinfo says."""
    return {**(data.get("id_token") or {}), **(data.get("userinfo") or {})}
