"""Transactions of stations become sessions: each rule, from the messages to the CDR."""

from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from locations.models import Evse
from ocpp_gateway.frames import Version
from ocpp_gateway.models import AlertKind, News, StationAlert, Transaction
from ocpp_gateway.operations.digesting import Outcome
from sessions_app.models import Cdr, CdrHold, Reservation, Session, SessionStatus
from sessions_app.operations import reservations, sessions
from tests.factories import SessionFactory, TariffFactory, cdr_token, evse, price
from tests.ocpp_gateway.world import (
    Charge,
    allow,
    make_outlet,
    minute,
    registers,
)

pytestmark = pytest.mark.django_db


def ordinary(outlet: Any = None, **fields: Any) -> Charge:
    """Return a charge of 1.6 that runs: 10 kWh at the start, 12.5 kWh after 15 minutes."""
    charge = Charge(outlet or make_outlet(), **fields)
    charge.start()
    charge.meter(15, "12500")
    return charge


def open_alerts() -> list[tuple[str, str]]:
    rows = StationAlert.objects.filter(resolved_at=None).order_by("pk")
    return [(row.kind, row.seen) for row in rows]


def hold(outlet: Any, *, at: float = 0, **fields: Any) -> Reservation:
    """Reserve the EVSE for an hour."""
    return reservations.make_reservation(
        number=reservations.next_number(),
        reservation_id="R1",
        location_id=outlet.connector.evse.location_id,
        evse_id=outlet.connector.evse_id,
        cdr_token=cdr_token(),
        expiry_date=minute(at + 60),
        now=minute(at),
        **fields,
    )


# From the start to the bill


def test_a_charge_of_1_6_is_billed_for_exactly_what_the_meter_showed() -> None:
    charge = ordinary(auth_method="COMMAND")
    assert charge.digest(15.1) is Outcome.DONE
    running = charge.session
    assert (running.status, running.kwh) == (SessionStatus.ACTIVE, Decimal("2.5"))
    assert running.start_date_time == minute(0)
    assert running.last_updated >= minute(15.1)
    assert (running.auth_method, running.authorization_reference) == ("COMMAND", "REF-1")
    assert (running.meter_id, running.cdr_token) == ("METER-1", cdr_token())

    charge.meter(30, "15000.25")
    charge.stop(40, 16_000)
    assert charge.digest(40.1) is Outcome.DONE

    cdr = charge.cdr
    assert cdr.session_id == running.pk
    assert (cdr.start_date_time, cdr.end_date_time) == (minute(0), minute(40))
    assert cdr.total_energy == Decimal(6)
    assert cdr.total_cost_before_taxes == Decimal("2.40")
    assert cdr.total_cost_after_taxes == Decimal("2.904")
    assert charge.session.status == SessionStatus.COMPLETED
    row = charge.now()
    assert (row.started_at, row.ended_at, row.energy) == (minute(0), minute(40), Decimal(6))
    assert (row.end_reason, row.findings, row.unbilled_reason) == ("EVDisconnected", [], "")
    assert (row.digested_at, row.look_again_at) == (minute(40.1), None)
    assert not News.objects.exists()
    assert open_alerts() == []


def test_a_charge_of_2_0_1_is_pending_until_energy_can_flow() -> None:
    charge = Charge(make_outlet(Version.V2_0_1))
    charge.event(0, "Started", 0, 10_000, state="EVConnected")
    charge.digest(0.1)
    assert charge.session.status == SessionStatus.PENDING
    assert charge.session.start_date_time == minute(0)

    charge.event(1, "Updated", 2, state="Charging")
    charge.digest(2.1)
    assert charge.session.status == SessionStatus.ACTIVE
    assert charge.session.start_date_time == minute(2)
    charge.event(2, "Updated", 17, 12_500.5, state="Charging")
    charge.digest(17.1)
    assert charge.session.kwh == Decimal("2.5005")
    charge.event(3, "Ended", 40, 15_000, state="Idle")
    charge.digest(40.1)

    assert (charge.cdr.start_date_time, charge.cdr.end_date_time) == (minute(2), minute(40))
    assert charge.cdr.total_energy == Decimal(5)
    assert charge.cdr.total_cost_before_taxes == Decimal(2)


