"""What follows from a second factor that came or went: allauth's own signals, sent by its flows."""

import logging
from typing import Any

from allauth.mfa import signals
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import User
from django.http import HttpRequest

from cpo_platform.signing_in import policy, sessions

logger = logging.getLogger(__name__)


def connect() -> None:
    """Begin to listen."""
    signals.authenticator_added.connect(_added)
    signals.authenticator_removed.connect(_removed)


def _added(
    *, request: HttpRequest, user: User, authenticator: Authenticator, **_kwargs: Any
) -> None:
    if authenticator.type != Authenticator.Type.TOTP:
        return
    logger.info("user %s has a second factor now", user.pk)
    # They were begun with a password alone.
    sessions.end_others(user, but=request.session.session_key)


def _removed(
    *, request: HttpRequest, user: User, authenticator: Authenticator, **_kwargs: Any
) -> None:
    if authenticator.type == Authenticator.Type.TOTP:
        logger.info("user %s has removed the second factor", user.pk)
        policy.forget(request)
