"""Reservations from RESERVE_NOW to their end, with the session and the bill of each."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from decimal import Decimal
from threading import Barrier
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from pytest_django import Settings

from cpo_platform.common import clock
from cpo_platform.common.shapes import CdrToken
from locations.models import Connector, Evse, Location, Status
from locations.operations import set_evse_status
from sessions_app import tasks
from sessions_app.authorization import Allowed, Question, RealtimeAnswer
from sessions_app.commanded import Commanded
from sessions_app.metering import Reading
from sessions_app.models import (
    AuthMethod,
    Cdr,
    Reservation,
    ReservationStatus,
    Session,
    SessionStatus,
    SimulatedStation,
)
from sessions_app.operations import reservations, sessions
from sessions_app.signals import reservation_canceled
from sessions_app.simulator import SimulatedStations
from sessions_app.stations import (
    ReserveRequest,
    StartRequest,
    StationAnswer,
    StationResult,
)
from tariffs import operations as tariff_operations
from tariffs.models import Tariff
from tests.concurrency import just_before
from tests.factories import (
    NOW,
    LocationFactory,
    TariffFactory,
    TokenFactory,
    cdr_token,
    connector,
    evse,
    price,
)

pytestmark = pytest.mark.django_db

STATIONS = SimulatedStations()
ACCEPTED = StationAnswer(StationResult.ACCEPTED)
HOUR = 60
CAPABILITIES = ["REMOTE_START_STOP_CAPABLE", "RESERVABLE", "RFID_READER", "UNLOCK_CAPABLE"]


def minute(number: float) -> datetime:
    return NOW + timedelta(minutes=number)


def reserving_tariff(**fields: Any) -> Tariff:
    """Return 3.00 an hour (in minutes) while reserved, 4.00 if unused, 0.25 per kWh."""
    elements = [
        {
            "price_components": [price("TIME", "3.00", vat="20", step_size=600)],
            "restrictions": {"reservation": "RESERVATION"},
        },
        {
            "price_components": [price("FLAT", "4.00", vat="20")],
            "restrictions": {"reservation": "RESERVATION_EXPIRES"},
        },
        {"price_components": [price("ENERGY", "0.25", vat="10")]},
    ]
    tariff: Tariff = TariffFactory(**({"elements": elements} | fields))
    return tariff


def site(*uids: str, **fields: Any) -> Location:
    """Return a location of reservable EVSEs."""
    evses = [evse(uid, capabilities=CAPABILITIES) for uid in uids or ("E1",)]
    location: Location = LocationFactory(
        **({"evses": evses, "tariff": reserving_tariff()} | fields)
    )
    return location


def evse_of(location: Location, uid: str = "E1") -> Evse:
    return location.evses.get(uid=uid)


def connector_of(location: Location, uid: str = "E1") -> Connector:
    return evse_of(location, uid).connectors.order_by("pk")[0]


def make(
    location: Location,
    uid: str | None = "E1",
    *,
    token: CdrToken | None = None,
    reservation_id: str = "R1",
    minutes: float = HOUR,
    now: datetime = NOW,
    **fields: Any,
) -> Reservation:
    """Make a reservation by the operation; the station knows nothing of it."""
    number = fields.pop("number", None) or reservations.next_number()
    return reservations.make_reservation(
        number=number,
        reservation_id=reservation_id,
        location_id=location.pk,
        evse_id=evse_of(location, uid).pk if uid else None,
        cdr_token=token or cdr_token("CARD"),
        expiry_date=now + timedelta(minutes=minutes),
        now=now,
        **fields,
    )


def reserve(location: Location, uid: str = "E1", **fields: Any) -> Reservation:
    """Reserve as a command does: the station first, then the row."""
    number = reservations.next_number()
    token = fields.get("token") or cdr_token("CARD")
    request = ReserveRequest(
        number=number,
        evse_id=evse_of(location, uid).pk,
        cdr_token=token,
        group_id=fields.get("group_id", ""),
        expiry_date=fields.get("now", NOW) + timedelta(minutes=fields.get("minutes", HOUR)),
    )
    assert STATIONS.reserve(request, now=fields.get("now", NOW)) == ACCEPTED
    return make(location, uid, number=number, **fields)


def start(
    where: Connector, token: CdrToken, *, at: float, reference: str = "", group_id: str = ""
) -> StationAnswer:
    request = StartRequest(where.pk, token, reference, group_id)
    return STATIONS.start(request, now=minute(at))


def use(reservation: Reservation, where: Connector, *, at: float, **fields: Any) -> Session:
    values: dict[str, Any] = {
        "cdr_token": cdr_token("CARD"),
        "auth_method": "COMMAND",
        "meter_start": Decimal(1000),
    }
    return reservations.use_reservation(
        number=reservation.pk, connector_id=where.pk, now=minute(at), **(values | fields)
    )


def status(location: Location, uid: str = "E1") -> str:
    return evse_of(location, uid).status


def set_clock(monkeypatch: pytest.MonkeyPatch, at: float) -> None:
    monkeypatch.setattr(clock, "now", lambda: minute(at))


# --- Made and replaced


@pytest.mark.rule("CMD-22", "SES-13", "SES-10", "CMD-14")
def test_a_reservation_is_a_session_from_its_first_second() -> None:
    location = site()

    reservation = make(location, authorization_reference="REF-1", group_id="FLEET")

    session = Session.objects.get()
    assert reservation.session == session
    assert session.status == SessionStatus.RESERVATION
    assert (session.evse, session.connector) == (evse_of(location), connector_of(location))
    assert session.cdr_token == cdr_token("CARD")
    assert (session.auth_method, session.authorization_reference) == ("COMMAND", "REF-1")
    assert (session.start_date_time, session.end_date_time) == (NOW, None)
    assert session.frozen_tariff is not None
    assert reservation.expiry_date == minute(HOUR)


@pytest.mark.rule("SES-13", "CDR-20")
def test_without_an_evse_the_place_is_not_available_yet() -> None:
    location = site("E1", "E2")

    session = make(location, None).session

    assert (session.evse, session.connector) == (None, None)
    place = session.frozen_location
    assert (place["evse_uid"], place["evse_id"], place["connector_id"]) == ("#NA", "#NA", "#NA")
    assert place["id"] == location.ocpi_id
    # Every EVSE has one and the same tariff.
    assert session.frozen_tariff is not None


def test_evses_with_different_tariffs_agree_on_none_until_one_is_assigned() -> None:
    cheap, dear = reserving_tariff(id="CHEAP"), TariffFactory(id="DEAR")
    location = site(
        evses=[
            evse("E1", capabilities=CAPABILITIES, tariff_ids=[cheap.ocpi_id]),
            evse("E2", capabilities=CAPABILITIES, tariff_ids=[dear.ocpi_id]),
        ],
        tariff=None,
    )
    reservation = make(location, None)
    assert reservation.session.frozen_tariff is None

    session = use(reservation, connector_of(location, "E1"), at=20)

    assert session.tariff == cheap
    assert session.total_cost_before_taxes == Decimal("1.00")  # 20 minutes at 3.00 an hour


def test_an_evse_with_two_connectors_leaves_the_connector_open() -> None:
    location = site(
        evses=[
            evse("E1", capabilities=CAPABILITIES)
            | {"connectors": [connector("1"), connector("2", power="DC")]}
        ]
    )

    session = make(location).session

    assert (session.evse, session.connector) == (evse_of(location), None)
    assert session.frozen_location["evse_uid"] == "E1"
    assert session.frozen_location["connector_id"] == "#NA"


@pytest.mark.rule("CMD-20", "SES-12")
def test_the_same_number_again_replaces_and_keeps_counting_from_the_first() -> None:
    location = site("E1", "E2")
    first = make(location, authorization_reference="REF-1")

    again = make(
        location,
        "E2",
        number=first.pk,
        minutes=90,
        now=minute(10),
        authorization_reference="REF-2",
    )

    assert again.pk == first.pk
    assert Reservation.objects.count() == Session.objects.count() == 1
    again.refresh_from_db()
    assert (again.evse, again.expiry_date) == (evse_of(location, "E2"), minute(100))
    assert again.reserved_at == NOW
    session = Session.objects.get()
    assert (session.evse, session.authorization_reference) == (evse_of(location, "E2"), "REF-2")


@pytest.mark.rule("CMD-21")
def test_two_emsps_may_use_one_id_and_get_numbers_of_their_own() -> None:
    location = site("E1", "E2")

    mine = make(location, "E1", reservation_id="SAME")
    theirs = make(location, "E2", reservation_id="SAME", token=cdr_token("THEIRS", party_id="FOE"))

    assert mine.pk != theirs.pk
    assert Reservation.objects.active().count() == 2


def test_a_reserved_evse_is_not_reserved_twice_and_nothing_changes() -> None:
    location = site("E1", "E2")
    first = make(location)

    with pytest.raises(reservations.NothingFree, match="reserved already"):
        make(location, reservation_id="R2", token=cdr_token("OTHER"))

    assert Reservation.objects.get() == first
    assert Session.objects.count() == 1


@pytest.mark.rule("CMD-20", "CMD-21")
def test_an_emsp_has_one_active_reservation_of_an_id() -> None:
    location, other = site("E1"), site("E9", id="OTHER", tariff=None)
    make(location)

    with pytest.raises(reservations.IdInUse, match="r1"):
        make(other, "E9", reservation_id="r1")

    assert Reservation.objects.count() == Session.objects.count() == 1


@pytest.mark.rule("CMD-20")
def test_no_more_is_kept_free_than_there_is() -> None:
    location = site("E1", "E2")
    make(location, None)
    make(location, None, reservation_id="R2")

    for uid in (None, "E1"):
        with pytest.raises(reservations.NothingFree):
            make(location, uid, reservation_id="R3")

    assert Reservation.objects.count() == 2


def test_a_reservation_that_ran_out_unnoticed_is_in_nobodys_way() -> None:
    location = site()
    old = make(location, minutes=10)

    make(location, reservation_id="R2", now=minute(11))

    old.refresh_from_db()
    assert (old.status, old.ended_at) == (ReservationStatus.EXPIRED, minute(10))


def test_a_reservation_that_has_ended_is_not_made_again() -> None:
    location = site()
    reservation = make(location)
    reservations.cancel_reservation(number=reservation.pk, now=minute(1))

    with pytest.raises(reservations.ReservationOver):
        make(location, number=reservation.pk, now=minute(2))


# --- Used


@pytest.mark.rule("SES-13", "SES-07", "SES-23", "TAR-24", "TAR-45", "CDR-19")
def test_a_used_reservation_is_one_session_and_one_bill() -> None:
    location = site()
    reservation = make(location, authorization_reference="REF-1")

    session = use(
        reservation, connector_of(location), at=22, auth_method="WHITELIST", meter_start=Decimal(5)
    )

    assert session == reservation.session
    assert (session.status, session.start_date_time) == (SessionStatus.ACTIVE, minute(22))
    assert [row.dimensions for row in session.charging_periods.all()] == [
        [{"type": "RESERVATION_TIME", "volume": "0.3667"}]
    ]
    # 22 minutes, in steps of ten: 30.
    assert session.total_cost_before_taxes == Decimal("1.50")

    _session, cdr = sessions.stop_session(
        session_id=session.pk,
        ended_at=minute(82),
        now=minute(82),
        readings=[Reading(minute(82), Decimal(25))],
    )

    assert cdr is not None
    assert cdr.start_date_time == NOW
    assert (cdr.total_energy, cdr.total_time) == (Decimal(20), Decimal(1))
    assert {name: cdr.costs[name]["before_taxes"] for name in cdr.costs} == {
        "total_cost": "6.5000",
        "total_fixed_cost": "0.0000",
        "total_energy_cost": "5.0000",
        "total_time_cost": "0.0000",
        "total_parking_cost": "0.0000",
        "total_reservation_cost": "1.5000",
    }
    assert cdr.total_cost_after_taxes == Decimal("7.30")
    assert [
        (period["start_date_time"], [one["type"] for one in period["dimensions"]])
        for period in cdr.charging_periods
    ] == [
        ("2026-06-01T08:00:00Z", ["RESERVATION_TIME"]),
        ("2026-06-01T08:22:00Z", ["ENERGY", "TIME"]),
    ]
    assert session.charging_periods.count() == 2
    assert (cdr.auth_method, cdr.authorization_reference) == ("WHITELIST", "REF-1")


@pytest.mark.rule("SES-11", "SES-12", "CDR-19")
@pytest.mark.parametrize(
    ("auth_method", "reference", "kept"),
    [("COMMAND", "REF-2", "REF-2"), ("WHITELIST", "", "REF-1"), ("AUTH_REQUEST", "R-3", "R-3")],
)
def test_the_last_authorisation_counts(auth_method: str, reference: str, kept: str) -> None:
    location = site()
    reservation = make(location, authorization_reference="REF-1")

    session = use(
        reservation,
        connector_of(location),
        at=5,
        auth_method=auth_method,
        authorization_reference=reference,
    )
    _session, cdr = sessions.stop_session(session_id=session.pk, ended_at=minute(6), now=minute(6))

    assert (session.auth_method, session.authorization_reference) == (auth_method, kept)
    assert cdr is not None
    assert (cdr.auth_method, cdr.authorization_reference) == (auth_method, kept)


def test_a_tariff_that_was_agreed_to_outlives_being_superseded() -> None:
    location = site("E1", "E2")
    reservation = make(location, None)
    agreed = reservation.session.tariff
    assert agreed is not None
    for number in (2, 3):
        old = Tariff.objects.order_by("-pk").first()
        assert old is not None
        tariff_operations.supersede_tariff(
            tariff_id=old.pk,
            successor=tariff_operations.shape_of(old).model_copy(update={"id": f"V{number}"}),
            at=minute(number),
            now=minute(number),
        )

    session = use(reservation, connector_of(location, "E2"), at=5)

    assert session.tariff == agreed
    assert session.frozen_tariff is not None
    assert session.frozen_tariff["id"] == agreed.ocpi_id


@pytest.mark.rule("SES-13")
def test_the_evse_is_assigned_when_an_open_reservation_is_used() -> None:
    location = site("E1", "E2")
    reservation = make(location, None)

    session = use(reservation, connector_of(location, "E2"), at=5)

    reservation.refresh_from_db()
    assert session.evse == reservation.evse == evse_of(location, "E2")
    assert session.frozen_location["evse_uid"] == "E2"
    assert session.frozen_location["connector_id"] == "1"


def test_the_tariff_of_the_reservation_is_kept_when_the_evse_is_assigned() -> None:
    location = site("E1", "E2")
    reservation = make(location, None)
    reserving_tariff(
        id=reservation.session.tariff.ocpi_id,  # type: ignore[union-attr]
        elements=[{"price_components": [price("ENERGY", "9.99")]}],
        now=minute(1),
    )

    session = use(reservation, connector_of(location, "E2"), at=10)

    assert session.total_cost_before_taxes == Decimal("0.50")


def test_a_reservation_that_is_used_at_once_has_no_period_of_nothing() -> None:
    location = site()

    session = use(make(location), connector_of(location), at=0)
    sessions.stop_session(
        session_id=session.pk,
        ended_at=minute(10),
        now=minute(10),
        readings=[Reading(minute(10), Decimal(1001))],
    )

    [period] = session.charging_periods.all()
    assert [one["type"] for one in period.dimensions] == ["ENERGY", "TIME"]


def test_a_reservation_without_a_tariff_tells_its_time_and_costs_nothing() -> None:
    location = site(tariff=None)
    session = use(make(location), connector_of(location), at=30)

    _session, cdr = sessions.stop_session(
        session_id=session.pk,
        ended_at=minute(60),
        now=minute(60),
        readings=[Reading(minute(60), Decimal(1001))],
    )

    assert cdr is not None
    assert (cdr.total_cost_before_taxes, cdr.total_time) == (Decimal(0), Decimal("0.5"))
    assert [period["dimensions"] for period in cdr.charging_periods] == [
        [{"type": "RESERVATION_TIME", "volume": "0.5000"}],
        [{"type": "ENERGY", "volume": "1.0000"}, {"type": "TIME", "volume": "0.5000"}],
    ]


def test_a_reservation_is_not_used_where_another_session_runs() -> None:
    location = site("E1", "E2")
    reservation = make(location, None)
    sessions.start_session(
        connector_id=connector_of(location).pk,
        cdr_token=cdr_token("OTHER"),
        auth_method="WHITELIST",
        meter_start=Decimal(0),
        now=NOW,
    )

    with pytest.raises(sessions.EvseOccupied):
        use(reservation, connector_of(location), at=5)

    reservation.refresh_from_db()
    assert reservation.status == ReservationStatus.ACTIVE
    assert reservation.session.status == SessionStatus.RESERVATION


# --- Unused


@pytest.mark.rule("SES-13", "SES-23", "CMD-22", "CDR-18", "CDR-20", "TAR-25")
def test_an_unused_reservation_is_completed_and_billed_as_expired() -> None:
    location = site()
    reservation = make(location)

    session, cdr = reservations.expire_reservation(number=reservation.pk, now=minute(61))

    assert (session.status, session.end_date_time) == (SessionStatus.COMPLETED, minute(HOUR))
    assert cdr is not None
    # 4.00 for not coming, and the whole hour at the price of a reservation.
    assert cdr.total_cost_before_taxes == Decimal("7.00")
    assert cdr.total_cost_after_taxes == Decimal("8.40")
    assert cdr.costs["total_reservation_cost"]["before_taxes"] == "7.0000"
    assert (cdr.start_date_time, cdr.end_date_time) == (NOW, minute(HOUR))
    assert (cdr.total_energy, cdr.total_time) == (Decimal(0), Decimal(0))
    assert cdr.session_ocpi_id == session.ocpi_id
    assert [period["dimensions"] for period in cdr.charging_periods] == [
        [{"type": "RESERVATION_TIME", "volume": "1"}]
    ]


@pytest.mark.rule("TAR-25")
def test_the_time_price_of_an_expired_reservation_goes_before_that_of_a_reservation() -> None:
    elements = [
        {
            "price_components": [price("TIME", amount, vat=None)],
            "restrictions": {"reservation": kind},
        }
        for kind, amount in (("RESERVATION", "3.00"), ("RESERVATION_EXPIRES", "6.00"))
    ]
    location = site(tariff=reserving_tariff(elements=elements))
    expired = make(location)
    _session, cdr = reservations.expire_reservation(number=expired.pk, now=minute(61))
    canceled = make(location, reservation_id="R2", minutes=90, now=minute(70))
    _session, other = reservations.cancel_reservation(number=canceled.pk, now=minute(130))

    assert cdr is not None
    assert other is not None
    assert cdr.total_cost_before_taxes == Decimal("6.00")
    assert other.total_cost_before_taxes == Decimal("3.00")


@pytest.mark.rule("CDR-20")
def test_a_bill_of_an_unassigned_reservation_names_no_evse() -> None:
    location = site("E1", "E2")
    reservation = make(location, None)

    _session, cdr = reservations.expire_reservation(number=reservation.pk, now=minute(61))

    assert cdr is not None
    place = cdr.cdr_location
    assert (place["evse_uid"], place["evse_id"], place["connector_id"]) == ("#NA", "#NA", "#NA")
    assert place["connector_standard"]


@pytest.mark.rule("CMD-22", "SES-13", "TAR-24")
def test_a_reservation_that_costs_nothing_has_no_cdr() -> None:
    location = site(tariff=TariffFactory())  # energy only
    reservation = make(location)

    session, cdr = reservations.expire_reservation(number=reservation.pk, now=minute(61))

    assert session.status == SessionStatus.COMPLETED
    assert session.total_cost_before_taxes == 0
    assert cdr is None
    assert Cdr.objects.count() == 0


@pytest.mark.rule("CMD-24", "SES-13")
def test_a_canceled_reservation_costs_the_time_that_it_took() -> None:
    reservation = make(site())

    session, cdr = reservations.cancel_reservation(number=reservation.pk, now=minute(22))

    assert (session.status, session.end_date_time) == (SessionStatus.COMPLETED, minute(22))
    assert cdr is not None
    assert cdr.total_cost_before_taxes == Decimal("1.50")


def test_a_reservation_that_we_take_back_costs_nothing_and_is_announced() -> None:
    reservation = make(site())
    heard: list[int] = []

    def on_canceled(*, reservation_id: int, **_: Any) -> None:
        heard.append(reservation_id)

    reservation_canceled.connect(on_canceled)
    try:
        session = reservations.withdraw_reservation(number=reservation.pk, now=minute(22))
    finally:
        reservation_canceled.disconnect(on_canceled)

    reservation.refresh_from_db()
    assert reservation.status == ReservationStatus.CANCELED_BY_CPO
    assert session.status == SessionStatus.COMPLETED
    assert session.total_cost_before_taxes == 0
    assert Cdr.objects.count() == 0
    assert heard == [reservation.pk]


@pytest.mark.rule("SES-01", "SES-23")
@pytest.mark.parametrize("ending", ["use", "expire", "cancel", "withdraw"])
def test_what_has_ended_does_not_end_again(ending: str) -> None:
    location = site()
    reservation = make(location)
    ways: dict[str, Any] = {
        "use": lambda: use(reservation, connector_of(location), at=30),
        "expire": lambda: reservations.expire_reservation(number=reservation.pk, now=minute(61)),
        "cancel": lambda: reservations.cancel_reservation(number=reservation.pk, now=minute(30)),
        "withdraw": lambda: reservations.withdraw_reservation(
            number=reservation.pk, now=minute(30)
        ),
    }
    ways[ending]()
    before = Session.objects.values().get()

    for way in ways.values():
        with pytest.raises(reservations.ReservationOver):
            way()

    assert Session.objects.values().get() == before


@pytest.mark.rule("SES-01", "SES-23")
def test_nothing_leaves_completed() -> None:
    location = site()
    session = use(make(location), connector_of(location), at=1)
    sessions.stop_session(session_id=session.pk, ended_at=minute(2), now=minute(2))
    before = Session.objects.values().get()
    ways: list[Any] = [
        lambda: sessions.activate_session(session_id=session.pk, now=minute(3)),
        lambda: sessions.stop_session(session_id=session.pk, ended_at=minute(3), now=minute(3)),
        lambda: sessions.record_meter_values(
            session_id=session.pk, readings=[Reading(minute(3), Decimal(2000))], now=minute(3)
        ),
    ]

    for way in ways:
        with pytest.raises(sessions.SessionNotOngoing):
            way()

    assert Session.objects.values().get() == before


def test_its_time_is_over_at_the_very_moment() -> None:
    location = site()
    reservation = make(location)

    with pytest.raises(reservations.ReservationOver):
        reservations.expire_reservation(number=reservation.pk, now=minute(59.99))
    with pytest.raises(reservations.ReservationOver):
        use(reservation, connector_of(location), at=HOUR)

    reservations.expire_reservation(number=reservation.pk, now=minute(HOUR))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("rivals", [("use", "cancel"), ("cancel", "withdraw"), ("use", "withdraw")])
def test_one_of_two_ends_at_once_wins(rivals: tuple[str, str]) -> None:
    location = site()
    reservation = make(location)
    barrier = Barrier(2)
    ways: dict[str, Any] = {
        "use": lambda: use(reservation, connector_of(location), at=30),
        "cancel": lambda: reservations.cancel_reservation(number=reservation.pk, now=minute(30)),
        "withdraw": lambda: reservations.withdraw_reservation(
            number=reservation.pk, now=minute(30)
        ),
    }

    def end(name: str) -> str:
        try:
            barrier.wait(timeout=10)
            ways[name]()
        except reservations.ReservationOver:
            return "late"
        finally:
            connection.close()
        return name

    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(end, rivals))

    assert outcomes.count("late") == 1
    reservation.refresh_from_db()
    wanted = {
        "use": ReservationStatus.USED,
        "cancel": ReservationStatus.CANCELED,
        "withdraw": ReservationStatus.CANCELED_BY_CPO,
    }
    [winner] = [name for name in outcomes if name != "late"]
    assert reservation.status == wanted[winner]
    session = Session.objects.get()
    assert (session.status == SessionStatus.ACTIVE) is (winner == "use")
    assert Cdr.objects.count() == (winner == "cancel")


@pytest.mark.django_db(transaction=True)
def test_a_reservation_that_is_used_as_it_expires_is_only_used() -> None:
    """The driver was a moment faster: the beat has read it as overdue and finds it used."""
    location = site()
    reservation = make(location)
    where = connector_of(location)

    def drive_up() -> None:
        use(reservation, where, at=59)

    with (
        just_before("FOR UPDATE", drive_up),
        pytest.raises(reservations.ReservationOver),
    ):
        reservations.expire_reservation(number=reservation.pk, now=minute(61))

    assert Session.objects.get().status == SessionStatus.ACTIVE
    assert Cdr.objects.count() == 0


@pytest.mark.django_db(transaction=True)
def test_the_last_evse_is_kept_free_once() -> None:
    location = site()
    barrier = Barrier(2)

    def ask(reservation_id: str) -> str:
        try:
            barrier.wait(timeout=10)
            make(location, None, reservation_id=reservation_id)
        except reservations.NothingFree:
            return "none free"
        finally:
            connection.close()
        return "reserved"

    with ThreadPoolExecutor(2) as pool:
        outcomes = sorted(pool.map(ask, ["R1", "R2"]))

    assert outcomes == ["none free", "reserved"]
    assert Reservation.objects.count() == 1


# --- At the station


@pytest.mark.rule("CMD-21", "CMD-22")
def test_the_station_keeps_the_evse_free_under_our_number() -> None:
    location = site()

    reservation = reserve(location, reservation_id="EMSP-77")

    assert status(location) == Status.RESERVED
    told = SimulatedStation.objects.get().reservation
    assert told is not None
    assert told["number"] == reservation.pk
    assert "EMSP-77" not in str(told)


@pytest.mark.rule("SES-13", "SES-23")
def test_the_holder_charges_on_his_reservation() -> None:
    location = site()
    reservation = reserve(location)
    where = connector_of(location)

    assert start(where, cdr_token("card"), at=10, reference="REF-9") == ACCEPTED
    STATIONS.advance(now=minute(10))

    session = Session.objects.get()
    assert session == reservation.session
    assert (session.status, session.start_date_time) == (SessionStatus.ACTIVE, minute(10))
    assert session.authorization_reference == "REF-9"
    assert status(location) == Status.CHARGING
    assert SimulatedStation.objects.get().reservation is None
    STATIONS.advance(now=minute(16))
    session.refresh_from_db()
    assert session.kwh == Decimal("1.1")  # 11 kW for six minutes


def test_another_token_is_refused_at_a_reserved_evse() -> None:
    location = site()
    reserve(location)
    where = connector_of(location)
    TokenFactory(uid="OTHER")

    answers = [
        start(where, cdr_token("OTHER"), at=1),
        start(where, cdr_token("CARD", party_id="FOE"), at=1),
        STATIONS.present_token(evse_id=where.evse_id, uid="OTHER", now=minute(1)),
    ]

    assert {answer.result for answer in answers} == {StationResult.EVSE_OCCUPIED}
    assert SimulatedStation.objects.get().request is None


def test_a_token_of_the_same_group_may_use_it_and_is_the_one_that_is_billed() -> None:
    location = site()
    reservation = reserve(location, group_id="FLEET")
    TokenFactory(uid="COLLEAGUE", group_id="fleet")
    TokenFactory(uid="RIVAL", party_id="FOE", group_id="FLEET")
    evse_id = evse_of(location).pk

    rival = STATIONS.present_token(evse_id=evse_id, uid="RIVAL", now=minute(1))
    colleague = STATIONS.present_token(evse_id=evse_id, uid="COLLEAGUE", now=minute(2))
    STATIONS.advance(now=minute(2))

    assert rival.result is StationResult.EVSE_OCCUPIED
    assert colleague == ACCEPTED
    session = Session.objects.get()
    assert session == reservation.session
    assert (session.token_uid, session.auth_method) == ("COLLEAGUE", "WHITELIST")


def test_the_station_replaces_what_it_knows_by_number_and_refuses_others() -> None:
    location = site()
    reservation = reserve(location)

    def ask(number: int) -> StationResult:
        return STATIONS.reserve(
            ReserveRequest(number, evse_of(location).pk, cdr_token("NEW"), "", minute(120)),
            now=minute(1),
        ).result

    assert ask(reservation.pk + 1) is StationResult.EVSE_OCCUPIED
    assert ask(reservation.pk) is StationResult.ACCEPTED
    told = SimulatedStation.objects.get().reservation
    assert told is not None
    assert told["cdr_token"]["uid"] == "NEW"


@pytest.mark.parametrize(
    ("evse_status", "result"),
    [
        (Status.AVAILABLE, StationResult.ACCEPTED),
        (Status.CHARGING, StationResult.EVSE_OCCUPIED),
        (Status.RESERVED, StationResult.EVSE_OCCUPIED),
        (Status.BLOCKED, StationResult.EVSE_OCCUPIED),
        (Status.OUTOFORDER, StationResult.EVSE_INOPERATIVE),
        (Status.INOPERATIVE, StationResult.EVSE_INOPERATIVE),
        (Status.UNKNOWN, StationResult.TIMEOUT),
    ],
)
def test_the_status_decides_whether_a_reservation_is_accepted(
    evse_status: Status, result: StationResult
) -> None:
    location = site(evses=[evse("E1", status=evse_status.value, capabilities=CAPABILITIES)])
    request = ReserveRequest(1, evse_of(location).pk, cdr_token(), "", minute(60))

    assert STATIONS.reserve(request, now=NOW).result is result


def test_a_car_that_is_plugged_in_already_is_in_the_way_of_a_reservation() -> None:
    location = site()
    STATIONS.plug(evse_id=evse_of(location).pk, now=NOW)
    request = ReserveRequest(1, evse_of(location).pk, cdr_token(), "", minute(60))

    assert STATIONS.reserve(request, now=NOW).result is StationResult.EVSE_OCCUPIED


def test_the_last_evse_is_kept_free_for_who_reserved_any() -> None:
    location = site("E1", "E2")
    reservation = make(location, None)

    others = [
        start(connector_of(location, uid), cdr_token("OTHER"), at=1).result for uid in ("E1", "E2")
    ]
    STATIONS.advance(now=minute(1))
    holder = start(connector_of(location, "E2"), cdr_token("CARD"), at=2)
    STATIONS.advance(now=minute(2))

    # The first start has not reached its car when the second one asks: it counts as taken.
    assert others == [StationResult.ACCEPTED, StationResult.EVSE_OCCUPIED]
    assert holder == ACCEPTED
    reservation.refresh_from_db()
    assert (reservation.status, reservation.evse) == ("USED", evse_of(location, "E2"))


def test_an_evse_that_cannot_be_reserved_is_not_kept_free() -> None:
    location = site(
        evses=[evse("E1", capabilities=CAPABILITIES), evse("E2")],
    )
    make(location, None)

    assert start(connector_of(location, "E2"), cdr_token("OTHER"), at=1) == ACCEPTED


def test_a_start_that_finds_its_reservation_over_is_an_ordinary_session() -> None:
    location = site()
    reservation = reserve(location)
    start(connector_of(location), cdr_token("CARD"), at=59.9)
    reservations.cancel_reservation(number=reservation.pk, now=minute(59.95))

    STATIONS.advance(now=minute(60.1))

    session = Session.objects.latest("pk")
    assert session != reservation.session
    assert session.status == SessionStatus.PENDING


def test_an_unplugged_car_leaves_a_reserved_evse_reserved() -> None:
    location = site()
    reserve(location)
    evse_id = evse_of(location).pk
    STATIONS.plug(evse_id=evse_id, now=minute(1))

    STATIONS.unplug(evse_id=evse_id, now=minute(2))

    assert status(location) == Status.RESERVED


def test_the_station_forgets_a_reservation_by_itself_when_its_time_is_up() -> None:
    location = site()
    reserve(location)

    STATIONS.advance(now=minute(59))
    assert status(location) == Status.RESERVED
    STATIONS.advance(now=minute(HOUR))

    assert status(location) == Status.AVAILABLE
    assert SimulatedStation.objects.get().reservation is None


# --- Tended


def test_the_beat_ends_what_is_over_and_frees_the_evse(monkeypatch: pytest.MonkeyPatch) -> None:
    location = site("E1", "E2")
    due, other = reserve(location), reserve(location, "E2", reservation_id="R2", minutes=90)
    set_clock(monkeypatch, 61)

    tasks.tend_reservations(reason="beat")
    tasks.tend_reservations()

    due.refresh_from_db()
    other.refresh_from_db()
    assert (due.status, other.status) == (ReservationStatus.EXPIRED, ReservationStatus.ACTIVE)
    assert (status(location), status(location, "E2")) == (Status.AVAILABLE, Status.RESERVED)
    assert Cdr.objects.count() == 1


@pytest.mark.rule("CMD-23")
@pytest.mark.parametrize("gone", [Status.OUTOFORDER, Status.INOPERATIVE, Status.REMOVED])
def test_a_reservation_of_an_evse_that_goes_out_of_service_is_taken_back(
    gone: Status, monkeypatch: pytest.MonkeyPatch
) -> None:
    location = site()
    reservation = reserve(location)
    set_clock(monkeypatch, 10)
    tasks.tend_reservations()
    set_evse_status(evse_id=evse_of(location).pk, status=gone, now=minute(10))

    tasks.tend_reservations()

    reservation.refresh_from_db()
    assert reservation.status == ReservationStatus.CANCELED_BY_CPO
    assert reservation.session.status == SessionStatus.COMPLETED
    assert status(location) == gone
    assert SimulatedStation.objects.get().reservation is None


@pytest.mark.rule("CMD-23")
def test_an_open_reservation_is_taken_back_when_no_evse_is_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    location = site("E1", "E2")
    reservation = make(location, None)
    set_clock(monkeypatch, 10)
    set_evse_status(evse_id=evse_of(location).pk, status="OUTOFORDER", now=minute(10))
    tasks.tend_reservations()
    reservation.refresh_from_db()
    assert reservation.status == ReservationStatus.ACTIVE
    set_evse_status(evse_id=evse_of(location, "E2").pk, status="REMOVED", now=minute(10))

    tasks.tend_reservations()

    reservation.refresh_from_db()
    assert reservation.status == ReservationStatus.CANCELED_BY_CPO


def test_one_that_cannot_be_ended_does_not_keep_the_others(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    location = site("E1", "E2")
    broken, sound = make(location), make(location, "E2", reservation_id="R2")
    Session.objects.filter(pk=broken.session_id).update(
        frozen_tariff={"id": "BROKEN"}, last_updated=minute(1)
    )
    set_clock(monkeypatch, 61)

    tasks.tend_reservations()

    sound.refresh_from_db()
    assert sound.status == ReservationStatus.EXPIRED
    assert "could not be ended" in caplog.text


def test_nothing_to_tend_costs_two_queries(django_assert_num_queries: Any) -> None:
    make(site())

    with django_assert_num_queries(2):
        assert reservations.overdue(now=minute(1)) == []
        assert reservations.out_of_service() == []


# --- Tokens that came with a command


class Memory:
    """What the commands said of tokens, as far as this test has it."""

    said: dict[str, datetime] = {}

    def find(self, *, evse_id: int, uid: str, type: str, since: datetime) -> Commanded | None:  # noqa: A002
        at = self.said.get(f"{uid}/{type}")
        if at is None or at < since:
            return None
        return Commanded(cdr_token(uid).model_copy(update={"type": type}), "", "REF-C")


class Asked:
    """An eMSP that refuses, and remembers that it was asked."""

    questions: list[Question] = []

    def is_connected(self, *, country_code: str, party_id: str) -> bool:
        return True

    def ask(self, question: Question) -> RealtimeAnswer:
        self.questions.append(question)
        return RealtimeAnswer(Allowed.NOT_ALLOWED)


@pytest.fixture
def asked(settings: Settings) -> list[Question]:
    settings.COMMANDED_TOKENS = f"{__name__}.Memory"
    settings.REALTIME_AUTHORIZER = f"{__name__}.Asked"
    Memory.said, Asked.questions = {}, []
    return Asked.questions


@pytest.mark.rule("TOK-26", "CMD-10")
@pytest.mark.parametrize(("minutes", "is_asked"), [(0, False), (15, False), (15.1, True)])
def test_a_card_from_a_command_is_asked_about_only_after_a_quarter_of_an_hour(
    asked: list[Question], minutes: float, is_asked: Any
) -> None:
    location = site()
    TokenFactory(uid="CARD", whitelist="NEVER")
    Memory.said["CARD/RFID"] = NOW

    answer = STATIONS.present_token(evse_id=evse_of(location).pk, uid="CARD", now=minute(minutes))
    STATIONS.advance(now=minute(minutes))

    assert bool(asked) is is_asked
    assert (answer.result is StationResult.ACCEPTED) is not is_asked
    if not is_asked:
        session = Session.objects.get()
        assert (session.auth_method, session.authorization_reference) == (
            AuthMethod.COMMAND,
            "REF-C",
        )


@pytest.mark.rule("TOK-26")
@pytest.mark.parametrize("type_", ["APP_USER", "AD_HOC_USER"])
@pytest.mark.parametrize("is_commanded", [True, False])
def test_an_app_user_is_never_asked_about(
    asked: list[Question], type_: str, is_commanded: Any
) -> None:
    location = site()
    TokenFactory(uid="anna", type=type_, whitelist="NEVER")
    if is_commanded:
        Memory.said[f"anna/{type_}"] = NOW

    answer = STATIONS.present_token(
        evse_id=evse_of(location).pk, uid="anna", type=type_, now=minute(1)
    )

    assert asked == []
    assert (answer.result is StationResult.ACCEPTED) is is_commanded


@pytest.mark.rule("TOK-26", "CMD-11")
@pytest.mark.parametrize("type_", ["RFID", "APP_USER"])
def test_a_token_that_only_its_reservation_knows_is_good_for_it(
    asked: list[Question], type_: str
) -> None:
    location = site()
    token = cdr_token("NEVER-PUSHED").model_copy(update={"type": type_})
    reservation = reserve(location, token=token)

    answer = STATIONS.present_token(
        evse_id=evse_of(location).pk, uid="NEVER-PUSHED", type=type_, now=minute(40)
    )
    STATIONS.advance(now=minute(40))

    assert (answer, asked) == (ACCEPTED, [])
    assert Session.objects.get() == reservation.session


@pytest.mark.rule("TOK-26", "CMD-10")
def test_the_card_of_a_remote_start_before_the_reader_starts_no_question(
    asked: list[Question],
) -> None:
    location = site()
    SimulatedStation.objects.create(evse=evse_of(location), has_driver=False)
    start(connector_of(location), cdr_token("CARD"), at=0)

    answer = STATIONS.present_token(evse_id=evse_of(location).pk, uid="card", now=minute(0.5))

    assert (answer, asked) == (ACCEPTED, [])


# --- Unlocked


@pytest.mark.rule("CMD-26")
def test_unlocking_ends_the_session_and_lets_the_car_go() -> None:
    location = site()
    where = connector_of(location)
    start(where, cdr_token("CARD"), at=0)
    STATIONS.advance(now=NOW)
    STATIONS.advance(now=NOW)

    assert STATIONS.unlock(connector_id=where.pk, now=minute(6)) == ACCEPTED
    STATIONS.advance(now=minute(6.1))

    assert Session.objects.get().status == SessionStatus.COMPLETED
    assert Cdr.objects.get().total_energy == Decimal("1.1")
    assert status(location) == Status.AVAILABLE


def test_an_idle_connector_is_unlocked_and_nothing_else_happens() -> None:
    location = site()

    assert STATIONS.unlock(connector_id=connector_of(location).pk, now=NOW) == ACCEPTED

    assert status(location) == Status.AVAILABLE


@pytest.mark.parametrize(
    ("fields", "result"),
    [
        ({"capabilities": ["RFID_READER"]}, StationResult.NOT_SUPPORTED),
        ({"status": "UNKNOWN"}, StationResult.TIMEOUT),
    ],
)
def test_what_cannot_be_unlocked_says_why(fields: dict[str, Any], result: StationResult) -> None:
    location = site(evses=[evse("E1", **({"capabilities": CAPABILITIES} | fields))])

    assert STATIONS.unlock(connector_id=connector_of(location).pk, now=NOW).result is result


def test_a_broken_station_fails_to_unlock() -> None:
    location = site()
    STATIONS.fault(evse_id=evse_of(location).pk, now=NOW)

    answer = STATIONS.unlock(connector_id=connector_of(location).pk, now=NOW)

    assert answer.result is StationResult.FAILED
    assert STATIONS.unlock(connector_id=404, now=NOW).result is StationResult.REJECTED


# --- In the admin

RESERVATIONS = "/admin/sessions_app/reservation/"


def test_the_pages_of_a_reservation_show_it_and_its_session(admin_client: Client) -> None:
    reservation = make(site(), reservation_id="EMSP-77", group_id="FLEET")

    listed = admin_client.get(RESERVATIONS).content.decode()
    page = admin_client.get(f"{RESERVATIONS}{reservation.pk}/change/").content.decode()
    session = admin_client.get(
        f"/admin/sessions_app/session/{reservation.session_id}/change/"
    ).content.decode()

    assert f"{RESERVATIONS}{reservation.pk}/change/" in listed
    for expected in ("EMSP-77", "FLEET", "Active", "Cancel the reservation", "CARD"):
        assert expected in page, expected
    assert f'href="{RESERVATIONS}{reservation.pk}/change/"' in session


def test_staff_is_asked_before_a_reservation_is_canceled(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    location = site()
    reservation = reserve(location)
    set_clock(monkeypatch, 10)
    url = f"{RESERVATIONS}{reservation.pk}/cancel/"

    question = admin_client.get(url).content.decode()
    assert "no CDR is issued" in question
    reservation.refresh_from_db()
    assert reservation.status == ReservationStatus.ACTIVE

    admin_client.post(url)
    again = admin_client.post(url, follow=True).content.decode()

    reservation.refresh_from_db()
    assert reservation.status == ReservationStatus.CANCELED_BY_CPO
    assert status(location) == Status.AVAILABLE
    assert "has ended already" in again
    assert "Cancel the reservation" not in again


def test_who_may_only_look_cannot_cancel(client: Client) -> None:
    reservation = make(site())
    viewer = User.objects.create_user("viewer", password="secret", is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_reservation"))
    client.force_login(viewer)

    page = client.get(f"{RESERVATIONS}{reservation.pk}/change/")
    refused = client.post(f"{RESERVATIONS}{reservation.pk}/cancel/")

    assert page.status_code == 200
    assert "Cancel the reservation" not in page.content.decode()
    assert refused.status_code == 403
    reservation.refresh_from_db()
    assert reservation.status == ReservationStatus.ACTIVE


@pytest.mark.parametrize("size", [1, 4])
def test_the_list_takes_the_same_queries_for_any_size(
    admin_client: Client, django_assert_num_queries: Any, size: int
) -> None:
    location = site(*(f"E{number}" for number in range(size)))
    for number in range(size):
        make(location, f"E{number}", reservation_id=f"R{number}")
    admin_client.get(RESERVATIONS)  # fills the caches that live longer than a request

    with django_assert_num_queries(4):
        assert admin_client.get(RESERVATIONS).status_code == 200