def test_a_charge_that_was_offline_has_its_own_times() -> None:
    charge = Charge(make_outlet(), opened=600)
    charge.start(0, arrived=600)
    charge.meter(15, "12500", arrived=600)
    charge.stop(40, 16_000, arrived=600)

    charge.digest(601)

    session = charge.session
    assert (session.start_date_time, session.end_date_time) == (minute(0), minute(40))
    assert (charge.cdr.start_date_time, charge.cdr.end_date_time) == (minute(0), minute(40))
    assert charge.cdr.total_energy == Decimal(6)
    assert session.last_updated >= minute(601)
    assert charge.cdr.last_updated >= minute(601)
    assert registers(session) == [
        (minute(0), Decimal(10)),
        (minute(15), Decimal("12.5")),
        (minute(40), Decimal(16)),
    ]


def test_the_tariff_is_the_one_that_was_valid_when_it_began() -> None:
    TariffFactory(
        id="BEFORE",
        end_date_time="2026-06-01T12:00:00Z",
        elements=[{"price_components": [price("ENERGY", "1")]}],
    )
    TariffFactory(id="SINCE", start_date_time="2026-06-01T12:00:00Z")
    charge = Charge(make_outlet(evses=[evse(tariff_ids=["BEFORE", "SINCE"])]), opened=600)
    charge.start(0, arrived=600)
    charge.stop(40, 16_000, arrived=600)

    charge.digest(601)

    assert charge.cdr.total_cost_before_taxes == Decimal(6)


def test_what_was_never_active_is_invalid_and_not_billed() -> None:
    charge = Charge(make_outlet(Version.V2_0_1))
    charge.event(0, "Started", 0, 10_000, state="EVConnected")
    charge.digest(0.1)
    charge.event(1, "Ended", 5, 10_000, state="Idle")
    charge.digest(5.1)

    assert charge.session.status == SessionStatus.INVALID
    assert charge.now().ended_at == minute(5)
    assert not Cdr.objects.exists()


# Digested once


def test_a_message_that_is_sent_twice_counts_once() -> None:
    charge = ordinary()
    charge.digest(15.1)
    charge.start()
    charge.meter(15, "12500", arrived=16)
    before = Session.objects.values().get()

    assert charge.digest(16.1) is Outcome.DONE

    assert Session.objects.values().get() == before
    assert charge.codes == []


def test_what_was_digested_is_not_digested_again() -> None:
    charge = ordinary()
    charge.digest(15.1)
    before = (Session.objects.values().get(), Transaction.objects.values().get())

    assert charge.digest(15.2) is Outcome.NOTHING_NEW

    assert (Session.objects.values().get(), Transaction.objects.values().get()) == before


def test_a_message_that_was_answered_with_an_error_says_nothing() -> None:
    charge = ordinary()
    charge.stop(20, 13_000, error="FormationViolation")

    charge.digest(20.1)

    assert charge.session.status == SessionStatus.ACTIVE
    assert charge.now().ended_at is None


def test_news_of_which_there_is_no_fact_are_done_with() -> None:
    charge = Charge(make_outlet())
    charge.start(error="InternalError")

    assert charge.digest(1) is Outcome.DONE

    assert charge.now().session is None
    assert charge.now().digested_at == minute(1)
    assert not News.objects.exists()


def test_what_is_interrupted_leaves_nothing_half_done(monkeypatch: pytest.MonkeyPatch) -> None:
    charge = ordinary()
    charge.stop(40, 16_000)

    def break_down(**_kwargs: Any) -> None:
        raise ConnectionError("the power is out")

    with monkeypatch.context() as patch:
        # A session has begun and is active by then.
        patch.setattr(sessions, "stop_session", break_down)
        with pytest.raises(ConnectionError):
            charge.digest(40.1)
    assert not Session.objects.exists()
    assert charge.now().digested_at is None
    assert News.objects.count() == 3

    charge.digest(40.2)

    assert charge.cdr.total_energy == Decimal(6)
    assert not News.objects.exists()


