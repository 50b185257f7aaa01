"""The admin as a whole: its navigation and its home page."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Count, F, Sum
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

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
from locations.admin import STATUS_TONES
from locations.models import Evse, Location, Status
from ocpp_gateway.admin.home import charger_cards, charger_panels
from roaming.admin.display import object_link, trouble_pills
from roaming.admin.quarantine import number_of
from roaming.models import Feed, Partner, Quarantined
from roaming.operations.health import troubled_feeds
from sessions_app.models import Cdr, CdrHold, Session
from sessions_app.models.sessions import ONGOING
from tariffs.models import Party, Tariff

HELD_BACK_SHOWN = 5
TROUBLED_SHOWN = 30

_GROUPS: Sequence[tuple[Any, Sequence[tuple[Any, str, str]]]] = (
    (
        _("Network"),
        (
            (_("Locations"), "location_on", "locations.location"),
            (_("EVSEs"), "ev_station", "locations.evse"),
            (_("Location groups"), "workspaces", "locations.locationgroup"),
            (_("Parties"), "apartment", "tariffs.party"),
        ),
    ),
    (
        _("Prices"),
        (
            (_("Tariffs"), "sell", "tariffs.tariff"),
            (_("Tariff check"), "rule", "tariffs.tariff/check"),
            (_("Replays"), "history", "sessions_app.replay"),
        ),
    ),
    (
        pgettext_lazy("navigation", "Charging"),
        (
            (_("Sessions"), "bolt", "sessions_app.session"),
            (_("Reservations"), "event_available", "sessions_app.reservation"),
            (_("CDRs"), "receipt_long", "sessions_app.cdr"),
            (_("Held CDRs"), "front_hand", "sessions_app.cdrhold"),
            (_("Tokens"), "badge", "sessions_app.token"),
        ),
    ),
    (
        _("Chargers"),
        (
            (_("Stations"), "charger", "ocpp_gateway.station"),
            (_("Transactions"), "electric_bolt", "ocpp_gateway.transaction"),
            (_("Station messages"), "settings_ethernet", "ocpp_gateway.stationmessage"),
            (_("Station alerts"), "notification_important", "ocpp_gateway.stationalert"),
        ),
    ),
    (
        _("Alerts"),
        (
            (_("Incidents"), "notifications", "alerting.incident"),
            (_("Rules"), "rule_settings", "alerting.rule"),
            (_("Channels"), "campaign", "alerting.channel"),
        ),
    ),
    (
        _("Roaming"),
        (
            (_("Partners"), "hub", "roaming.partner"),
            (_("Commands"), "send", "roaming.command"),
            (_("Charging profiles"), "tune", "roaming.profilerequest"),
            (_("Messages"), "forum", "roaming.message"),
            (_("Held back"), "block", "roaming.quarantined"),
            (_("Drift checks"), "difference", "roaming.driftcheck"),
        ),
    ),
    (
        _("Staff"),
        (
            (_("Users"), "person", "auth.user"),
            (_("Groups"), "group", "auth.group"),
            (_("Audit"), "manage_search", "audit.entry"),
        ),
    ),
)


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the sidebar: what this person may see."""
    home = {"title": _("Home"), "icon": "home", "link": reverse("admin:index")}
    groups: list[dict[str, Any]] = [{"items": [home]}]
    here = _entry_of(request.path)
    for title, entries in _GROUPS:
        items = [
            {
                "title": name,
                "icon": icon,
                "link": _list_url(model),
                "active": _list_url(model) == here,
            }
            for name, icon, model in entries
            if _may_see(request, model)
        ]
        if items:
            groups.append({"title": title, "separator": True, "items": items})
    return groups


def _entry_of(path: str) -> str:
    """Return the address of the entry that a page belongs to: the longest that it begins with."""
    links = (_list_url(model) for _title, entries in _GROUPS for _name, _icon, model in entries)
    return max((link for link in links if path.startswith(link)), key=len, default="")


def _list_url(model: str) -> str:
    """Return the address of a model's list, or of a page beside it: `tariffs.tariff/check`."""
    name, _slash, page = model.partition("/")
    return reverse(f"admin:{name.replace('.', '_')}_{page or 'changelist'}")


