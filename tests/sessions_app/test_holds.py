"""A CDR that cannot be right is held; staff releases or corrects it, and then it is a CDR."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from pytest_django import Settings

from sessions_app.corrections import Correction, ImpossibleCorrection
from sessions_app.metering import Reading
from sessions_app.models import Cdr, CdrHold, HoldState, Session, SessionStatus
from sessions_app.operations import holds, reservations, sessions
from sessions_app.operations.credits import (
    NotCreditable,
    credit_cdr,
    credit_of,
    first_of,
    replacement_of,
    valid_of,
)
from sessions_app.operations.rebilling import NotRebillable, preview_rebilling, rebill_cdr
from sessions_app.signals import cdr_issued, session_changed
from tests.concurrency import just_before
from tests.factories import (
    NOW,
    ConnectorFactory,
    LocationFactory,
    SessionFactory,
    TariffFactory,
    cdr_token,
    price,
)

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(days=1)


def minute(number: float) -> datetime:
    return NOW + timedelta(minutes=number)


def reading(at: float, kwh: str, **state: Any) -> Reading:
    return Reading(minute(at), Decimal(kwh), **state)


# The register jumps by 900 kWh, and is back with the last reading, which alone takes nothing back;
# 10 kWh in an hour, at a connector of 22 kW.
JUMP = [reading(20, "1004"), reading(21, "1904"), reading(60, "1010")]


@pytest.fixture
def heard() -> Iterator[list[tuple[str, int]]]:
    """Collect what is announced: the kind and the id."""
    found: list[tuple[str, int]] = []

    def on_session(*, session_id: int, **_: Any) -> None:
        found.append(("session", session_id))

    def on_cdr(*, cdr_id: int, **_: Any) -> None:
        found.append(("cdr", cdr_id))

    session_changed.connect(on_session)
    cdr_issued.connect(on_cdr)
    yield found
    session_changed.disconnect(on_session)
    cdr_issued.disconnect(on_cdr)


def held(*readings: Reading, minutes: float = 60, **more: Any) -> CdrHold:
    """Return the hold of a session with these readings: an hour with a jump, unless said else."""
    session = SessionFactory(**more)
    _session, cdr = sessions.stop_session(
        session_id=session.pk,
        ended_at=minute(minutes),
        now=minute(minutes),
        readings=readings or JUMP,
    )
    assert cdr is None
    return CdrHold.objects.select_related("session").get(session=session)


def bill(**more: Any) -> Cdr:
    """Return the CDR of an ordinary hour: 10 kWh."""
    session = SessionFactory(**more)
    _session, cdr = sessions.stop_session(
        session_id=session.pk,
        ended_at=minute(60),
        now=minute(60),
        readings=[reading(60, "1010")],
    )
    assert cdr is not None
    return cdr


def release(hold: CdrHold, **more: Any) -> Cdr:
    return holds.release_cdr(hold_id=hold.pk, by="anna", now=LATER, **more)


def correct(hold: CdrHold, **changes: Any) -> Cdr:
    return holds.correct_cdr(
        hold_id=hold.pk, correction=Correction(**changes), by="anna", note="checked", now=LATER
    )


def rebill(cdr: Cdr, **changes: Any) -> Cdr:
    done = rebill_cdr(cdr_id=cdr.pk, correction=Correction(**changes), by="anna", now=LATER)
    return done.replacement


# --- Held


def test_a_doubtful_session_is_completed_and_its_cdr_is_held(heard: list[tuple[str, int]]) -> None:
    session = SessionFactory()
    heard.clear()

    stopped, cdr = sessions.stop_session(
        session_id=session.pk, ended_at=minute(60), now=minute(60), readings=JUMP
    )

    hold = CdrHold.objects.get()
    assert cdr is None
    assert Cdr.objects.count() == 0
    assert stopped.status == SessionStatus.COMPLETED
    assert (hold.session, hold.state, hold.held_at) == (session, HoldState.HELD, minute(60))
    assert [(reason["code"], reason["holds"]) for reason in hold.reasons] == [
        ("METER_FELL", True),
        ("ENERGY_JUMP", True),
        ("TOO_MUCH_ENERGY", True),
    ]
    # The session's end is told; of a CDR there is nothing to tell.
    assert heard == [("session", session.pk)]


def test_what_only_warns_holds_nothing_and_is_kept_with_the_session() -> None:
    session = SessionFactory()

    _session, cdr = sessions.stop_session(session_id=session.pk, ended_at=NOW, now=NOW)

    assert cdr is not None
    assert CdrHold.objects.count() == 0
    session.refresh_from_db()
    assert [finding["code"] for finding in session.price_details["findings"]] == ["NO_ENERGY"]


@pytest.mark.parametrize(
    ("setting", "value", "held_cdrs"),
    [
        ("CDR_MOST_COST", 4, 0),
        ("CDR_MOST_COST", 3, 1),
        ("CDR_LONGEST_HOURS", 1, 0),
        ("CDR_LONGEST_HOURS", 0, 0),
        ("CDR_SILENT_MINUTES", 29, 1),
        ("CDR_SILENT_MINUTES", 30, 0),
    ],
)
def test_the_settings_say_what_is_plausible(
    settings: Settings, setting: str, value: int, held_cdrs: int
) -> None:
    setattr(settings, setting, value)
    session = SessionFactory()

    sessions.stop_session(
        session_id=session.pk,
        ended_at=minute(60),
        now=minute(60),
        readings=[reading(30, "1010")],
    )

    assert (CdrHold.objects.count(), Cdr.objects.count()) == (held_cdrs, 1 - held_cdrs)


def test_the_cdr_of_a_reservation_can_be_held_as_well(settings: Settings) -> None:
    settings.CDR_MOST_COST = 1
    reserved = {
        "price_components": [price("TIME", "20")],
        "restrictions": {"reservation": "RESERVATION"},
    }
    tariff = TariffFactory(elements=[reserved, {"price_components": [price("ENERGY", "0.40")]}])
    location = LocationFactory(
        tariff=tariff,
        evses=[
            {
                "uid": "E1",
                "status": "AVAILABLE",
                "capabilities": ["RESERVABLE"],
                "connectors": [
                    {
                        "id": "1",
                        "standard": "IEC_62196_T2",
                        "format": "SOCKET",
                        "power_type": "AC_3_PHASE",
                        "max_voltage": 230,
                        "max_amperage": 32,
                        "tariff_ids": None,
                    }
                ],
            }
        ],
    )
    reservation = reservations.make_reservation(
        number=reservations.next_number(),
        reservation_id="R1",
        location_id=location.pk,
        evse_id=location.evses.get().pk,
        cdr_token=cdr_token(),
        expiry_date=minute(30),
        now=NOW,
    )

    _session, cdr = reservations.expire_reservation(number=reservation.pk, now=minute(30))

    hold = CdrHold.objects.get()
    assert cdr is None
    assert [reason["code"] for reason in hold.reasons] == ["TOO_EXPENSIVE"]
    with pytest.raises(ImpossibleCorrection, match="only the tariff"):
        correct(hold, energy=Decimal(1))
    assert correct(hold, tariff_id=tariff.pk).total_cost_before_taxes == Decimal(10)


def test_a_hold_needs_a_reason_and_a_decision_somebody() -> None:
    hold = held()

    with pytest.raises(IntegrityError, match="cdr_hold_has_reasons"), transaction.atomic():
        CdrHold.objects.update(reasons=[])
    with pytest.raises(IntegrityError, match="cdr_hold_decided_by"), transaction.atomic():
        CdrHold.objects.update(state=HoldState.RELEASED)
    with pytest.raises(IntegrityError, match="cdr_hold_decided_by"), transaction.atomic():
        CdrHold.objects.update(decided_by="anna", decided_at=NOW)
    hold.refresh_from_db()
    assert hold.state == HoldState.HELD


# --- Released


def test_a_released_cdr_says_what_its_session_says(heard: list[tuple[str, int]]) -> None:
    hold = held()
    before = Session.objects.values().get()
    heard.clear()

    cdr = release(hold, note="A test of the meter")

    hold.refresh_from_db()
    assert (hold.state, hold.decided_by, hold.note) == ("RELEASED", "anna", "A test of the meter")
    assert hold.decided_at == LATER
    assert Session.objects.values().get() == before
    assert (cdr.total_energy, cdr.total_cost_before_taxes) == (
        before["kwh"],
        before["total_cost_before_taxes"],
    )
    assert cdr.last_updated == LATER
    assert (cdr.correction, cdr.replaces) == (None, None)
    # Only the CDR is new.
    assert heard == [("cdr", cdr.pk)]


@pytest.mark.rule("CDR-01")
def test_what_was_released_is_as_immutable_as_every_cdr() -> None:
    cdr = release(held())

    with pytest.raises(IntegrityError, match="immutable"), transaction.atomic():
        Cdr.objects.filter(pk=cdr.pk).update(total_energy=1)
    with pytest.raises(IntegrityError, match="immutable"), transaction.atomic():
        Cdr.objects.filter(pk=cdr.pk).delete()


def test_a_decision_is_made_once() -> None:
    hold = held()
    release(hold)

    with pytest.raises(holds.HoldDecided):
        release(hold)
    with pytest.raises(holds.HoldDecided):
        correct(hold, energy=Decimal(10))
    assert Cdr.objects.count() == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("second", ["release", "correct"])
def test_of_two_who_decide_at_once_one_does(second: str) -> None:
    hold = held()
    decide = {"release": lambda: release(hold), "correct": lambda: correct(hold, energy=Decimal(9))}

    with (
        just_before('FROM "sessions_app_cdrhold"', decide[second]),
        pytest.raises(holds.HoldDecided),
    ):
        release(hold)

    assert Cdr.objects.count() == 1


# --- Corrected


def test_another_energy_is_priced_anew_and_session_and_cdr_agree(
    heard: list[tuple[str, int]],
) -> None:
    hold = held()
    heard.clear()

    cdr = correct(hold, energy=Decimal(10))

    session = Session.objects.get()
    assert cdr.total_energy == session.kwh == Decimal(10)
    assert cdr.total_cost_before_taxes == session.total_cost_before_taxes == Decimal(4)
    assert session.last_updated == LATER
    volumes = [
        item["volume"]
        for period in session.charging_periods.all()
        for item in period.dimensions
        if item["type"] == "ENERGY"
    ]
    assert sum(map(Decimal, volumes)) == Decimal(10)
    assert cdr.correction == {"changes": {"energy": "10"}, "by": "anna", "note": "checked"}
    # The session goes before its CDR, as when it ends.
    assert heard == [("session", session.pk), ("cdr", cdr.pk)]
    hold.refresh_from_db()
    assert (hold.state, hold.note) == ("CORRECTED", "checked")


def test_a_reading_that_does_not_count_is_as_if_it_had_not_come() -> None:
    cdr = correct(held(), without_readings=frozenset([minute(21)]))

    assert cdr.total_energy == Decimal(10)
    assert Session.objects.get().meter_readings.count() == 4


def test_another_start_and_end_are_those_of_the_session_too() -> None:
    cdr = correct(held(), start=minute(20), end=minute(20.5), energy=Decimal(1))

    session = Session.objects.get()
    assert cdr.start_date_time == session.start_date_time == minute(20)
    assert cdr.end_date_time == session.end_date_time == minute(20.5)
    assert cdr.total_time == Decimal("0.0083")


def parking_tariff() -> Any:
    return TariffFactory(
        id="PARK",
        elements=[{"price_components": [price("ENERGY", "0.40"), price("PARKING_TIME", "6")]}],
    )


def test_parking_that_is_not_billed_is_still_told() -> None:
    parked = [
        reading(30, "1910", requesting_power=False),
        reading(60, "1910", requesting_power=False),
    ]
    hold = held(*parked, connector=ConnectorFactory(tariff=parking_tariff()))

    cdr = correct(hold, without_parking=True, energy=Decimal(10))

    assert cdr.total_parking_time == Decimal("0.5")
    assert cdr.total_cost_before_taxes == Decimal(4)
    assert [tariff["id"] for tariff in cdr.tariffs] == ["PARK-NP"]
    assert {period["tariff_id"] for period in cdr.charging_periods} == {"PARK-NP"}
    assert Session.objects.get().tariff == hold.session.tariff


def test_another_tariff_is_taken_with_its_prices_of_today() -> None:
    cheap = TariffFactory(id="CHEAP", elements=[{"price_components": [price("ENERGY", "0.10")]}])

    cdr = correct(held(), tariff_id=cheap.pk, energy=Decimal(10))

    assert cdr.total_cost_before_taxes == Decimal(1)
    assert [tariff["id"] for tariff in cdr.tariffs] == ["CHEAP"]
    assert Session.objects.get().tariff == cheap


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({}, ""),
        ({"end": minute(-1)}, "end"),
        ({"end": LATER + timedelta(minutes=1)}, "end"),
        ({"start": minute(61)}, "end"),
        ({"energy": Decimal(-1)}, "energy"),
        ({"start": minute(60), "energy": Decimal(1)}, "energy"),
        ({"tariff_id": 0}, "tariff"),
    ],
)
def test_what_contradicts_itself_is_refused_and_nothing_has_changed(
    changes: dict[str, Any], field: str
) -> None:
    hold = held()
    before = Session.objects.values().get()

    with pytest.raises(ImpossibleCorrection) as refused:
        correct(hold, **changes)

    assert refused.value.field == field
    assert Session.objects.values().get() == before
    assert Cdr.objects.count() == 0
    assert CdrHold.objects.get().state == HoldState.HELD


@pytest.mark.parametrize("fields", [{"currency": "SEK"}, {"party_id": "XYZ"}])
def test_a_tariff_of_another_currency_or_party_is_refused(fields: dict[str, Any]) -> None:
    hold = held()

    with pytest.raises(ImpossibleCorrection, match="tariff"):
        correct(hold, tariff_id=TariffFactory(**fields).pk)


def test_a_preview_says_what_would_be_issued_and_saves_nothing() -> None:
    hold = held()
    before = Session.objects.values().get()

    draft = holds.draft_of(hold_id=hold.pk, now=LATER, correction=Correction(energy=Decimal(10)))

    assert draft.cdr.total_cost_before_taxes == Decimal(4)
    # The meter does not decide any more.
    assert draft.findings == ()
    assert Session.objects.values().get() == before
    assert Cdr.objects.count() == 0
    as_it_is = holds.draft_of(hold_id=hold.pk, now=LATER)
    assert as_it_is.cdr.total_energy == before["kwh"]
    assert len(as_it_is.findings) == 3


# --- Credited and billed again


@pytest.mark.rule("CDR-01", "CDR-05", "CDR-06")
def test_a_cdr_is_credited_and_another_takes_its_place(heard: list[tuple[str, int]]) -> None:
    cdr = bill()
    before = Cdr.objects.values().get()
    session = Session.objects.values().get()
    heard.clear()

    done = rebill_cdr(
        cdr_id=cdr.pk,
        correction=Correction(energy=Decimal(5)),
        by="anna",
        note="a complaint",
        now=LATER,
    )

    credit, new = done.credit, done.replacement
    assert (credit.credit, credit.credit_reference_id) == (True, cdr.ocpi_id)
    assert credit.total_cost_before_taxes == Decimal(-4)
    assert (new.credit, new.credit_reference_id, new.replaces) == (False, "", cdr)
    assert new.ocpi_id not in {cdr.ocpi_id, credit.ocpi_id}
    assert len(new.ocpi_id) <= 36
    assert (new.total_energy, new.total_cost_before_taxes) == (Decimal(5), Decimal(2))
    assert new.remark == f"Replaces CDR {cdr.ocpi_id}."
    assert new.correction == {"changes": {"energy": "5"}, "by": "anna", "note": "a complaint"}
    # The first one and the session stay, and the credit is announced before the new one.
    assert Cdr.objects.values().get(pk=cdr.pk) == before
    assert Session.objects.values().get() == session
    assert heard == [("cdr", credit.pk), ("cdr", new.pk)]


def test_what_replaces_a_cdr_can_be_credited_and_billed_again() -> None:
    first = bill()
    second = rebill(first, energy=Decimal(5))

    third = rebill(second, energy=Decimal(6))

    assert third.replaces == second
    assert valid_of(first) == third
    assert {first_of(cdr) for cdr in Cdr.objects.all()} == {first}
    assert replacement_of(third) is None
    # A credit of one that replaced another replaces nothing itself.
    assert [credit_of(cdr).replaces for cdr in (first, second)] == [None, None]  # type: ignore[union-attr]
    credit_cdr(cdr_id=third.pk, now=LATER)
    assert valid_of(first) is None
    assert Cdr.objects.count() == 6


def test_a_second_correction_begins_with_what_was_measured() -> None:
    first = correct(held(), energy=Decimal(10))
    second = rebill(first, without_readings=frozenset([minute(21)]))

    # An empty correction takes back the earlier ones.
    third = rebill(second)

    assert second.total_energy == Decimal(10)
    assert third.total_energy > 500


def test_a_cdr_is_rebilled_once_and_a_credit_never() -> None:
    cdr = bill()
    rebill(cdr, energy=Decimal(5))

    for row in (cdr, credit_of(cdr)):
        assert row is not None
        with pytest.raises(NotCreditable):
            rebill(row, energy=Decimal(6))
    assert Cdr.objects.count() == 3


def test_a_rebilling_that_changes_nothing_is_refused() -> None:
    with pytest.raises(ImpossibleCorrection, match="would be the same"):
        rebill(bill())
    assert Cdr.objects.count() == 1


def test_a_cdr_without_a_session_cannot_be_computed_again() -> None:
    cdr = bill()
    cdr.pk, cdr.ocpi_id, cdr.session = None, "FOREIGN", None
    cdr.save(force_insert=True)

    with pytest.raises(NotRebillable, match="FOREIGN has no session"):
        rebill(cdr, energy=Decimal(5))


def test_a_preview_of_both_saves_neither() -> None:
    cdr = bill()

    both = preview_rebilling(cdr_id=cdr.pk, correction=Correction(energy=Decimal(5)), now=LATER)

    assert both.original == cdr
    assert both.credit.total_cost_before_taxes == Decimal(-4)
    assert both.replacement.total_cost_before_taxes == Decimal(2)
    assert both.findings == ()
    assert Cdr.objects.count() == 1


def test_the_database_refuses_a_second_first_cdr_and_a_second_replacement() -> None:
    cdr = bill()
    new = rebill(cdr, energy=Decimal(5))

    for row, rule in ((cdr, "cdr_one_per_session"), (new, "cdr_replaced_once")):
        copy = Cdr.objects.get(pk=row.pk)
        copy.pk, copy.ocpi_id = None, "ANOTHER"
        with pytest.raises(IntegrityError, match=rule), transaction.atomic():
            copy.save(force_insert=True)
    copy.credit, copy.credit_reference_id, copy.replaces = True, "X", credit_of(cdr)
    with pytest.raises(IntegrityError, match="cdr_credit_replaces_nothing"), transaction.atomic():
        copy.save(force_insert=True)


@pytest.mark.django_db(transaction=True)
def test_of_two_who_bill_again_at_once_one_does() -> None:
    cdr = bill()

    with (
        just_before("FOR UPDATE", lambda: rebill(cdr, energy=Decimal(5))),
        pytest.raises(NotCreditable),
    ):
        rebill(cdr, energy=Decimal(6))

    assert Cdr.objects.count() == 3