def test_it_costs_the_same_number_of_queries_however_much_was_said(
    django_assert_num_queries: Any,
) -> None:
    one, many = ordinary(), ordinary(make_outlet())
    one.digest(15.1)
    many.digest(15.1)
    one.meter(16, "12600")
    with CaptureQueriesContext(
        connection,
    ) as queries:
        one.digest(200)
    for number in range(200):
        many.meter(16 + number / 2, str(12_600 + number))

    with django_assert_num_queries(len(queries)):
        many.digest(200)

    assert many.session.meter_readings.count() == 202
    assert len(queries) < 35


# What stations do


def test_events_out_of_order_move_the_start_of_a_running_session() -> None:
    charge = Charge(make_outlet(Version.V2_0_1))
    charge.event(1, "Updated", 5, 10_200, state="Charging")
    charge.digest(5.1)
    assert charge.session.start_date_time == minute(5)

    charge.event(0, "Started", 0, 10_000, state="Charging", arrived=6)
    charge.digest(6.1)
    assert charge.session.start_date_time == minute(0)
    assert charge.session.kwh == Decimal("0.2")
    charge.event(4, "Ended", 40, 15_000)
    charge.digest(40.1)

    assert (charge.cdr.start_date_time, charge.cdr.total_energy) == (minute(0), Decimal(5))
    assert charge.codes == ["OUT_OF_ORDER", "SEQ_NO_MISSING", "GAP_BEFORE_END"]


def test_a_later_message_of_a_known_moment_counts_where_it_is_higher() -> None:
    charge = ordinary()
    charge.meter(40, "15900")
    charge.digest(40.1)
    charge.stop(40, 16_000, arrived=40.2)
    charge.digest(40.3)

    assert charge.cdr.total_energy == Decimal(6)


def test_a_stop_without_a_start_is_billed_from_what_is_known() -> None:
    charge = Charge(make_outlet())
    charge.meter(15, "12500")
    charge.stop(40, 16_000)

    charge.digest(40.1)

    assert (charge.cdr.start_date_time, charge.cdr.total_energy) == (minute(15), Decimal("3.5"))
    assert charge.codes == ["START_MISSING", "GAP_BEFORE_END"]


def test_the_next_start_at_the_outlet_ends_a_charge_without_an_end() -> None:
    first = ordinary()
    first.digest(15.1)
    second = Charge(first.outlet, opened=30)
    second.start(30, 12_600)

    assert second.digest(30.1) is Outcome.WAITING
    # Nobody tells the first one.
    assert first.digest(30.1) is Outcome.DONE
    assert second.digest(61) is Outcome.DONE

    assert (first.cdr.end_date_time, first.cdr.total_energy) == (minute(15), Decimal("2.5"))
    assert first.codes == ["END_MISSING"]
    assert second.session.start_date_time == minute(30)


def test_an_older_charge_that_is_told_later_does_not_end_the_one_that_runs() -> None:
    running = ordinary(opened=60)
    running.row.opened_at = minute(60)
    older = Charge(running.outlet, opened=70)
    older.start(-60, 8_000, arrived=70)
    older.stop(-30, 9_000, arrived=70)
    running.digest(71)
    assert older.digest(71) is Outcome.WAITING
    assert running.now().ended_at is None
    assert News.objects.get().due_at == minute(71.5)
    assert older.digest(71.2) is Outcome.NOTHING_NEW
    assert News.objects.get().due_at == minute(71.5)
    running.stop(80, 16_000)
    running.digest(80.1)

    assert older.digest(80.7) is Outcome.DONE

    assert (older.cdr.start_date_time, older.cdr.end_date_time) == (minute(-60), minute(-30))
    assert older.cdr.total_energy == Decimal(1)
    assert not News.objects.exists()


def test_a_station_that_boots_and_is_silent_has_ended_its_charge() -> None:
    charge = ordinary()
    charge.boot(20)
    charge.digest(20.1)
    assert charge.session.status == SessionStatus.ACTIVE
    assert charge.now().look_again_at == minute(40)
    assert charge.digest(39) is Outcome.NOTHING_NEW

    assert charge.digest(40) is Outcome.DONE

    assert (charge.cdr.end_date_time, charge.cdr.total_energy) == (minute(15), Decimal("2.5"))
    assert charge.codes == ["REBOOTED", "END_MISSING"]
    assert charge.now().look_again_at is None