def _may_see(request: HttpRequest, model: str) -> bool:
    app, _dot, name = model.partition("/")[0].partition(".")
    return may(request, f"{app}.view_{name}")


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add to the home page what its reader may see. A constant number of queries."""
    now = clock.now()
    context["next_steps"] = _next_steps(request)
    context["cards"] = (
        _refused_tokens(request)
        + charger_cards(request, now=now)
        + _network_cards(request)
        + _charging_cards(request, now)
    )
    if _may_see(request, "locations.evse"):
        context["evses"] = _evses_by_status(request)
    context["panels"] = _attention(request)
    return context


def _card(title: Any, value: Any, url: str, note: Any = "", tone: str = "") -> dict[str, Any]:
    return {"title": title, "value": value, "url": url, "note": note, "tone": tone}


def _next_steps(request: HttpRequest) -> list[dict[str, Any]]:
    """Return what is still to be done on a new platform, in order."""
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
            _list_url("locations.location"),
            _("Go to locations"),
        ),
        (
            "tariffs.add_tariff",
            visible(request, Tariff.objects.in_use()).exists(),
            _("Set your prices"),
            _("A connector without a tariff costs nothing."),
            reverse("admin:tariffs_tariff_add"),
            _("Create a tariff"),
        ),
        (
            "roaming.add_partner",
            Partner.objects.exists(),
            _("Connect a partner"),
            _("Invite an e-mobility provider, so that its drivers can charge."),
            _list_url("roaming.partner"),
            _("Go to partners"),
        ),
    )
    return [
        {"title": title, "text": text, "url": url, "button": button}
        for permission, done, title, text, url, button in steps
        if not done and may(request, permission)
    ]


def _network_cards(request: HttpRequest) -> list[dict[str, Any]]:
    if not _may_see(request, "locations.location"):
        return []
    count = visible(request, Location.objects.all()).count()
    return [_card(_("Locations"), count, _list_url("locations.location"))]


def _charging_cards(request: HttpRequest, now: datetime) -> list[dict[str, Any]]:
    cards = []
    day = now.replace(hour=0, minute=0, second=0, microsecond=0)
    if _may_see(request, "sessions_app.session"):
        url = _list_url("sessions_app.session")
        ongoing = visible(request, Session.objects.ongoing()).count()
        cards.append(_card(_("Ongoing sessions"), ongoing, f"{url}?state=ongoing"))
    if _may_see(request, "sessions_app.cdrhold"):
        url = f"{_list_url('sessions_app.cdrhold')}?state__exact=HELD"
        held = visible(request, CdrHold.objects.waiting()).count()
        cards += [_card(_("CDRs held for staff"), held, url, tone="red")] if held else []
    if _may_see(request, "sessions_app.cdr"):
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
        url = f"{_list_url('sessions_app.cdr')}?ended=today"
        cards += [
            _card(_("CDRs today (UTC)"), today["count"], url),
            _card(_("Energy sold today"), number(round(today["kwh"] or Decimal(0), 1), "kWh"), url),
        ]
    return cards


def _evses_by_status(request: HttpRequest) -> dict[str, Any]:
    url = _list_url("locations.evse")
    installed = visible(request, Evse.objects.exclude(status=Status.REMOVED))
    counts = dict(installed.values_list("status").annotate(Count("pk")))
    parts = [
        {
            "label": status.label,
            "tone": tone,
            "count": counts[status.value],
            "url": f"{url}?status__exact={status.value}",
        }
        for status, tone in STATUS_TONES.items()
        if counts.get(status.value)
    ]
    return {"total": sum(counts.values()), "parts": parts, "url": url}


def _attention(request: HttpRequest) -> list[Panel]:
    """Return what is wrong at the moment."""
    panels = charger_panels(request)
    if _may_see(request, "roaming.partner") and Partner.objects.exists():
        panels.append(_troubled_partners())
    if _may_see(request, "roaming.quarantined"):
        panels += _held_back()
    if _may_see(request, "sessions_app.session"):
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
                next((feed.last_error[:160] for feed in its_feeds if feed.failures), NONE),
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


def _refused_tokens(request: HttpRequest) -> list[dict[str, Any]]:
    """Return a red card where partners refuse our token: nothing reaches them."""
    if not _may_see(request, "roaming.partner"):
        return []
    refused = troubled_feeds().filter(unauthorized_at__isnull=False)
    count = refused.values("partner").distinct().count()
    url = f"{_list_url('roaming.partner')}?feed=refused"
    title = _("Partners that refuse our token")
    return [_card(title, count, url, tone="red")] if count else []


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
                    str(row.problems[0])[:160] if row.problems else NONE,
                )
                for row in rows
            ],
            buttons=[Button(_("Show all"), _list_url("roaming.quarantined"))],
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
