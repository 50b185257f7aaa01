"""May this token charge here? The whitelist rules, and the eMSP asked where they want it.

OCPI 2.2.1, mod_tokens, WhitelistType, and 4.2.2 Real-time authorization.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from django.conf import settings
from django.utils.module_loading import import_string

from cpo_platform.common.shapes import CdrToken
from locations.models import Evse
from sessions_app.models import AuthMethod, Token, WhitelistType


class Allowed(StrEnum):
    """The answer (OCPI 2.2.1, mod_tokens, AllowedType), and our own reasons to refuse."""

    ALLOWED = "ALLOWED"
    BLOCKED = "BLOCKED"
    EXPIRED = "EXPIRED"
    NO_CREDIT = "NO_CREDIT"
    NOT_ALLOWED = "NOT_ALLOWED"
    UNKNOWN_TOKEN = "UNKNOWN_TOKEN"  # noqa: S105  not a password
    UNREACHABLE = "UNREACHABLE"


@dataclass(frozen=True)
class Question:
    """What the eMSP is asked: this token, at this EVSE."""

    country_code: str
    party_id: str
    uid: str
    type: str
    location_id: str
    evse_uid: str


@dataclass(frozen=True)
class RealtimeAnswer:
    """What the eMSP answered; UNREACHABLE when it did not answer in time, or made no sense."""

    allowed: Allowed
    cdr_token: CdrToken | None = None
    authorization_reference: str = ""
    info: str = ""


class RealtimeAuthorizer(Protocol):
    """How an eMSP is asked about a token. `REALTIME_AUTHORIZER` names the class that is used."""

    def is_connected(self, *, country_code: str, party_id: str) -> bool:
        """Tell whether we have a connection to this eMSP: one that has left pays for nobody."""

    def ask(self, question: Question) -> RealtimeAnswer:
        """Ask the token's owner; never raises for what the network or the eMSP does."""


@dataclass(frozen=True)
class Authorization:
    allowed: Allowed
    cdr_token: CdrToken | None = None
    auth_method: AuthMethod = AuthMethod.WHITELIST
    authorization_reference: str = ""
    info: str = ""


class Rule(StrEnum):
    ALLOW = "ALLOW"
    ASK = "ASK"
    DENY = "DENY"


def rule_for(*, whitelist: str, valid: bool) -> Rule:
    """Return what to do with a known token while the eMSP can be reached.

    An invalid token does not spare us the question where the whitelist wants it asked
    (OCPI 2.2.1, mod_tokens, Token.valid).
    """
    if whitelist == WhitelistType.ALWAYS:
        return Rule.ALLOW if valid else Rule.DENY
    if whitelist == WhitelistType.ALLOWED:
        return Rule.ALLOW if valid else Rule.ASK
    return Rule.ASK


def allowed_offline(*, whitelist: str, valid: bool) -> bool:
    """Tell whether a token that had to be asked about may charge while its eMSP is unreachable."""
    return valid and whitelist == WhitelistType.ALLOWED_OFFLINE


def authorize(*, uid: str, evse: Evse, type: str = "RFID") -> Authorization:  # noqa: A002  OCPI's name
    """Decide on a token that was shown at an EVSE. Makes a network call: not in a transaction.

    Two eMSPs may have issued one uid: the first that allows it pays.
    """
    tokens = list(Token.objects.filter(uid=uid, type=type).order_by("-valid", "id"))
    answers = []
    for token in tokens:
        answer = _decide(token, evse)
        if answer.allowed is Allowed.ALLOWED:
            return answer
        answers.append(answer)
    return answers[0] if answers else Authorization(Allowed.UNKNOWN_TOKEN)


def _decide(token: Token, evse: Evse) -> Authorization:
    authorizer = _authorizer()
    if not authorizer.is_connected(country_code=token.country_code, party_id=token.party_id):
        return Authorization(
            Allowed.NOT_ALLOWED, token.cdr_token, info="the eMSP is not connected any more"
        )
    rule = rule_for(whitelist=token.whitelist, valid=token.valid)
    if rule is Rule.ALLOW:
        return Authorization(Allowed.ALLOWED, token.cdr_token)
    if rule is Rule.DENY:
        return Authorization(Allowed.NOT_ALLOWED, token.cdr_token)
    answer = authorizer.ask(
        Question(
            country_code=token.country_code,
            party_id=token.party_id,
            uid=token.uid,
            type=token.type,
            location_id=evse.location.ocpi_id,
            evse_uid=evse.uid,
        )
    )
    if answer.allowed is not Allowed.UNREACHABLE:
        return Authorization(
            answer.allowed,
            _billable(answer.cdr_token, token),
            AuthMethod.AUTH_REQUEST,
            answer.authorization_reference,
            answer.info,
        )
    if allowed_offline(whitelist=token.whitelist, valid=token.valid):
        return Authorization(Allowed.ALLOWED, token.cdr_token)
    return Authorization(Allowed.UNREACHABLE, token.cdr_token)


def _billable(answered: CdrToken | None, token: Token) -> CdrToken:
    """Return the token to bill: another one of the same eMSP if it said so, never someone else's.

    Whoever is named here gets the session and the CDR.
    """
    if answered is None:
        return token.cdr_token
    owners = {
        (one.country_code.lower(), one.party_id.lower()) for one in (answered, token.cdr_token)
    }
    return answered if len(owners) == 1 else token.cdr_token


def _authorizer() -> RealtimeAuthorizer:
    authorizer: RealtimeAuthorizer = import_string(settings.REALTIME_AUTHORIZER)()
    return authorizer