def test_a_register_that_begins_anew_is_counted_on() -> None:
    charge = ordinary()
    charge.meter(20, "100")
    charge.meter(25, "1100")
    charge.stop(30, 2_100)

    charge.digest(30.1)

    assert charge.session.kwh == charge.now().energy == Decimal("4.5")
    assert set(charge.codes) == {"REGISTER_FELL", "STOP_BELOW_START"}
    # No bill goes out by itself.
    assert CdrHold.objects.get().session == charge.session


def test_a_clock_that_is_ahead_is_set_right() -> None:
    charge = Charge(make_outlet())
    charge.start(0, stamped=60)
    charge.meter(15, "12500", stamped=75)
    charge.meter(30, "15000", stamped=90)
    charge.stop(40, 16_000, stamped=100)

    charge.digest(40.1)

    assert (charge.cdr.start_date_time, charge.cdr.end_date_time) == (minute(0), minute(40))
    assert charge.cdr.total_energy == Decimal(6)
    assert charge.codes == ["CLOCK_AHEAD"]


# Who may charge, and where


@pytest.mark.parametrize("verdict", ["BLOCKED", "UNKNOWN_TOKEN"])
def test_energy_of_a_refused_token_is_no_session_and_staff_is_told(verdict: str) -> None:
    charge = Charge(make_outlet(), verdict=verdict)
    charge.start()
    charge.digest(0.1)
    assert open_alerts() == []

    charge.stop(40, 16_000)
    charge.digest(40.1)

    assert not Session.objects.exists()
    assert charge.now().why_unbilled == f"The token was refused: {verdict}."
    assert open_alerts() == [
        ("UNBILLED", f"6 kWh without a bill. The token was refused: {verdict}.")
    ]


def test_a_charge_at_an_outlet_that_is_not_ours_is_no_session() -> None:
    charge = ordinary(make_outlet())
    Transaction.objects.update(outlet=None)

    charge.digest(15.1)

    assert not Session.objects.exists()
    [(kind, text)] = open_alerts()
    assert kind == AlertKind.UNBILLED
    assert text.startswith("2.5 kWh without a bill. It is not known which connector")


def test_a_session_begins_with_its_transaction_when_the_token_comes() -> None:
    charge = Charge(make_outlet(Version.V2_0_1), verdict="", cdr_token=None)
    charge.event(0, "Started", 0, 10_000, state="EVConnected")
    charge.digest(0.1)
    assert charge.now().session is None
    assert charge.now().unbilled_reason == ""

    allow(charge)
    charge.event(1, "Updated", 3, state="EVConnected")
    charge.digest(3.1)

    assert charge.session.start_date_time == minute(0)
    assert charge.session.status == SessionStatus.PENDING


def test_nobody_is_billed_where_no_token_was_presented() -> None:
    charge = Charge(make_outlet(Version.V2_0_1), verdict="", cdr_token=None)
    charge.event(0, "Started", 0, 10_000, state="Charging")
    charge.event(1, "Updated", 10, 11_000, state="Charging")
    charge.digest(10.1)
    assert open_alerts() == []

    charge.event(2, "Ended", 20, 12_000)
    charge.digest(20.1)

    assert not Session.objects.exists()
    assert open_alerts() == [("UNBILLED", "2 kWh without a bill. Nobody presented a token.")]


def test_an_alert_is_resolved_when_there_is_a_session_after_all() -> None:
    charge = ordinary(verdict="UNREACHABLE")
    charge.digest(15.1)
    assert [kind for kind, _text in open_alerts()] == ["UNBILLED"]
    allow(charge)
    charge.meter(20, "13000")

    charge.digest(20.1)

    assert charge.session.kwh == Decimal(3)
    assert charge.now().unbilled_reason == ""
    assert open_alerts() == []


