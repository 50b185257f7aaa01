"""May this token charge at this outlet? What a station is told when a driver shows a token.

Who was named in a command comes first: his eMSP has vouched for him. All others are decided on by
`sessions_app.authorization`, which may ask over the network: not in a transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q

from cpo_platform.common.shapes import CdrToken, parse
from locations.models import Evse
from ocpp_gateway.models import Outlet, RemoteStart
from ocpp_gateway.tags import group_id_token, parent_id_tag
from sessions_app.authorization import EMAID, Allowed, Authorization, authorize
from sessions_app.commanded import commanded_token
from sessions_app.models import AuthMethod, Token, TokenType
from sessions_app.operations import reservations

# OCPP 2.0.1, part 2, IdTokenEnumType; what a station makes up by itself is nobody's token.
_TYPES = {
    "ISO14443": TokenType.RFID,
    "ISO15693": TokenType.RFID,
    "eMAID": TokenType.EMAID,
    "Central": TokenType.OTHER,
    "KeyCode": TokenType.OTHER,
    "MacAddress": TokenType.OTHER,
}
_NOBODYS = {
    "Local": "the station made this token itself, so nobody pays",
    "NoAuthorization": "the station asked nobody for a token, so nobody pays",
}
# OCPP 1.6, 7.2: AuthorizationStatus.
_STATUS_1_6 = {
    Allowed.ALLOWED: "Accepted",
    Allowed.BLOCKED: "Blocked",
    Allowed.EXPIRED: "Expired",
    Allowed.NO_CREDIT: "Blocked",
    Allowed.NOT_ALLOWED: "Blocked",
    Allowed.UNKNOWN_TOKEN: "Invalid",
    Allowed.UNREACHABLE: "Invalid",
}
# OCPP 2.0.1, part 2, AuthorizationStatusEnumType.
_STATUS_2_0_1 = {
    Allowed.ALLOWED: "Accepted",
    Allowed.BLOCKED: "Blocked",
    Allowed.EXPIRED: "Expired",
    Allowed.NO_CREDIT: "NoCredit",
    Allowed.NOT_ALLOWED: "NotAtThisLocation",
    Allowed.UNKNOWN_TOKEN: "Unknown",
    Allowed.UNREACHABLE: "Invalid",
}
# How long after a remote start its number may still come: its station may have been offline.
NUMBER_COUNTS_FOR = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided on a token; who is allowed has a `cdr_token`.

    `remote_start` is the `pk` of the start that was awaited.
    """

    verdict: Allowed
    cdr_token: CdrToken | None = None
    auth_method: AuthMethod = AuthMethod.WHITELIST
    authorization_reference: str = ""
    info: str = ""
    group_id: str = ""
    remote_start: int | None = None


def decide(
    *,
    outlet_id: int,
    uid: str,
    token_type: str,
    now: datetime,
    remote_start_id: int | None = None,
) -> Decision:
    """Decide on a token at an outlet.

    `token_type` is OCPP 2.0.1's; "" in 1.6, which has none. `remote_start_id` is what the station
    says that it carries out (OCPP 2.0.1, F02).

    Raises:
        Outlet.DoesNotExist: there is no such outlet.

    """
    outlet = Outlet.objects.select_related("connector__evse__location").get(pk=outlet_id)
    return _decide([outlet], uid, token_type, now, remote_start_id)


def decide_anywhere(*, station_id: int, uid: str, token_type: str, now: datetime) -> Decision:
    """Decide on a token that was shown to a station, at which outlet it does not say.

    A command for any outlet counts; otherwise it is as if it was shown at the first.
    """
    outlets = (
        Outlet.objects.filter(station=station_id)
        .select_related("connector__evse__location")
        .order_by("ordinal")
    )
    return _decide(list(outlets), uid, token_type, now, None)


def decide_on_start(*, station_id: int, remote_start_id: int, now: datetime) -> Decision | None:
    """Decide on a transaction that names the start that it carries out, and no token.

    OCPP 2.0.1, F02: the number is enough to know whose it is, once. None: it is none of ours.
    """
    start = RemoteStart.objects.filter(
        pk=remote_start_id,
        refused=False,
        outlet__station=station_id,
        asked_at__gt=now - NUMBER_COUNTS_FOR,
        transactions__isnull=True,
    ).first()
    return None if start is None else _as_commanded(start)


def id_tag_info(decision: Decision) -> dict[str, Any]:
    """Return a decision as OCPP 1.6 has it (7.22, IdTagInfo)."""
    return {"status": _STATUS_1_6[decision.verdict], **parent_id_tag(decision.group_id)}


