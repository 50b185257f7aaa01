"""Ask an eMSP in real time whether a token may charge (OCPI 2.2.1, mod_tokens, 4.2.2).

2.1.1 answers without the token and without a reference: what we have of the token counts.
"""

from typing import Any
from urllib.parse import urlencode

from django.db.models import Exists, OuterRef, QuerySet

from cpo_platform.common import clock, json
from cpo_platform.common.shapes import CdrToken, ShapeError, ci_string, parse
from cpo_platform.common.text import storable
from roaming import message_log
from roaming.client import (
    HTTP_SUCCESS,
    Credential,
    Party,
    Reply,
    Request,
    endpoint_url,
    http_join,
    send_once,
    with_routing,
)
from roaming.models import ConnectionStatus, Partner, PartnerRole, PartnerStatus, Role
from roaming.ocpi.versions import SENDER, VERSIONS
from roaming.operations import hubs
from sessions_app.authorization import Allowed, Question, RealtimeAnswer

# A driver stands at the station, and the station waits for us: well below its own timeout.
TIMEOUT_SECONDS = 5.0
UNKNOWN_TOKEN = 2004
# OCPI 2.2.1, mod_tokens, AllowedType.
ALLOWED_TYPES = ("ALLOWED", "BLOCKED", "EXPIRED", "NO_CREDIT", "NOT_ALLOWED")
CLIENT_ERRORS = range(2000, 3000)
# Of such a party the hub says that there is no contract to charge under (any more).
NO_CONTRACT = frozenset([ConnectionStatus.PLANNED.value, ConnectionStatus.SUSPENDED.value])


class OcpiAuthorizer:
    """Ask the eMSP of a token, in the partner's version."""

    def is_connected(self, *, country_code: str, party_id: str) -> bool:
        """Tell whether a registered partner speaks for this eMSP, and its hub has not barred it."""
        partner = _partners_of(country_code, party_id).first()
        if partner is None:
            return False
        if not hubs.is_hub(partner):
            return True
        return hubs.status_of(partner, country_code, party_id) not in NO_CONTRACT

    def ask(self, question: Question) -> RealtimeAnswer:
        """Ask the token's owner; UNREACHABLE when he cannot be asked or answers nonsense."""
        partner = (
            _partners_of(question.country_code, question.party_id)
            .prefetch_related("endpoints")
            .first()
        )
        url = endpoint_url(partner, "tokens", SENDER) if partner else None
        if partner is None or url is None:
            return RealtimeAnswer(Allowed.UNREACHABLE, info="the eMSP has no authorize endpoint")
        if not hubs.reachable(partner, question.country_code, question.party_id):
            return RealtimeAnswer(Allowed.UNREACHABLE, info="the hub says that it is not there")
        reply = send_once(
            _request(partner, url, question),
            Credential.of(partner),
            timeout_seconds=TIMEOUT_SECONDS,
        )
        entry = message_log.sent(
            reply, partner_id=partner.pk, at=clock.now(), module="tokens", version=partner.version
        )
        message_log.write([entry])
        return read_authorization(reply, evse_uid=question.evse_uid)


def _request(partner: Partner, url: str, question: Question) -> Request:
    shapes = VERSIONS[partner.version].shapes
    references = shapes.location_references(
        question.location_id, question.evse_uid, question.connector_id
    )
    request = Request(
        "POST",
        http_join(url, question.uid, "authorize")
        + f"?{urlencode({'type': shapes.token_type(question.type)})}",
        body=json.dumps(references),
        sender=Party(*question.asker) if question.asker else None,
        receiver=Party(question.country_code, question.party_id),
    )
    return with_routing(partner, request)


def _partners_of(country_code: str, party_id: str) -> QuerySet[Partner]:
    """Return the registered partner of an eMSP; who names it in another role is not asked."""
    return Partner.objects.filter(
        Exists(
            PartnerRole.objects.filter(
                partner=OuterRef("pk"),
                role=Role.EMSP,
                granted=True,
                country_code=country_code,
                party_id=party_id,
            )
        ),
        status=PartnerStatus.REGISTERED,
    )


def read_authorization(reply: Reply, *, evse_uid: str) -> RealtimeAnswer:
    """Return what an answer to `authorize` means.

    Unknown token is HTTP 404 and 2004; either alone is accepted, and it is no network failure: a
    404 that was taken for one would let everybody charge (OCPI 2.2.1, mod_tokens, authorize).
    So it is with an eMSP that answers, but does not decide: only ALLOWED permits charging.
    """
    if reply.is_of_hub:
        return RealtimeAnswer(Allowed.UNREACHABLE, info=reply.reason)
    if reply.http_status == 404 or reply.status_code == UNKNOWN_TOKEN:
        return RealtimeAnswer(Allowed.UNKNOWN_TOKEN)
    if reply.http_status in HTTP_SUCCESS and reply.status_code in CLIENT_ERRORS:
        return RealtimeAnswer(Allowed.NOT_ALLOWED, info=reply.reason)
    data = _only(reply.data)
    if not reply.ok or not isinstance(data, dict):
        return RealtimeAnswer(Allowed.UNREACHABLE, info=reply.reason)
    return _decision(data, evse_uid)


def _only(data: object) -> object:
    """Take a list of one for the object in it: some eMSPs answer every question with a list."""
    return data[0] if isinstance(data, list) and len(data) == 1 else data


def _decision(data: dict[str, Any], evse_uid: str) -> RealtimeAnswer:
    """Return what an AuthorizationInfo says for one EVSE."""
    allowed = data.get("allowed")
    if allowed not in ALLOWED_TYPES:
        return RealtimeAnswer(Allowed.UNREACHABLE, info="allowed: not an OCPI AllowedType")
    location = data.get("location")
    uids = location.get("evse_uids") if isinstance(location, dict) else None
    if uids is not None and not isinstance(uids, list):
        return RealtimeAnswer(Allowed.UNREACHABLE, info="location.evse_uids: not a list")
    # Only the EVSEs where charging is allowed are returned: of an empty list, none is.
    elsewhere = uids is not None and evse_uid.lower() not in {str(uid).lower() for uid in uids}
    if allowed == Allowed.ALLOWED and elsewhere:
        return RealtimeAnswer(Allowed.NOT_ALLOWED, info="not at this EVSE")
    return RealtimeAnswer(
        Allowed(allowed),
        cdr_token=_cdr_token(data.get("token")),
        authorization_reference=_reference(data.get("authorization_reference")),
        info=_info(data.get("info")),
    )


def _cdr_token(token: object) -> CdrToken | None:
    try:
        return parse(CdrToken, token)
    except ShapeError:
        return None


def _reference(value: object) -> str:
    try:
        return str(parse(ci_string(36), value))
    except ShapeError:
        return ""


def _info(value: object) -> str:
    text = value.get("text") if isinstance(value, dict) else None
    return storable(text)[:512] if isinstance(text, str) else ""