def test_an_evse_that_is_occupied_is_tried_again() -> None:
    charge = ordinary()
    other = SessionFactory(connector=charge.outlet.connector)

    assert charge.digest(15.1) is Outcome.WAITING
    assert charge.now().session is None
    assert charge.now().energy == Decimal("2.5")
    assert News.objects.get().due_at == minute(15.6)
    sessions.stop_session(session_id=other.pk, ended_at=minute(15.2), now=minute(15.2))

    assert charge.digest(15.6) is Outcome.DONE
    assert charge.session.start_date_time == minute(0)


# Reservations


def test_a_reservation_of_the_token_is_used() -> None:
    outlet = make_outlet()
    reserved = hold(outlet, at=-30)
    charge = ordinary(outlet)
    charge.stop(40, 16_000)

    charge.digest(40.1)

    assert charge.session == reserved.session
    assert Reservation.objects.get().status == "USED"
    assert Reservation.objects.get().ended_at == minute(0)
    assert (charge.cdr.start_date_time, charge.cdr.total_energy) == (minute(-30), Decimal(6))
    assert charge.session.start_date_time == minute(0)
    assert charge.session.meter_id == "METER-1"


@pytest.mark.parametrize("fields", [{"token": cdr_token("OTHER")}, {}])
def test_a_reservation_of_another_or_of_later_is_not_used(fields: Any) -> None:
    outlet = make_outlet()
    reserved = hold(outlet, at=0 if fields else 10)
    charge = ordinary(outlet, **fields)

    charge.digest(15.1)

    assert charge.session != reserved.session
    assert Reservation.objects.get().status == "ACTIVE"


# After the end


def test_news_after_the_bill_change_neither_session_nor_cdr() -> None:
    charge = ordinary()
    charge.boot(20)
    charge.digest(41)
    session, cdr = Session.objects.values().get(), Cdr.objects.values().get()
    assert cdr["total_energy"] == Decimal("2.5")

    charge.stop(50, 13_000)
    charge.digest(50.1)

    assert (Session.objects.values().get(), Cdr.objects.values().get()) == (session, cdr)
    [(kind, text)] = open_alerts()
    assert kind == AlertKind.LATE_FACTS
    assert "3 kWh, +0.5 kWh" in text
    assert str(charge.session.ocpi_id) in text
    assert "LATE_FACTS" in charge.codes
    assert (charge.now().ended_at, charge.now().energy) == (minute(50), Decimal(3))

    StationAlert.objects.update(resolved_at=minute(51))
    charge.stop(50, 13_000, arrived=52)
    charge.digest(52.1)

    # It says nothing new: the alert stays resolved, the finding stays.
    assert open_alerts() == []
    assert "LATE_FACTS" in charge.codes


def test_news_after_the_bill_that_change_nothing_are_no_news() -> None:
    charge = ordinary()
    charge.stop(40, 16_000)
    charge.digest(40.1)
    charge.stop(40, 16_000, arrived=41)
    charge.meter(30, "15000", arrived=42)

    charge.digest(42.1)

    assert open_alerts() == []
    assert charge.codes == []


def test_a_session_that_staff_has_ended_stays_as_it_is() -> None:
    charge = ordinary()
    charge.digest(15.1)
    sessions.stop_session(session_id=charge.session.pk, ended_at=minute(16), now=minute(16))
    before = Session.objects.values().get()
    charge.meter(30, "15000")

    assert charge.digest(30.1) is Outcome.DONE
    charge.stop(40, 16_000)
    assert charge.digest(40.1) is Outcome.DONE

    assert Session.objects.values().get() == before
    assert charge.cdr.total_energy == Decimal("2.5")
    [(kind, text)] = open_alerts()
    assert kind == AlertKind.LATE_FACTS
    assert "6 kWh, +3.5 kWh" in text


def test_the_evse_is_free_when_its_session_has_ended() -> None:
    charge = ordinary()
    charge.stop(40, 16_000)
    charge.digest(40.1)
    following = Charge(charge.outlet, opened=41)
    following.start(41, 16_000)

    following.digest(41.1)

    assert following.session.evse == Evse.objects.get()
