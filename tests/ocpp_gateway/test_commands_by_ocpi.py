"""A partner's command, as far as the station and back: OCPI on one side, OCPP on the other."""

from collections.abc import Iterator
from typing import Any

import pytest
import redis
from pytest_django import Settings

from ocpp_gateway.authorizing import decide
from ocpp_gateway.frames import Version
from ocpp_gateway.models import Outlet, RemoteStart, Station, StationCall
from ocpp_gateway.registry import CallOutcome, OutcomeKind
from roaming.models import Command
from roaming.tasks import execute_command
from sessions_app.authorization import Allowed
from sessions_app.models import AuthMethod
from tests.factories import NOW, LocationFactory, SessionFactory, cdr_token, evse
from tests.ocpp_gateway.gateways import FakeGateway, running
from tests.ocpp_gateway.placing import BOTH, open_transaction, place
from tests.roaming.conftest import Caller, make_partner

pytestmark = pytest.mark.django_db

START: dict[str, Any] = {
    "response_url": "https://emsp.example/commands/START_SESSION/1",
    "token": {
        "country_code": "NL",
        "party_id": "EMS",
        "uid": "anna",
        "type": "APP_USER",
        "contract_id": "NL-EMS-C1",
        "issuer": "First eMSP",
        "valid": True,
        "whitelist": "NEVER",
        "last_updated": "2026-06-01T08:00:00Z",
    },
    "location_id": "SITE",
    "evse_uid": "E1",
    "authorization_reference": "REF-1",
}


@pytest.fixture
def call(db: None) -> Caller:
    return make_partner().call


@pytest.fixture(params=BOTH)
def version(request: Any) -> Version:
    found: Version = request.param
    return found


@pytest.fixture
def station(version: Version, settings: Settings) -> Station:
    settings.STATION_CONTROL = "ocpp_gateway.station_control.OcppStations"
    capabilities = ["REMOTE_START_STOP_CAPABLE"]
    return place(LocationFactory(id="SITE", evses=[evse("E1", capabilities=capabilities)]), version)


@pytest.fixture
def gateway(broker: redis.Redis, station: Station) -> Iterator[FakeGateway]:
    accepted: Any = {"status": "Accepted"}
    script = {
        "RemoteStartTransaction": accepted,
        "RequestStartTransaction": accepted,
        "RemoteStopTransaction": accepted,
        "RequestStopTransaction": accepted,
    }
    with running("gateway", script) as gateway:
        gateway.claim(station.pk)
        yield gateway


def executed(call: Caller, command: str, body: dict[str, Any]) -> Command:
    reply = call("POST", f"/ocpi/2.2.1/commands/{command}", body)
    assert reply.data["result"] == "ACCEPTED"
    row = Command.objects.get()
    execute_command(command_id=row.pk)
    row.refresh_from_db()
    return row


def test_a_start_reaches_the_station_and_its_driver_may_charge(
    call: Caller, gateway: FakeGateway, version: Version
) -> None:
    command = executed(call, "START_SESSION", START)

    assert (command.result, command.message) == ("ACCEPTED", "")
    (asked,) = gateway.asked
    shown = asked.payload["idTag"] if version is Version.V1_6 else asked.payload["idToken"]
    assert shown == ("anna" if version is Version.V1_6 else {"idToken": "anna", "type": "Central"})
    start = RemoteStart.objects.get()
    decision = decide(
        outlet_id=Outlet.objects.get().pk,
        uid="anna",
        token_type="" if version is Version.V1_6 else "Central",
        now=start.asked_at,
    )
    assert (decision.verdict, decision.auth_method) == (Allowed.ALLOWED, AuthMethod.COMMAND)
    assert (decision.authorization_reference, decision.remote_start) == ("REF-1", start.pk)


def test_a_station_that_is_not_connected_times_out_at_once(
    call: Caller, gateway: FakeGateway, station: Station
) -> None:
    gateway.release(station.pk)

    command = executed(call, "START_SESSION", START)

    assert (command.result, command.message) == ("TIMEOUT", "EVSE E1 is offline.")
    assert RemoteStart.objects.get().refused


def test_a_station_that_is_silent_times_out(call: Caller, gateway: FakeGateway) -> None:
    silent = CallOutcome(OutcomeKind.TIMEOUT, sent_at=NOW)
    gateway.script |= {"RemoteStartTransaction": silent, "RequestStartTransaction": silent}

    assert executed(call, "START_SESSION", START).result == "TIMEOUT"
    assert StationCall.objects.get().sent_at == NOW


def test_a_stop_reaches_the_station(call: Caller, gateway: FakeGateway, version: Version) -> None:
    connector = Outlet.objects.get().connector
    session = SessionFactory(connector=connector, cdr_token=cdr_token())
    charging = open_transaction(session)
    body = {"response_url": START["response_url"], "session_id": session.ocpi_id}

    assert executed(call, "STOP_SESSION", body).result == "ACCEPTED"

    name = charging.pk if version is Version.V1_6 else "TX-1"
    assert [one.payload for one in gateway.asked] == [{"transactionId": name}]
    assert StationCall.objects.get().session == session
