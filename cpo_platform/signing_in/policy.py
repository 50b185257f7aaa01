"""Who has to have a second factor, and whether somebody has one."""

from allauth.account.internal.flows.login import get_authentication_records
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.http import HttpRequest

# In the session of somebody who was found to have a second factor: whose session it is.
REMEMBERED = "cpo_second_factor"


def needs_second_factor(user: AbstractUser) -> bool:
    """Tell whether REQUIRE_2FA means this person.

    Administrators are who may change users: they can make themselves anything else.
    """
    if settings.REQUIRE_2FA == "admins":
        return user.is_superuser or user.has_perm("auth.change_user")
    return bool(settings.REQUIRE_2FA == "all")


def may_work(request: HttpRequest, user: AbstractUser) -> bool:
    """Tell whether this session may go on: no second factor is needed, or there is one.

    The database is asked once in a session. Who came in by OpenID Connect was checked there, as the
    provider sees fit.
    """
    if request.session.get(REMEMBERED) == user.pk or not needs_second_factor(user):
        return True
    if not (came_by_provider(request, user) or has_second_factor(user)):
        return False
    request.session[REMEMBERED] = user.pk
    return True


def came_by_provider(request: HttpRequest, user: AbstractUser) -> bool:
    """Tell whether this session was begun by OpenID Connect."""
    return any(
        record.get("method") == "socialaccount"
        for record in get_authentication_records(request, user)
    )


def has_second_factor(user: AbstractUser) -> bool:
    """Tell whether this person is asked for a code when signing in."""
    found = Authenticator.objects.filter(user_id=user.pk, type=Authenticator.Type.TOTP.value)
    return bool(found.exists())


def forget(request: HttpRequest) -> None:
    """Ask the database again at the next request of this session."""
    request.session.pop(REMEMBERED, None)
