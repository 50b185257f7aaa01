"""The quality of what we say of all sites: the worst first, what is wrong how often, and a file."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from django.contrib import admin, messages
from django.core.paginator import Paginator
from django.db.models import Avg, Count, Func, Max, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from cpo_platform.common import clock, replica
from cpo_platform.common.admin import Panel, change_url, link_to, minute, pill, visible
from cpo_platform.common.admin.exporting import Plain, plain
from cpo_platform.sites import choosing, files, operations, tasks
from cpo_platform.sites.choosing import Chosen
from cpo_platform.sites.display import GOOD_SCORE, score_pill
from cpo_platform.sites.models import SiteQuality
from cpo_platform.sites.phrases import PHRASES, SEVERITIES
from locations.models import Location
from locations.quality import RULES
from tariffs.admin import party_choices

SITES_A_PAGE = 50
# Sites that a person waits for; more are left to the workers.
AT_ONCE = 50
# Rules that a row of the list names.
NAMED = 4


def quality_page(request: HttpRequest) -> HttpResponse:
    """Show how good what we say of sites is.

    Raises:
        PermissionDenied: the person may not see locations.

    """
    choosing.needs_locations(request)
    choice, rule = choosing.chosen(request), _rule(request)
    every = choosing.narrowed(request, choice, SiteQuality.objects.all())
    counts = _counts(every)
    sums = every.aggregate(number=Count("pk"), average=Avg("score"), oldest=Max("checked_at"))
    good = every.filter(score__gte=GOOD_SCORE).count()
    page = Paginator(_of_rule(every, rule), SITES_A_PAGE).get_page(request.GET.get("page"))
    request.current_app = admin.site.name
    context = {
        **admin.site.each_context(request),
        "title": gettext("Data quality"),
        "chosen": choice,
        "rule": rule,
        "rule_name": PHRASES[rule].finds if rule else "",
        "query": _query(choice, rule),
        "parties": party_choices(request),
        "groups": choosing.groups(request),
        "number": sums["number"],
        "average": score_pill(round(sums["average"])) if sums["number"] else "",
        "good": f"{good:,}",
        "total": f"{sums['number']:,}",
        "oldest": minute(sums["oldest"]),
        "rules": _rules_panel(counts, choice),
        "panel": _sites_panel(list(page)),
        "page": page,
        "csv": f"{reverse('sites:quality_csv')}?{_query(choice, rule)}",
        "again": f"{reverse('sites:quality_again')}?{_query(choice, rule)}",
    }
    return TemplateResponse(request, "admin/sites/quality.html", context)


@require_POST
def look_again(request: HttpRequest) -> HttpResponse:
    """Look again at what the page shows: a few sites at once, many in the background.

    Raises:
        PermissionDenied: the person may not see locations.

    """
    choosing.needs_locations(request)
    now, choice, rule = clock.now(), choosing.chosen(request), _rule(request)
    rows = _of_rule(choosing.narrowed(request, choice, SiteQuality.objects.all()), rule)
    new = visible(request, Location.objects.filter(quality__isnull=True)).order_by("pk")
    found = [
        key
        for keys in (rows.values_list("pk", flat=True), new.values_list("pk", flat=True))
        for key in keys[: AT_ONCE + 1]
    ]
    if len(found) <= AT_ONCE:
        number = operations.check_locations(location_ids=found, now=now)
        text = ngettext(
            "%(number)s site was looked at again.", "%(number)s sites were looked at again.", number
        )
    else:
        operations.ask_again(rows=rows, now=now)
        number = rows.count()
        tasks.wake()
        text = ngettext(
            "%(number)s site is being looked at again: open this page again in a minute.",
            "%(number)s sites are being looked at again: open this page again in some minutes.",
            number,
        )
    messages.success(request, text % {"number": f"{number:,}"})
    return HttpResponseRedirect(f"{reverse('sites:quality')}?{_query(choice, rule)}")


def quality_csv(request: HttpRequest) -> HttpResponseBase:
    """Send each site with its score and what is to be done as a file.

    Raises:
        PermissionDenied: the person may not see locations.

    """
    choosing.needs_locations(request)
    every = replica.reading(SiteQuality.objects.all())
    rows = choosing.narrowed(request, choosing.chosen(request), every)
    heads = [
        *(gettext("party"), gettext("id"), gettext("location"), gettext("city")),
        *(gettext("score"), gettext("what"), gettext("checked at")),
    ]
    values = _values(_of_rule(rows, _rule(request)))
    return files.csv_response(name="data-quality", heads=heads, rows=values)


def _values(rows: QuerySet[SiteQuality]) -> Iterator[list[Plain]]:
    for row in rows.iterator(chunk_size=2000):
        place = row.location
        yield [
            *(plain(place.party), plain(place.ocpi_id), plain(place.name or place.address)),
            *(plain(place.city), row.score),
            plain([str(PHRASES[rule].finds) for rule in row.rules if rule in PHRASES]),
            plain(row.checked_at),
        ]


def _rule(request: HttpRequest) -> str:
    rule = request.GET.get("rule", "")
    return rule if rule in RULES else ""


def _query(choice: Chosen, rule: str) -> str:
    return "&".join(part for part in (choice.query, f"rule={rule}" if rule else "") if part)


def _of_rule(rows: QuerySet[SiteQuality], rule: str) -> QuerySet[SiteQuality]:
    """Return the sites that break a rule, or all, the worst first."""
    rows = rows.select_related("location").order_by("score", "location_id")
    return rows.filter(rules__contains=[rule]) if rule else rows


def _counts(rows: QuerySet[SiteQuality]) -> Counter[str]:
    """Return how many sites break each rule. One query."""
    each = rows.annotate(rule=Func("rules", function="unnest")).order_by()
    return Counter(dict(each.values_list("rule").annotate(Count("pk"))))


def _rules_panel(counts: Counter[str], choice: Chosen) -> Panel:
    return Panel(
        title=_("What is to be done"),
        columns=(_("what"), _("severity"), _("what to do"), _("sites")),
        numeric=frozenset({3}),
        rows=[
            (
                link_to(f"?{_query(choice, rule)}", PHRASES[rule].finds),
                pill(*SEVERITIES[severity]),
                PHRASES[rule].do,
                f"{counts[rule]:,}",
            )
            for rule, severity in RULES.items()
            if counts[rule]
        ],
        empty=_("Nothing is to be done."),
        whole=True,
    )


def _sites_panel(rows: Sequence[SiteQuality]) -> Panel:
    return Panel(
        title=_("Sites, the worst first"),
        columns=(_("location"), _("city"), _("party"), _("score"), _("what")),
        rows=[
            (
                link_to(f"{change_url(row.location)}#quality", _name(row)),
                row.location.city,
                row.location.party,
                score_pill(row.score),
                _named(row.rules),
            )
            for row in rows
        ],
        empty=_("No site is like that: choose all of them again."),
        whole=True,
    )


def _name(row: SiteQuality) -> str:
    return str(row.location.name or row.location.address)


def _named(rules: Sequence[str]) -> Any:
    known = [str(PHRASES[rule].finds) for rule in rules if rule in PHRASES]
    more = len(known) - NAMED
    text = ", ".join(known[:NAMED])
    return format_html("{} +{}", text, more) if more > 0 else text
