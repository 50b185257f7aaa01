"""Restrictions that can never hold, that are over, or that say something else than they seem to."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from tariffs.pricing.linting.examples import Stage
from tariffs.pricing.linting.findings import Finding, Rule, Said, Severity, Value, Words
from tariffs.pricing.linting.order import ENERGY, FLAT, PARKING_TIME, TIME
from tariffs.pricing.types import (
    DayOfWeek,
    PriceComponent,
    Tariff,
    TariffElement,
    TariffRestrictions,
)

_WEEK = tuple(DayOfWeek)
_RANGES = ("kwh", "power", "current", "duration")
# kW that electronics of a car may draw while it does not charge.
STANDBY = 1


def findings(tariff: Tariff, stage: Stage, now: datetime) -> Iterator[Finding]:
    """Yield what is wrong with the restrictions of each element, and with the validity."""
    if tariff.end_date_time is not None and tariff.end_date_time <= now:
        yield Finding(
            Rule.VALIDITY_OVER,
            Severity.WARNING,
            field="end_date_time",
            values={"day": tariff.end_date_time.astimezone(UTC).date().isoformat()},
        )
    today = now.astimezone(stage.zone).date()
    for index, element in enumerate(tariff.elements):
        restrictions = element.restrictions
        yield from _ranges(index, restrictions)
        yield from _dates(index, tariff, restrictions, stage, today)
        yield from _nights(index, tariff, stage)
        yield from _reservation(index, element)
        yield from _duplicates(index, element)
        yield from _parking_power(index, element)


def _finding(rule: Rule, severity: Severity, index: int, place: str, **values: Value) -> Finding:
    return Finding(rule, severity, (index,), field=place, values={"element": index + 1, **values})


def _ranges(index: int, restrictions: TariffRestrictions) -> Iterator[Finding]:
    for name in _RANGES:
        low, high = getattr(restrictions, f"min_{name}"), getattr(restrictions, f"max_{name}")
        empty = low is not None and high is not None and low >= high
        if empty or (high is not None and high <= 0):
            yield _finding(
                Rule.IMPOSSIBLE_RANGE,
                Severity.ERROR,
                index,
                f"restrictions.max_{name}",
                field=f"max_{name}",
                high=high,
                low=low or 0,
            )


def _dates(
    index: int, tariff: Tariff, restrictions: TariffRestrictions, stage: Stage, today: date
) -> Iterator[Finding]:
    start, end = restrictions.start_date, restrictions.end_date
    if start and end and end <= start:
        yield _finding(
            Rule.IMPOSSIBLE_DATES,
            Severity.ERROR,
            index,
            "restrictions.end_date",
            first=start.isoformat(),
            last=end.isoformat(),
        )
    elif end and end <= today:
        yield _finding(
            Rule.DATES_OVER,
            Severity.WARNING,
            index,
            "restrictions.end_date",
            last=end.isoformat(),
        )
    begins = tariff.start_date_time and tariff.start_date_time.astimezone(stage.zone).date()
    ends = tariff.end_date_time and tariff.end_date_time.astimezone(stage.zone).date()
    # A session that began in time goes on after the end: a month is longer than any.
    too_late = start and ends and start > ends + timedelta(31)
    if (begins and end and end <= begins) or too_late:
        yield _finding(
            Rule.DATES_OUTSIDE_VALIDITY, Severity.WARNING, index, "restrictions.end_date"
        )


def _nights(index: int, tariff: Tariff, stage: Stage) -> Iterator[Finding]:
    """Yield a night on some weekdays: its early hours are those of the same day, not the next."""
    restrictions = tariff.elements[index].restrictions
    start, end = restrictions.start_time or time(0), restrictions.end_time or time(0)
    days = restrictions.day_of_week
    if end == time(0) or end > start or not days or len(days) == len(_WEEK):
        return
    last = next(day for day in days if _after(day) not in days)
    segments = stage.usual(
        minutes=60,
        kwh="11",
        parked=_minutes_until(start, end) - 60,
        at=start,
        weekday=_WEEK.index(last),
    )
    meant = _split_night(tariff, index)
    yield replace(
        _finding(
            Rule.NIGHT_OF_WEEKDAY,
            Severity.WARNING,
            index,
            "restrictions.day_of_week",
            start=f"{start:%H:%M}",
            end=f"{end:%H:%M}",
            day=Said(last.value),
            next_day=Said(_after(last).value),
        ),
        example=stage.shown(segments, otherwise=meant, change=Said("TWO_NIGHTS")),
    )


def _after(day: DayOfWeek) -> DayOfWeek:
    return _WEEK[(_WEEK.index(day) + 1) % len(_WEEK)]


def _minutes_until(start: time, end: time) -> int:
    return (end.hour - start.hour) * 60 + end.minute - start.minute + 24 * 60


def _split_night(tariff: Tariff, index: int) -> Tariff:
    """Return the tariff with a night as it was probably meant: evenings, and mornings after."""
    element = tariff.elements[index]
    when = element.restrictions
    evening = replace(element, restrictions=replace(when, end_time=None))
    mornings = frozenset(_after(day) for day in when.day_of_week)
    morning = replace(element, restrictions=replace(when, start_time=time(0), day_of_week=mornings))
    elements = (*tariff.elements[:index], evening, morning, *tariff.elements[index + 1 :])
    return replace(tariff, elements=elements)


def _reservation(index: int, element: TariffElement) -> Iterator[Finding]:
    restrictions = element.restrictions
    if restrictions.reservation is None:
        return
    ignored = tuple(
        component.type
        for component in element.price_components
        if component.type not in {TIME, FLAT}
    )
    if ignored:
        yield replace(
            _finding(Rule.RESERVATION_IGNORES, Severity.WARNING, index, "restrictions.reservation"),
            dimensions=ignored,
        )
    # Nothing flows while an EVSE is only reserved.
    never = [
        f"{end}_{name}"
        for name in ("kwh", "power", "current")
        for end in ("min", "max")
        if (value := getattr(restrictions, f"{end}_{name}")) is not None
        and (name != "kwh" or (end == "min" and value > 0))
    ]
    if never:
        yield _finding(
            Rule.IMPOSSIBLE_RESERVATION,
            Severity.ERROR,
            index,
            f"restrictions.{never[0]}",
            field=Words(tuple(never)),
        )


def _duplicates(index: int, element: TariffElement) -> Iterator[Finding]:
    seen: dict[object, PriceComponent] = {}
    for component in element.price_components:
        if component.type in seen:
            yield replace(
                _finding(Rule.DUPLICATE, Severity.ERROR, index, "price_components"),
                dimensions=(component.type,),
            )
        seen.setdefault(component.type, component)


def _parking_power(index: int, element: TariffElement) -> Iterator[Finding]:
    restrictions = element.restrictions
    power = restrictions.min_power or Decimal(0)
    paid = any(c.type is PARKING_TIME and c.price for c in element.price_components)
    # Beside a price for energy it is the same condition for both: nobody meant the parking alone.
    alone = not any(c.type is ENERGY for c in element.price_components)
    if paid and alone and power >= STANDBY:
        yield replace(
            _finding(
                Rule.PARKING_NEEDS_POWER,
                Severity.WARNING,
                index,
                "restrictions.min_power",
                power=f"{power.normalize():f} kW",
            ),
            dimensions=(PARKING_TIME,),
        )
