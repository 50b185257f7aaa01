"""The home page: what needs somebody now, what is charging, and how the day goes."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Count, F, Sum
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from cpo_platform.admin_site import list_url, may_see
from cpo_platform.common import clock
from cpo_platform.common.admin import (
    NONE,
    Button,
    Panel,
    link,
    link_to,
    may,
    minute,
    moment,
    number,
    visible,
)
from cpo_platform.common.admin.reasons import problem_in_words
from cpo_platform.workplace import attention, tallies, today
from locations.models import Connector, Location
from ocpp_gateway.admin.display import how_to_connect
from ocpp_gateway.admin.home import charger_panels
from ocpp_gateway.models import Station
from roaming.admin.display import object_link, trouble_pills
from roaming.admin.quarantine import number_of
from roaming.failures import in_words
from roaming.models import Feed, Partner, Quarantined
from roaming.operations.health import troubled_feeds
from sessions_app.models import Cdr, Session
from sessions_app.models.sessions import ONGOING
from tariffs.models import Party, Tariff

HELD_BACK_SHOWN = 5
TROUBLED_SHOWN = 30


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add to the home page what its reader may see. A constant number of queries."""
    return context | {"next_steps": _next_steps(request)} | parts(request)


def parts(request: HttpRequest) -> dict[str, Any]:
    """Return the parts of the home page that are asked for again and again."""
    now = clock.now()
    evses = attention.evses_by_status(request) if may_see(request, "locations.evse") else None
    return {
        "attention": attention.most_urgent(
            attention.counted(request, evses=evses, now=now),
            before=tallies.a_day_ago(request, now=now),
        ),
        "may_attend": attention.may_see_any(request),
        "cards": _network_cards(request) + _charging_cards(request, now),
        "evses": evses,
        "charts": today.charts(request, total=evses["total"] if evses else 0, now=now),
        "panels": _attention(request),
        "as_of": now,
    }


def _card(title: Any, value: Any, url: str, note: Any = "", tone: str = "") -> dict[str, Any]:
    return {"title": title, "value": value, "url": url, "note": note, "tone": tone}


def _next_steps(request: HttpRequest) -> list[dict[str, Any]]:
    """Return what is still to be done on a new platform, in order."""
    has_tariffs = visible(request, Tariff.objects.in_use()).exists()
    priced = Connector.objects.filter(tariffs__isnull=False)
    steps = (
        (
            "tariffs.add_party",
            visible(request, Party.objects.all()).exists(),
            _("Create your party"),
            _("Who you are to other platforms: country code and party id, such as DE*ABC."),
            reverse("admin:tariffs_party_add"),
            _("Create a party"),
        ),
        (
            "locations.add_location",
            visible(request, Location.objects.all()).exists(),
            _("Bring in your network"),
            _("Import locations from a file, or write down the first one."),
            list_url("locations.location"),
            _("Go to locations"),
        ),
        (
            "tariffs.add_tariff",
            has_tariffs,
            _("Set your prices"),
            _("A connector without a tariff costs nothing."),
            reverse("admin:tariffs_tariff_add"),
            _("Create a tariff"),
        ),
        (
            "locations.change_evse",
            not has_tariffs or visible(request, priced).exists(),
            _("Put your prices on the connectors"),
            _("No connector has a tariff yet. Select the EVSEs, then “Change…” and “Tariffs”."),
            list_url("locations.evse"),
            _("Go to EVSEs"),
        ),
        (
            "roaming.add_partner",
            Partner.objects.exists(),
            _("Connect a partner"),
            _("Invite an e-mobility provider, so that its drivers can charge."),
            list_url("roaming.partner"),
            _("Go to partners"),
        ),
        (
            "ocpp_gateway.add_station",
            visible(request, Station.objects.all()).exists(),
            _("Connect a charger"),
            how_to_connect(),
            list_url("ocpp_gateway.station"),
            _("Go to stations"),
        ),
    )
    return [
        {"title": title, "text": text, "url": url, "button": button}
        for permission, done, title, text, url, button in steps
        if not done and may(request, permission)
    ]


def _network_cards(request: HttpRequest) -> list[dict[str, Any]]:
    if not may_see(request, "locations.location"):
        return []
    count = visible(request, Location.objects.all()).count()
    return [_card(_("Locations"), count, list_url("locations.location"))]


