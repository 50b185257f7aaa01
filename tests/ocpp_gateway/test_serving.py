"""The gateway as a station meets it: who may come in, what is kept, what it is answered."""

import http.client
import ssl
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
import redis
from pytest_django import Settings
from websockets.exceptions import ConnectionClosed, InvalidStatus

from cpo_platform.common import clock, json
from ocpp_gateway import passwords, registry, schemas
from ocpp_gateway.frames import Version
from ocpp_gateway.models import (
    AlertKind,
    News,
    Outlet,
    Station,
    StationAlert,
    StationMessage,
    StationState,
    Transaction,
)
from ocpp_gateway.registry import CallOutcome, CallRequest, OutcomeKind
from ocpp_gateway.server import link, store
from ocpp_gateway.server.v1_6 import HANDLERS as HANDLERS_1_6
from ocpp_gateway.server.v2_0_1 import HANDLERS as HANDLERS_2_0_1
from tests.certificates import self_signed
from tests.factories import ConnectorFactory, TokenFactory
from tests.ocpp_gateway.gateways import until
from tests.ocpp_gateway.payloads import least
from tests.ocpp_gateway.serving import (
    PASSWORD,
    RunningGateway,
    ScriptedStation,
    connected,
    running_gateway,
)

pytestmark = pytest.mark.django_db(transaction=True)

BOOT_1_6 = {"chargePointVendor": "Maker", "chargePointModel": "One", "firmwareVersion": "1.2"}
BOOT_2_0_1 = {
    "reason": "PowerUp",
    "chargingStation": {"vendorName": "Maker", "model": "Two", "serialNumber": "S1"},
}
START = {"connectorId": 1, "idTag": "CARD", "meterStart": 1200, "timestamp": "2026-11-01T10:00:00Z"}


@pytest.fixture
def station(transactional_db: None) -> Station:
    """A station in service with one outlet, and a card that its eMSP always lets charge."""
    connector = ConnectorFactory()
    placed = Station.objects.create(
        identity="CP-1",
        state=StationState.PLACED,
        location=connector.evse.location,
        password_hash=passwords.make(PASSWORD),
    )
    Outlet.objects.create(
        station=placed, connector=connector, ordinal=1, evse_number=1, connector_number=1
    )
    return placed


def booted(url: str, *, ocpp: str = "1.6") -> Any:
    """Connect CP-1 and boot it."""
    return _Booted(url, ocpp)


class _Booted:
    def __init__(self, url: str, ocpp: str) -> None:
        self._connecting = connected(url, "CP-1", ocpp=ocpp)
        self._boot = BOOT_1_6 if ocpp == "1.6" else BOOT_2_0_1

    def __enter__(self) -> ScriptedStation:
        charger = self._connecting.__enter__()
        assert charger.call("BootNotification", self._boot)["status"] == "Accepted"
        return charger

    def __exit__(self, *error: Any) -> None:
        self._connecting.__exit__(*error)


def turned_away(url: str, identity: str, **options: Any) -> int:
    with pytest.raises(InvalidStatus) as caught, connected(url, identity, **options):
        pass
    return caught.value.response.status_code


def test_a_station_boots_and_is_known_by_what_it_says(
    gateway: RunningGateway, station: Station
) -> None:
    with booted(gateway.url):
        station.refresh_from_db()
        assert (station.vendor, station.model, station.firmware_version) == ("Maker", "One", "1.2")
        assert station.ocpp_version == "ocpp1.6"
        assert station.is_online(now=clock.now())
        holder = registry.holder_of(station.pk)
        assert holder is not None
        assert holder.gateway == gateway.gateway.id
    until(lambda: not Station.objects.online(now=clock.now()).exists())
    assert registry.holder_of(station.pk) is None


def test_2_0_1_is_taken_where_a_station_offers_it(
    gateway: RunningGateway, station: Station
) -> None:
    with booted(gateway.url, ocpp="2.0.1"):
        station.refresh_from_db()
        assert (station.ocpp_version, station.serial_number) == ("ocpp2.0.1", "S1")
        assert station.boot_reason == "PowerUp"


