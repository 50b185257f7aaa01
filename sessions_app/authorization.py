"""May this token charge here? The whitelist rules, and the eMSP asked where they want it.

OCPI 2.2.1, mod_tokens, WhitelistType, and 4.2.2 Real-time authorization.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from django.conf import settings
from django.utils.module_loading import import_string

from cpo_platform.common.shapes import CdrToken
from locations.models import Evse
from sessions_app.models import AuthMethod, Token, TokenType, WhitelistType

# ISO 15118 and DIN 91286: country and provider, with or without dashes between them.
EMAID = re.compile(r"(?P<country>[A-Za-z]{2})-?(?P<party>[A-Za-z0-9]{3})-?[A-Za-z0-9]")


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
    connector_id: str = ""
    # Country code and party id of the CPO that asks: the owner of the location.
    asker: tuple[str, str] | None = None


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


def authorize(
    *,
    uid: str,
    evse: Evse,
    type: str = "RFID",  # noqa: A002  OCPI's name
    connector_id: str = "",
) -> Authorization:
    """Decide on a token that was shown at an EVSE. Makes a network call: not in a transaction.

    Two eMSPs may have issued one uid: the first that allows it pays. A token that nobody gave us
    is asked about where there is somebody to ask (`_issuers`).
    """
    place = _Place(evse, connector_id)
    tokens = list(Token.objects.filter(uid=uid, type=type).order_by("-valid", "id"))
    answers = []
    for token in tokens:
        answer = _decide(token, place)
        if answer.allowed is Allowed.ALLOWED:
            return answer
        answers.append(answer)
    if not tokens:
        for country_code, party_id in _issuers(uid, type):
            answer = _ask_about_unknown(country_code, party_id, uid, type, place)
            if answer.allowed is Allowed.ALLOWED:
                return answer
            answers.append(answer)
    told = [answer for answer in answers if answer.allowed is not Allowed.UNKNOWN_TOKEN]
    return next(iter(told + answers), Authorization(Allowed.UNKNOWN_TOKEN))


def authorize_token(token: Token, *, evse: Evse, connector_id: str = "") -> Authorization:
    """Decide on this token, whoever else has one of its uid. Makes a network call, as `authorize`.

    For who has named a driver: a reader only reads a uid.
    """
    return _decide(token, _Place(evse, connector_id))


@dataclass(frozen=True)
class _Place:
    """Where a token was shown; unpublished locations are asked about like any other."""

    evse: Evse
    connector_id: str

    def question(self, country_code: str, party_id: str, uid: str, type_: str) -> Question:
        location = self.evse.location
        return Question(
            country_code=country_code,
            party_id=party_id,
            uid=uid,
            type=type_,
            location_id=location.ocpi_id,
            evse_uid=self.evse.uid,
            connector_id=self.connector_id,
            asker=(location.country_code, location.party_id),
        )


def _issuers(uid: str, type_: str) -> list[tuple[str, str]]:
    """Return the eMSPs to ask about a token that nobody gave us, in order.

    A contract id begins with its issuer, and eMSPs do not push those (OCPI 2.3.0, mod_tokens,
    TokenType EMAID). Of any other token only the eMSPs that the operator has named are told.
    """
    emaid = EMAID.match(uid) if type_ == TokenType.EMAID else None
    if emaid:
        return [(emaid["country"].upper(), emaid["party"].upper())]
    parties = [text.partition("*") for text in settings.ASK_UNKNOWN_TOKENS]
    return [(country_code, party_id) for country_code, _star, party_id in parties]


def _ask_about_unknown(
    country_code: str, party_id: str, uid: str, type_: str, place: _Place
) -> Authorization:
    """Ask an eMSP about a token that we do not know; it must say which of its tokens pays.

    In 2.1.1 it cannot say so: who is not in its list may not charge.
    """
    authorizer = _authorizer()
    if not authorizer.is_connected(country_code=country_code, party_id=party_id):
        return Authorization(Allowed.UNKNOWN_TOKEN)
    answer = authorizer.ask(place.question(country_code, party_id, uid, type_))
    payer = answer.cdr_token
    asked = (country_code.lower(), party_id.lower())
    if payer and (payer.country_code.lower(), payer.party_id.lower()) != asked:
        payer = None
    allowed = answer.allowed
    if allowed is Allowed.ALLOWED and payer is None:
        allowed = Allowed.UNKNOWN_TOKEN
    return Authorization(
        allowed,
        payer,
        AuthMethod.AUTH_REQUEST,
        answer.authorization_reference,
        answer.info,
    )


def _decide(token: Token, place: _Place) -> Authorization:
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
        place.question(token.country_code, token.party_id, token.uid, token.type)
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
