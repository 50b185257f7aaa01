"""The pages of stations: what staff sees, and what its buttons do."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import redis
from django.contrib.auth.models import Permission, User
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings

from cpo_platform.audit.models import Entry
from cpo_platform.common import clock
from cpo_platform.common.saying import say
from ocpp_gateway import passwords
from ocpp_gateway.frames import Version
from ocpp_gateway.models import (
    AlertKind,
    CallState,
    Outlet,
    Station,
    StationCall,
    StationState,
)
from ocpp_gateway.operations.alerts import raise_alert
from sessions_app.models import MeterReading
from tests.admin_pages import read_form, send_form
from tests.factories import NOW, LocationFactory, SessionFactory, evse
from tests.ocpp_gateway.gateways import FakeGateway, refused, running
from tests.ocpp_gateway.placing import BOTH, open_transaction, place
from tests.ocpp_gateway.world import keep

pytestmark = pytest.mark.django_db

STATIONS = "/admin/ocpp_gateway/station/"
ASKED = (
    *("restart", "availability", "unlock", "trigger", "clear_cache", "local_list", "rotate"),
    *("read", "write", "firmware", "logs"),
)
# Their forms name what is there: `test_charges`.
CHARGES = ("start", "stop")
DECIDED = ("place", "outlets", "refuse", "forget", "maintenance", "password")
ACCEPTED = {"status": "Accepted"}
ANSWERS: dict[str, Any] = {
    **dict.fromkeys(
        (
            *("Reset", "ChangeAvailability", "TriggerMessage", "ClearCache", "SendLocalList"),
            *("ChangeConfiguration", "GetBaseReport", "GetLog"),
        ),
        ACCEPTED,
    ),
    "UnlockConnector": {"status": "Unlocked"},
    "GetConfiguration": {
        "configurationKey": [
            {"key": "HeartbeatInterval", "readonly": False, "value": "300"},
            {"key": "AuthorizationKey", "readonly": False, "value": "s3cret"},
        ]
    },
    "UpdateFirmware": {},
    "GetDiagnostics": {},
}


def url(station: Station, name: str = "change") -> str:
    return f"{STATIONS}{station.pk}/{name}/"


def text_of(response: Any) -> str:
    assert response.status_code == 200, response
    return str(response.content.decode())


def online(**fields: Any) -> dict[str, Any]:
    now = clock.now()
    return {"online_until": now + timedelta(hours=1), "connected_at": now, **fields}


@pytest.fixture
def station() -> Station:
    return place(LocationFactory(), **online())


@pytest.fixture
def gateway(broker: redis.Redis, station: Station) -> Iterator[FakeGateway]:
    with running("gateway", dict(ANSWERS)) as gateway:
        gateway.claim(station.pk)
        yield gateway


@pytest.fixture
def viewer(client: Client) -> Client:
    user = User.objects.create_user("viewer", is_staff=True)
    found = Permission.objects.filter(content_type__app_label="ocpp_gateway")
    user.user_permissions.set(found.filter(codename__startswith="view_"))
    client.force_login(user)
    return client


# The list


def test_an_empty_list_says_how_to_connect_the_first_charger(
    admin_client: Client, settings: Settings
) -> None:
    settings.PUBLIC_URL, settings.OCPP_PORT = "https://cpo.example", 9000
    text = text_of(admin_client.get(STATIONS))
    assert "ws://cpo.example:9000/ocpp/&lt;identity&gt;" in text
    assert "It will knock" in text
    settings.OCPP_TLS_CERTIFICATE = "cert.pem"
    assert "wss://cpo.example:9000" in text_of(admin_client.get(STATIONS))


def test_strangers_stand_out_and_can_be_placed_from_the_list(admin_client: Client) -> None:
    row = Station.objects.create(identity="CP-9")
    text = text_of(admin_client.get(STATIONS))
    assert "Knocked" in text
    assert url(row, "place") in text


@pytest.mark.parametrize("size", [1, 20])
def test_the_list_takes_the_same_queries_for_any_size(
    admin_client: Client, django_assert_num_queries: DjangoAssertNumQueries, size: int
) -> None:
    for number in range(size):
        row = place(LocationFactory(), identity=f"CP-{number}", **online())
        raise_alert(kind=AlertKind.FLOOD, station_id=row.pk, saying=say("x"), now=NOW)
    admin_client.get(STATIONS)
    # Session, user, chips, versions to filter by, count, the page, its outlets, its alerts.
    with django_assert_num_queries(7):
        assert admin_client.get(STATIONS).status_code == 200


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("connection=online", ["A"]),
        ("connection=offline", ["B", "C"]),
        ("place=knocked", ["D"]),
        ("place=placed", ["A", "B", "C"]),
        ("place=maintenance", ["C"]),
        ("place=refused", ["E"]),
        ("alerts=open", ["B"]),
        ("ocpp_version=ocpp2.0.1", ["B"]),
        ("q=b", ["B"]),
        ("q=serial-3", ["C"]),
        ("q=E-A", ["A"]),
    ],
)
def test_stations_are_found_by_each_filter(
    admin_client: Client, query: str, expected: list[str]
) -> None:
    place(LocationFactory(evses=[evse("E-A")]), identity="A", **online())
    row = place(LocationFactory(), Version.V2_0_1, identity="B", online_until=NOW)
    raise_alert(kind=AlertKind.FLOOD, station_id=row.pk, saying=say("x"), now=NOW)
    place(LocationFactory(), identity="C", in_maintenance=True, serial_number="SERIAL-3")
    Station.objects.create(identity="D")
    Station.objects.create(identity="E", state=StationState.REFUSED)
    found = admin_client.get(f"{STATIONS}?{query}").context["cl"].result_list
    assert sorted(row.identity for row in found) == expected


# Placing


def test_a_stranger_is_placed_with_what_it_knocked_with(admin_client: Client) -> None:
    location = LocationFactory(name="Depot", evses=[evse("E1"), evse("E2")])
    row = Station.objects.create(identity="CP-9", password_hash=passwords.make("x"))
    assert "Say where it stands" in text_of(admin_client.get(url(row)))

    chosen = text_of(admin_client.get(url(row, "place"), {"q": "depot"}))
    where = f"{url(row, 'place')}?location={location.pk}"
    assert where in chosen
    fields = read_form(admin_client, where, "station_form")
    assert fields["password"] == ["KEEP"]
    response = send_form(
        admin_client, where, "station_form", **{"outlets-1-used": None, "outlets-0-ordinal": "4"}
    )

    assert response.status_code == 302
    row.refresh_from_db()
    assert (row.state, row.location_id) == (StationState.PLACED, location.pk)
    outlet = row.outlets.get()
    assert (outlet.connector.evse.uid, outlet.ordinal, outlet.evse_number) == ("E1", 4, 1)


def test_a_new_password_is_shown_once(admin_client: Client) -> None:
    location = LocationFactory()
    row = Station.objects.create(identity="CP-9")
    where = f"{url(row, 'place')}?location={location.pk}"

    text = text_of(send_form(admin_client, where, "station_form", password="NEW"))

    row.refresh_from_db()
    password = text.partition('id="station-password" readonly value="')[2][:32]
    assert passwords.matches(password.encode(), row.password_hash)
    pages = (url(row), STATIONS, url(row, "password"), url(row, "outlets"))
    assert all(password not in text_of(admin_client.get(page)) for page in pages)
    assert all(row.password_hash not in text_of(admin_client.get(page)) for page in pages)


def test_a_charger_is_added_before_it_connects(admin_client: Client) -> None:
    location = LocationFactory()
    where = f"{STATIONS}new/?location={location.pk}"
    assert str(location.pk) in text_of(admin_client.get(f"{STATIONS}new/"))
    refusal = text_of(send_form(admin_client, where, "station_form", identity="CP 9"))
    assert "no spaces or slashes" in refusal
    assert not Station.objects.exists()

    send_form(admin_client, where, "station_form", identity="CP-9")

    row = Station.objects.get()
    assert (row.identity, row.state) == ("CP-9", StationState.PLACED)
    assert "It has never connected" in text_of(admin_client.get(url(row)))


def test_a_location_without_free_connectors_says_what_to_do(admin_client: Client) -> None:
    location = LocationFactory()
    place(location)
    row = Station.objects.create(identity="CP-9")
    text = text_of(admin_client.get(url(row, "place"), {"location": location.pk}))
    assert "add an EVSE first" in text
    assert "No location matches" in text_of(admin_client.get(url(row, "place"), {"q": "Mars"}))


def test_outlets_can_be_changed(admin_client: Client, station: Station) -> None:
    where = url(station, "outlets")
    wrong = text_of(send_form(admin_client, where, "station_form", **{"outlets-0-ordinal": "0"}))
    assert "cpo-error" in wrong
    send_form(admin_client, where, "station_form", **{"outlets-0-public_key": "ABCD"})
    assert Outlet.objects.get(station=station).public_key == "ABCD"


def test_staff_refuses_and_forgets(admin_client: Client) -> None:
    row = Station.objects.create(identity="CP-9")
    assert "turned away" in text_of(admin_client.get(url(row, "refuse")))
    admin_client.post(url(row, "refuse"))
    row.refresh_from_db()
    assert row.state == StationState.REFUSED
    admin_client.post(url(row, "forget"))
    assert not Station.objects.exists()


def test_what_would_be_lost_is_not_decided(admin_client: Client) -> None:
    session = SessionFactory()
    row = place(session.location)
    open_transaction(session)
    for name in ("refuse", "forget"):
        assert "cpo-button-danger" not in text_of(admin_client.get(url(row, name)))
        admin_client.post(url(row, name))
    row.refresh_from_db()
    assert row.state == StationState.PLACED


def test_maintenance_begins_and_ends(admin_client: Client, station: Station) -> None:
    assert "shown as inoperative" in text_of(admin_client.get(url(station, "maintenance")))
    admin_client.post(url(station, "maintenance"))
    station.refresh_from_db()
    assert station.in_maintenance
    assert "In maintenance" in text_of(admin_client.get(url(station)))
    admin_client.post(url(station, "maintenance"))
    station.refresh_from_db()
    assert not station.in_maintenance


# The page


def fill(station: Station, size: int) -> None:
    """Let much have happened: messages, calls, an alert, settings."""
    now = clock.now()
    for number in range(size):
        at = now - timedelta(minutes=number)
        keep(station, "Heartbeat", {}, at=at)
        StationCall.objects.create(
            station=station, action="Reset", asked_at=at, state=CallState.TIMEOUT, error="late"
        )
    raise_alert(kind=AlertKind.FLOOD, station_id=station.pk, saying=say("Too many"), now=now)
    station.configuration = {"HeartbeatInterval": "300", "AuthorizationKey": "s3cret"}
    station.save()


@pytest.mark.parametrize("size", [1, 15])
def test_the_page_takes_the_same_queries_however_much_there_is(
    admin_client: Client, django_assert_num_queries: DjangoAssertNumQueries, size: int
) -> None:
    location = LocationFactory(evses=[evse(f"E{number}") for number in range(size)])
    station = place(location, **online())
    fill(station, size)
    admin_client.get(url(station))
    # Session, user, station, messages, outlets, alerts, transactions under way, calls, last
    # transactions; where somebody charges, the readings.
    with django_assert_num_queries(9):
        text = text_of(admin_client.get(url(station)))
    assert "s3cret" not in text
    assert "HeartbeatInterval" in text
    assert "No answer in time" in text


def test_an_empty_page_leaves_no_dead_ends(admin_client: Client, station: Station) -> None:
    text = text_of(admin_client.get(url(station)))
    for said in ("Nobody charges here", "Nothing was asked", "It was not read yet"):
        assert said in text
    for name in ASKED:
        assert url(station, name) in text


def test_who_charges_is_shown_with_curves(admin_client: Client) -> None:
    session = SessionFactory()
    row = place(session.location, **online())
    open_transaction(session)
    for number in range(4):
        MeterReading.objects.create(
            session=session, at=NOW + timedelta(minutes=number + 1), kwh=number, power=11
        )
    text = text_of(admin_client.get(url(row)))
    assert "cpo-curve-power" in text
    assert "11 kW" in text
    assert session.token_contract_id in text


def test_a_reported_status_stands_beside_what_partners_see(
    admin_client: Client, station: Station
) -> None:
    station.outlets.update(reported_status="SuspendedEV", error="HighTemperature", reported_at=NOW)
    text = text_of(admin_client.get(url(station)))
    for said in ("SuspendedEV", "CHARGING", "HighTemperature"):
        assert said in text


def test_a_station_that_is_not_there_is_said(admin_client: Client) -> None:
    for page in (f"{STATIONS}999/change/", f"{STATIONS}x/change/", f"{STATIONS}999/restart/"):
        response = admin_client.get(page, follow=True)
        assert "does not exist" in text_of(response)


# Asking


FORMS: dict[str, dict[str, str]] = {
    "restart": {"kind": "hard"},
    "availability": {"operative": "inoperative"},
    "trigger": {"what": "StatusNotification"},
    "write": {"name": "HeartbeatInterval", "value": "60"},
    "firmware": {"url": "https://files.example/fw.bin?token=abc"},
    "logs": {"url": "ftp://user:pass@files.example/"},
}
SENT = {
    "restart": ("Reset", {"type": "Hard"}),
    "availability": ("ChangeAvailability", {"connectorId": 0, "type": "Inoperative"}),
    "unlock": ("UnlockConnector", {"connectorId": 1}),
    "trigger": ("TriggerMessage", {"requestedMessage": "StatusNotification"}),
    "write": ("ChangeConfiguration", {"key": "HeartbeatInterval", "value": "60"}),
    "clear_cache": ("ClearCache", {}),
    "read": ("GetConfiguration", {}),
    "logs": ("GetDiagnostics", {"location": "ftp://user:pass@files.example/"}),
}


@pytest.mark.parametrize("name", ASKED)
def test_each_button_asks_first_and_says_what_came_of_it(
    admin_client: Client, station: Station, gateway: FakeGateway, name: str
) -> None:
    assert "cpo-sentence" in text_of(admin_client.get(url(station, name)))
    assert gateway.asked == []
    fields = dict(FORMS.get(name, {}))
    if name == "unlock":
        fields["outlet"] = str(station.outlets.get().pk)

    response = admin_client.post(url(station, name), fields, follow=True)

    text = text_of(response)
    assert response.redirect_chain == [(url(station), 302)]
    assert "the station has answered" in text
    asked = gateway.asked[-1]
    assert (asked.action, dict(asked.payload)) == SENT.get(
        name, (asked.action, dict(asked.payload))
    )
    assert StationCall.objects.latest("pk").asked_by == "admin"
    assert Entry.objects.filter(action="act", key=str(station.pk)).exists()
    for secret in ("s3cret", "token=abc", "user:pass"):
        assert secret not in text


@pytest.mark.parametrize("version", BOTH)
def test_a_cable_is_released_in_the_words_of_the_version(
    admin_client: Client, broker: redis.Redis, version: Version
) -> None:
    station = place(LocationFactory(), version, **online())
    with running("gateway", dict(ANSWERS)) as gateway:
        gateway.claim(station.pk)
        outlet = station.outlets.get()
        admin_client.post(url(station, "unlock"), {"outlet": outlet.pk})
    expected = {"connectorId": 1} if version is Version.V1_6 else {"evseId": 1, "connectorId": 1}
    assert gateway.asked[0].payload == expected


def test_a_refusal_of_the_station_is_shown(
    admin_client: Client, station: Station, gateway: FakeGateway
) -> None:
    gateway.script["ClearCache"] = {"status": "Rejected"}
    text = text_of(admin_client.post(url(station, "clear_cache"), follow=True))
    assert "has answered “Rejected”" in text
    gateway.script["ClearCache"] = refused("NotSupported: no cache")
    text = text_of(admin_client.post(url(station, "clear_cache"), follow=True))
    assert "answered with an error: NotSupported" in text


@pytest.mark.parametrize("name", [*ASKED, *CHARGES])
def test_nothing_is_asked_of_a_station_that_is_away(admin_client: Client, name: str) -> None:
    row = place(LocationFactory(), online_until=NOW)
    text = text_of(admin_client.get(url(row, name)))
    assert "The station is offline since 2026-06-01 08:00 UTC" in text
    text_of(admin_client.post(url(row, name), FORMS.get(name, {})))
    assert not StationCall.objects.exists()


@pytest.mark.parametrize(
    ("name", "fields", "said"),
    [
        ("write", {"name": "AuthorizationKey", "value": "x"}, "by its own button"),
        ("write", {"name": ""}, "required"),
        ("firmware", {"url": "nonsense"}, "valid URL"),
        ("unlock", {}, "required"),
        ("restart", {"kind": "gently"}, "valid choice"),
    ],
)
def test_a_wrong_form_is_explained_and_asks_nothing(
    admin_client: Client,
    station: Station,
    gateway: FakeGateway,
    name: str,
    fields: dict[str, str],
    said: str,
) -> None:
    assert said in text_of(admin_client.post(url(station, name), fields))
    assert gateway.asked == []


def test_what_the_version_does_not_allow_is_an_error_of_the_form(admin_client: Client) -> None:
    row = place(LocationFactory(), Version.V2_0_1, **online())
    text = text_of(admin_client.post(url(row, "write"), {"name": "NoVariable", "value": "1"}))
    assert "must be written as component/variable" in text


# Permissions


def test_who_may_only_look_sees_no_buttons_and_can_do_nothing(
    viewer: Client, station: Station
) -> None:
    held = Station.objects.create(identity="CP-9")
    for row in (station, held):
        text = text_of(viewer.get(url(row)))
        for name in (*ASKED, *CHARGES, *DECIDED):
            assert url(row, name) not in text
            assert viewer.get(url(row, name)).status_code == 403
            assert viewer.post(url(row, name)).status_code == 403
    assert "new/" not in text_of(viewer.get(STATIONS))
    assert viewer.get(f"{STATIONS}new/").status_code == 403
    assert viewer.get(f"{STATIONS}add/").status_code == 403


def test_who_may_not_look_sees_nothing(client: Client, station: Station) -> None:
    client.force_login(User.objects.create_user("nobody", is_staff=True))
    assert client.get(STATIONS).status_code == 403
    assert client.get(url(station)).status_code == 403
