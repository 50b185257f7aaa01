"""What an element of a tariff says, in a sentence."""

from collections.abc import Iterator, Sequence
from datetime import time

from django.utils.formats import date_format
from django.utils.translation import gettext

from cpo_platform.common.admin import money, number
from tariffs.admin.elements import DurationField
from tariffs.models import DayOfWeek, ReservationRestrictionType
from tariffs.shapes import PriceComponentShape, TariffElementShape, TariffRestrictionsShape


def element_sentence(element: TariffElementShape, currency: str) -> str:
    """Say in one sentence what an element costs and when."""
    prices = ", ".join(_price_text(component, currency) for component in element.price_components)
    when = ", ".join(_conditions(element.restrictions)) if element.restrictions else ""
    always = gettext("always")
    return f"{prices} · {when or always}"


def _price_text(component: PriceComponentShape, currency: str) -> str:
    amount, vat = money(component.price, currency), component.vat
    text = {
        "ENERGY": gettext("%(amount)s per kWh"),
        "TIME": gettext("%(amount)s per hour of charging"),
        "PARKING_TIME": gettext("%(amount)s per hour of parking"),
        "FLAT": gettext("%(amount)s once"),
    }[component.type] % {"amount": amount}
    tax = gettext("VAT")
    notes = [] if vat is None else [f"{tax} {number(vat)} %"]
    if component.grace_period:
        minutes = _minutes(component.grace_period)
        notes.append(gettext("the first %(bound)s min free") % {"bound": minutes})
    return f"{text} ({', '.join(notes)})" if notes else text


def _conditions(restrictions: TariffRestrictionsShape) -> Iterator[str]:
    if restrictions.reservation:
        yield str(ReservationRestrictionType(restrictions.reservation).label)
    if restrictions.day_of_week:
        yield _days(restrictions.day_of_week)
    if restrictions.start_time or restrictions.end_time:
        start, end = restrictions.start_time or time(0), restrictions.end_time or time(0)
        yield f"{start:%H:%M}\N{EN DASH}{'24:00' if end == time(0) else f'{end:%H:%M}'}"
    for text, values in _bounds(restrictions):
        yield from (text % {"bound": value} for value in values)


def _days(chosen: Sequence[str]) -> str:
    """Return weekdays, three or more in a row as a range."""
    week = list(DayOfWeek)
    places = sorted(week.index(DayOfWeek(day)) for day in chosen)
    names = [str(week[place].label) for place in places]
    is_range = len(places) > 2 and places[-1] - places[0] == len(places) - 1
    return f"{names[0]}\N{EN DASH}{names[-1]}" if is_range else ", ".join(names)


def _bounds(restrictions: TariffRestrictionsShape) -> Iterator[tuple[str, list[str]]]:
    """Return sentences with a gap for a bound, each with the bounds that are set."""
    dates = (restrictions.start_date, restrictions.end_date)
    yield gettext("from %(bound)s"), [date_format(day) for day in dates[:1] if day]
    yield gettext("before %(bound)s"), [date_format(day) for day in dates[1:] if day]
    for name, unit in (("kwh", "kWh"), ("power", "kW"), ("current", "A")):
        low, high = getattr(restrictions, f"min_{name}"), getattr(restrictions, f"max_{name}")
        yield gettext("from %(bound)s"), [number(low, unit)] if low is not None else []
        yield gettext("below %(bound)s"), [number(high, unit)] if high is not None else []
    for text, seconds in (
        (gettext("after %(bound)s min"), restrictions.min_duration),
        (gettext("until %(bound)s min"), restrictions.max_duration),
    ):
        yield text, [] if seconds is None else [_minutes(seconds)]


def _minutes(seconds: int) -> str:
    return str(DurationField().prepare_value(seconds))
