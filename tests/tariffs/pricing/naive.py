"""A second pricer, as naive as can be: it looks at every second, and remembers nothing.

It shares no code with the engine but the types that both read. It knows sessions on whole seconds,
with energy that flows in whole Wh a second.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from math import ceil
from typing import NamedTuple
from zoneinfo import ZoneInfo

from tariffs.pricing.engine import TariffSwitch
from tariffs.pricing.types import (
    DayOfWeek,
    Phase,
    PriceComponent,
    ReservationRestrictionType,
    Segment,
    Tariff,
    TariffDimensionType,
    TariffRestrictions,
    TaxIncluded,
)

FLAT, ENERGY = TariffDimensionType.FLAT, TariffDimensionType.ENERGY
TIME, PARKING = TariffDimensionType.TIME, TariffDimensionType.PARKING_TIME
DAYS = list(DayOfWeek)


class Totals(NamedTuple):
    """The total before and after taxes; None: which taxes are added is not known."""

    before_taxes: Fraction
    after_taxes: Fraction | None
    rates: frozenset[Fraction] = frozenset()


class Second(NamedTuple):
    """What restrictions look at that another second may have otherwise."""

    local: datetime
    seconds: int
    wh: int


@dataclass(frozen=True, eq=False, slots=True)
class Key:
    """A component where it stands: in which tariff, and when; equal to itself alone."""

    tariff: int
    component: PriceComponent
    when: TariffRestrictions


def naive_price(
    tariff: Tariff,
    segments: Sequence[Segment],
    time_zone: str,
    switches: Sequence[TariffSwitch] = (),
) -> Totals:
    """Price a session second by second (the reference algorithm of the tariff chapter)."""
    tariffs = [tariff, *(switch.tariff for switch in switches)]
    keys = [keys_of(item, place) for place, item in enumerate(tariffs)]
    zone = ZoneInfo(time_zone)
    # What is used of each component, per phase: Wh, seconds, or 1.
    used: dict[tuple[bool, Key], int] = defaultdict(int)
    last_time: dict[bool, Key] = {}
    last_energy: dict[bool, Key] = {}
    flat_taken: set[bool] = set()
    began: dict[bool, datetime] = {}
    wh = parked = 0
    for segment in segments:
        reserved = segment.phase is not Phase.SESSION
        began.setdefault(reserved, segment.start)
        before = int((segment.start - began[reserved]).total_seconds())
        length = int((segment.end - segment.start).total_seconds())
        rate = int(segment.energy * 1000) // length
        is_parking = not segment.requesting_power and not reserved
        # What of each tariff its seconds look through, in order.
        flats, times, energies = (
            [asked(of_tariff, dimension, segment) for of_tariff in keys]
            for dimension in (FLAT, PARKING if is_parking else TIME, ENERGY)
        )
        for number in range(length):
            moment = segment.start + timedelta(seconds=number)
            place = sum(switch.at <= moment for switch in switches) if switches else 0
            state = Second(moment.astimezone(zone), before + number, wh)
            wh += rate
            parked += is_parking
            if reserved not in flat_taken and (key := find(flats[place], state)):
                flat_taken.add(reserved)
                used[reserved, key] = 1
            key = find(times[place], state)
            is_free = key and is_parking and parked <= key.component.grace_period
            if key and is_free:
                # Told, and of no weight but for its rate.
                used[reserved, key] += 0
            elif key:
                used[reserved, key] += 1
                last_time[reserved] = key
            if rate and (key := find(energies[place], state)):
                used[reserved, key] += rate
                last_energy[reserved] = key
    for last in (last_time, last_energy):
        for reserved, key in last.items():
            total = sum(
                amount
                for (phase, other), amount in used.items()
                if phase == reserved and other.component.type is key.component.type
            )
            step = key.component.step_size or 1
            used[reserved, key] += ceil(Fraction(total, step)) * step - total
    return limited(tariffs, switches, segments, taxed(tariffs, used))


def keys_of(tariff: Tariff | None, place: int) -> list[Key]:
    return [
        Key(place, component, element.restrictions)
        for element in (tariff.elements if tariff else ())
        for component in element.price_components
    ]


def asked(keys: list[Key], dimension: TariffDimensionType, segment: Segment) -> list[Key]:
    """Return what may price a dimension in a segment, in the order in which it is asked.

    Phase, power and current are those of the segment: they tell no second from the next.
    """
    phase = segment.phase
    wanted: list[ReservationRestrictionType | None]
    if phase is Phase.RESERVATION_EXPIRES:
        wanted = [
            ReservationRestrictionType.RESERVATION_EXPIRES,
            ReservationRestrictionType.RESERVATION,
        ]
    elif phase is Phase.RESERVATION:
        wanted = [ReservationRestrictionType.RESERVATION]
    else:
        wanted = [None]
    if phase is not Phase.SESSION and dimension in {ENERGY, PARKING}:
        return []
    return [
        key
        for kind in wanted
        for key in keys
        if key.when.reservation is kind
        and key.component.type is dimension
        and within(segment.power, key.when.min_power, key.when.max_power)
        and within(segment.current, key.when.min_current, key.when.max_current)
    ]


def find(keys: list[Key], state: Second) -> Key | None:
    for key in keys:
        if holds(key.when, state):
            return key
    return None


def holds(when: TariffRestrictions, state: Second) -> bool:
    local = state.local
    if when.start_time or when.end_time:
        start, end = when.start_time or time(0), when.end_time or time(0)
        clock = local.time()
        if end == time(0):
            in_time = clock >= start
        elif end < start:
            in_time = clock >= start or clock < end
        else:
            in_time = start <= clock < end
        if not in_time:
            return False
    if when.day_of_week and DAYS[local.weekday()] not in when.day_of_week:
        return False
    if when.start_date and local.date() < when.start_date:
        return False
    if when.end_date and local.date() >= when.end_date:
        return False
    if not within(state.seconds, when.min_duration, when.max_duration):
        return False
    has_energy = when.min_kwh is not None or when.max_kwh is not None
    return not has_energy or within(Decimal(state.wh) / 1000, when.min_kwh, when.max_kwh)


def within(
    value: Decimal | int | None, low: Decimal | int | None, high: Decimal | int | None
) -> bool:
    if low is not None and (value is None or value < low):
        return False
    return high is None or (value is not None and value < high)


def taxed(tariffs: Sequence[Tariff | None], used: dict[tuple[bool, Key], int]) -> Totals:
    before, taxes, is_known = Fraction(0), Fraction(0), True
    rates: set[Fraction] = set()
    for (_reserved, key), amount in used.items():
        tariff = tariffs[key.tariff]
        assert tariff is not None
        unit = {FLAT: 1, ENERGY: 1000, TIME: 3600, PARKING: 3600}[key.component.type]
        cost = Fraction(amount, unit) * Fraction(key.component.price)
        vat = key.component.vat
        rate = Fraction(0 if vat is None else vat) / 100
        if vat is not None and tariff.tax_included is not TaxIncluded.NOT_APPLICABLE:
            rates.add(rate)
        has_rates = any(c.vat is not None for e in tariff.elements for c in e.price_components)
        if tariff.tax_included is TaxIncluded.YES:
            before += cost / (1 + rate)
            taxes += cost - cost / (1 + rate)
        elif tariff.tax_included is TaxIncluded.NOT_APPLICABLE:
            before += cost
        else:
            before += cost
            taxes += cost * rate
            is_known = is_known and (has_rates or not cost)
    return Totals(before, before + taxes if is_known else None, frozenset(rates))


def limited(
    tariffs: Sequence[Tariff | None],
    switches: Sequence[TariffSwitch],
    segments: Sequence[Segment],
    totals: Totals,
) -> Totals:
    last_second = max(segments[0].start, segments[-1].end - timedelta(seconds=1))
    held = sum(switch.at <= last_second for switch in switches) + 1
    tariff = ([item for item in tariffs[:held] if item] or [item for item in tariffs if item])[-1]
    before, after, rates = totals
    has_session = any(segment.phase is Phase.SESSION for segment in segments)
    for limit, pick in ((tariff.min_price, max), (tariff.max_price, min)):
        if limit is None or (pick is max and not has_session):
            continue
        new_before = pick(before, Fraction(limit.before_taxes))
        if after is not None:
            if limit.after_taxes is not None:
                after = pick(after, Fraction(limit.after_taxes))
            elif before:
                after = after * new_before / before
            elif len(rates) == 1:
                after = new_before * (1 + next(iter(rates)))
            else:
                after = new_before
            # Both limits hold, and taxes are never negative.
            if pick is max:
                after = max(after, new_before)
            else:
                new_before = min(new_before, after)
        before = new_before
    return Totals(before, after)
