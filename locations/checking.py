"""What connectors have to do with what is wrong with tariffs: queries, and sentences for them.

Each query is for all tariffs of a page at once.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Subquery
from django.utils.translation import gettext, ngettext

from locations.models import PHASES, Connector, Location, PowerType, Status
from tariffs.checking import Remark
from tariffs.models import ORDINARY_TYPES, Tariff, valid_at
from tariffs.pricing.linting import Severity


def zones_of(tariffs: Sequence[Tariff]) -> dict[int, str]:
    """Return a time zone that each tariff is used in; those that no connector uses are left out."""
    uses = _uses(tariffs).filter(tariff_id=OuterRef("pk")).order_by("pk")
    rows = Tariff.objects.filter(pk__in=[row.pk for row in tariffs]).annotate(
        zone=Subquery(uses.values("connector__evse__location__time_zone")[:1])
    )
    return {tariff_id: zone for tariff_id, zone in rows.values_list("pk", "zone") if zone}


def use_remarks(tariffs: Sequence[Tariff], now: datetime) -> dict[int, list[Remark]]:
    """Return what the use of tariffs says about them, in a constant number of queries."""
    totals = _totals(tariffs)
    stranded = _stranded(tariffs, now)
    powers = _powers([row for row in tariffs if _asks_for_power(row)])
    found: defaultdict[int, list[Remark]] = defaultdict(list)
    for row in tariffs:
        total = totals.get(row.pk, 0)
        found[row.pk] += _of_use(row, total, now)
        found[row.pk] += _of_stranded(row, stranded.get(row.pk, 0))
        found[row.pk] += _of_power(row, powers.get(row.pk))
    return found


def _totals(tariffs: Sequence[Tariff]) -> dict[int, int]:
    """Return how many installed connectors name each tariff: all that do, without the removed."""
    named: QuerySet[Any] = Connector.tariffs.through.objects.filter(
        tariff_id__in=[row.pk for row in tariffs]
    )
    counts = dict(named.values_list("tariff_id").annotate(Count("pk")))
    removed = named.filter(connector__evse__status=Status.REMOVED)
    for tariff_id, number in removed.values_list("tariff_id").annotate(Count("pk")):
        counts[tariff_id] -= number
    return counts


def _uses(tariffs: Sequence[Tariff]) -> QuerySet[Any]:
    """Return the rows that attach these tariffs to connectors that are installed."""
    uses: QuerySet[Any] = Connector.tariffs.through.objects.filter(
        tariff_id__in=[row.pk for row in tariffs]
    )
    return uses.exclude(connector__evse__status=Status.REMOVED)


def _of_use(row: Tariff, total: int, now: datetime) -> Iterator[Remark]:
    if not total:
        if row.deleted_at is None:
            text = gettext("No connector uses this tariff.")
            yield Remark(Severity.HINT, "UNUSED", text)
        return
    over = row.end_date_time is not None and row.end_date_time <= now
    if over or row.deleted_at is not None:
        text = ngettext(
            "%(total)s connector still names this tariff, which does not hold any more.",
            "%(total)s connectors still name this tariff, which does not hold any more.",
            total,
        )
        severity = Severity.WARNING if row.deleted_at is None else Severity.ERROR
        yield Remark(severity, "DANGLING", text % {"total": total})


def _stranded(tariffs: Sequence[Tariff], now: datetime) -> dict[int, int]:
    """Return how many connectors are without a price once each of these tariffs has ended."""
    ends = OuterRef("tariff__end_date_time")
    others = Connector.tariffs.through.objects.filter(
        Q(tariff__start_date_time__isnull=True) | Q(tariff__start_date_time__lte=ends),
        Q(tariff__end_date_time__isnull=True) | Q(tariff__end_date_time__gt=ends),
        connector_id=OuterRef("connector_id"),
        tariff__type__in=ORDINARY_TYPES,
        tariff__public=True,
        tariff__deleted_at__isnull=True,
    )
    ending = _uses(tariffs).filter(
        ~Exists(others), tariff__end_date_time__gt=now, tariff__type__in=ORDINARY_TYPES
    )
    return dict(ending.values_list("tariff_id").annotate(Count("pk")))


def _of_stranded(row: Tariff, total: int) -> Iterator[Remark]:
    if total and row.end_date_time is not None:
        text = ngettext(
            "When it ends on %(day)s, %(total)s connector has no other tariff: charging costs "
            "nothing there from then on.",
            "When it ends on %(day)s, %(total)s connectors have no other tariff: charging costs "
            "nothing there from then on.",
            total,
        )
        day = f"{row.end_date_time:%Y-%m-%d}"
        yield Remark(
            Severity.WARNING, "NO_SUCCESSOR", text % {"day": day, "total": total}, "end_date_time"
        )


def _powers(tariffs: Sequence[Tariff]) -> dict[int, Decimal]:
    """Return the highest power (kW) of the connectors of each tariff."""
    kinds = (
        _uses(tariffs)
        .values_list(
            "tariff_id",
            "connector__max_electric_power",
            "connector__max_voltage",
            "connector__max_amperage",
            "connector__power_type",
        )
        .distinct()
    )
    powers: dict[int, Decimal] = {}
    for tariff_id, watts, volts, amperes, kind in kinds:
        power = Decimal(watts or volts * amperes * PHASES[PowerType(kind)]) / 1000
        powers[tariff_id] = max(power, powers.get(tariff_id, power))
    return powers


def _asks_for_power(row: Tariff) -> bool:
    return any(element.min_power is not None for element in row.elements.all())


def _of_power(row: Tariff, power: Decimal | None) -> Iterator[Remark]:
    if power is None:
        return
    elements = sorted(row.elements.all(), key=lambda element: element.position)
    for index, element in enumerate(elements):
        if element.min_power is not None and element.min_power > power:
            text = gettext(
                "Element %(element)s applies from %(low)s kW on, but none of its connectors gives "
                "more than %(high)s kW: it is never used."
            ) % {
                "element": index + 1,
                "low": f"{element.min_power.normalize():f}",
                "high": f"{power.normalize():f}",
            }
            yield Remark(
                Severity.WARNING,
                "POWER_NEVER_REACHED",
                text,
                f"elements[{index}].restrictions.min_power",
                index,
            )


@dataclass(frozen=True)
class Unpriced:
    """Connectors at which an ordinary session costs nothing now: how many, and the first ones."""

    total: int
    first: Sequence[Connector]


def unpriced_connectors(
    now: datetime, *, shown: int, among: QuerySet[Connector] | None = None
) -> Unpriced:
    """Return the installed connectors that have no tariff for an ordinary session now.

    `among` are those that are looked at; None: all.

    One that only certain partners have is none: everybody else's drivers charge for nothing.
    """
    valid = Tariff.objects.in_use().filter(valid_at(now), type__in=ORDINARY_TYPES, public=True)
    every = Connector.objects.all() if among is None else among
    rows = every.exclude(evse__status=Status.REMOVED).filter(
        ~Exists(valid.filter(connectors=OuterRef("pk")))
    )
    first = rows.select_related("evse__location").order_by("pk")[:shown]
    total = rows.count()
    return Unpriced(total, list(first) if total else [])


@dataclass(frozen=True)
class Mixed:
    """Locations whose tariffs are in several currencies."""

    total: int
    first: Sequence[tuple[Location, Sequence[str]]]


def mixed_currencies(*, shown: int, among: QuerySet[Location] | None = None) -> Mixed:
    """Return the locations at which drivers are charged in more than one currency.

    `among` are those that are looked at; None: all.
    """
    if Tariff.objects.in_use().values("currency").distinct().count() < 2:
        return Mixed(0, ())
    uses: QuerySet[Any] = Connector.tariffs.through.objects.all()
    several = (
        uses.filter(tariff__deleted_at__isnull=True)
        .exclude(connector__evse__status=Status.REMOVED)
        .values("connector__evse__location")
        .annotate(currencies=Count("tariff__currency", distinct=True))
        .filter(currencies__gt=1)
        .values("connector__evse__location")
    )
    every = Location.objects.all() if among is None else among
    rows = every.filter(pk__in=several).order_by("pk")
    total = rows.count()
    first = list(rows[:shown]) if total else []
    names = _currencies(first) if first else {}
    return Mixed(total, [(row, names.get(row.pk, ())) for row in first])


def _currencies(locations: Sequence[Location]) -> Mapping[int, Sequence[str]]:
    found: defaultdict[int, list[str]] = defaultdict(list)
    rows = (
        Tariff.objects.in_use()
        .filter(connectors__evse__location__in=locations)
        .values_list("connectors__evse__location", "currency")
        .distinct()
        .order_by("currency")
    )
    for location_id, currency in rows:
        found[location_id].append(currency)
    return found
