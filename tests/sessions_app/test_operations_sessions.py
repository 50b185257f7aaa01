"""What sessions and CDRs promise."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from decimal import Decimal
from threading import Barrier
from typing import Any

import pytest
from django.db import IntegrityError, connection, models, transaction

from cpo_platform.common.operations import Outcome
from cpo_platform.common.shapes import parse
from locations import canonical
from locations import operations as locations
from locations.models import Connector, Evse, Location, Status
from locations.shapes import EvseShape, LocationShape
from sessions_app.metering import Reading
from sessions_app.models import Cdr, MeterReading, Session, SessionStatus
from sessions_app.operations import sessions
from sessions_app.signals import cdr_issued, session_changed
from tariffs.models import Tariff
from tests.concurrency import just_before
from tests.factories import (
    NOW,
    ConnectorFactory,
    EvseFactory,
    LocationFactory,
    SessionFactory,
    TariffFactory,
    cdr_token,
    evse,
    price,
)

pytestmark = pytest.mark.django_db


def minute(number: float) -> datetime:
    return NOW + timedelta(minutes=number)


def reading(at: float, kwh: str, **state: Any) -> Reading:
    return Reading(minute(at), Decimal(kwh), **state)


def record(session: Session, *readings: Reading, at: float | None = None) -> Session:
    now = max(one.at for one in readings) if at is None else minute(at)
    return sessions.record_meter_values(session_id=session.pk, readings=readings, now=now)


def stop(session: Session, at: float, *readings: Reading) -> tuple[Session, Cdr | None]:
    return sessions.stop_session(
        session_id=session.pk, ended_at=minute(at), now=minute(at), readings=readings
    )


def issued(session: Session, at: float, *readings: Reading) -> Cdr:
    _session, cdr = stop(session, at, *readings)
    assert cdr is not None
    return cdr


@pytest.fixture
def signals() -> Iterator[list[tuple[str, Any]]]:
    """Collect what sessions announce: the name of the model and the id."""
    heard: list[tuple[str, Any]] = []

    def on_session(*, session_id: int, **_: Any) -> None:
        heard.append(("session", session_id))

    def on_cdr(*, cdr_id: int, **_: Any) -> None:
        heard.append(("cdr", cdr_id))

    session_changed.connect(on_session)
    cdr_issued.connect(on_cdr)
    yield heard
    session_changed.disconnect(on_session)
    cdr_issued.disconnect(on_cdr)


# --- The start


@pytest.mark.rule("SES-07", "SES-10", "SES-12", "SES-23")
def test_session_starts_pending_with_what_is_true_at_its_connector(
    signals: list[tuple[str, Any]],
) -> None:
    connector = ConnectorFactory()

    session = sessions.start_session(
        connector_id=connector.pk,
        cdr_token=cdr_token("CARD"),
        auth_method="COMMAND",
        authorization_reference="REF-1",
        meter_start=Decimal("12.5"),
        now=NOW,
    )

    session.refresh_from_db()
    assert session.status == SessionStatus.PENDING
    assert (session.country_code, session.party_id) == ("NL", "TST")
    assert session.location_id == connector.evse.location_id
    assert (session.evse_id, session.connector_id) == (connector.evse_id, connector.pk)
    assert session.cdr_token == cdr_token("CARD")
    assert (session.auth_method, session.authorization_reference) == ("COMMAND", "REF-1")
    assert (session.currency, session.kwh) == ("EUR", Decimal(0))
    assert (session.start_date_time, session.end_date_time) == (NOW, None)
    assert session.frozen_location["evse_id"] == connector.evse.evse_id
    assert session.frozen_location["time_zone"] == "Europe/Amsterdam"
    assert signals == [("session", session.pk)]


@pytest.mark.rule("SES-07", "SES-23")
def test_activation_moves_the_start_to_when_energy_may_flow() -> None:
    session = SessionFactory(active=False)

    sessions.activate_session(session_id=session.pk, now=minute(3))

    session.refresh_from_db()
    assert session.status == SessionStatus.ACTIVE
    assert session.start_date_time == minute(3)
    assert session.total_cost_before_taxes == 0


def test_activation_between_two_milliseconds_has_no_time_to_price() -> None:
    tariff = TariffFactory(elements=[{"price_components": [price("TIME", "60", step_size=60)]}])
    session = SessionFactory(connector=ConnectorFactory(tariff=tariff), active=False)

    session = sessions.activate_session(
        session_id=session.pk, now=NOW + timedelta(microseconds=700)
    )

    assert session.start_date_time == NOW
    assert session.total_cost_before_taxes == 0


@pytest.mark.rule("SES-23")
def test_active_session_is_not_activated_again() -> None:
    session = SessionFactory()

    with pytest.raises(sessions.SessionNotOngoing, match="not PENDING"):
        sessions.activate_session(session_id=session.pk, now=minute(1))

    session.refresh_from_db()
    assert session.start_date_time == NOW


@pytest.mark.rule("LOC-16")
def test_second_session_at_an_evse_is_refused_and_nothing_changes(
    signals: list[tuple[str, Any]],
) -> None:
    connector = ConnectorFactory()
    first = SessionFactory(connector=connector)
    before = Session.objects.values().get()
    signals.clear()

    with pytest.raises(sessions.EvseOccupied, match=connector.evse.uid):
        SessionFactory(connector=connector)

    assert Session.objects.values().get() == before
    assert before["id"] == first.pk
    assert signals == []


def test_evse_is_free_again_when_its_session_has_ended() -> None:
    connector = ConnectorFactory()
    stop(SessionFactory(connector=connector), 5)

    assert SessionFactory(connector=connector, now=minute(6)).status == SessionStatus.ACTIVE


@pytest.mark.django_db(transaction=True)
def test_one_of_two_sessions_that_start_at_once_wins() -> None:
    connector = ConnectorFactory()
    barrier = Barrier(2)

    def start(uid: str) -> str:
        try:
            barrier.wait(timeout=10)
            sessions.start_session(
                connector_id=connector.pk,
                cdr_token=cdr_token(uid),
                auth_method="WHITELIST",
                meter_start=Decimal(0),
                now=NOW,
            )
        except sessions.EvseOccupied:
            return "occupied"
        finally:
            connection.close()
        return "started"

    with ThreadPoolExecutor(2) as pool:
        outcomes = sorted(pool.map(start, ["A", "B"]))

    assert outcomes == ["occupied", "started"]
    assert Session.objects.count() == 1


@pytest.mark.rule("TAR-03", "TAR-04")
def test_regular_tariff_goes_before_an_untyped_one_and_invalid_ones_are_ignored() -> None:
    TariffFactory(id="UNTYPED")
    TariffFactory(id="REGULAR", type="REGULAR", start_date_time="2026-01-01T00:00:00Z")
    TariffFactory(id="OLD", type="REGULAR", end_date_time="2026-01-01T00:00:00Z")
    TariffFactory(id="AD-HOC", type="AD_HOC_PAYMENT")
    ids = ["UNTYPED", "REGULAR", "OLD", "AD-HOC"]

    session = SessionFactory(connector=ConnectorFactory(evses=[evse(tariff_ids=ids)]))

    assert session.tariff is not None
    assert session.tariff.ocpi_id == "REGULAR"


# --- The price


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("table", ["tariffs_tariffelement", "tariffs_pricecomponent"])
def test_tariff_that_changes_while_a_session_starts_is_frozen_as_one_of_both(table: str) -> None:
    """The prices of after a change with the tax of before it would be a price nobody agreed to."""
    connector = ConnectorFactory()
    before = Tariff.objects.get()

    def change_it() -> None:
        TariffFactory(
            id=before.ocpi_id,
            tax_included="YES",
            elements=[{"price_components": [price("ENERGY", "0.50")]}],
            now=before.last_updated + timedelta(minutes=1),
        )

    with just_before(f'FROM "{table}"', change_it):
        session = SessionFactory(connector=connector)

    assert session.frozen_tariff is not None
    [element] = session.frozen_tariff["elements"]
    assert element["price_components"][0]["price"] == "0.5000"
    assert session.frozen_tariff["tax_included"] == "YES"


def test_every_reading_prices_the_session_anew() -> None:
    session = SessionFactory()

    record(session, reading(15, "1002.5"))
    session.refresh_from_db()
    assert session.kwh == Decimal("2.5")
    assert session.total_cost_before_taxes == Decimal("1.0")
    assert session.total_cost_after_taxes == Decimal("1.21")

    record(session, reading(30, "1005"))
    session.refresh_from_db()
    assert session.kwh == Decimal(5)
    assert session.total_cost_before_taxes == Decimal("2.0")
    assert session.total_cost_after_taxes == Decimal("2.42")


@pytest.mark.rule("CDR-07", "TAR-04")
def test_change_of_tariff_and_location_does_not_reach_a_running_session() -> None:
    connector = ConnectorFactory(tariff=TariffFactory(id="T"))
    session = SessionFactory(connector=connector)
    TariffFactory(id="T", elements=[{"price_components": [price("ENERGY", "9.99")]}], now=minute(1))
    LocationFactory(id=connector.evse.location.ocpi_id, evses=[], address="Elders 2", now=minute(1))

    cdr = issued(session, 60, reading(60, "1010"))

    assert cdr.total_cost_before_taxes == Decimal("4.0")
    assert cdr.cdr_location["address"] == "Teststraat 1"
    assert cdr.tariffs[0]["elements"][0]["price_components"][0]["price"] == "0.4000"
    later = SessionFactory(connector=connector, now=minute(70))
    assert record(later, reading(80, "1001")).total_cost_before_taxes == Decimal("9.99")


def test_late_reading_is_taken_and_out_of_order_ones_too() -> None:
    tariff = TariffFactory(
        elements=[
            {"price_components": [price("ENERGY", "1")], "restrictions": {"end_time": "10:30"}},
            {"price_components": [price("ENERGY", "2")]},
        ]
    )
    session = SessionFactory(connector=ConnectorFactory(tariff=tariff))
    record(session, reading(60, "1006"))
    session.refresh_from_db()
    assert session.total_cost_before_taxes == Decimal(9)  # 3 kWh at 1, 3 kWh at 2

    # All the energy had flowed in the first half hour.
    record(session, reading(30, "1006"), reading(15, "1003"), at=61)

    session.refresh_from_db()
    assert session.kwh == Decimal(6)
    assert session.total_cost_before_taxes == Decimal(6)


def test_reading_of_a_known_moment_changes_nothing(signals: list[tuple[str, Any]]) -> None:
    session = record(SessionFactory(), reading(10, "1001"))
    before = Session.objects.values().get()
    signals.clear()

    record(session, reading(10, "1001"), reading(10, "1009"), at=12)

    assert Session.objects.values().get() == before
    assert MeterReading.objects.count() == 2
    assert signals == []


@pytest.mark.rule("SES-01", "SES-23")
def test_pending_and_ended_sessions_take_no_readings() -> None:
    pending, ended = SessionFactory(active=False), SessionFactory()
    stop(ended, 5)

    for session in (pending, ended):
        with pytest.raises(sessions.SessionNotOngoing, match="not ACTIVE"):
            record(session, reading(10, "1001"))

    assert not MeterReading.objects.filter(at__gt=NOW).exists()


def test_readings_cost_the_same_number_of_queries_however_many_there_are(
    django_assert_num_queries: Any,
) -> None:
    session = SessionFactory()
    record(session, *(reading(number, str(1000 + number)) for number in range(1, 50)))

    # Savepoint, lock, known moments, insert, newest, all readings, last period, update, feed,
    # and the release.
    with django_assert_num_queries(10):
        record(session, *(reading(number, str(1000 + number)) for number in range(50, 90)))


# --- Charging periods


def half_hourly_tariff() -> Tariff:
    """Return 1.00/kWh until 10:30 local (minute 30), 2.00/kWh until 11:00, 3.00/kWh after."""
    prices = [("1", {"end_time": "10:30"}), ("2", {"end_time": "11:00"}), ("3", {})]
    tariff: Tariff = TariffFactory(
        elements=[
            {"price_components": [price("ENERGY", amount)], "restrictions": restrictions}
            for amount, restrictions in prices
        ]
    )
    return tariff


def periods(session: Session) -> list[tuple[datetime, list[dict[str, str]]]]:
    return list(
        session.charging_periods.order_by("position").values_list("start_date_time", "dimensions")
    )


@pytest.mark.rule("SES-14")
def test_periods_are_stored_when_they_are_closed_and_never_changed() -> None:
    session = SessionFactory(connector=ConnectorFactory(tariff=half_hourly_tariff()))
    record(session, reading(20, "1002"))
    assert periods(session) == []

    record(session, reading(40, "1004"))
    first = [
        (
            minute(0),
            [{"type": "ENERGY", "volume": "3"}, {"type": "TIME", "volume": "0.5"}],
        )
    ]
    assert periods(session) == first

    record(session, reading(70, "1010"), at=70)
    assert periods(session)[:1] == first
    assert [start for start, _ in periods(session)] == [minute(0), minute(30)]

    stop(session, 80, reading(80, "1011"))
    assert periods(session)[:1] == first
    assert [start for start, _ in periods(session)] == [minute(0), minute(30), minute(60)]


def test_late_reading_leaves_stored_periods_alone_but_the_cdr_is_exact() -> None:
    session = SessionFactory(connector=ConnectorFactory(tariff=half_hourly_tariff()))
    record(session, reading(40, "1004"))
    stored = periods(session)

    cdr = issued(session, 50, reading(30, "1001"), reading(50, "1005"))

    assert periods(session)[: len(stored)] == stored
    energy = [
        dimension["volume"]
        for period in cdr.charging_periods
        for dimension in period["dimensions"]
        if dimension["type"] == "ENERGY"
    ]
    assert energy == ["1", "4"]
    assert cdr.total_energy == Decimal(5)
    assert cdr.total_cost_before_taxes == Decimal(9)


def test_late_reading_that_makes_a_new_period_repeats_none() -> None:
    # The power decides the price: a late reading adds a period between two.
    tariff = TariffFactory(
        elements=[
            {"price_components": [price("ENERGY", "1")], "restrictions": {"max_power": "10"}},
            {"price_components": [price("ENERGY", "2")]},
        ]
    )
    session = SessionFactory(connector=ConnectorFactory(tariff=tariff))
    slow, fast = {"power_kw": Decimal(5)}, {"power_kw": Decimal(20)}
    record(session, reading(1, "1000", **slow), reading(20, "1002", **fast))
    record(session, reading(30, "1005", **fast))
    assert [start for start, _ in periods(session)] == [minute(0)]

    record(session, reading(5, "1000.5", **fast), reading(10, "1001", **slow), at=31)
    _session, cdr = stop(session, 40, reading(40, "1008", **slow))

    starts = [start for start, _ in periods(session)]
    assert starts == sorted(set(starts))
    assert cdr is not None
    # 10 kW lie between the readings: a third, or two thirds, of the way.
    assert [period["start_date_time"] for period in cdr.charging_periods] == [
        "2026-06-01T08:00:00Z",
        "2026-06-01T08:02:20Z",
        "2026-06-01T08:08:20Z",
        "2026-06-01T08:13:20Z",
        "2026-06-01T08:36:40Z",
    ]


def test_readings_of_a_clock_ahead_count_as_of_their_arrival() -> None:
    session = SessionFactory()

    record(session, reading(60, "1001"), reading(61, "1002"), at=10)
    record(session, reading(12, "1003"), at=11)
    cdr = issued(session, 20, reading(20, "1004"))

    assert list(MeterReading.objects.order_by("at").values_list("at", "kwh", "stamped_at")) == [
        (minute(0), Decimal(1000), None),
        (minute(10), Decimal(1002), minute(61)),
        # Two minutes are no reason to doubt a clock.
        (minute(12), Decimal(1003), None),
        (minute(20), Decimal(1004), None),
    ]
    assert cdr.total_energy == 4
    assert session_remarks(session) == [
        "The station's clock was ahead: the reading that it stamped 2026-06-01 09:01:00 UTC "
        "is taken as of 2026-06-01 08:10:00 UTC."
    ]


def session_remarks(session: Session) -> list[str]:
    session.refresh_from_db()
    remarks: list[str] = session.price_details["remarks"]
    return remarks


@pytest.mark.rule("CDR-15", "SES-16")
def test_volumes_of_the_periods_add_up_to_the_totals() -> None:
    prices = [
        (f"{hour:02}:{minute_:02}", hour + minute_)
        for hour in (10,)
        for minute_ in range(0, 60, 10)
    ]
    tariff = TariffFactory(
        elements=[
            {
                "price_components": [price("ENERGY", f"0.{number + 10}")],
                "restrictions": {"start_time": start},
            }
            for start, number in reversed(prices)
        ]
    )
    session = SessionFactory(connector=ConnectorFactory(tariff=tariff))

    cdr = issued(session, 60, reading(60, "1001"))

    def total(kind: str) -> Decimal:
        return sum(
            (
                Decimal(dimension["volume"])
                for period in cdr.charging_periods
                for dimension in period["dimensions"]
                if dimension["type"] == kind
            ),
            Decimal(0),
        )

    assert len(cdr.charging_periods) == 6
    assert total("ENERGY") == cdr.total_energy == Decimal(1)
    assert total("TIME") == cdr.total_time == Decimal(1)


@pytest.mark.rule("CDR-14", "CDR-15")
def test_charging_and_parking_add_up_to_the_time_of_the_session() -> None:
    session = SessionFactory()

    cdr = issued(
        session,
        260,
        *(reading(number, "1010") for number in range(30, 160, 10)),
        *(
            reading(number, "1010", requesting_power=False, power_kw=Decimal(0))
            for number in range(161, 260, 14)
        ),
    )

    hours = {
        dimension["type"]: dimension["volume"]
        for period in cdr.charging_periods
        for dimension in period["dimensions"]
    }
    assert cdr.total_time == Decimal("4.3333")
    assert (hours["TIME"], hours["PARKING_TIME"]) == ("2.6833", "1.65")
    assert cdr.total_parking_time == Decimal("1.65")


# --- The end


@pytest.mark.rule("CDR-05", "CDR-17", "CDR-25")
def test_stop_issues_one_cdr_with_exact_totals(signals: list[tuple[str, Any]]) -> None:
    tariff = TariffFactory(
        id="FULL",
        elements=[
            {
                "price_components": [
                    price("FLAT", "0.50"),
                    price("ENERGY", "0.35"),
                    price("TIME", "1.20", step_size=60),
                    price("PARKING_TIME", "6.00", step_size=60),
                ]
            }
        ],
    )
    session = SessionFactory(
        connector=ConnectorFactory(tariff=tariff),
        cdr_token=cdr_token("CARD"),
        authorization_reference="REF-2",
    )
    signals.clear()
    _session, cdr = stop(
        session,
        60,
        reading(40, "1007.3", requesting_power=False, power_kw=Decimal(0)),
        reading(60, "1007.3", requesting_power=False, power_kw=Decimal(0)),
    )

    session.refresh_from_db()
    assert cdr is not None
    cdr.refresh_from_db()
    assert Cdr.objects.count() == 1
    assert (session.status, session.end_date_time) == (SessionStatus.COMPLETED, minute(60))
    # 0.50 + 7.3 kWh * 0.35 + 40 min * 1.20/h + 20 min * 6.00/h = 0.5 + 2.555 + 0.8 + 2.0
    assert cdr.total_cost_before_taxes == Decimal("5.855")
    assert cdr.total_cost_after_taxes == Decimal("7.0846")  # * 1.21 = 7.08455, half up
    assert (cdr.total_energy, cdr.total_time) == (Decimal("7.3"), Decimal(1))
    assert cdr.total_parking_time == Decimal("0.3333")
    assert {name: cost["before_taxes"] for name, cost in cdr.costs.items()} == {
        "total_cost": "5.8550",
        "total_fixed_cost": "0.5000",
        "total_energy_cost": "2.5550",
        "total_time_cost": "0.8000",
        "total_parking_cost": "2.0000",
        "total_reservation_cost": "0.0000",
    }
    assert cdr.cdr_token == cdr_token("CARD")
    assert (cdr.session_id, cdr.session_ocpi_id) == (session.pk, session.ocpi_id)
    assert (cdr.start_date_time, cdr.end_date_time) == (NOW, minute(60))
    assert cdr.authorization_reference == "REF-2"
    assert "time_zone" not in cdr.cdr_location
    assert [tariff["id"] for tariff in cdr.tariffs] == ["FULL"]
    assert signals == [("session", session.pk), ("cdr", cdr.pk)]


def test_cdr_has_the_total_of_the_session() -> None:
    session = SessionFactory()

    cdr = issued(session, 20, reading(20, "1003.333"))

    session.refresh_from_db()
    assert cdr.total_energy == session.kwh == Decimal("3.333")
    assert cdr.total_cost_before_taxes == session.total_cost_before_taxes == Decimal("1.3332")
    assert cdr.total_cost_after_taxes == session.total_cost_after_taxes == Decimal("1.6132")


@pytest.mark.rule("SES-01", "SES-23")
def test_completed_session_is_not_stopped_again() -> None:
    session = SessionFactory()
    stop(session, 10)
    before = Session.objects.values().get()

    with pytest.raises(sessions.SessionNotOngoing):
        stop(session, 20)

    assert Session.objects.values().get() == before
    assert Cdr.objects.count() == 1


def test_session_and_cdr_are_written_together_or_not_at_all() -> None:
    session = SessionFactory()

    def fail(**_: Any) -> None:
        raise RuntimeError("a receiver broke")

    cdr_issued.connect(fail)
    try:
        with pytest.raises(RuntimeError), transaction.atomic():
            stop(session, 10, reading(10, "1001"))
    finally:
        cdr_issued.disconnect(fail)

    session.refresh_from_db()
    assert session.status == SessionStatus.ACTIVE
    assert Cdr.objects.count() == 0
    assert not MeterReading.objects.filter(at=minute(10)).exists()


@pytest.mark.rule("SES-01", "SES-23")
def test_session_that_never_became_active_is_invalid_and_has_no_cdr() -> None:
    session = SessionFactory(active=False)

    _session, cdr = stop(session, 1)

    session.refresh_from_db()
    assert cdr is None
    assert (session.status, session.end_date_time) == (SessionStatus.INVALID, minute(1))
    assert Cdr.objects.count() == 0


@pytest.mark.rule("CDR-08")
def test_session_that_ends_as_it_starts_has_a_cdr_of_nothing() -> None:
    cdr = issued(SessionFactory(), 0)

    assert (cdr.total_energy, cdr.total_time) == (Decimal(0), Decimal(0))
    assert cdr.total_cost_before_taxes == 0
    assert len(cdr.charging_periods) == 1


def test_end_before_the_start_counts_as_the_start() -> None:
    assert issued(SessionFactory(), -0.5).end_date_time == NOW


def test_session_without_tariff_costs_nothing_and_still_has_a_cdr() -> None:
    session = SessionFactory(connector=ConnectorFactory(tariff=None))

    cdr = issued(session, 30, reading(30, "1010"))

    assert cdr.currency == "EUR"
    assert (cdr.tariffs, cdr.price_lines) == ([], [])
    assert cdr.total_cost_before_taxes == 0
    assert (cdr.total_energy, cdr.total_time) == (Decimal(10), Decimal("0.5"))
    assert cdr.remark == "No tariff applied."
    assert cdr.charging_periods == [
        {
            "start_date_time": "2026-06-01T08:00:00Z",
            "dimensions": [
                {"type": "ENERGY", "volume": "10.0000"},
                {"type": "TIME", "volume": "0.5000"},
            ],
        }
    ]


# --- What the database refuses


def execute(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE sessions_app_cdr SET total_energy = 0",
        "UPDATE sessions_app_cdr SET last_updated = now()",
        "DELETE FROM sessions_app_cdr",
    ],
)
def test_database_refuses_to_change_a_cdr(sql: str) -> None:
    issued(SessionFactory(), 10, reading(10, "1001"))
    before = Cdr.objects.values().get()

    with pytest.raises(IntegrityError, match="a CDR is immutable"), transaction.atomic():
        execute(sql)

    assert Cdr.objects.values().get() == before


def test_database_refuses_to_truncate_cdrs() -> None:
    issued(SessionFactory(), 10)

    with transaction.atomic():
        execute("SET CONSTRAINTS ALL IMMEDIATE")
        execute("SET LOCAL cpo.allow_truncate = off")
        with pytest.raises(IntegrityError, match="TRUNCATE is refused"), transaction.atomic():
            execute("TRUNCATE sessions_app_cdr")

    assert Cdr.objects.count() == 1


def test_orm_cannot_change_or_delete_a_cdr() -> None:
    cdr = issued(SessionFactory(), 10)

    with pytest.raises(IntegrityError, match="UPDATE is refused"), transaction.atomic():
        cdr.save()
    with pytest.raises(IntegrityError, match="DELETE is refused"), transaction.atomic():
        Cdr.objects.all().delete()


def test_session_with_a_cdr_cannot_be_deleted() -> None:
    session = SessionFactory()
    stop(session, 10)

    with pytest.raises(models.ProtectedError):
        session.delete()


@pytest.mark.rule("LOC-03")
def test_evse_is_never_deleted() -> None:
    row = EvseFactory()
    Connector.objects.filter(evse=row).delete()

    with pytest.raises(IntegrityError, match="never deleted"), transaction.atomic():
        row.delete()

    assert Evse.objects.filter(pk=row.pk).exists()


def test_database_refuses_a_change_that_does_not_move_last_updated() -> None:
    session = SessionFactory()
    location = session.location

    for row, column, value in (
        (session, "meter_id", "M"),
        (location, "city", "Delft"),
        (session.evse, "floor_level", "1"),
        (session.connector, "max_amperage", 1),
        (session.tariff, "currency", "SEK"),
    ):
        assert row is not None
        table = type(row).objects.filter(pk=row.pk)
        with pytest.raises(IntegrityError, match="must increase"), transaction.atomic():
            table.update(**{column: value})
        stale = row.last_updated - timedelta(seconds=1)
        with pytest.raises(IntegrityError, match="must increase"), transaction.atomic():
            table.update(last_updated=stale)
        row.refresh_from_db()
        assert getattr(row, column) != value


def test_second_cdr_of_a_session_is_refused() -> None:
    cdr = issued(SessionFactory(), 10)
    cdr.pk, cdr.ocpi_id, cdr._state.adding = None, "another", True

    with pytest.raises(IntegrityError, match="cdr_one_per_session"), transaction.atomic():
        cdr.save(force_insert=True)


def test_last_updated_grows_with_every_change_even_if_the_clock_does_not() -> None:
    session = SessionFactory(active=False)
    seen = [session.last_updated]

    seen.append(sessions.activate_session(session_id=session.pk, now=NOW).last_updated)
    seen.append(record(session, reading(1, "1001"), at=0).last_updated)
    seen.append(
        sessions.stop_session(session_id=session.pk, ended_at=minute(2), now=minute(-60))[
            0
        ].last_updated
    )

    assert seen == [NOW + timedelta(milliseconds=number) for number in range(4)]


# --- Locations: what a session stands on


def updated(location: Location) -> tuple[datetime, datetime, datetime]:
    location.refresh_from_db()
    row = location.evses.get()
    return location.last_updated, row.last_updated, row.connectors.get().last_updated


def change(location: Location, now: datetime, **changes: Any) -> Outcome:
    row = location.evses.get()
    shape = canonical.evse_shape_of(row).model_dump(mode="json", exclude_none=True)
    shape["connectors"][0] |= changes
    return locations.put_evse(location_id=location.pk, evse=parse(EvseShape, shape), now=now)[1]


@pytest.mark.rule("LOC-04")
def test_change_of_a_connector_moves_its_evse_and_location() -> None:
    location = LocationFactory()
    assert updated(location) == (NOW, NOW, NOW)

    assert change(location, minute(1), max_amperage=16) is Outcome.CHANGED

    assert updated(location) == (minute(1), minute(1), minute(1))


def test_same_connector_again_moves_nothing() -> None:
    location = LocationFactory()

    assert change(location, minute(1)) is Outcome.UNCHANGED

    assert updated(location) == (NOW, NOW, NOW)


def test_change_with_a_clock_that_went_back_still_moves_forward() -> None:
    location = LocationFactory()

    change(location, minute(-5), max_amperage=16)

    later = NOW + timedelta(milliseconds=1)
    assert updated(location) == (later, later, later)


@pytest.mark.rule("LOC-04")
def test_status_moves_evse_and_location_but_no_connector() -> None:
    location = LocationFactory()

    changed = locations.set_evse_status(
        evse_id=location.evses.get().pk, status=Status.CHARGING, now=minute(1)
    )

    assert changed
    assert updated(location) == (minute(1), minute(1), NOW)
    assert not locations.set_evse_status(
        evse_id=location.evses.get().pk, status=Status.CHARGING, now=minute(2)
    )
    assert updated(location) == (minute(1), minute(1), NOW)


@pytest.mark.rule("LOC-03")
def test_removed_evse_does_not_come_back() -> None:
    location = LocationFactory()
    row = location.evses.get()
    locations.set_evse_status(evse_id=row.pk, status=Status.REMOVED, now=minute(1))

    with pytest.raises(locations.EvseRemoved):
        locations.set_evse_status(evse_id=row.pk, status=Status.AVAILABLE, now=minute(2))

    row.refresh_from_db()
    assert (row.status, row.last_updated) == (Status.REMOVED, minute(1))


def test_connector_with_sessions_cannot_be_left_out() -> None:
    session = SessionFactory()
    assert session.evse is not None
    shape = canonical.evse_shape_of(session.evse).model_dump(mode="json", exclude_none=True)
    shape["connectors"][0]["id"] = "2"

    with pytest.raises(locations.ConnectorInUse):
        locations.put_evse(
            location_id=session.location_id, evse=parse(EvseShape, shape), now=minute(1)
        )

    assert session.evse.connectors.get().ocpi_id == "1"
    assert updated(session.location) == (NOW, NOW, NOW)


def test_location_comes_out_as_it_went_in() -> None:
    location = LocationFactory()
    shape = canonical.shape_of(Location.objects.complete().get(pk=location.pk))

    again = locations.put_location(
        location=parse(LocationShape, shape.model_dump(mode="json")), now=minute(1)
    )

    assert again.outcome is Outcome.UNCHANGED
    assert updated(location) == (NOW, NOW, NOW)


def test_rendering_sessions_takes_two_queries_however_many_there_are(
    django_assert_num_queries: Any,
) -> None:
    for number in range(5):
        issued(SessionFactory(), 10 + number, reading(10, "1001"))

    with django_assert_num_queries(2):
        rendered = [
            (session.location.city, session.connector, list(session.charging_periods.all()))
            for session in Session.objects.complete()
        ]

    assert len(rendered) == 5
