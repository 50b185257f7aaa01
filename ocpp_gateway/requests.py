"""What staff asks of a station, besides charging: each is one call, or a few, and its row."""

from collections.abc import Mapping
from datetime import datetime
from itertools import islice
from typing import Any

from django.db import transaction

from cpo_platform.common.json import format_datetime
from ocpp_gateway import configuration, local_list, passwords
from ocpp_gateway.calling import call_station, version_of
from ocpp_gateway.frames import Version
from ocpp_gateway.models import CallState, Outlet, Station, StationCall
from ocpp_gateway.redaction import is_secret, redact

# What a station can be asked to say again, by both names (OCPP 1.6, 7.29; OCPP 2.0.1, part 2,
# MessageTriggerEnumType).
TRIGGERS = (
    "BootNotification",
    "FirmwareStatusNotification",
    "Heartbeat",
    "LogStatusNotification",
    "MeterValues",
    "StatusNotification",
)
_TRIGGERS_1_6 = {"LogStatusNotification": "DiagnosticsStatusNotification"}
# What a password is called (OCPP 1.6-J security, A00; OCPP 2.0.1, part 2, SecurityCtrlr).
_PASSWORD = {
    Version.V1_6: "AuthorizationKey",
    Version.V2_0_1: "SecurityCtrlr/BasicAuthPassword",
}
# A setting that was taken; with RebootRequired it holds from the next boot on.
_TAKEN = frozenset({"Accepted", "RebootRequired"})


# Settings of one station that are kept; the largest have some thousand variables.
MOST_SETTINGS = 10_000


class NotOneOf(ValueError):
    """A name is none of those that there are."""


def reset(station: Station, *, hard: bool, asked_by: str, now: datetime) -> StationCall:
    """Restart a station: `hard` at once, else what goes on ends first (2.0.1) or in order (1.6).

    OCPP 1.6, 5.14; OCPP 2.0.1, B11, B12.
    """
    if version_of(station) is Version.V1_6:
        kind = "Hard" if hard else "Soft"
    else:
        kind = "Immediate" if hard else "OnIdle"
    return _call(station, "Reset", {"type": kind}, asked_by, now)


def change_availability(
    station: Station, outlet: Outlet | None, *, operative: bool, asked_by: str, now: datetime
) -> StationCall:
    """Take an outlet, or the whole station, out of service or back (OCPP 1.6, 5.2; 2.0.1, G03)."""
    word = "Operative" if operative else "Inoperative"
    version = version_of(station)
    if version is Version.V1_6:
        number = {"connectorId": 0} if outlet is None else outlet.number_of(version)
        return _call(station, "ChangeAvailability", {**number, "type": word}, asked_by, now)
    number = {} if outlet is None else outlet.number_of(version)
    payload = {**number, "operationalStatus": word}
    return _call(station, "ChangeAvailability", payload, asked_by, now)


def unlock(station: Station, outlet: Outlet, *, asked_by: str, now: datetime) -> StationCall:
    """Release a cable (OCPP 1.6, 5.18: ends what runs there; OCPP 2.0.1, F05: refused then)."""
    if version_of(station) is Version.V1_6:
        payload = {"connectorId": outlet.ordinal}
    else:
        payload = {"evseId": outlet.evse_number, "connectorId": outlet.connector_number}
    return _call(station, "UnlockConnector", payload, asked_by, now)


def trigger(
    station: Station, what: str, outlet: Outlet | None, *, asked_by: str, now: datetime
) -> StationCall:
    """Have a station say something again, one of `TRIGGERS` (OCPP 1.6, 5.17; OCPP 2.0.1, F06).

    Raises:
        NotOneOf: there is no such message.

    """
    if what not in TRIGGERS:
        raise NotOneOf(f"what: {what} is none of {', '.join(TRIGGERS)}")
    version = version_of(station)
    name = _TRIGGERS_1_6.get(what, what) if version is Version.V1_6 else what
    number = {} if outlet is None else outlet.number_of(version)
    return _call(station, "TriggerMessage", {"requestedMessage": name, **number}, asked_by, now)


def read_configuration(station: Station, *, asked_by: str, now: datetime) -> StationCall:
    """Read all that a station is set to (OCPP 1.6, 5.8; OCPP 2.0.1, B07).

    1.6 answers with it; 2.0.1 sends it afterwards, in reports that `keep_report` is given.
    """
    if version_of(station) is Version.V2_0_1:
        payload = {"requestId": _request_id(now), "reportBase": "FullInventory"}
        return _call(station, "GetBaseReport", payload, asked_by, now)
    call = _call(station, "GetConfiguration", {}, asked_by, now)
    if call.state == CallState.ANSWERED:
        _keep(station.pk, configuration.of_1_6(call.answer or {}), now, anew=True)
    return call


def keep_report(*, station_id: int, payload: Mapping[str, Any], now: datetime) -> None:
    """Keep a part of what a station is set to, without secrets (OCPP 2.0.1, B08, NotifyReport).

    The first part replaces what was known; so do not two reports at once.
    """
    values = configuration.of_2_0_1(redact("NotifyReport", payload))
    _keep(station_id, values, now, anew=payload["seqNo"] == 0)


