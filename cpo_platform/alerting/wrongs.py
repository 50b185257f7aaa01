"""What is wrong at this moment, by rule: each kind is one function and one query.

`since` is the earliest moment that is known; what is kept of an alert remembers an earlier one. At
most `MOST` are found by one rule, always the same ones.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from statistics import median
from typing import Any

from django.db import connection
from django.db.models import Count, Max, Min, OuterRef, Q, QuerySet, Subquery

from cpo_platform.alerting.kinds import COMPONENTS
from cpo_platform.alerting.models import Kind, Rule
from cpo_platform.upkeep import readiness
from locations.models import Evse, LocationGroup, Status
from ocpp_gateway.models import Outlet, Station, StationAlert, StationState
from roaming.models import Feed, PartnerStatus
from roaming.operations.health import watched_feeds
from sessions_app.models import Cdr, CdrHold, Session
from sessions_app.models.sessions import silent_since

MOST = 5000
CDR_DAYS = timedelta(days=2)
WEEKS = 8
# Of fewer weeks nobody knows what is usual.
FEWEST_WEEKS = 3


@dataclass(frozen=True, slots=True)
class Wrong:
    """One thing that is wrong: `key` is the same each time; `params` are for the sentence."""

    key: str
    subject: str
    since: datetime
    subject_id: int | None = None
    station_id: int | None = None
    location_id: int | None = None
    partner_id: int | None = None
    country_code: str = ""
    party_id: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Wanted:
    """What is looked for: a rule that is kept, or one that is being written."""

    kind: str
    choices: Sequence[str] = ()
    limit: Decimal | None = None
    upper: Decimal | None = None
    currency: str = ""
    parties: Sequence[tuple[str, str]] = ()
    group_ids: Sequence[int] = ()

    @classmethod
    def of(cls, rule: Rule) -> "Wanted":
        """Return what a rule looks for."""
        return cls(
            rule.kind,
            rule.choices,
            rule.limit,
            rule.upper,
            rule.currency,
            [(party.country_code, party.party_id) for party in rule.parties.all()],
            [group.pk for group in rule.location_groups.all()],
        )


def look(rule: Wanted, now: datetime) -> list[Wrong]:
    """Return what a rule finds wrong now, longest before newest where that is known."""
    return list(_LOOKS[rule.kind](rule, now))


def _where(rule: Wanted, location: str = "location__") -> Q:
    """Return the places that a rule looks at. `location` leads to a location, with `__`."""
    wanted = Q()
    for country_code, party_id in rule.parties:
        wanted |= Q(**{f"{location}country_code": country_code, f"{location}party_id": party_id})
    if not rule.group_ids:
        return wanted
    # A subquery, so that a location in two groups is found once.
    held = LocationGroup.locations.through.objects.filter(locationgroup_id__in=rule.group_ids)
    return wanted & Q(**{f"{location}pk__in": held.values("location_id")})


def _limited(rows: "QuerySet[Any, Any]", *columns: str) -> Iterable[tuple[Any, ...]]:
    """Return columns of the first rows."""
    found: QuerySet[Any, Any] = rows.order_by("pk").values_list(*columns)[:MOST]
    return found


_SITE = ("location_id", "location__country_code", "location__party_id", "location__name")
_SITE_OF_SESSION = tuple(f"session__{name}" for name in _SITE)


def _place(row: tuple[Any, ...]) -> dict[str, Any]:
    """Return the columns `_SITE` as the arguments of a `Wrong`."""
    return {"location_id": row[0], "country_code": row[1] or "", "party_id": row[2] or ""}


def _evse_status(rule: Wanted, _now: datetime) -> Iterator[Wrong]:
    station = Outlet.objects.filter(connector__evse=OuterRef("pk")).order_by("pk")
    rows = Evse.objects.filter(_where(rule), status__in=rule.choices or [Status.OUTOFORDER])
    columns = ("pk", "uid", "evse_id", "status", "last_updated", *_SITE)
    by = Subquery(station.values("station_id")[:1])
    for pk, uid, evse_id, status, changed, *site, station_id in _limited(
        rows.annotate(by=by), *columns, "by"
    ):
        yield Wrong(
            key=f"evse:{pk}",
            subject="evse",
            subject_id=pk,
            since=changed,
            station_id=station_id,
            params={"name": evse_id or uid, "status": status, "site": site[3]},
            **_place(tuple(site)),
        )


def _station_offline(rule: Wanted, now: datetime) -> Iterator[Wrong]:
    rows = Station.objects.filter(
        _where(rule),
        state=StationState.PLACED,
        in_maintenance=False,
        # Those that have never come are no news.
        online_until__lte=now,
    )
    for pk, identity, until, *site in _limited(rows, "pk", "identity", "online_until", *_SITE):
        yield Wrong(
            key=f"station:{pk}",
            subject="station",
            subject_id=pk,
            since=until,
            station_id=pk,
            params={"name": identity, "site": site[3]},
            **_place(tuple(site)),
        )


def _station_alert(rule: Wanted, _now: datetime) -> Iterator[Wrong]:
    rows = StationAlert.objects.filter(_where(rule, "station__location__"), resolved_at=None)
    if rule.choices:
        rows = rows.filter(kind__in=rule.choices)
    columns = ("pk", "kind", "raised_at", "station_id", "station__identity")
    site_columns = tuple(f"station__{name}" for name in _SITE)
    for pk, kind, raised, station_id, identity, *site in _limited(rows, *columns, *site_columns):
        yield Wrong(
            key=f"stationalert:{pk}",
            subject="stationalert",
            subject_id=pk,
            since=raised,
            station_id=station_id,
            params={"name": identity, "kind": kind, "site": site[3]},
            **_place(tuple(site)),
        )


def _feeds(**conditions: Any) -> "QuerySet[Any, Any]":
    return watched_feeds().filter(
        partner__status=PartnerStatus.REGISTERED, paused_at=None, **conditions
    )


def _partner_lag(rule: Wanted, now: datetime) -> Iterator[Wrong]:
    late: dict[int, tuple[str, datetime]] = {}
    for pk, name, since in _feeds(since__isnull=False).values_list(
        "partner_id", "partner__name", "since"
    ):
        if now - since > timedelta(seconds=float(rule.limit or 0)):
            late[pk] = name, min(since, late[pk][1]) if pk in late else since
    for pk, (name, _since) in sorted(late.items()):
        # It is late since now, and not since the change: how long that lasts is the rule's.
        yield Wrong(f"partner:{pk}", "partner", now, pk, partner_id=pk, params={"name": name})


def _partner_failing(rule: Wanted, now: datetime) -> Iterator[Wrong]:
    rows = Feed.objects.filter(
        partner__status=PartnerStatus.REGISTERED,
        paused_at=None,
        unauthorized_at=None,
        failures__gte=max(int(rule.limit or 1), 1),
    )
    for pk, name, error in (
        rows.order_by("partner_id")
        .values_list("partner_id", "partner__name")
        .annotate(error=Max("last_error"))
    ):
        params = {"name": name, "text": (error or "")[:200]}
        yield Wrong(f"partner:{pk}", "partner", now, pk, partner_id=pk, params=params)


def _partner_token(_rule: Wanted, _now: datetime) -> Iterator[Wrong]:
    rows = Feed.objects.filter(
        partner__status=PartnerStatus.REGISTERED, unauthorized_at__isnull=False
    )
    for pk, name, since in (
        rows.order_by("partner_id")
        .values_list("partner_id", "partner__name")
        .annotate(since=Min("unauthorized_at"))
    ):
        yield Wrong(f"partner:{pk}", "partner", since, pk, partner_id=pk, params={"name": name})


def _sessions(rule: Wanted, rows: "QuerySet[Session]", *, since: timedelta) -> Iterator[Wrong]:
    station = Outlet.objects.filter(connector=OuterRef("connector_id")).values("station_id")[:1]
    columns = ("pk", "ocpi_id", "start_date_time", "evse__evse_id", *_SITE, "by")
    found = rows.filter(_where(rule)).annotate(by=Subquery(station))
    for pk, ocpi_id, start, evse, *site, station_id in _limited(found, *columns):
        yield Wrong(
            key=f"session:{pk}",
            subject="session",
            subject_id=pk,
            since=start + since,
            station_id=station_id,
            params={"name": ocpi_id, "evse": evse or "", "site": site[3]},
            **_place(tuple(site)),
        )


def _session_silent(rule: Wanted, now: datetime) -> Iterator[Wrong]:
    silence = timedelta(minutes=float(rule.limit or 0))
    rows = Session.objects.ongoing().filter(silent_since(now - silence))
    return _sessions(rule, rows, since=silence)


def _session_long(rule: Wanted, now: datetime) -> Iterator[Wrong]:
    longest = timedelta(hours=float(rule.limit or 0))
    rows = Session.objects.ongoing().filter(start_date_time__lte=now - longest)
    return _sessions(rule, rows, since=longest)


def _holds(rule: Wanted) -> dict[str, Any]:
    rows = CdrHold.objects.waiting().filter(_where(rule, "session__location__"))
    return rows.aggregate(count=Count("pk"), oldest=Min("held_at"))


def _held_count(rule: Wanted, now: datetime) -> Iterator[Wrong]:
    found = _holds(rule)
    if found["count"] > (rule.limit or 0):
        yield Wrong("held", "holds", now, params={"count": found["count"]})


def _held_age(rule: Wanted, now: datetime) -> Iterator[Wrong]:
    oldest = _holds(rule)["oldest"]
    limit = timedelta(hours=float(rule.limit or 0))
    if oldest is not None and now - oldest > limit:
        yield Wrong("held", "holds", oldest + limit, params={"at": f"{oldest:%Y-%m-%d %H:%M}"})


def _cdr_cost(rule: Wanted, now: datetime) -> Iterator[Wrong]:
    rows = Cdr.objects.filter(
        _where(rule, "session__location__"),
        end_date_time__gt=now - CDR_DAYS,
        total_cost_before_taxes__gt=rule.limit or 0,
        credit=False,
    )
    if rule.currency:
        rows = rows.filter(currency=rule.currency)
    columns = ("pk", "ocpi_id", "last_updated", "total_cost_before_taxes", "currency")
    for pk, ocpi_id, issued, cost, currency, *site in _limited(rows, *columns, *_SITE_OF_SESSION):
        yield Wrong(
            key=f"cdr:{pk}",
            subject="cdr",
            subject_id=pk,
            since=issued,
            params={"name": ocpi_id, "cost": f"{cost:.2f} {currency}", "site": site[3] or ""},
            **_place(tuple(site)),
        )


# A subquery for each day, so that each is found by the index of the ends: most CDRs are of others.
_REVENUE = """
SELECT cdr.country_code, cdr.party_id, cdr.currency, day.n, sum(cdr.cost)
FROM generate_series(0, %s) AS day (n)
CROSS JOIN LATERAL (
    SELECT country_code, party_id, currency, total_cost_before_taxes AS cost
    FROM sessions_app_cdr
    WHERE end_date_time >= %s::timestamptz - make_interval(days => 7 * day.n)
      AND end_date_time < %s::timestamptz - make_interval(days => 7 * day.n)
      AND NOT credit
    OFFSET 0
) AS cdr
GROUP BY 1, 2, 3, 4
"""


def _revenue(rule: Wanted, now: datetime) -> Iterator[Wrong]:
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    yesterday = today - timedelta(days=1)
    wanted = set(rule.parties)
    sums: dict[tuple[str, str, str], dict[int, Decimal]] = {}
    with connection.cursor() as cursor:
        cursor.execute(_REVENUE, [WEEKS, yesterday, today])
        for country_code, party_id, currency, week, amount in cursor.fetchall():
            if not wanted or (country_code, party_id) in wanted:
                sums.setdefault((country_code, party_id, currency), {})[week] = amount
    for (country_code, party_id, currency), weeks in sorted(sums.items()):
        percent = _percent_of_usual(weeks)
        if percent is None or not _is_out_of_line(rule, percent):
            continue
        yield Wrong(
            key=f"revenue:{country_code}*{party_id}:{currency}",
            subject="revenue",
            since=today,
            country_code=country_code,
            party_id=party_id,
            params={
                "name": f"{country_code}*{party_id}",
                "amount": f"{weeks.get(0, Decimal(0)):.2f} {currency}",
                "percent": int(percent),
            },
        )


def _percent_of_usual(weeks: Mapping[int, Decimal]) -> Decimal | None:
    """Return what the newest day is of the median of the weeks before; None: that is not known."""
    before = [amount for week, amount in weeks.items() if week]
    usual = median(before) if len(before) >= FEWEST_WEEKS else Decimal(0)
    return weeks.get(0, Decimal(0)) * 100 / usual if usual > 0 else None


def _is_out_of_line(rule: Wanted, percent: Decimal) -> bool:
    too_little = rule.limit is not None and percent < rule.limit
    return too_little or (rule.upper is not None and percent > rule.upper)


def _platform(rule: Wanted, now: datetime) -> Iterator[Wrong]:
    for name, check in readiness.look(now).items():
        if check["status"] != readiness.OK and name in (rule.choices or COMPONENTS):
            yield Wrong(
                f"platform:{name}", "platform", now, params={"name": name, "text": check["status"]}
            )


_LOOKS: Mapping[str, Callable[[Wanted, datetime], Iterator[Wrong]]] = {
    Kind.EVSE_STATUS: _evse_status,
    Kind.STATION_OFFLINE: _station_offline,
    Kind.STATION_ALERT: _station_alert,
    Kind.PARTNER_LAG: _partner_lag,
    Kind.PARTNER_FAILING: _partner_failing,
    Kind.PARTNER_TOKEN: _partner_token,
    Kind.SESSION_SILENT: _session_silent,
    Kind.SESSION_LONG: _session_long,
    Kind.HELD_COUNT: _held_count,
    Kind.HELD_AGE: _held_age,
    Kind.CDR_COST: _cdr_cost,
    Kind.REVENUE: _revenue,
    Kind.PLATFORM: _platform,
}
