"""The opening hours of a location, as its form has them and as OCPI writes them."""

from typing import Any
from zoneinfo import ZoneInfo

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from cpo_platform.common.formfields import local_periods, resolve_periods
from cpo_platform.common.shapes import Problem, ShapeError

DAYS = (
    ("monday", _("Monday")),
    ("tuesday", _("Tuesday")),
    ("wednesday", _("Wednesday")),
    ("thursday", _("Thursday")),
    ("friday", _("Friday")),
    ("saturday", _("Saturday")),
    ("sunday", _("Sunday")),
)


def resolved(name: str, items: list[dict[str, Any]], zone: ZoneInfo) -> list[Any] | None:
    """Return exceptional periods, in local time, as OCPI writes them.

    Raises:
        ShapeError: one has a date or time that there is not.

    """
    try:
        return resolve_periods(items, zone) or None
    except ValueError as error:
        place = f"opening_times.exceptional_{name}"
        raise ShapeError([Problem(place, gettext("There is no such date or time."))]) from error


def hours_values(hours: dict[str, Any] | None, zone: ZoneInfo) -> dict[str, Any]:
    """Return what the fields of the form hold for opening hours."""
    if hours is None:
        return {"open_always": ""}
    days: dict[str, list[tuple[str, str]]] = {name: [] for name, _label in DAYS}
    for period in hours.get("regular_hours") or []:
        name = DAYS[period["weekday"] - 1][0]
        days[name].append((period["period_begin"], period["period_end"]))
    return {
        "open_always": "yes" if hours["twentyfourseven"] else "no",
        **days,
        "openings": local_periods(hours.get("exceptional_openings") or [], zone),
        "closings": local_periods(hours.get("exceptional_closings") or [], zone),
    }