def _charging_cards(request: HttpRequest, now: datetime) -> list[dict[str, Any]]:
    cards = []
    day = now.replace(hour=0, minute=0, second=0, microsecond=0)
    if may_see(request, "sessions_app.session"):
        url = list_url("sessions_app.session")
        ongoing = visible(request, Session.objects.ongoing()).count()
        cards.append(_card(_("Ongoing sessions"), ongoing, f"{url}?state=ongoing"))
    if may_see(request, "sessions_app.cdr"):
        today = (
            visible(request, Cdr.objects.all())
            .filter(
                end_date_time__gte=day,
                end_date_time__lt=day + timedelta(days=1),
                credit=False,
                # What was replaced is counted by what replaces it.
                replacements__isnull=True,
            )
            .aggregate(count=Count("pk"), kwh=Sum("total_energy"))
        )
        url = f"{list_url('sessions_app.cdr')}?ended=today"
        cards += [
            _card(_("CDRs today (UTC)"), today["count"], url),
            _card(_("Energy sold today"), number(round(today["kwh"] or Decimal(0), 1), "kWh"), url),
        ]
    return cards


def _attention(request: HttpRequest) -> list[Panel]:
    """Return what is wrong at the moment."""
    panels = charger_panels(request)
    if may_see(request, "roaming.partner") and Partner.objects.exists():
        panels.append(_troubled_partners())
    if may_see(request, "roaming.quarantined"):
        panels += _held_back()
    if may_see(request, "sessions_app.session"):
        panels.append(_newest_sessions(request))
    return panels


def _troubled_partners() -> Panel:
    """Return a row per partner that something is in the way of: what, and in which lanes."""
    now = clock.now()
    feeds = (
        troubled_feeds()
        .select_related("partner")
        .order_by(F("unauthorized_at").asc(nulls_last=True), "-failures", "partner", "lane")
    )
    by_partner: dict[Partner, list[Feed]] = {}
    for feed in feeds[:TROUBLED_SHOWN]:
        by_partner.setdefault(feed.partner, []).append(feed)
    return Panel(
        title=_("Partners that cannot be reached, or are paused"),
        columns=(
            _("partner"),
            _("state"),
            _("failures in a row"),
            _("last error"),
            _("next attempt (UTC)"),
        ),
        numeric=frozenset({2}),
        rows=[
            (
                link_to(reverse("admin:roaming_partner_health", args=[partner.pk]), partner),
                trouble_pills(its_feeds, now=now),
                max(feed.failures for feed in its_feeds),
                next(
                    (in_words(feed.last_error)[:160] for feed in its_feeds if feed.failures), NONE
                ),
                moment(_next_attempt(its_feeds)),
            )
            for partner, its_feeds in by_partner.items()
        ],
        empty=_("None: everything that partners should have is on its way."),
    )


def _next_attempt(feeds: Sequence[Feed]) -> datetime | None:
    """Return when a partner is tried next, in any lane; None while it is paused."""
    moments = [feed.retry_at for feed in feeds if feed.failures and not feed.paused_at]
    return min((moment for moment in moments if moment), default=None)


def _held_back() -> list[Panel]:
    """Return the newest objects that partners are not served, where there are any."""
    rows = list(Quarantined.objects.order_by("-found_at", "-id")[:HELD_BACK_SHOWN])
    if not rows:
        return []
    return [
        Panel(
            title=_("Held back from partners"),
            note=_("They break the rules of an OCPI version. Mend them, or have them checked."),
            columns=(_("since (UTC)"), _("object"), _("OCPI version"), _("problem")),
            rows=[
                (
                    link(row, moment(row.found_at)),
                    object_link(row.module, row.object_id),
                    number_of(row),
                    problem_in_words(row.problems[0])[:160] if row.problems else NONE,
                )
                for row in rows
            ],
            buttons=[Button(_("Show all"), list_url("roaming.quarantined"))],
        )
    ]


def _newest_sessions(request: HttpRequest) -> Panel:
    sessions = (
        visible(request, Session.objects.filter(status__in=ONGOING))
        .select_related("location", "evse")
        .order_by("-start_date_time")[:10]
    )
    return Panel(
        title=_("Charging now"),
        columns=(_("started (UTC)"), _("location"), _("EVSE"), _("contract"), _("energy")),
        numeric=frozenset({4}),
        rows=[
            (
                link(session, minute(session.start_date_time)),
                session.location.name or session.location.address,
                session.evse or "",
                session.token_contract_id,
                number(round(session.kwh, 2), "kWh"),
            )
            for session in sessions
        ],
        empty=_("Nobody is charging at the moment."),
    )
