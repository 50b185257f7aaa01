"""Groups that the OpenID Connect provider gives: a claim names them."""

import logging
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group, User
from django.db import transaction

logger = logging.getLogger(__name__)


@transaction.atomic
def follow(user: User, claims: Mapping[str, Any]) -> None:
    """Put a person into the groups that the claim names, and out of the others.

    Names that no group has here are left out. Without the claim, the person is in no group: it is
    how some providers say "none". Nobody becomes a superuser by it, and who is one stays one.
    """
    groups = Group.objects.filter(name__in=named(claims.get(settings.OIDC_ROLE_CLAIM)))
    wanted = set(groups.values_list("pk", flat=True))
    held = set(user.groups.values_list("pk", flat=True))
    if wanted != held:
        user.groups.set(wanted)
        logger.info("user %s is in the groups %s now, by the provider", user.pk, sorted(wanted))


def named(claim: object) -> list[str]:
    """Return the names in a claim: a list, or one name; `/Operators` is a path of one part."""
    values = claim if isinstance(claim, list) else [claim]
    return [value.removeprefix("/") for value in values if isinstance(value, str)]
