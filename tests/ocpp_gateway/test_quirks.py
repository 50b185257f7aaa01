"""Chargers as they are in the field: addresses, protocols, frames and ids that are a little off."""

import base64
from datetime import timedelta
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from cpo_platform.common import clock, json
from cpo_platform.common.shapes import CdrToken, plain
from ocpp_gateway import passwords
from ocpp_gateway.models import (
    Outlet,
    RemoteStart,
    Station,
    StationMessage,
    StationState,
    Transaction,
)
from tests.factories import ConnectorFactory, LocationFactory, TokenFactory, cdr_token, evse
from tests.ocpp_gateway.gateways import until
from tests.ocpp_gateway.placing import place
from tests.ocpp_gateway.serving import (
    PASSWORD,
    RunningGateway,
    ScriptedStation,
    connected,
)

pytestmark = pytest.mark.django_db(transaction=True)

BOOT_1_6 = {"chargePointVendor": "Maker", "chargePointModel": "One"}
AT = "2026-11-01T10:00:00Z"
LATER = "2026-11-01T10:20:00Z"
START = {"connectorId": 1, "idTag": "CARD", "meterStart": 1200, "timestamp": AT}


@pytest.fixture
def station(transactional_db: None) -> Station:
    connector = ConnectorFactory()
    TokenFactory(uid="CARD", whitelist="ALWAYS")
    return place(connector.evse.location, None, password_hash=passwords.make(PASSWORD))


def boots(charger: ScriptedStation) -> bool:
    return bool(charger.call("BootNotification", BOOT_1_6)["status"] == "Accepted")


@pytest.mark.parametrize("path", ["CP-1/", "/CP-1", "cp-1", "CP-1?token=1", "/CP-1//"])
def test_an_address_may_have_more_to_it(
    gateway: RunningGateway, station: Station, path: str
) -> None:
    with connected(gateway.url, path, user="CP-1") as charger:
        assert boots(charger)


@pytest.mark.parametrize("identity", ["CP 1", "NL*CP|1", "CP:1"])
def test_an_identity_may_need_to_be_escaped(
    gateway: RunningGateway, station: Station, identity: str
) -> None:
    Station.objects.update(identity=identity)
    escaped = identity.replace(" ", "%20").replace("|", "%7C").replace(":", "%3A")
    with connected(gateway.url, escaped, user=identity) as charger:
        assert boots(charger)
    assert Station.objects.count() == 1


@pytest.mark.parametrize(
    ("password", "kind"),
    [("with:colon:0123456", "Basic"), (PASSWORD, "basic"), (PASSWORD, "BASIC")],
)
def test_basic_authentication_is_read_as_it_is_written(
    gateway: RunningGateway, station: Station, password: str, kind: str
) -> None:
    Station.objects.update(password_hash=passwords.make(password))
    shown = base64.b64encode(f"cp-1:{password}".encode()).decode()
    with connect(
        f"{gateway.url}/CP-1",
        subprotocols=[Subprotocol("ocpp1.6")],
        additional_headers={"Authorization": f"{kind} {shown}"},
    ) as socket:
        assert boots(ScriptedStation(socket))


def test_a_name_that_only_begins_like_the_identity_is_another(
    gateway: RunningGateway, station: Station
) -> None:
    with (
        pytest.raises(InvalidStatus),
        connected(gateway.url, "CP-1", user="CP-12", password=PASSWORD),
    ):
        pass


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        (["ocpp1.6j"], "ocpp1.6j"),
        (["OCPP1.6"], "OCPP1.6"),
        (["ocpp1.5", "ocpp1.6-J"], "ocpp1.6-J"),
        (["ocpp16"], "ocpp16"),
        (["ocpp1.6", "ocpp1.5"], "ocpp1.6"),
        (["ocpp1.6", "OCPP2.0.1"], "OCPP2.0.1"),
    ],
)
def test_a_protocol_is_understood_and_named_as_it_was_offered(
    gateway: RunningGateway, station: Station, offered: list[str], chosen: str
) -> None:
    shown = base64.b64encode(f"CP-1:{PASSWORD}".encode()).decode()
    with connect(
        f"{gateway.url}/CP-1",
        subprotocols=[Subprotocol(one) for one in offered],
        additional_headers={"Authorization": f"Basic {shown}"},
    ) as socket:
        assert socket.subprotocol == chosen
        assert "currentTime" in ScriptedStation(socket).call("Heartbeat", {})
    station.refresh_from_db()
    assert station.ocpp_version in {"ocpp1.6", "ocpp2.0.1"}