def test_without_a_protocol_of_ours_the_connection_is_closed(
    gateway: RunningGateway, station: Station
) -> None:
    with connected(gateway.url, "CP-1", ocpp="") as charger:
        with pytest.raises(ConnectionClosed) as caught:
            charger.receive()
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1002


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({"password": None}, 401),
        ({"password": "wrong"}, 401),
        ({"user": "CP-2"}, 401),
        ({"password": b""}, 401),
    ],
)
def test_a_station_in_service_shows_its_password(
    gateway: RunningGateway, station: Station, options: dict[str, Any], status: int
) -> None:
    assert turned_away(gateway.url, "CP-1", **options) == status


def test_a_key_in_hex_may_be_shown_as_its_bytes(gateway: RunningGateway, station: Station) -> None:
    with connected(gateway.url, "CP-1", password=bytes.fromhex(PASSWORD)) as charger:
        assert charger.call("BootNotification", BOOT_1_6)["status"] == "Accepted"


def test_who_guesses_has_to_wait(gateway: RunningGateway, station: Station) -> None:
    for _ in range(5):
        assert turned_away(gateway.url, "CP-1", password="wrong") == 401
    assert turned_away(gateway.url, "CP-1") == 429


def test_the_next_password_becomes_the_only_one_when_it_is_shown(
    gateway: RunningGateway, station: Station
) -> None:
    new = passwords.generate()
    Station.objects.update(next_password_hash=passwords.make(new))
    with connected(gateway.url, "CP-1") as charger:
        charger.call("BootNotification", BOOT_1_6)
    with connected(gateway.url, "CP-1", password=new) as charger:
        charger.call("BootNotification", BOOT_1_6)
    assert turned_away(gateway.url, "CP-1") == 401


@pytest.mark.parametrize("identity", ["", "a/b", "%20CP", "a%20%20b", "%00", "x" * 49])
def test_an_identity_has_a_form(
    gateway: RunningGateway, transactional_db: None, identity: str
) -> None:
    assert turned_away(gateway.url, identity) == 404


def test_a_refused_station_is_turned_away(gateway: RunningGateway, station: Station) -> None:
    Station.objects.update(state=StationState.REFUSED)
    assert turned_away(gateway.url, "CP-1") == 403


def test_a_stranger_is_listed_and_nothing_it_says_counts(
    gateway: RunningGateway, station: Station
) -> None:
    with connected(gateway.url, "NEW-1") as charger:
        answer = charger.call("BootNotification", BOOT_1_6)
        assert (answer["status"], answer["interval"]) == ("Pending", 60)
        assert charger.try_call("StartTransaction", START)[2] == "SecurityError"
    stranger = Station.objects.get(identity="NEW-1")
    assert (stranger.state, stranger.vendor) == (StationState.HELD, "Maker")
    assert passwords.matches(PASSWORD.encode(), stranger.password_hash)
    assert not Transaction.objects.exists()
    assert not StationMessage.objects.filter(transaction__isnull=False).exists()


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("GET", {}, 426),
        ("GET", {"Connection": "Upgrade", "Upgrade": "websocket"}, 400),
        ("POST", {"Connection": "Upgrade", "Upgrade": "websocket"}, 405),
    ],
)
def test_what_is_no_websocket_lists_nobody(
    gateway: RunningGateway, method: str, headers: dict[str, str], status: int
) -> None:
    parts = urlsplit(gateway.url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=10)
    try:
        connection.request(method, f"{parts.path}/NEW-1", headers=headers)
        assert connection.getresponse().status == status
    finally:
        connection.close()
    assert not Station.objects.exists()


def test_only_so_many_strangers_are_listed(
    settings: Settings, broker: "redis.Redis", transactional_db: None
) -> None:
    settings.OCPP_MOST_STRANGERS = 1
    with running_gateway() as running:
        with connected(running.url, "NEW-1"):
            pass
        assert turned_away(running.url, "NEW-2") == 503
        with connected(running.url, "new-1"):
            pass
    assert Station.objects.count() == 1


def test_strangers_are_turned_away_where_nobody_wants_them(
    settings: Settings, broker: "redis.Redis", transactional_db: None
) -> None:
    settings.OCPP_STRANGERS = "refuse"
    with running_gateway() as running:
        assert turned_away(running.url, "NEW-1") == 404
    assert not Station.objects.exists()


