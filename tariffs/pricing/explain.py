"""Say in plain words how a price came about.

All texts of the pricing engine are here, in English; translation will start from this module.
"""

from datetime import date, datetime, time
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

from cpo_platform.common.money import currency_places, round_money, to_decimal, trimmed
from tariffs.pricing.steps import STEPS_PER_UNIT, Stretch
from tariffs.pricing.types import (
    DayOfWeek,
    PriceLimit,
    ReservationRestrictionType,
    TariffDimensionType,
    TariffRestrictions,
)

UNITS = {
    TariffDimensionType.FLAT: "",
    TariffDimensionType.ENERGY: "kWh",
    TariffDimensionType.TIME: "h",
    TariffDimensionType.PARKING_TIME: "h",
}

TIMES = "\N{MULTIPLICATION SIGN}"
TO = "\N{EN DASH}"

ALWAYS = "always"
MIN_PRICE = "Minimum price of {limit}: the total is raised to it"
MAX_PRICE = "Maximum price of {limit}: the total is lowered to it"
TAX_TO_BE_ADDED = "Taxes will be added at rates that are not known here."
TAX_RATE_UNKNOWN = (
    "The prices include taxes at a rate that is not known here: "
    "the amounts before taxes are shown with taxes."
)

_RESERVATIONS = {
    ReservationRestrictionType.RESERVATION: "while reserved",
    ReservationRestrictionType.RESERVATION_EXPIRES: "reservation not used",
}


def line_text(
    stretch: Stretch, restrictions: TariffRestrictions, currency: str, zone: ZoneInfo
) -> str:
    """Return a sentence with all numbers needed to compute the amount of a line again."""
    component = stretch.active.component
    price = money(component.price, currency)
    unit = UNITS[component.type]
    if component.type is TariffDimensionType.FLAT:
        amount = f"{component.type} {price}"
    else:
        volume = number(to_decimal(stretch.billed / STEPS_PER_UNIT[component.type], 4))
        amount = f"{component.type} {volume} {unit} {TIMES} {price}/{unit}"
    conditions = restriction_text(restrictions)
    element = f"element {stretch.active.element + 1}"
    if conditions != ALWAYS:
        element += f" ({conditions})"
    text = f"{time_range(stretch.start, stretch.end, zone)} · {amount}, {element}"
    remark = step_remark(stretch)
    return f"{text}; {remark}" if remark else text


def grace_text(
    stretch: Stretch, restrictions: TariffRestrictions, currency: str, zone: ZoneInfo
) -> str:
    """Say that parking was free for a while, and how it is charged after that."""
    component = stretch.active.component
    free = (
        f"{time_range(stretch.start, stretch.end, zone)} · {component.type} "
        f"{duration(stretch.used)} free: the first {duration(component.grace_period)} cost nothing"
    )
    conditions = restriction_text(restrictions)
    where = f" ({conditions})" if conditions != ALWAYS else ""
    after = f"then {money(component.price, currency)}/{UNITS[component.type]}"
    return f"{free}, {after}, element {stretch.active.element + 1}{where}"


def limit_text(template: str, limit: PriceLimit, currency: str) -> str:
    """Return a sentence for the line of a price limit: MIN_PRICE or MAX_PRICE filled in."""
    text = f"{money(limit.before_taxes, currency)} before taxes"
    if limit.after_taxes is not None:
        text += f", {money(limit.after_taxes, currency)} after taxes"
    return template.format(limit=text)


def step_remark(stretch: Stretch) -> str:
    """Say what the step size added to a use, or nothing when it added nothing."""
    if stretch.billed == stretch.used:
        return ""
    dimension = stretch.dimension
    if dimension is TariffDimensionType.ENERGY:
        used, billed = (
            f"{number(to_decimal(volume / 1000, 4))} kWh"
            for volume in (stretch.used, stretch.billed)
        )
        step = f"{stretch.active.component.step_size} Wh"
    else:
        used, billed = (duration(volume) for volume in (stretch.used, stretch.billed))
        step = duration(stretch.active.component.step_size)
    return f"{used} used, {billed} billed: all {dimension} together is billed in steps of {step}"