def test_latin_1_costs_no_connection(gateway: RunningGateway, station: Station) -> None:
    with connected(gateway.url, "CP-1") as charger:
        charger.socket.send('[2,"1","DataTransfer",{"vendorId":"°C"}]'.encode("latin-1"), text=True)
        assert charger.receive()[2] == "FormationViolation"
        assert boots(charger)


def test_frames_may_be_fragmented_or_binary(gateway: RunningGateway, station: Station) -> None:
    with connected(gateway.url, "CP-1") as charger:
        charger.socket.send(iter(['[2,"1","Hea', 'rtbeat",{}]']))
        assert charger.receive()[:2] == [3, "1"]
        charger.send(b'[2,"2","Heartbeat",{}]')
        assert charger.receive()[:2] == [3, "2"]
        assert charger.socket.ping().wait(5)


def test_what_is_taken_though_it_breaks_its_schema_is_written_down_once(
    gateway: RunningGateway, station: Station
) -> None:
    status = {"connectorId": 1, "errorCode": "NoError", "status": "Available", "info": None}
    with connected(gateway.url, "CP-1") as charger:
        assert charger.call("StatusNotification", status) == {}
        assert charger.call("StatusNotification", status) == {}
    assert station.outlets.get().reported_status == "Available"
    rows = StationMessage.objects.filter(action="StatusNotification")
    until(lambda: rows.count() == 3)
    told = rows.exclude(error="").get()
    assert told.error == "taken, though it breaks its schema: info: null was left out"
    assert json.loads(told.payload) == status


def test_a_stranger_that_is_placed_comes_in_anew_and_shows_its_password(
    gateway: RunningGateway, station: Station
) -> None:
    Station.objects.update(state=StationState.HELD)
    with connected(gateway.url, "CP-1", password=None) as charger:
        assert charger.call("BootNotification", BOOT_1_6)["status"] == "Pending"
        Station.objects.update(state=StationState.PLACED)
        assert charger.call("BootNotification", BOOT_1_6)["status"] == "Pending"
        with pytest.raises(ConnectionClosed):
            charger.receive()
    with pytest.raises(InvalidStatus), connected(gateway.url, "CP-1", password=None):
        pass
    with connected(gateway.url, "CP-1") as charger:
        assert boots(charger)
        charger.call("StartTransaction", START)
    assert Transaction.objects.get().outlet == station.outlets.get()


