"""Sessions whose stations tell of them later, or tell the whole of it anew."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from sessions_app.corrections import Correction
from sessions_app.metering import Reading
from sessions_app.models import Cdr, CdrHold, Session, SessionStatus
from sessions_app.operations import holds, rebilling, reservations, sessions
from tests.factories import (
    NOW,
    ConnectorFactory,
    SessionFactory,
    TariffFactory,
    cdr_token,
    evse,
    price,
)

pytestmark = pytest.mark.django_db

SIGNED = {
    "encoding_method": "OCMF",
    "signed_values": [{"nature": "End", "plain_data": "OCMF|{}|{}", "signed_data": "T0NNRg=="}],
}


def minute(number: float) -> datetime:
    return NOW + timedelta(minutes=number)


def reading(at: float, kwh: str) -> Reading:
    return Reading(minute(at), Decimal(kwh))


def registers(session: Session) -> list[tuple[datetime, Decimal]]:
    return list(session.meter_readings.order_by("at").values_list("at", "kwh"))


def start(**fields: Any) -> Session:
    values: dict[str, Any] = {
        "cdr_token": cdr_token(),
        "auth_method": "WHITELIST",
        "meter_start": Decimal(1000),
        "now": minute(600),
    }
    return sessions.start_session(**(values | fields))


def test_a_session_of_the_past_has_its_own_times_and_is_news_now() -> None:
    session = start(connector_id=ConnectorFactory().pk, started_at=minute(0))
    assert (session.start_date_time, session.last_updated) == (minute(0), minute(600))

    session = sessions.activate_session(session_id=session.pk, active_at=minute(3), now=minute(601))

    session.refresh_from_db()
    assert session.status == SessionStatus.ACTIVE
    assert (session.start_date_time, session.last_updated) == (minute(3), minute(601))
    assert registers(session) == [(minute(3), Decimal(1000))]


def test_a_session_of_the_past_has_the_tariff_of_then() -> None:
    TariffFactory(id="BEFORE", end_date_time="2026-06-01T12:00:00Z")
    TariffFactory(id="SINCE", start_date_time="2026-06-01T12:00:00Z")
    connector = ConnectorFactory(evses=[evse(tariff_ids=["BEFORE", "SINCE"])])

    session = start(connector_id=connector.pk, started_at=minute(0))

    assert session.tariff is not None
    assert session.tariff.ocpi_id == "BEFORE"


def test_what_is_told_anew_takes_the_place_of_what_was_told() -> None:
    tariff = TariffFactory(elements=[{"price_components": [price("TIME", "6")]}])
    session = SessionFactory(connector=ConnectorFactory(tariff=tariff), now=minute(5))
    sessions.record_meter_values(
        session_id=session.pk, readings=[reading(10, "1001"), reading(12, "1002")], now=minute(12)
    )

    session = sessions.record_meter_values(
        session_id=session.pk,
        readings=[reading(0, "999"), reading(10, "1001.5"), reading(15, "1003")],
        since=minute(0),
        now=minute(15),
    )

    session.refresh_from_db()
    assert registers(session) == [
        (minute(0), Decimal(999)),
        (minute(10), Decimal("1001.5")),
        (minute(15), Decimal(1003)),
    ]
    assert (session.start_date_time, session.kwh) == (minute(0), Decimal(4))
    assert session.total_cost_before_taxes == Decimal("1.5")


def test_the_same_told_anew_changes_nothing() -> None:
    session = SessionFactory()
    told = [reading(0, "1000"), reading(10, "1001")]
    how: dict[str, Any] = {"session_id": session.pk, "readings": told, "since": minute(0)}
    sessions.record_meter_values(**how, now=minute(10))
    before = Session.objects.values().get()

    sessions.record_meter_values(**how, now=minute(11))

    assert Session.objects.values().get() == before


def test_the_end_may_tell_it_all_anew() -> None:
    session = SessionFactory()
    sessions.record_meter_values(
        session_id=session.pk, readings=[reading(40, "1005.9")], now=minute(40)
    )

    _session, cdr = sessions.stop_session(
        session_id=session.pk,
        ended_at=minute(40),
        readings=[reading(0, "1000"), reading(40, "1006")],
        since=minute(0),
        now=minute(41),
    )

    assert cdr is not None
    assert cdr.total_energy == Decimal(6)


def test_who_came_to_what_he_has_reserved_came_when_the_station_says() -> None:
    connector = ConnectorFactory()
    reserved = reservations.make_reservation(
        number=reservations.next_number(),
        reservation_id="R1",
        location_id=connector.evse.location_id,
        evse_id=connector.evse_id,
        cdr_token=cdr_token(),
        expiry_date=minute(60),
        now=minute(0),
    )

    # Its time was up when the station told so, but not when the driver came.
    session = reservations.use_reservation(
        number=reserved.pk,
        connector_id=connector.pk,
        cdr_token=cdr_token(),
        auth_method="COMMAND",
        meter_start=Decimal(1000),
        meter_id="METER-1",
        started_at=minute(50),
        now=minute(61),
    )

    reserved.refresh_from_db()
    assert (session.start_date_time, session.meter_id) == (minute(50), "METER-1")
    assert (reserved.status, reserved.ended_at) == ("USED", minute(50))
    assert session.last_updated >= minute(61)


# Signed data


def ended(**fields: Any) -> tuple[Session, Cdr | None]:
    session = SessionFactory()
    return sessions.stop_session(
        session_id=session.pk,
        ended_at=minute(30),
        now=minute(30),
        readings=[reading(30, "1005")],
        signed_data=SIGNED,
        **fields,
    )


@pytest.mark.rule("CDR-22")
def test_what_the_meter_signed_is_in_the_cdr() -> None:
    _session, cdr = ended()

    assert cdr is not None
    cdr.refresh_from_db()
    assert cdr.signed_data == SIGNED


@pytest.mark.rule("CDR-22")
def test_what_the_meter_signed_is_in_a_cdr_that_was_held(settings: Any) -> None:
    settings.CDR_MOST_COST = 1
    session, cdr = ended()
    assert cdr is None

    released = holds.release_cdr(
        hold_id=CdrHold.objects.get(session=session).pk, by="anna", now=minute(60)
    )

    released.refresh_from_db()
    assert released.signed_data == SIGNED


@pytest.mark.rule("CDR-22")
def test_what_the_meter_signed_is_in_the_cdr_that_replaces_another() -> None:
    _session, cdr = ended()
    assert cdr is not None

    done = rebilling.rebill_cdr(
        cdr_id=cdr.pk, correction=Correction(energy=Decimal(4)), by="anna", now=minute(60)
    )

    assert done.credit.signed_data == done.replacement.signed_data == SIGNED