@pytest.mark.parametrize(
    ("version", "action"),
    [
        *((Version.V1_6, action) for action in sorted(HANDLERS_1_6)),
        *((Version.V2_0_1, action) for action in sorted(HANDLERS_2_0_1)),
    ],
)
def test_every_action_of_stations_is_answered_as_its_schema_has_it(
    gateway: RunningGateway, station: Station, version: Version, action: str
) -> None:
    ocpp = version.removeprefix("ocpp")
    with booted(gateway.url, ocpp=ocpp) as charger:
        answer = charger.call(action, least(version, action))
        schemas.check(version, action, answer, is_result=True)
    written = StationMessage.objects.filter(action=action, direction="IN")
    until(written.exists)
    assert json.loads(written.order_by("-at")[0].answer) == answer


@pytest.mark.parametrize("version", list(Version))
def test_what_stations_do_not_ask_is_not_supported(
    gateway: RunningGateway, station: Station, version: Version
) -> None:
    handlers = {Version.V1_6: HANDLERS_1_6, Version.V2_0_1: HANDLERS_2_0_1}[version]
    with booted(gateway.url, ocpp=version.removeprefix("ocpp")) as charger:
        for action in sorted(schemas.actions(version) - set(handlers)):
            assert charger.try_call(action, least(version, action))[2] == "NotSupported"
        assert charger.try_call("Sing", {})[2] == "NotImplemented"


def test_a_transaction_is_kept_before_it_is_acknowledged(
    gateway: RunningGateway, station: Station
) -> None:
    TokenFactory(uid="CARD", whitelist="ALWAYS")
    with booted(gateway.url) as charger:
        number = charger.call("StartTransaction", START)["transactionId"]
        assert News.objects.filter(transaction=number).exists()
        value = {"value": "1300", "measurand": "Energy.Active.Import.Register"}
        meter_value = {"timestamp": "2026-11-01T10:10:00Z", "sampledValue": [value]}
        charger.call(
            "MeterValues",
            {"connectorId": 1, "transactionId": number, "meterValue": [meter_value]},
        )
        charger.call(
            "StopTransaction",
            {"transactionId": number, "meterStop": 1400, "timestamp": "2026-11-01T10:20:00Z"},
        )
        actions = StationMessage.objects.filter(transaction=number).order_by("at", "id")
        assert list(actions.values_list("action", flat=True)) == [
            "StartTransaction",
            "MeterValues",
            "StopTransaction",
        ]
    opened = Transaction.objects.get()
    assert (opened.pk, opened.token_uid) == (number, "CARD")
    assert opened.outlet_id == station.outlets.get().pk


def test_a_start_that_is_repeated_gets_the_same_id(
    gateway: RunningGateway, station: Station
) -> None:
    with booted(gateway.url) as charger:
        first = charger.call("StartTransaction", START)["transactionId"]
        assert charger.call("StartTransaction", START)["transactionId"] == first
        other = {**START, "timestamp": "2026-11-01T11:00:00Z"}
        assert charger.call("StartTransaction", other)["transactionId"] != first
    with booted(gateway.url) as charger:
        assert charger.call("StartTransaction", START)["transactionId"] == first
    assert Transaction.objects.count() == 2


def test_another_stations_transaction_is_nobody_elses(
    gateway: RunningGateway, station: Station
) -> None:
    other = Station.objects.create(identity="CP-2", state="PLACED", location=station.location)
    theirs = Transaction.objects.create(
        station=other, ref="theirs", ocpp_version="ocpp1.6", opened_at=clock.now()
    )
    stop = {
        "transactionId": theirs.pk,
        "meterStop": 9_000_000,
        "timestamp": "2026-11-01T10:20:00Z",
    }
    with booted(gateway.url) as charger:
        charger.call("StopTransaction", stop)
    assert not StationMessage.objects.filter(transaction=theirs).exists()
    assert Transaction.objects.get(station=station).ref == f"#{theirs.pk}"


def test_a_token_that_comes_later_authorises(gateway: RunningGateway, station: Station) -> None:
    TokenFactory(uid="CARD", whitelist="ALWAYS")
    event = {
        "eventType": "Started",
        "timestamp": "2026-11-01T10:00:00Z",
        "triggerReason": "CablePluggedIn",
        "seqNo": 0,
        "transactionInfo": {"transactionId": "T1", "chargingState": "EVConnected"},
        "evse": {"id": 1, "connectorId": 1},
    }
    with booted(gateway.url, ocpp="2.0.1") as charger:
        assert charger.call("TransactionEvent", event) == {}
        assert Transaction.objects.get().verdict == ""
        later = event | {
            "eventType": "Updated",
            "triggerReason": "Authorized",
            "seqNo": 1,
            "idToken": {"idToken": "CARD", "type": "ISO14443"},
        }
        answer = charger.call("TransactionEvent", later)
    opened = Transaction.objects.get()
    # Its eMSP is not connected to us.
    assert answer == {"idTokenInfo": {"status": "NotAtThisLocation"}}
    assert (opened.token_uid, opened.verdict) == ("CARD", "NOT_ALLOWED")