def test_who_is_placed_or_refused_is_cut_off_without_a_word_of_its_own(
    gateway: RunningGateway, station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connected(gateway.url, "CP-1") as charger:
        assert boots(charger)
        Station.objects.update(state=StationState.REFUSED)
        assert gateway.gateway._moved({station.pk: "REFUSED"}) == {station.pk}
        assert gateway.gateway._moved({station.pk: "PLACED"}) == set()


def test_readings_that_name_no_transaction_are_of_the_one_at_the_connector(
    gateway: RunningGateway, station: Station
) -> None:
    value = {"timestamp": AT, "sampledValue": [{"value": "1300"}]}
    metered = {"connectorId": 1, "transactionId": 0, "meterValue": [value]}
    with connected(gateway.url, "CP-1") as charger:
        # Between charges they are of none.
        assert charger.call("MeterValues", metered) == {}
        assert not Transaction.objects.exists()
        number = charger.call("StartTransaction", START)["transactionId"]
        charger.call("MeterValues", metered)
        charger.call("MeterValues", metered | {"transactionId": -1})
        charger.call("MeterValues", metered | {"connectorId": 0})
    assert Transaction.objects.count() == 1
    kept = StationMessage.objects.filter(transaction=number, action="MeterValues")
    assert kept.count() == 2


STOP = {"transactionId": -1, "meterStop": 1400, "timestamp": LATER}


def test_an_end_without_an_id_is_of_the_only_charge_there_is(
    gateway: RunningGateway, station: Station
) -> None:
    with connected(gateway.url, "CP-1") as charger:
        number = charger.call("StartTransaction", START)["transactionId"]
        assert charger.call("StopTransaction", STOP) == {}
    assert Transaction.objects.count() == 1
    assert StationMessage.objects.filter(transaction=number, action="StopTransaction").exists()


def test_ends_without_an_id_are_not_taken_for_each_other(
    gateway: RunningGateway, transactional_db: None
) -> None:
    """With two outlets nobody knows whose it is: what is charged there goes on."""
    TokenFactory(uid="CARD", whitelist="ALWAYS")
    place(
        LocationFactory(evses=[evse("E1"), evse("E2")]),
        None,
        password_hash=passwords.make(PASSWORD),
    )
    with connected(gateway.url, "CP-1") as charger:
        number = charger.call("StartTransaction", START)["transactionId"]
        for stop in (STOP, STOP, STOP | {"transactionId": 0, "meterStop": 1500}):
            assert charger.call("StopTransaction", stop) == {}
    assert Transaction.objects.count() == 3
    assert not StationMessage.objects.filter(transaction=number, action="StopTransaction").exists()


def started(**more: Any) -> dict[str, Any]:
    return {
        "eventType": "Started",
        "timestamp": AT,
        "triggerReason": "RemoteStart",
        "seqNo": 0,
        "transactionInfo": {"transactionId": "T-1"},
        **more,
    }


def remote_start(outlet: Outlet, **fields: Any) -> RemoteStart:
    now = clock.now()
    values = {
        "outlet": outlet,
        "id_tag": "04AA",
        "cdr_token": plain(CdrToken, cdr_token()),
        "authorization_reference": "AR-1",
        "asked_at": now,
        "until": now + timedelta(minutes=5),
    }
    return RemoteStart.objects.create(**values | fields)


def carried_out(start: RemoteStart, ref: str = "T-1") -> dict[str, Any]:
    return {"transactionId": ref, "remoteStartId": start.pk}


def test_a_remote_start_is_known_by_its_number_alone(
    gateway: RunningGateway, station: Station
) -> None:
    """Some stations name no token in the event: they were told it (OCPP 2.0.1, F02)."""
    start = remote_start(station.outlets.get())
    event = started(transactionInfo=carried_out(start), evse={"id": 1})
    with connected(gateway.url, "CP-1", ocpp="2.0.1") as charger:
        assert charger.call("TransactionEvent", event) == {}
        # It is good for one transaction.
        again = started(transactionInfo=carried_out(start, "T-2"), evse={"id": 1})
        assert charger.call("TransactionEvent", again) == {}
    found = Transaction.objects.get(ref="T-1")
    assert (found.token_uid, found.verdict, found.auth_method) == ("04AA", "ALLOWED", "COMMAND")
    assert (found.remote_start, found.authorization_reference) == (start, "AR-1")
    assert Transaction.objects.get(ref="T-2").verdict == ""


def test_a_number_of_no_start_of_ours_is_nobodys(gateway: RunningGateway, station: Station) -> None:
    refused = remote_start(station.outlets.get(), refused=True)
    event = started(transactionInfo=carried_out(refused), evse={"id": 1})
    with connected(gateway.url, "CP-1", ocpp="2.0.1") as charger:
        assert charger.call("TransactionEvent", event) == {}
    assert Transaction.objects.get().verdict == ""


def test_where_a_transaction_is_may_be_told_later(
    gateway: RunningGateway, station: Station
) -> None:
    """Who shows his card before he plugs in has no EVSE yet (OCPP 2.0.1, E03)."""
    card = {"idToken": "CARD", "type": "ISO14443"}
    plugged = started(eventType="Updated", triggerReason="CablePluggedIn", seqNo=1)
    with connected(gateway.url, "CP-1", ocpp="2.0.1") as charger:
        assert "idTokenInfo" in charger.call("TransactionEvent", started(idToken=card))
        assert Transaction.objects.get().outlet is None
        charger.call("TransactionEvent", plugged | {"evse": {"id": 1, "connectorId": 1}})
        assert Transaction.objects.get().outlet == station.outlets.get()
        charger.call("TransactionEvent", plugged | {"seqNo": 2, "evse": {"id": 9}})
    assert Transaction.objects.get().outlet == station.outlets.get()
