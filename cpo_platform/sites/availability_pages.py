"""The availability of the network: its sites, the worst first, and files of them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from cpo_platform.admin_site import may_see
from cpo_platform.common import clock, replica
from cpo_platform.common.admin import Panel, duration, link, visible
from cpo_platform.common.admin.charts import ShareChart, percent_text
from cpo_platform.common.admin.exporting import Plain, plain
from cpo_platform.sites import availability, choosing, files, periods
from cpo_platform.sites.availability import Bounds
from cpo_platform.sites.choosing import Chosen
from cpo_platform.sites.display import goal_text, uptime_pill
from cpo_platform.sites.periods import BadPeriod, Period
from locations.models import EvseUptime, Location, LocationUptime
from locations.uptime import Uptime
from tariffs.admin import party_choices

SITES_A_PAGE = 50
SITES, EVSES = "sites", "evses"


@dataclass(frozen=True)
class Asked:
    """What a page is about: a period, and of whose sites."""

    period: Period
    chosen: Chosen
    problem: str = ""

    @property
    def query(self) -> str:
        """Return the part of an address that asks for the same."""
        return "&".join(part for part in (self.period.query, self.chosen.query) if part)


@dataclass(frozen=True)
class Site:
    """A row of the page: a site and its uptime."""

    location_id: int
    uptime: Uptime


def availability_page(request: HttpRequest) -> HttpResponse:
    """Show how available sites were in a period.

    Raises:
        PermissionDenied: the person may not see locations.

    """
    choosing.needs_locations(request)
    asked = _asked(request)
    totals = replica.reading(LocationUptime.objects.all())
    bounds = availability.bounds(totals)
    request.current_app = admin.site.name
    context = {
        **admin.site.each_context(request),
        "title": gettext("Availability"),
        "asked": asked,
        "choices": [
            (str(days), gettext("last %(days)s days") % {"days": days})
            for days in periods.LAST_DAYS
        ],
        "parties": party_choices(request),
        "groups": choosing.groups(request),
        "goal": goal_text(),
        **(_found(request, asked, totals, bounds) if bounds else {}),
    }
    return TemplateResponse(request, "admin/sites/availability.html", context)


def availability_csv(request: HttpRequest, what: str) -> HttpResponseBase:
    """Send the uptime of each site, or of each EVSE, as a file.

    Raises:
        PermissionDenied: the person may not see locations.
        Http404: there is no such file.

    """
    choosing.needs_locations(request)
    if what not in {SITES, EVSES} or (what == EVSES and not may_see(request, "locations.evse")):
        raise Http404
    asked = _asked(request)
    totals = replica.reading(LocationUptime.objects.all())
    bounds = availability.bounds(totals)
    since, until = bounds.within(asked.period) if bounds else (clock.now(), clock.now())
    heads, rows = (_site_rows if what == SITES else _evse_rows)(
        request, asked, since, until, using=totals.db
    )
    name = f"availability-{what}-{since:%Y%m%d}-{until:%Y%m%d}"
    return files.csv_response(name=name, heads=heads, rows=rows)


def _asked(request: HttpRequest) -> Asked:
    today, chosen = clock.now().date(), choosing.chosen(request)
    try:
        return Asked(periods.read(_texts(request.GET), today=today), chosen)
    except BadPeriod as error:
        usual = periods.last_days(periods.USUAL, today=today)
        return Asked(usual, chosen, problem=str(error))


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(values.get(name, "")).strip() for name in ("days", "month", "from", "to")}


def _found(
    request: HttpRequest, asked: Asked, totals: QuerySet[LocationUptime], bounds: Bounds
) -> dict[str, Any]:
    """Return what the page shows of the totals. Four queries, whatever the number of sites."""
    since, until = bounds.within(asked.period)
    rows = choosing.narrowed(request, asked.chosen, totals)
    summary = availability.summary(rows, since, until, goal=settings.UPTIME_GOAL)
    pages = Paginator(availability.worst_first(rows, since, until), SITES_A_PAGE)
    pages.count = summary.measured
    page = pages.get_page(request.GET.get("page"))
    return {
        "since": since,
        "until": until,
        "is_cut": asked.period.since < since or until < asked.period.until,
        "has_days": since < until,
        "whole": uptime_pill(summary.uptime),
        "below": f"{summary.below:,}",
        "measured": f"{summary.measured:,}",
        "chart": _chart(rows, since, until) if summary.measured else None,
        "panel": _table(
            [Site(pk, Uptime(up, measured)) for pk, up, measured in page], using=rows.db
        ),
        "page": page,
        "query": asked.query,
        "csv_of_sites": _csv_url(SITES, asked),
        "csv_of_evses": _csv_url(EVSES, asked) if may_see(request, "locations.evse") else "",
    }


def _csv_url(what: str, asked: Asked) -> str:
    return f"{reverse('sites:availability_csv', args=[what])}?{asked.query}"


def _chart(rows: QuerySet[LocationUptime], since: datetime, until: datetime) -> ShareChart:
    return ShareChart(
        title=gettext("Uptime by day (UTC)"),
        points=[
            (f"{begin:%Y-%m-%d}", uptime.percent)
            for begin, _end, uptime in availability.by_day(rows, since, until)
        ],
        goal=settings.UPTIME_GOAL,
        goal_text=gettext("goal: %(goal)s") % {"goal": goal_text()},
    )


def _table(sites: Sequence[Site], *, using: str) -> Panel:
    locations = Location.objects.using(using).in_bulk([site.location_id for site in sites])
    return Panel(
        title=_("Sites, the worst first"),
        note=_("“Down” and “measured” are the times of all EVSEs of a site together."),
        columns=(_("location"), _("city"), _("party"), _("uptime"), _("down"), _("measured")),
        numeric=frozenset({3, 4, 5}),
        rows=[
            (
                link(location, location.name or location.address),
                location.city,
                location.party,
                uptime_pill(site.uptime),
                duration(site.uptime.measured - site.uptime.up),
                duration(site.uptime.measured),
            )
            for site in sites
            for location in [locations[site.location_id]]
        ],
        empty=_("Nothing was measured there in this period: choose another one, or all sites."),
        whole=True,
    )


def _site_rows(
    request: HttpRequest, asked: Asked, since: datetime, until: datetime, *, using: str
) -> tuple[list[str], Iterator[list[Plain]]]:
    rows = choosing.narrowed(request, asked.chosen, LocationUptime.objects.using(using))
    uptimes = dict(availability.by_location(rows, since, until))
    places = visible(request, Location.objects.using(using).order_by("pk"))
    heads = [gettext("party"), gettext("id"), gettext("location"), gettext("city"), *_heads()]
    found = places.only(*("country_code", "party_id", "ocpi_id", "name", "address", "city"))
    return heads, (
        [
            *(plain(row.party), plain(row.ocpi_id), plain(row.name or row.address)),
            *(plain(row.city), *_values(since, until, uptimes[row.pk])),
        ]
        for row in found.iterator(chunk_size=2000)
        if row.pk in uptimes
    )


def _evse_rows(
    request: HttpRequest, asked: Asked, since: datetime, until: datetime, *, using: str
) -> tuple[list[str], Iterator[list[Plain]]]:
    totals = EvseUptime.objects.using(using)
    rows = choosing.narrowed(request, asked.chosen, totals, "evse__location")
    heads = [
        *(gettext("EVSE id"), gettext("uid"), gettext("location id"), gettext("location")),
        *(gettext("city"), *_heads()),
    ]
    return heads, (
        [
            *(plain(evse_id), plain(uid), plain(place), plain(name or address), plain(city)),
            *_values(since, until, Uptime(up, measured)),
        ]
        for evse_id, uid, place, name, address, city, up, measured in availability.of_evses(
            rows, since, until
        )
        if measured
    )


def _heads() -> list[str]:
    return [
        *(gettext("from (UTC)"), gettext("to (UTC)"), gettext("uptime (%)")),
        *(gettext("seconds up"), gettext("seconds measured")),
    ]


def _values(since: datetime, until: datetime, uptime: Uptime) -> list[Plain]:
    percent = percent_text(uptime.percent).removesuffix(" %")
    return [
        *(plain(since), plain(until), Decimal(percent)),
        *(int(uptime.up), int(uptime.measured)),
    ]
