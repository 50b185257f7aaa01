"""The period that a page is about: some last days, a month, or from a day to a day (UTC)."""

import calendar
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from urllib.parse import urlencode

from django.utils.translation import gettext

LAST_DAYS = (7, 30, 90)
USUAL = 30
MOST_DAYS = 3660
# A chart has so many points at most; longer periods have points of several days.
MOST_POINTS = 31

_MONTH = re.compile(r"(\d{4})-(\d{2})\Z", re.ASCII)


class BadPeriod(ValueError):
    """What was asked for is no period."""


@dataclass(frozen=True)
class Period:
    """Days from `first` to `last`, both within; `asked` is how it was asked for."""

    first: date
    last: date
    asked: Mapping[str, str]

    @property
    def since(self) -> datetime:
        return _begin(self.first)

    @property
    def until(self) -> datetime:
        return _begin(self.last + timedelta(days=1))

    @property
    def query(self) -> str:
        """Return the part of an address that asks for the same."""
        return urlencode(self.asked)

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1


def read(asked: Mapping[str, str], *, today: date) -> Period:
    """Return the period that is asked for by `from` and `to`, by `month`, or by `days`.

    Raises:
        BadPeriod: with the rule, for people.

    """
    if asked.get("from") or asked.get("to"):
        return _from_to(asked, today)
    if asked.get("month"):
        return _month(asked["month"])
    return last_days(_days(asked.get("days", "")), today=today)


def last_days(days: int, *, today: date) -> Period:
    """Return the last whole days before today."""
    return Period(today - timedelta(days=days), today - timedelta(days=1), {"days": str(days)})


def _days(text: str) -> int:
    if not text:
        return USUAL
    if text not in {str(days) for days in LAST_DAYS}:
        raise BadPeriod(gettext("Choose 7, 30 or 90 days."))
    return int(text)


def _month(text: str) -> Period:
    found = _MONTH.fullmatch(text)
    if not found or not 1 <= int(found[2]) <= 12 or not 2000 <= int(found[1]) <= 2999:
        raise BadPeriod(gettext("Write a month like 2026-11."))
    year, month = int(found[1]), int(found[2])
    last = calendar.monthrange(year, month)[1]
    return Period(date(year, month, 1), date(year, month, last), {"month": text})


def _from_to(asked: Mapping[str, str], today: date) -> Period:
    yesterday = today - timedelta(days=1)
    try:
        last = date.fromisoformat(asked["to"]) if asked.get("to") else yesterday
        first = date.fromisoformat(asked["from"]) if asked.get("from") else last
    except ValueError as error:
        raise BadPeriod(gettext("Write days like 2026-11-27.")) from error
    if first > last:
        raise BadPeriod(gettext("The period ends before it begins."))
    if not 2000 <= first.year <= last.year <= 2999 or (last - first).days >= MOST_DAYS:
        raise BadPeriod(gettext("A period is ten years long at most."))
    return Period(first, last, {"from": first.isoformat(), "to": last.isoformat()})


def points(since: datetime, until: datetime) -> list[datetime]:
    """Return the moments between which a chart has its points: midnights, `since` and `until`."""
    days = max((until - since).days, 1)
    step = -(-days // MOST_POINTS)
    between = [since + timedelta(days=number) for number in range(0, days, step)]
    return [*between, until]


def _begin(day: date) -> datetime:
    return datetime.combine(day, time.min, tzinfo=UTC)