def test_what_a_connector_reports_is_to_be_published(
    gateway: RunningGateway, station: Station
) -> None:
    with booted(gateway.url) as charger:
        charger.call(
            "StatusNotification",
            {"connectorId": 1, "errorCode": "GroundFailure", "status": "Faulted", "info": "wet"},
        )
        outlet = station.outlets.get()
        assert (outlet.reported_status, outlet.error) == ("Faulted", "GroundFailure: wet")
        assert outlet.publish_due_at is not None


def test_a_message_that_is_none_is_answered_and_the_station_stays(
    gateway: RunningGateway, station: Station
) -> None:
    with booted(gateway.url) as charger:
        charger.send("{")
        assert charger.receive()[:3] == [4, "-1", "FormationViolation"]
        charger.send('[2,"m",7,{}]')
        assert charger.receive()[:2] == [4, "m"]
        charger.send('[3,"nobody asked",{}]')
        charger.send('[2,"m",7,{}]'.encode("utf-16"))
        assert charger.receive()[:3] == [4, "-1", "FormationViolation"]
        assert "currentTime" in charger.call("Heartbeat", {})
    until(StationMessage.objects.exclude(error="").exists)


def test_a_message_that_is_too_large_costs_its_sender_only(
    settings: Settings, broker: "redis.Redis", station: Station
) -> None:
    settings.OCPP_MAX_MESSAGE_BYTES = 2048
    Station.objects.create(identity="CP-2", state="HELD")
    with (
        running_gateway() as running,
        connected(running.url, "CP-2") as other,
        booted(running.url) as charger,
    ):
        charger.send("x" * 4096)
        with pytest.raises(ConnectionClosed) as caught:
            charger.receive()
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1009
        assert other.call("BootNotification", BOOT_1_6)["status"] == "Pending"


