"""What staff asks of stations, in the words of both versions, and what is kept of the answers."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import redis

from ocpp_gateway import passwords, requests
from ocpp_gateway.calling import NeverConnected
from ocpp_gateway.configuration import NoSuchName, name_of, variable_of
from ocpp_gateway.frames import Version
from ocpp_gateway.models import CallState, Outlet, Station, StationCall
from ocpp_gateway.registry import CallOutcome, CallRequest, OutcomeKind
from tests.factories import NOW, LocationFactory
from tests.ocpp_gateway.gateways import FakeGateway, Json, refused, running
from tests.ocpp_gateway.placing import BOTH, place

pytestmark = pytest.mark.django_db

WHO: Any = {"asked_by": "anna", "now": NOW}
URL = "https://files.example/a"
STAMP = int(NOW.timestamp())
OLD, NEW = BOTH


@pytest.fixture(params=BOTH)
def version(request: Any) -> Version:
    found: Version = request.param
    return found


@pytest.fixture
def station(version: Version) -> Station:
    return place(LocationFactory(), version)


@pytest.fixture
def gateway(broker: redis.Redis, station: Station) -> Iterator[FakeGateway]:
    with running("gateway") as gateway:
        gateway.claim(station.pk)
        yield gateway


Ask = Callable[[Station, Outlet], StationCall]
# The request, and the call that it is in 1.6 and in 2.0.1.
CASES: dict[str, tuple[Ask, tuple[str, Json], tuple[str, Json]]] = {
    "reset": (
        lambda station, _: requests.reset(station, hard=False, **WHO),
        ("Reset", {"type": "Soft"}),
        ("Reset", {"type": "OnIdle"}),
    ),
    "reset hard": (
        lambda station, _: requests.reset(station, hard=True, **WHO),
        ("Reset", {"type": "Hard"}),
        ("Reset", {"type": "Immediate"}),
    ),
    "station out of service": (
        lambda station, _: requests.change_availability(station, None, operative=False, **WHO),
        ("ChangeAvailability", {"connectorId": 0, "type": "Inoperative"}),
        ("ChangeAvailability", {"operationalStatus": "Inoperative"}),
    ),
    "outlet into service": (
        lambda station, outlet: requests.change_availability(
            station, outlet, operative=True, **WHO
        ),
        ("ChangeAvailability", {"connectorId": 1, "type": "Operative"}),
        (
            "ChangeAvailability",
            {"evse": {"id": 1, "connectorId": 1}, "operationalStatus": "Operative"},
        ),
    ),
    "trigger": (
        lambda station, outlet: requests.trigger(station, "StatusNotification", outlet, **WHO),
        ("TriggerMessage", {"requestedMessage": "StatusNotification", "connectorId": 1}),
        (
            "TriggerMessage",
            {"requestedMessage": "StatusNotification", "evse": {"id": 1, "connectorId": 1}},
        ),
    ),
    "trigger of logs": (
        lambda station, _: requests.trigger(station, "LogStatusNotification", None, **WHO),
        ("TriggerMessage", {"requestedMessage": "DiagnosticsStatusNotification"}),
        ("TriggerMessage", {"requestedMessage": "LogStatusNotification"}),
    ),
    "configuration": (
        lambda station, _: requests.read_configuration(station, **WHO),
        ("GetConfiguration", {}),
        ("GetBaseReport", {"requestId": STAMP, "reportBase": "FullInventory"}),
    ),
    "firmware": (
        lambda station, _: requests.update_firmware(
            station, URL, retrieve_at=NOW + timedelta(hours=1), **WHO
        ),
        ("UpdateFirmware", {"location": URL, "retrieveDate": "2026-06-01T09:00:00Z"}),
        (
            "UpdateFirmware",
            {
                "requestId": STAMP,
                "firmware": {"location": URL, "retrieveDateTime": "2026-06-01T09:00:00Z"},
            },
        ),
    ),
    "logs": (
        lambda station, _: requests.fetch_logs(station, URL, **WHO),
        ("GetDiagnostics", {"location": URL}),
        (
            "GetLog",
            {
                "requestId": STAMP,
                "logType": "DiagnosticsLog",
                "log": {"remoteLocation": URL},
            },
        ),
    ),
    "cache": (
        lambda station, _: requests.clear_cache(station, **WHO),
        ("ClearCache", {}),
        ("ClearCache", {}),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_request_is_the_call_of_the_stations_version(
    gateway: FakeGateway, station: Station, version: Version, name: str
) -> None:
    ask, old, new = CASES[name]
    action, payload = old if version is OLD else new
    gateway.script[action] = {"status": "Accepted"}

    call = ask(station, station.outlets.get())

    assert [(one.action, one.payload) for one in gateway.asked] == [(action, payload)]
    assert (call.state, call.asked_by) == (CallState.ANSWERED, "anna")


def test_only_what_there_is_can_be_triggered(gateway: FakeGateway, station: Station) -> None:
    with pytest.raises(requests.NotOneOf, match="Coffee"):
        requests.trigger(station, "Coffee", None, **WHO)

    assert gateway.asked == []


def test_a_station_that_was_never_here_cannot_be_asked() -> None:
    with pytest.raises(NeverConnected):
        requests.reset(place(LocationFactory(), None), hard=True, **WHO)


@pytest.fixture
def old(broker: redis.Redis) -> Iterator[FakeGateway]:
    with running("old") as gateway:
        gateway.claim(place(LocationFactory(), OLD).pk)
        yield gateway


@pytest.fixture
def new(broker: redis.Redis) -> Iterator[FakeGateway]:
    with running("new") as gateway:
        gateway.claim(place(LocationFactory(), NEW).pk)
        yield gateway


def test_what_1_6_is_set_to_is_kept_without_secrets(old: FakeGateway) -> None:
    old.script["GetConfiguration"] = {
        "configurationKey": [
            {"key": "HeartbeatInterval", "readonly": False, "value": "300"},
            {"key": "Empty", "readonly": True},
            {"key": "AuthorizationKey", "readonly": False, "value": "s3cret"},
        ]
    }
    station = Station.objects.get()
    Station.objects.update(configuration={"Old": "1"})

    requests.read_configuration(station, **WHO)

    station.refresh_from_db()
    assert station.configuration == {
        "HeartbeatInterval": "300",
        "Empty": "",
        "AuthorizationKey": "***",
    }
    assert station.configuration_read_at == NOW


def variable(name: str, value: str, **component: Any) -> Json:
    return {
        "component": {"name": "Connector", **component},
        "variable": {"name": name},
        "variableAttribute": [{"value": value}, {"type": "Target", "value": "other"}],
    }


def test_reports_of_2_0_1_are_kept_together(new: FakeGateway) -> None:
    station = Station.objects.get()
    Station.objects.update(configuration={"Old": "1"})
    evse = {"id": 1, "connectorId": 2}
    parts: list[Json] = [
        {"seqNo": 0, "reportData": [variable("Available", "true", evse=evse)]},
        {"seqNo": 1, "reportData": [variable("Password", "s3cret", instance="a")]},
        {"seqNo": 2},
    ]

    for part in parts:
        requests.keep_report(station_id=station.pk, payload=part, now=NOW)

    station.refresh_from_db()
    assert station.configuration == {
        "Connector@1.2/Available": "true",
        "Connector[a]/Password": "***",
    }
    assert station.configuration_read_at == NOW


@pytest.mark.parametrize(
    "name",
    ["A/B", "A[x]/B", "A@1/B", "A@1.2/B", "A[x]@1.2/B[y]", "Device Data Ctrlr/Items Per.Message"],
)
def test_names_of_variables_are_read_as_they_are_written(name: str) -> None:
    assert name_of(variable_of(name)) == name


@pytest.mark.parametrize("name", ["", "A", "A/", "/B", "A@x/B", "A/B/C", "A[]/B"])
def test_what_is_no_name_of_a_variable_is_none(name: str) -> None:
    with pytest.raises(NoSuchName, match="component/variable"):
        variable_of(name)


def test_a_setting_of_1_6_that_was_taken_is_known(old: FakeGateway) -> None:
    station = Station.objects.get()
    old.script["ChangeConfiguration"] = {"status": "RebootRequired"}

    requests.write_configuration(station, "HeartbeatInterval", "60", **WHO)

    assert old.asked[0].payload == {"key": "HeartbeatInterval", "value": "60"}
    assert Station.objects.get().configuration == {"HeartbeatInterval": "60"}
    old.script["ChangeConfiguration"] = {"status": "Rejected"}
    requests.write_configuration(station, "HeartbeatInterval", "1", **WHO)
    assert Station.objects.get().configuration == {"HeartbeatInterval": "60"}


def result(request: CallRequest, status: str = "Accepted") -> Json:
    (data,) = request.payload["setVariableData"]
    named = {"component": data["component"], "variable": data["variable"]}
    return {"setVariableResult": [{"attributeStatus": status, **named}]}


def test_a_variable_of_2_0_1_that_was_taken_is_known(new: FakeGateway) -> None:
    station = Station.objects.get()
    new.script["SetVariables"] = result

    requests.write_configuration(station, "Connector@1.2/Available", "false", **WHO)

    assert new.asked[0].payload == {
        "setVariableData": [
            {
                "attributeValue": "false",
                "component": {"name": "Connector", "evse": {"id": 1, "connectorId": 2}},
                "variable": {"name": "Available"},
            }
        ]
    }
    assert Station.objects.get().configuration == {"Connector@1.2/Available": "false"}
    new.script["SetVariables"] = lambda request: result(request, "Rejected")
    requests.write_configuration(station, "Connector@1.2/Available", "true", **WHO)
    assert Station.objects.get().configuration == {"Connector@1.2/Available": "false"}


def sent_password(request: CallRequest, version: Version) -> str:
    if version is OLD:
        assert request.payload["key"] == "AuthorizationKey"
        return str(request.payload["value"])
    (data,) = request.payload["setVariableData"]
    assert (data["component"], data["variable"]) == (
        {"name": "SecurityCtrlr"},
        {"name": "BasicAuthPassword"},
    )
    return str(data["attributeValue"])


def test_a_new_password_is_good_beside_the_old_one_and_is_written_nowhere(
    gateway: FakeGateway, station: Station, version: Version
) -> None:
    gateway.script |= {"ChangeConfiguration": {"status": "Accepted"}, "SetVariables": result}
    Station.objects.update(password_hash="old")

    requests.rotate_password(station, **WHO)

    station.refresh_from_db()
    password = sent_password(gateway.asked[0], version)
    assert station.password_hash == "old"
    assert passwords.matches(password.encode(), station.next_password_hash)
    assert station.configuration == {}
    assert password not in json.dumps(list(StationCall.objects.values("payload", "answer")))


@pytest.mark.parametrize(
    ("outcome", "is_good"),
    [
        ({"status": "Rejected"}, False),
        (refused("NotSupported"), False),
        (CallOutcome(OutcomeKind.OFFLINE), False),
        (CallOutcome(OutcomeKind.OFFLINE, sent_at=NOW), True),
        (CallOutcome(OutcomeKind.TIMEOUT, sent_at=NOW), True),
    ],
    ids=["rejected", "refused", "offline", "lost on the way", "silent"],
)
def test_a_new_password_is_good_while_the_station_may_have_it(
    old: FakeGateway,
    outcome: Any,
    is_good: bool,  # noqa: FBT001  a column of the table above
) -> None:
    old.script["ChangeConfiguration"] = outcome
    Station.objects.update(next_password_hash="sent before")

    requests.rotate_password(Station.objects.get(), **WHO)

    kept = Station.objects.get().next_password_hash
    if is_good:
        assert passwords.matches(sent_password(old.asked[0], OLD).encode(), kept)
    else:
        assert kept == "sent before"
