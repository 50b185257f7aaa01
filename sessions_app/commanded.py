"""Tokens that came with a command: their eMSP has vouched for them and is not asked again.

OCPI 2.2.1, mod_tokens, 4.2.2 Real-time authorization: never for AD_HOC_USER and APP_USER, and for
an RFID not within 15 minutes of the START_SESSION or RESERVE_NOW for that EVSE.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from django.conf import settings
from django.utils.module_loading import import_string

from cpo_platform.common.shapes import CdrToken
from sessions_app.models import Token

VOUCHED_FOR = timedelta(minutes=15)
# Tokens that no reader can read: they exist in commands only.
NEVER_ASKED = frozenset(["AD_HOC_USER", "APP_USER"])


@dataclass(frozen=True)
class Commanded:
    """What the eMSP said in its command."""

    cdr_token: CdrToken
    group_id: str
    authorization_reference: str


class CommandedTokens(Protocol):
    """Who remembers the commands. `COMMANDED_TOKENS` names the class that is used."""

    def find(
        self,
        *,
        evse_id: int,
        uid: str,
        type: str,  # noqa: A002  OCPI's name
        since: datetime,
    ) -> Commanded | None:
        """Return the token of the newest command for the EVSE that was not refused."""


def commanded_token(
    *,
    evse_id: int,
    uid: str,
    type: str,  # noqa: A002  OCPI's name
    now: datetime,
) -> Commanded | None:
    """Return what an eMSP said of this token lately, for this EVSE or for all of its location.

    None where another eMSP has given us a token that looks the same: whoever names a competitor's
    card in a command would be shown what its driver does.
    """
    tokens: CommandedTokens = import_string(settings.COMMANDED_TOKENS)()
    said = tokens.find(evse_id=evse_id, uid=uid, type=type, since=now - VOUCHED_FOR)
    if said is None:
        return None
    owner = said.cdr_token
    others = Token.objects.filter(uid=uid, type=type, valid=True).exclude(
        country_code=owner.country_code, party_id=owner.party_id
    )
    return None if others.exists() else said