def test_a_flood_is_read_at_its_pace_and_staff_is_told(
    settings: Settings,
    broker: "redis.Redis",
    station: Station,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings.OCPP_MESSAGES_PER_MINUTE = 1200
    monkeypatch.setattr(link, "FLOOD_SECONDS", 0.1)
    with running_gateway() as running, booted(running.url) as charger:
        for number in range(205):
            charger.send(json.dumps([2, f"f{number}", "Heartbeat", {}]))
        answered = {charger.receive()[1] for _ in range(205)}
        assert len(answered) == 205
        until(StationAlert.objects.filter(kind=AlertKind.FLOOD, station=station).exists)


def test_the_newest_connection_of_a_station_wins(gateway: RunningGateway, station: Station) -> None:
    with booted(gateway.url) as older, booted(gateway.url) as newer:
        with pytest.raises(ConnectionClosed):
            older.receive()
        assert "currentTime" in newer.call("Heartbeat", {})
        holder = registry.holder_of(station.pk)
        assert holder is not None
        assert holder.connection == 2
        assert Station.objects.online(now=clock.now()).exists()


def test_a_call_of_ours_reaches_the_station_and_its_answer_us(
    gateway: RunningGateway, station: Station
) -> None:
    with booted(gateway.url) as charger, ThreadPoolExecutor(1) as pool:
        outcome = pool.submit(_ask, station, "Reset", {"type": "Soft"})
        kind, unique_id, action, payload = charger.receive()
        assert (kind, action, payload) == (2, "Reset", {"type": "Soft"})
        charger.send(json.dumps([3, unique_id, {"status": "Accepted"}]))
        answered = outcome.result(10)
        assert answered.kind is OutcomeKind.ANSWERED
        assert answered.payload == {"status": "Accepted"}
        refused = pool.submit(_ask, station, "Reset", {"type": "Soft"})
        _kind, unique_id, _action, _payload = charger.receive()
        charger.send(json.dumps([4, unique_id, "NotSupported", "no", {}]))
        assert refused.result(10).error == "NotSupported: no"
        wrong = pool.submit(_ask, station, "Reset", {"type": "Soft"})
        _kind, unique_id, _action, _payload = charger.receive()
        charger.send(json.dumps([3, unique_id, {"status": "Maybe"}]))
        assert wrong.result(10).kind is OutcomeKind.REFUSED
    until(lambda: StationMessage.objects.filter(direction="OUT").count() == 3)


def test_a_station_that_does_not_answer_or_is_not_there(
    gateway: RunningGateway, station: Station
) -> None:
    with booted(gateway.url):
        assert _ask(station, "ClearCache", {}, seconds=0.3).kind is OutcomeKind.TIMEOUT
    until(lambda: registry.holder_of(station.pk) is None)
    assert _ask(station, "ClearCache", {}).kind is OutcomeKind.OFFLINE


def _ask(
    station: Station, action: str, payload: dict[str, Any], *, seconds: float = 10
) -> CallOutcome:
    deadline = clock.now() + timedelta(seconds=seconds)
    request = CallRequest(f"{action}{seconds}{deadline}", station.pk, action, payload, deadline)
    return registry.ask(request, seconds + 2)


def test_what_cannot_be_kept_is_not_acknowledged(
    gateway: RunningGateway, station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_args: Any) -> None:
        raise psycopg.OperationalError("the server is gone")

    with booted(gateway.url) as charger:
        number = charger.call("StartTransaction", START)["transactionId"]
        stop = {
            "transactionId": number,
            "meterStop": 1400,
            "timestamp": "2026-11-01T10:20:00Z",
        }
        with monkeypatch.context() as patch:
            patch.setattr(store, "TRIES", ())
            patch.setattr(store.Store, "_commit", away)
            assert charger.try_call("StopTransaction", stop)[2] == "InternalError"
        assert charger.call("StopTransaction", stop) == {}
    kept = StationMessage.objects.filter(action="StopTransaction", transaction=number)
    assert kept.count() == 1


def test_what_was_under_way_is_known_again_after_a_restart(
    broker: "redis.Redis", station: Station
) -> None:
    with running_gateway() as running, booted(running.url) as charger:
        number = charger.call("StartTransaction", START)["transactionId"]
    with running_gateway() as running, booted(running.url) as charger:
        charger.call(
            "StatusNotification",
            {"connectorId": 1, "errorCode": "NoError", "status": "SuspendedEV"},
        )
    state = StationMessage.objects.get(action="StatusNotification")
    assert state.transaction_id == number
    # The boot is news of what was under way.
    assert News.objects.filter(transaction=number).count() > 1


def test_a_station_that_was_shown_as_gone_is_shown_again(
    gateway: RunningGateway, station: Station
) -> None:
    Station.objects.update(offline_shown=True)
    with booted(gateway.url):
        station.refresh_from_db()
        assert not station.offline_shown
        assert station.outlets.get().publish_due_at is not None


def test_secrets_are_in_no_log(gateway: RunningGateway, station: Station) -> None:
    with booted(gateway.url) as charger, ThreadPoolExecutor(1) as pool:
        change = {"key": "AuthorizationKey", "value": "top-secret-0123456"}
        outcome = pool.submit(_ask, station, "ChangeConfiguration", change)
        _kind, unique_id, _action, payload = charger.receive()
        assert payload == change
        charger.send(json.dumps([3, unique_id, {"status": "Accepted"}]))
        assert outcome.result(10).kind is OutcomeKind.ANSWERED
    until(StationMessage.objects.filter(action="ChangeConfiguration").exists)
    assert not StationMessage.objects.filter(payload__contains="top-secret").exists()


def test_tls_by_the_gateway_itself(
    settings: Settings, broker: "redis.Redis", station: Station, tmp_path: Path
) -> None:
    certificate, key = self_signed(tmp_path)
    settings.OCPP_TLS_CERTIFICATE, settings.OCPP_TLS_KEY = str(certificate), str(key)
    trusting = ssl.create_default_context(cafile=str(certificate))
    with (
        running_gateway() as running,
        connected(running.url.replace("ws:", "wss:"), "CP-1", tls=trusting) as charger,
    ):
        assert charger.call("BootNotification", BOOT_1_6)["status"] == "Accepted"
