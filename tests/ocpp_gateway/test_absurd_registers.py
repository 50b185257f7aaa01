"""Registers that no meter of an outlet can show."""

from decimal import Decimal

import pytest

from ocpp_gateway.models import AlertKind, StationAlert
from sessions_app.models import Session, SessionStatus
from tests.ocpp_gateway.world import Charge, make_outlet


@pytest.mark.django_db
@pytest.mark.parametrize("registers", [["999999999000"], ["999999999000", "999999999000", "11000"]])
def test_a_register_of_all_nines_is_left_out_and_staff_is_told(registers: list[str]) -> None:
    charge = Charge(make_outlet())
    charge.start(0, 10_000)
    for number, shown in enumerate(registers):
        charge.meter(10 * (number + 1), shown)
    charge.digest(35)
    assert charge.session.status == SessionStatus.ACTIVE
    charge.stop(40, 12_000)
    charge.digest(41)

    assert charge.session.kwh == Decimal(2)
    assert charge.codes.count("ABSURD_REGISTER") == 1
    alert = StationAlert.objects.get(kind=AlertKind.UNBILLED)
    assert "999999999" in alert.seen


@pytest.mark.django_db
def test_a_stop_that_is_absurd_ends_with_what_was_shown_before() -> None:
    charge = Charge(make_outlet())
    charge.start(0, 10_000)
    charge.meter(10, "11500")
    charge.stop(20, 999_999_999_999)
    charge.digest(21)

    assert charge.session.status == SessionStatus.COMPLETED
    assert charge.session.kwh == Decimal("1.5")
    assert StationAlert.objects.filter(kind=AlertKind.UNBILLED).count() == 1


@pytest.mark.django_db
def test_a_register_that_rises_and_falls_for_ever_adds_up_to_no_more_than_there_is() -> None:
    charge = Charge(make_outlet())
    charge.start(0, 0)
    for number, peak in enumerate((9_000_000, 8_000_000, 7_000_000)):
        shown = (f"{peak}000", f"{peak}100", "0", "1")
        for place, register in enumerate(shown):
            charge.meter(10 * number + place + 1, register)
    charge.stop(60, 2)
    charge.digest(61)

    assert charge.session.status == SessionStatus.COMPLETED
    assert charge.session.kwh <= 10_000_000
    assert "ABSURD_REGISTER" in charge.codes


def test_sessions_hold_what_transactions_may_have() -> None:
    from ocpp_gateway.plausibility import MOST_ENERGY

    field = Session._meta.get_field("kwh")
    assert Decimal(10) ** (field.max_digits - field.decimal_places) > MOST_ENERGY