def id_token_info(decision: Decision) -> dict[str, Any]:
    """Return a decision as OCPP 2.0.1 has it (part 2, IdTokenInfoType)."""
    return {"status": _STATUS_2_0_1[decision.verdict], **group_id_token(decision.group_id)}


def _decide(
    outlets: Sequence[Outlet],
    uid: str,
    token_type: str,
    now: datetime,
    remote_start_id: int | None,
) -> Decision:
    if not outlets:
        return Decision(Allowed.NOT_ALLOWED, info="the station has no outlet of ours")
    start = _awaited(outlets, uid, now, remote_start_id)
    if start is not None:
        return _as_commanded(start)
    if token_type in _NOBODYS:
        return Decision(Allowed.NOT_ALLOWED, info=_NOBODYS[token_type])
    evses = list({outlet.connector.evse_id: outlet.connector.evse for outlet in outlets}.values())
    types = _types(uid, token_type)
    return _commanded(evses, uid, types, now) or _authorized(outlets[0], evses, uid, types, now)


def _as_commanded(start: RemoteStart) -> Decision:
    return Decision(
        Allowed.ALLOWED,
        parse(CdrToken, start.cdr_token),
        AuthMethod(start.auth_method),
        start.authorization_reference,
        group_id=start.group_id,
        remote_start=start.pk,
    )


def _awaited(
    outlets: Sequence[Outlet], uid: str, now: datetime, remote_start_id: int | None
) -> RemoteStart | None:
    """Return the start that a station carries out: by its number, or by whom it was told.

    At any connector of the EVSE: in 2.0.1 the driver chooses. A command vouches for a card for some
    minutes; what was found out here is of one charge, and is found out anew for the next.
    """
    rows = RemoteStart.objects.filter(refused=False)
    if remote_start_id is not None:
        named = rows.filter(
            pk=remote_start_id,
            outlet__station=outlets[0].station_id,
            asked_at__gt=now - NUMBER_COUNTS_FOR,
        ).first()
        if named is not None:
            return named
    evses = {outlet.connector.evse_id for outlet in outlets}
    awaited = rows.filter(outlet__connector__evse__in=evses, id_tag=uid, until__gt=now)
    unused = Q(auth_method=AuthMethod.COMMAND) | Q(transactions__isnull=True)
    return awaited.filter(unused).order_by("-pk").first()


def _types(uid: str, token_type: str) -> list[TokenType]:
    """Return what kind of token it may be in OCPI. 1.6 does not tell a card from a contract."""
    if token_type:
        return [_TYPES.get(token_type, TokenType.OTHER)]
    return [TokenType.RFID, TokenType.EMAID] if EMAID.match(uid) else [TokenType.RFID]


def _commanded(
    evses: Sequence[Evse], uid: str, types: Sequence[TokenType], now: datetime
) -> Decision | None:
    for evse in evses:
        for type_ in types:
            said = commanded_token(evse_id=evse.pk, uid=uid, type=type_.value, now=now)
            if said is not None:
                return Decision(
                    Allowed.ALLOWED,
                    said.cdr_token,
                    AuthMethod.COMMAND,
                    said.authorization_reference,
                    group_id=said.group_id,
                )
    return None


def _authorized(
    outlet: Outlet,
    evses: Sequence[Evse],
    uid: str,
    types: Sequence[TokenType],
    now: datetime,
) -> Decision:
    answer = Authorization(Allowed.UNKNOWN_TOKEN)
    for type_ in types:
        answer = authorize(
            uid=uid,
            evse=outlet.connector.evse,
            type=type_.value,
            connector_id=outlet.connector.ocpi_id,
        )
        if answer.allowed is not Allowed.UNKNOWN_TOKEN:
            break
    else:
        reserved = _reserved(evses, uid, types, now)
        if reserved is not None:
            return reserved
    return Decision(
        answer.allowed,
        answer.cdr_token,
        answer.auth_method,
        answer.authorization_reference,
        answer.info,
        group_id=_group_of(answer.cdr_token),
    )


def _reserved(
    evses: Sequence[Evse], uid: str, types: Sequence[TokenType], now: datetime
) -> Decision | None:
    """Allow a token that only a reservation knows: its eMSP vouched for it until that ends."""
    for evse in evses:
        for type_ in types:
            found = reservations.of_token(evse=evse, uid=uid, type=type_.value, now=now)
            if found is not None:
                return Decision(
                    Allowed.ALLOWED,
                    found.session.cdr_token,
                    AuthMethod.COMMAND,
                    found.session.authorization_reference,
                    group_id=found.group_id,
                )
    return None


def _group_of(token: CdrToken | None) -> str:
    if token is None:
        return ""
    rows = Token.objects.filter(
        country_code=token.country_code, party_id=token.party_id, uid=token.uid, type=token.type
    )
    return rows.values_list("group_id", flat=True).first() or ""
