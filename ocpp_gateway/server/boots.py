"""What a station says of itself, in both versions: its boots, its firmware, its logs."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from cpo_platform.common.text import storable
from ocpp_gateway.models import StationState
from ocpp_gateway.server.database import rows
from ocpp_gateway.server.desk import Answer, Desk, Handler, Payload, text_of
from ocpp_gateway.server.known import KnownStation

# How soon a station that waits for staff asks again.
HELD_SECONDS = 60
_BOOTED = """
UPDATE ocpp_gateway_station
SET vendor = %s, model = %s, serial_number = %s, firmware_version = %s, boot_reason = %s,
    booted_at = %s
WHERE id = %s RETURNING state
"""


async def booted(
    desk: Desk, station: KnownStation, said: Mapping[str, Any], reason: str, now: datetime
) -> Answer:
    """Note what a station is; all that it has under way may have ended with its boot."""
    columns = [
        _short(said.get(name)) for name in ("vendor", "model", "serial_number", "firmware_version")
    ]
    found = await rows(desk.pool, _BOOTED, [*columns, _short(reason, 30), now, station.id])
    is_placed = bool(found) and found[0][0] == StationState.PLACED.value
    # Placed or refused since it connected: it comes in anew, and shows its password of now.
    station.is_to_reconnect = is_placed != station.is_placed
    station.is_placed = station.is_placed and is_placed
    answer = {
        "currentTime": text_of(now),
        "interval": desk.heartbeat_seconds if station.is_placed else HELD_SECONDS,
        "status": "Accepted" if station.is_placed else "Pending",
    }
    return Answer(answer, news=tuple(sorted(station.under_way)), kept=station.is_placed)


def _short(value: object, longest: int = 50) -> str:
    text = storable(str(value or ""))
    return "".join(letter for letter in text if letter.isprintable())[:longest]


def progress(column: str) -> Handler:
    """Return a handler that notes how far an update of firmware, or an upload of logs, is."""
    sql = f"UPDATE ocpp_gateway_station SET {column} = %s WHERE id = %s"  # noqa: S608  our own name

    async def note(desk: Desk, station: KnownStation, payload: Payload, _now: datetime) -> Answer:
        await rows(desk.pool, sql, [payload["status"], station.id])
        return Answer({}, kept=False)

    return note
