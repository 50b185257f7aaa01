"""Call a station and wait for what comes of it: each call has its row, from before it is sent."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.db import transaction

from cpo_platform.common import clock, json
from ocpp_gateway import frames, registry, schemas
from ocpp_gateway.frames import Version
from ocpp_gateway.models import CallState, Station, StationCall
from ocpp_gateway.redaction import redact
from ocpp_gateway.registry import CallOutcome, CallRequest

# The gateway says by itself that a station has not answered: a little later than we would.
GRACE_SECONDS = 1.0


class NeverConnected(ValueError):
    """A station has not been here yet: nobody knows which version it speaks."""


def version_of(station: Station) -> Version:
    """Return the version to speak to a station.

    Raises:
        NeverConnected: nobody knows yet.

    """
    version = station.version
    if version is None:
        raise NeverConnected(f"station {station} has never connected")
    return version


def call_station(
    *,
    station: Station,
    action: str,
    payload: Mapping[str, Any],
    asked_by: str,
    now: datetime,
    session_id: int | None = None,
    seconds: float | None = None,
) -> StationCall:
    """Call a station, and return the call with what came of it. Waits: not in a transaction.

    `seconds` is how long the station may take, else `OCPP_CALL_SECONDS`. What is stored, and
    returned, is without secrets.

    Raises:
        NeverConnected: there is no version to speak.
        schemas.BadPayload: the payload is not what the station's version says.
        RuntimeError: it is called in a transaction.

    """
    version = version_of(station)
    schemas.check(version, action, payload)
    # Durable: the row is there for others while we wait, and no transaction waits with us.
    with transaction.atomic(durable=True):
        call = StationCall.objects.create(
            station=station,
            session_id=session_id,
            action=action,
            payload=_kept(action, payload),
            asked_by=asked_by,
            asked_at=now,
        )
    limit = settings.OCPP_CALL_SECONDS if seconds is None else seconds
    request = CallRequest(
        id=uuid4().hex,
        station_id=station.pk,
        action=action,
        payload=payload,
        # By the clock: `now` may be the beginning of a long list of calls.
        deadline=clock.now() + timedelta(seconds=limit),
    )
    _complete(call, registry.ask(request, limit + GRACE_SECONDS))
    return call


def _complete(call: StationCall, outcome: CallOutcome) -> None:
    call.state = CallState(outcome.kind.value)
    call.answer = None if outcome.payload is None else _kept(call.action, outcome.payload)
    call.error = outcome.error
    call.sent_at, call.answered_at = outcome.sent_at, outcome.answered_at
    call.save(update_fields=["state", "answer", "error", "sent_at", "answered_at"])


def _kept(action: str, payload: Mapping[str, Any]) -> Any:
    """Return a payload as it is kept: plain JSON, without secrets."""
    return json.loads_quickly(frames.dump(redact(action, payload)))