def write_configuration(
    station: Station, name: str, value: str, *, asked_by: str, now: datetime
) -> StationCall:
    """Set one setting, by the name that `read_configuration` gave it (OCPP 1.6, 5.3; 2.0.1, B05).

    Raises:
        configuration.NoSuchName: it is no name of a variable (2.0.1).

    """
    if version_of(station) is Version.V1_6:
        payload: dict[str, Any] = {"key": name, "value": value}
        call = _call(station, "ChangeConfiguration", payload, asked_by, now)
    else:
        data = {"attributeValue": value, **configuration.variable_of(name)}
        call = _call(station, "SetVariables", {"setVariableData": [data]}, asked_by, now)
    if was_taken(call) and not is_secret(name):
        _keep(station.pk, {name: value}, None, anew=False)
    return call


def was_taken(call: StationCall) -> bool:
    """Tell whether a station has taken the setting that it was given."""
    answer = call.answer or {}
    results = answer.get("setVariableResult", [])
    statuses = [one.get("attributeStatus") for one in results] or [answer.get("status")]
    return call.state == CallState.ANSWERED and all(status in _TAKEN for status in statuses)


def update_firmware(
    station: Station, url: str, *, retrieve_at: datetime, asked_by: str, now: datetime
) -> StationCall:
    """Have a station fetch and install firmware (OCPP 1.6, 5.19; OCPP 2.0.1, L02)."""
    moment = format_datetime(retrieve_at)
    if version_of(station) is Version.V1_6:
        payload: dict[str, Any] = {"location": url, "retrieveDate": moment}
    else:
        firmware = {"location": url, "retrieveDateTime": moment}
        payload = {"requestId": _request_id(now), "firmware": firmware}
    return _call(station, "UpdateFirmware", payload, asked_by, now)


def fetch_logs(station: Station, url: str, *, asked_by: str, now: datetime) -> StationCall:
    """Have a station upload its logs (OCPP 1.6, 5.9, GetDiagnostics; OCPP 2.0.1, N01, GetLog)."""
    if version_of(station) is Version.V1_6:
        return _call(station, "GetDiagnostics", {"location": url}, asked_by, now)
    payload = {
        "requestId": _request_id(now),
        "logType": "DiagnosticsLog",
        "log": {"remoteLocation": url},
    }
    return _call(station, "GetLog", payload, asked_by, now)


def clear_cache(station: Station, *, asked_by: str, now: datetime) -> StationCall:
    """Have a station forget whom it has let charge before (OCPP 1.6, 5.4; OCPP 2.0.1, C11)."""
    return _call(station, "ClearCache", {}, asked_by, now)


def send_local_list(station: Station, *, asked_by: str, now: datetime) -> StationCall:
    """Give a station the list of whom it may let charge without asking (`local_list`).

    Returns the last call: the first that was not accepted ends it, with a list that is too short.
    """
    first, *others = local_list.payloads(station, version_of(station), now=now)
    call = _call(station, "SendLocalList", first, asked_by, now)
    for payload in others:
        if (call.answer or {}).get("status") != "Accepted":
            break
        call = _call(station, "SendLocalList", payload, asked_by, now)
    return call


def rotate_password(station: Station, *, asked_by: str, now: datetime) -> StationCall:
    """Give a station a new password; the old one is good until the station shows the new one.

    OCPP 1.6-J security, A01; OCPP 2.0.1, A01. It is kept before it is sent: a station whose answer
    is lost may show it. Where the station has refused, what was good before is good.
    """
    version = version_of(station)
    before = Station.objects.values_list("next_password_hash", flat=True).get(pk=station.pk)
    password = passwords.generate()
    encoded = passwords.make(password)
    Station.objects.filter(pk=station.pk).update(next_password_hash=encoded)
    call = write_configuration(station, _PASSWORD[version], password, asked_by=asked_by, now=now)
    has_refused = call.state == CallState.REFUSED or (
        call.state == CallState.ANSWERED and not was_taken(call)
    )
    never_sent = call.state == CallState.OFFLINE and call.sent_at is None
    if has_refused or never_sent:
        Station.objects.filter(pk=station.pk, next_password_hash=encoded).update(
            next_password_hash=before
        )
    return call


def _call(
    station: Station, action: str, payload: Mapping[str, Any], asked_by: str, now: datetime
) -> StationCall:
    return call_station(station=station, action=action, payload=payload, asked_by=asked_by, now=now)


def _request_id(now: datetime) -> int:
    """Return a number for what comes of a request later: it grows, and fits into 32 bits."""
    return int(now.timestamp()) % 2**31


def _keep(station_id: int, values: Mapping[str, str], now: datetime | None, *, anew: bool) -> None:
    """Add to what is known of a station's settings; `now`: when the station told all of it."""
    with transaction.atomic():
        station = Station.objects.select_for_update(no_key=True).get(pk=station_id)
        known = {} if anew else station.configuration
        # A station that invents settings must not fill the row.
        both = {**known, **values}
        station.configuration = dict(islice(both.items(), MOST_SETTINGS))
        if now is not None:
            station.configuration_read_at = now
        station.save(update_fields=["configuration", "configuration_read_at"])
