"""A second pricer, as naive as can be: it looks at every second, and remembers nothing.

It shares no code with the engine but the types that both read. It knows sessions on whole seconds,
with energy that flows in whole Wh a second.
"""

from collections import defaultdict
from collections.abc import Sequence
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
    """What restrictions look at."""

    local: datetime
    seconds: int
    wh: int
    segment: Segment


class Key(NamedTuple):
    """A component, by the places of its tariff and its element."""

    tariff: int
    element: int
    component: PriceComponent


def naive_price(
    tariff: Tariff,
    segments: Sequence[Segment],
    time_zone: str,
    switches: Sequence[TariffSwitch] = (),
) -> Totals:
    """Price a session second by second (the reference algorithm of the tariff chapter)."""
    tariffs = [tariff, *(switch.tariff for switch in switches)]
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
        length = int((segment.end - segment.start).total_seconds())
        rate = int(segment.energy * 1000) // length
        is_parking = not segment.requesting_power and not reserved
        for number in range(length):
            moment = segment.start + timedelta(seconds=number)
            place = sum(switch.at <= moment for switch in switches)
            current = tariffs[place]
            state = Second(
                moment.astimezone(zone),
                int((moment - began[reserved]).total_seconds()),
                wh,
                segment,
            )
            wh += rate
            parked += is_parking
            if current is None:
                continue
            if reserved not in flat_taken and (key := find(current, place, FLAT, state)):
                flat_taken.add(reserved)
                used[reserved, key] = 1
            key = find(current, place, PARKING if is_parking else TIME, state)
            is_free = key and is_parking and parked <= key.component.grace_period
            if key and is_free:
                # Told, and of no weight but for its rate.
                used[reserved, key] += 0
            elif key:
                used[reserved, key] += 1
                last_time[reserved] = key
            if rate and (key := find(current, place, ENERGY, state)):
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


def find(tariff: Tariff, place: int, dimension: TariffDimensionType, state: Second) -> Key | None:
    phase = state.segment.phase
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
        return None
    for kind in wanted:
        for number, element in enumerate(tariff.elements):
            if element.restrictions.reservation is not kind:
                continue
            for component in element.price_components:
                if component.type is dimension and holds(element.restrictions, state):
                    return Key(place, number, component)
    return None


def holds(when: TariffRestrictions, state: Second) -> bool:
    local, segment = state.local, state.segment
    start, end = when.start_time or time(0), when.end_time or time(0)
    clock = local.time()
    if end == time(0):
        in_time = clock >= start
    elif end < start:
        in_time = clock >= start or clock < end
    else:
        in_time = start <= clock < end
    answers = [in_time]
    if when.day_of_week:
        answers.append(DAYS[local.weekday()] in when.day_of_week)
    if when.start_date:
        answers.append(local.date() >= when.start_date)
    if when.end_date:
        answers.append(local.date() < when.end_date)
    for value, low, high in (
        (Decimal(state.wh) / 1000, when.min_kwh, when.max_kwh),
        (state.seconds, when.min_duration, when.max_duration),
        (segment.power, when.min_power, when.max_power),
        (segment.current, when.min_current, when.max_current),
    ):
        if low is not None:
            answers.append(value is not None and value >= low)
        if high is not None:
            answers.append(value is not None and value < high)
    return all(answers)


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
