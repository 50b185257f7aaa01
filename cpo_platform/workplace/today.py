"""Today, hour by hour, beside the same weekday a week ago. Hours are UTC."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Count, DurationField, F, Q, Sum, Value
from django.db.models.functions import Coalesce, Least, TruncHour
from django.http import HttpRequest
from django.utils.translation import gettext

from cpo_platform.admin_site import may_see
from cpo_platform.common import replica
from cpo_platform.common.admin import visible
from cpo_platform.common.admin.charts import HourChart
from sessions_app.models import Cdr, Session

HOURS = 24
HOUR = timedelta(hours=1)
# Of an hour that has only begun, no share is told by less.
SHORTEST = timedelta(seconds=1)
WEEK = timedelta(days=7)
Hours = dict[datetime, float]


def charts(request: HttpRequest, *, total: int, now: datetime) -> list[HourChart]:
    """Return the charts that this person may see; `total` is the number of EVSEs. Two queries."""
    day = now.replace(hour=0, minute=0, second=0, microsecond=0)
    found = []
    if may_see(request, "sessions_app.cdr"):
        found += _of_cdrs(request, day, now)
    if may_see(request, "sessions_app.session") and total:
        found.append(_utilisation(request, total, day, now))
    return found


def _of_cdrs(request: HttpRequest, day: datetime, now: datetime) -> list[HourChart]:
    energy: Hours = defaultdict(float)
    count: Hours = defaultdict(float)
    revenue: dict[str, Hours] = defaultdict(lambda: defaultdict(float))
    of_days = _within("end_date_time", day) | _within("end_date_time", day - WEEK)
    # What was replaced is counted by what replaces it.
    rows = replica.reading(Cdr.objects.filter(of_days, credit=False, replacements__isnull=True))
    for hour, currency, kwh, number, cost in (
        visible(request, rows)
        .order_by()
        .annotate(hour=TruncHour("end_date_time"))
        .values_list("hour", "currency")
        .annotate(Sum("total_energy"), Count("pk"), Sum("total_cost_before_taxes"))
    ):
        energy[hour] += float(kwh or 0)
        count[hour] += number
        revenue[currency][hour] += float(cost or Decimal(0))
    found = [
        _chart(gettext("Energy sold (kWh)"), energy, day, now),
        _chart(gettext("Sessions billed"), count, day, now),
    ]
    for currency, hours in sorted(revenue.items()):
        title = gettext("Revenue before taxes (%(currency)s)") % {"currency": currency}
        found.append(_chart(title, hours, day, now))
    return found


def _utilisation(request: HttpRequest, total: int, day: datetime, now: datetime) -> HourChart:
    """Return which share of their time the EVSEs have sessions, of the running hour so far.

    Sessions that began more than a day before are left out: to look for them takes all there are.
    Clocks of stations may be ahead: what they say of later is not counted yet.
    """
    before = timedelta(days=1)
    of_days = Q(start_date_time__gte=day - before, start_date_time__lt=now) | Q(
        start_date_time__gte=day - WEEK - before, start_date_time__lt=day - WEEK + before
    )
    rows = replica.reading(Session.objects.filter(of_days, evse__isnull=False))
    used: dict[datetime, timedelta] = defaultdict(timedelta)
    ended = Least(Coalesce("end_date_time", Value(now)), Value(now))
    for first, last, number, missed, more in (
        visible(request, rows)
        .order_by()
        .annotate(first=TruncHour("start_date_time"), last=TruncHour(ended))
        .values_list("first", "last")
        .annotate(
            number=Count("pk"),
            # What of the first hour was before the sessions, and what of the last one is theirs.
            missed=Sum(F("start_date_time") - F("first"), output_field=DurationField()),
            more=Sum(ended - F("last"), output_field=DurationField()),
        )
    ):
        for hour in _hours(first, last):
            used[hour] += number * HOUR
        used[first] -= missed
        used[last] += more
    running = now.replace(minute=0, second=0, microsecond=0)
    hours: Hours = {
        hour: 100 * time / (total * (max(now - hour, SHORTEST) if hour == running else HOUR))
        for hour, time in used.items()
    }
    return _chart(gettext("EVSEs in use (% of the time)"), hours, day, now)


def _hours(first: datetime, last: datetime) -> Iterator[datetime]:
    """Return the beginnings of the hours from the first to before the last."""
    while first < last:
        yield first
        first += HOUR


def _within(field: str, day: datetime) -> Q:
    return Q(**{f"{field}__gte": day, f"{field}__lt": day + timedelta(days=1)})


def _chart(title: str, hours: Hours, day: datetime, now: datetime) -> HourChart:
    return HourChart(
        title=title,
        now=_of_day(hours, day)[: now.hour + 1],
        before=_of_day(hours, day - WEEK),
    )


def _of_day(hours: dict[Any, float], day: datetime) -> Sequence[float]:
    return [hours.get(day + timedelta(hours=hour), 0.0) for hour in range(HOURS)]