def restriction_text(restrictions: TariffRestrictions) -> str:
    """Say when an element applies."""
    parts = [
        _RESERVATIONS[restrictions.reservation] if restrictions.reservation else "",
        _when(restrictions),
        _dates(restrictions.start_date, restrictions.end_date),
        _bounds(restrictions.min_kwh, restrictions.max_kwh, "kWh"),
        _bounds(restrictions.min_power, restrictions.max_power, "kW"),
        _bounds(restrictions.min_current, restrictions.max_current, "A"),
        _durations(restrictions.min_duration, restrictions.max_duration),
    ]
    return ", ".join(part for part in parts if part) or ALWAYS


def time_range(start: datetime, end: datetime, zone: ZoneInfo) -> str:
    """Return two moments in local time, with dates when they are on different days."""
    local_start, local_end = start.astimezone(zone), end.astimezone(zone)
    if local_start.date() != local_end.date():
        return f"{local_start:%Y-%m-%d %H:%M}{TO}{local_end:%Y-%m-%d %H:%M}"
    if start == end:
        return f"{local_start:%H:%M}"
    return f"{local_start:%H:%M}{TO}{local_end:%H:%M}"


def money(amount: Decimal, currency: str) -> str:
    """Return an amount with its currency and at least the places of that currency."""
    places = currency_places(currency)
    shown = round_money(amount, places)
    return f"{shown if shown == amount else number(amount)} {currency}"


def number(value: Decimal) -> str:
    """Return a number without trailing zeros."""
    return f"{trimmed(value):f}"


def duration(seconds: Fraction | int) -> str:
    """Return seconds as hours, minutes and seconds."""
    total = to_decimal(Fraction(seconds), 3)
    hours, rest = divmod(total, 3600)
    minutes, rest = divmod(rest, 60)
    parts = [(hours, "h"), (minutes, "min"), (rest, "s")]
    return " ".join(f"{number(value)} {unit}" for value, unit in parts if value) or "0 s"


def _when(restrictions: TariffRestrictions) -> str:
    parts = [_days(restrictions.day_of_week)]
    if restrictions.start_time is not None or restrictions.end_time is not None:
        start, end = restrictions.start_time or time(0), restrictions.end_time or time(0)
        parts.append(f"{start:%H:%M}{TO}{'24:00' if end == time(0) else f'{end:%H:%M}'}")
    return " ".join(part for part in parts if part)


def _days(days: frozenset[DayOfWeek]) -> str:
    week = list(DayOfWeek)
    chosen = [day for day in week if day in days]
    names = [day.value[:3].capitalize() for day in chosen]
    places = [week.index(day) for day in chosen]
    is_range = len(places) > 2 and places[-1] - places[0] == len(places) - 1
    return f"{names[0]}{TO}{names[-1]}" if is_range else ", ".join(names)


def _dates(start: date | None, end: date | None) -> str:
    parts = []
    if start is not None:
        parts.append(f"from {start}")
    if end is not None:
        parts.append(f"before {end}")
    return " ".join(parts)


def _bounds(minimum: Decimal | None, maximum: Decimal | None, unit: str) -> str:
    parts = []
    if minimum is not None:
        parts.append(f"from {number(minimum)} {unit}")
    if maximum is not None:
        parts.append(f"below {number(maximum)} {unit}")
    return " ".join(parts)


def _durations(minimum: int | None, maximum: int | None) -> str:
    if minimum is not None and maximum is not None:
        return f"after {duration(minimum)} until {duration(maximum)}"
    if minimum is not None:
        return f"after {duration(minimum)}"
    return "" if maximum is None else f"first {duration(maximum)}"
