"""Decide which price component applies at one moment of a session."""

from dataclasses import dataclass
from datetime import datetime, time
from decimal import Decimal
from fractions import Fraction

from tariffs.pricing.types import (
    DayOfWeek,
    Phase,
    PriceComponent,
    ReservationRestrictionType,
    Tariff,
    TariffDimensionType,
    TariffRestrictions,
)

_MIDNIGHT = time(0)
_WEEK = tuple(DayOfWeek)

# OCPI 2.3.0, mod_tariffs, ReservationRestrictionType: an expired reservation is priced by both
# kinds of elements, and RESERVATION_EXPIRES goes first whatever the order in the list.
_SEARCH_ORDER: dict[Phase, tuple[ReservationRestrictionType | None, ...]] = {
    Phase.SESSION: (None,),
    Phase.RESERVATION: (ReservationRestrictionType.RESERVATION,),
    Phase.RESERVATION_EXPIRES: (
        ReservationRestrictionType.RESERVATION_EXPIRES,
        ReservationRestrictionType.RESERVATION,
    ),
}

_RESERVATION_DIMENSIONS = (TariffDimensionType.FLAT, TariffDimensionType.TIME)


@dataclass(frozen=True, slots=True)
class State:
    """Hold what restrictions look at: one moment of a session.

    `local` is in the time zone of the Location, `seconds` and `kwh` count since the start of the
    session (or of the reservation), `current` is A summed over the phases, `power` kW.
    """

    local: datetime
    seconds: Fraction = Fraction(0)
    kwh: Fraction = Fraction(0)
    current: Decimal | None = None
    power: Decimal | None = None
    phase: Phase = Phase.SESSION


@dataclass(frozen=True, slots=True)
class ActiveComponent:
    """Point at a component of a tariff; `element` is the index of its element, from 0."""

    element: int
    component: PriceComponent


def find_component(
    tariff: Tariff, dimension: TariffDimensionType, state: State
) -> ActiveComponent | None:
    """Return the component of the first element that has this dimension and applies.

    None means that the dimension costs nothing at this moment (OCPI 2.3.0, mod_tariffs, Tariff
    object).
    """
    if state.phase.is_reservation and dimension not in _RESERVATION_DIMENSIONS:
        return None
    for reservation in _SEARCH_ORDER[state.phase]:
        for index, element in enumerate(tariff.elements):
            if element.restrictions.reservation is not reservation:
                continue
            for component in element.price_components:
                if component.type is dimension and applies(element.restrictions, state):
                    return ActiveComponent(index, component)
    return None


def applies(restrictions: TariffRestrictions, state: State) -> bool:
    """Tell whether an element with these restrictions is active at this moment."""
    return (
        restrictions.reservation in _SEARCH_ORDER[state.phase]
        and _date_matches(restrictions, state.local)
        and _time_matches(restrictions, state.local)
        and _within(state.kwh, restrictions.min_kwh, restrictions.max_kwh)
        and _within(state.current, restrictions.min_current, restrictions.max_current)
        and _within(state.power, restrictions.min_power, restrictions.max_power)
        and _within(state.seconds, restrictions.min_duration, restrictions.max_duration)
    )


def _date_matches(restrictions: TariffRestrictions, local: datetime) -> bool:
    # The weekday is that of the moment, also in the early hours of a time range that wraps:
    # FRIDAY 22:00-06:00 holds on Friday before 06:00 and not on Saturday morning.
    today = local.date()
    if restrictions.day_of_week and _WEEK[today.weekday()] not in restrictions.day_of_week:
        return False
    if restrictions.start_date is not None and today < restrictions.start_date:
        return False
    return restrictions.end_date is None or today < restrictions.end_date


def _time_matches(restrictions: TariffRestrictions, local: datetime) -> bool:
    # A start alone lasts until midnight, an end alone starts at midnight; 00:00-00:00 is a whole
    # day. Wall-clock time is compared: a day of 25 hours has its extra hour twice.
    start = restrictions.start_time or _MIDNIGHT
    end = restrictions.end_time or _MIDNIGHT
    now = local.time()
    if end == _MIDNIGHT:
        return start <= now
    if end < start:
        return start <= now or now < end
    return start <= now < end


def _within(
    value: Fraction | Decimal | None, minimum: Decimal | int | None, maximum: Decimal | int | None
) -> bool:
    if minimum is None and maximum is None:
        return True
    if value is None:
        return False
    # Exact as fractions are, and several times as quick.
    numerator, denominator = value.as_integer_ratio()
    if minimum is not None:
        above, below = minimum.as_integer_ratio()
        if numerator * below < above * denominator:
            return False
    if maximum is not None:
        above, below = maximum.as_integer_ratio()
        return numerator * below < above * denominator
    return True
