"""Where somebody is signed in, and how that ends."""

import logging

from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib.auth.models import User
from django.db import transaction

logger = logging.getLogger(__name__)


def sessions_of(user: User) -> list[UserSession]:
    """Return the sessions that are still good, the newest first."""
    found: list[UserSession] = UserSession.objects.purge_and_list(user)
    return sorted(found, key=lambda session: session.created_at, reverse=True)


def end_all(user: User) -> int:
    """Sign somebody out everywhere; return how often that was."""
    return end_others(user, but=None)


@transaction.atomic
def end_others(user: User, *, but: str | None) -> int:
    """Sign somebody out everywhere but in the session with this key."""
    found = list(UserSession.objects.filter(user=user).exclude(session_key=but or ""))
    for session in found:
        session.end()
    logger.info("the sessions of user %s were ended: %s", user.pk, len(found))
    return len(found)


@transaction.atomic
def remove_second_factor(user: User) -> None:
    """Take somebody's second factor and recovery codes away, and sign him out everywhere.

    Whoever has lost a telephone may have lost a session with it.
    """
    Authenticator.objects.filter(user=user).delete()
    end_all(user)
    logger.info("the second factor of user %s was removed", user.pk)
