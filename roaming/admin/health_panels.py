"""What the health page of a partner shows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from cpo_platform.common.admin import (
    NONE,
    Button,
    Panel,
    duration,
    link,
    link_to,
    moment,
    pill,
    pretty_body,
    unbroken,
)
from roaming.admin.display import (
    MODULE_NAMES,
    count_text,
    lane_pill,
    object_link,
    waiting_text,
)
from roaming.admin.health_chart import SHORTEST, chart, longest
from roaming.admin.panels import http_text
from roaming.failures import in_words
from roaming.histograms import quantile
from roaming.models import Delivery, Message, MessageBody, Partner, PartnerStatus
from roaming.models.messages import Direction
from roaming.operations import health, traffic, walks
from roaming.operations.health import LaneHealth, LaneState
from roaming.operations.traffic import Figures
from roaming.redaction import redact_url

SLOT = timedelta(minutes=30)
SLOTS = 48
ERRORS_SHOWN = 3
# Failures are looked for among so many messages, so that a long log costs nothing.
MESSAGES_LOOKED_AT = 500
LOOKED_BACK = timedelta(days=7)
SHOWN = 20


def page_url(partner: Partner, name: str = "health") -> str:
    """Return the address of a partner's health page, or of a page behind one of its buttons."""
    return reverse(f"admin:roaming_partner_{name}", args=[partner.pk])


def summary_panel(partner: Partner, *, now: datetime) -> Panel:
    """Return in short what the health page says, for the partner's own page: three queries."""
    lanes = health.lanes_of(partner, now=now)
    if not lanes:
        return Panel(
            title=_("What we send"),
            half=True,
            note=_("Nothing is sent before the partner is registered."),
        )
    return Panel(
        title=_("What we send"),
        half=True,
        facts=[(lane.feed.get_lane_display(), _state(lane)) for lane in lanes],
        buttons=[Button(_("Health, and sending again"), page_url(partner))],
    )


def _state(lane: LaneHealth, percent: int | None = None) -> SafeString:
    """Say in words how a lane is doing; `percent`: how far its walk is."""
    more: object = ""
    if lane.state is LaneState.FAILING and lane.circuit is health.Circuit.OPEN:
        more = format_html(gettext("rests until {} UTC"), moment(lane.feed.retry_at))
    elif lane.state is LaneState.FAILING:
        more = gettext("is tried again now")
    elif lane.state is LaneState.FORBIDDEN:
        more = in_words(lane.forbidden)
    elif lane.state is LaneState.UNAUTHORIZED:
        more = format_html(gettext("since {} UTC"), moment(lane.feed.unauthorized_at))
    elif lane.state is LaneState.PAUSED:
        more = format_html(gettext("since {} UTC"), moment(lane.feed.paused_at))
    elif lane.state is LaneState.BEHIND:
        more = gettext("by %(time)s") % {"time": duration(lane.lag.total_seconds())}
    elif lane.state is LaneState.WALKING and percent is not None:
        more = f"{percent} %"
    return format_html("{} {}", lane_pill(lane.state), more)


def lanes_panel(
    lanes: Sequence[LaneHealth], under_way: Sequence[walks.Progress], buttons: Sequence[Button]
) -> Panel:
    """Return the lanes, and what can be done with all of them."""
    percent = under_way[0].percent if under_way else None
    return Panel(
        title=_("What we send, lane by lane"),
        whole=True,
        columns=(
            _("lane"),
            _("state"),
            _("behind by"),
            _("changes waiting"),
            _("last success (UTC)"),
            _("failures in a row"),
            _("last error"),
        ),
        numeric=frozenset({5}),
        rows=[
            (
                lane.feed.get_lane_display(),
                _state(lane, percent),
                unbroken(duration(lane.lag.total_seconds()) if lane.since else NONE),
                _waiting(lane),
                moment(lane.feed.last_success_at),
                lane.feed.failures,
                _last_error(lane),
            )
            for lane in lanes
        ],
        empty=_(
            "Nothing is sent before the partner is registered: invite it, or register with it."
        ),
        buttons=buttons,
    )


def _waiting(lane: LaneHealth) -> object:
    if not lane.waiting.total:
        return NONE
    return format_html(
        '{}<br><span class="cpo-note">{}</span>',
        count_text(lane.waiting),
        waiting_text(lane.waiting.modules),
    )


def _last_error(lane: LaneHealth) -> object:
    feed = lane.feed
    if not feed.last_error:
        return NONE
    return format_html("{}<br>{}", moment(feed.last_error_at), in_words(feed.last_error)[:200])


def walks_panel(under_way: Sequence[walks.Progress]) -> list[Panel]:
    """Return the walks that are not done yet, where there are any."""
    if not under_way:
        return []
    return [
        Panel(
            title=_("Many objects on their way"),
            columns=(_("why"), _("started (UTC)"), _("progress"), _("told")),
            numeric=frozenset({3}),
            rows=[
                (
                    one.walk.get_reason_display(),
                    moment(one.walk.started_at),
                    format_html(
                        '<progress class="cpo-progress" max="100" value="{}" aria-label="{} %">'
                        "</progress>",
                        one.percent,
                        one.percent,
                    ),
                    gettext("%(done)s of %(total)s (%(percent)s %%)")
                    % {"done": one.done, "total": one.walk.total, "percent": one.percent},
                )
                for one in under_way
            ],
        )
    ]


def times_panel(partner: Partner, *, now: datetime) -> Panel:
    """Return how long changes and answers took, by module, with a chart: two queries."""
    begin = now.replace(minute=now.minute // 30 * 30, second=0, microsecond=0) - (SLOTS - 1) * SLOT
    end = now + timedelta(minutes=1)
    day = traffic.slots(partner_id=partner.pk, begin=begin, end=end, step=SLOT)
    hour_ago = now.replace(second=0, microsecond=0) - timedelta(hours=1)
    hour = traffic.slots(partner_id=partner.pk, begin=hour_ago, end=end, step=timedelta(hours=2))
    moments = [begin + place * SLOT for place in range(SLOTS)]
    top = longest(day)
    note = gettext(
        "From the commit of a change until the partner had it: median / 95th percentile. The bars "
        "say the same for every half hour, dark and light, on a scale from %(short)s to %(long)s; "
        "red: requests failed."
    )
    return Panel(
        title=_("How long it takes"),
        whole=True,
        note=note % {"short": duration(SHORTEST), "long": duration(top)} if day else "",
        columns=(
            _("module"),
            _("requests"),
            _("change until told (median / 95th percentile)"),
            _("its answer (median / 95th percentile)"),
            _("last 24 hours"),
        ),
        numeric=frozenset({1, 2, 3}),
        rows=[
            (
                *_times(module, traffic.summed(hour.get(module, {})), traffic.summed(by_slot)),
                chart(by_slot, moments, top=top),
            )
            for module, by_slot in day.items()
        ],
        empty=_("Nothing was sent in the last 24 hours."),
    )


def _times(module: str, hour: Figures, day: Figures) -> tuple[object, ...]:
    """Return the cells of a module, each with the last hour above the last day."""
    return (
        MODULE_NAMES.get(module, module),
        _two_lines(_requests(hour), _requests(day)),
        _two_lines(_quantiles(hour.lag), _quantiles(day.lag)),
        _two_lines(_quantiles(hour.answer), _quantiles(day.answer)),
    )


def _two_lines(hour: object, day: object) -> SafeString:
    line = '<div class="cpo-line"><span class="cpo-faint">{}</span> {}</div>'
    return format_html(line + line, _("Last hour:"), hour, _("Last 24 hours:"), day)


def _requests(figures: Figures) -> object:
    failed = figures.failed + figures.refused
    if not failed:
        return figures.requests
    told = gettext("%(count)s failed") % {"count": failed}
    return format_html("{} {}", figures.requests, pill(told, "red"))


def _quantiles(counts: Sequence[int]) -> str:
    half, most = quantile(counts, 0.5), quantile(counts, 0.95)
    return NONE if half is None else f"{duration(half)} / {duration(most)}"


def refused_rows(partner: Partner) -> Any:
    """Return what a partner refused, the newest first."""
    return partner.deliveries.filter(refused_at__isnull=False).order_by("-refused_at", "-pk")


def refused_panel(
    partner: Partner,
    deliveries: Sequence[Delivery],
    *,
    may_change: bool,
    buttons: Sequence[Button] = (),
) -> Panel:
    """Return objects that the partner refused, each with a way to send it again."""
    return Panel(
        title=_("What it refused"),
        anchor="refused",
        note=_("These objects are set aside; the others go on. A change sends one again by itself.")
        if deliveries
        else "",
        columns=(_("object"), _("refused (UTC)"), _("reason"), ""),
        rows=[
            (
                object_link(delivery.module, delivery.object_id),
                moment(delivery.refused_at),
                in_words(delivery.error) or NONE,
                _again(partner, delivery) if may_change else "",
            )
            for delivery in deliveries
        ],
        empty=_("It has refused nothing."),
        buttons=buttons,
    )


def _again(partner: Partner, delivery: Delivery) -> object:
    is_registered = partner.status == PartnerStatus.REGISTERED
    if delivery.module not in walks.PUSHED_MODULES or not is_registered:
        return ""
    url = f"{page_url(partner, 'send_object')}?module={delivery.module}&pk={delivery.object_id}"
    return link_to(url, _("Send again…"))


def first_refused_panel(partner: Partner, *, may_change: bool) -> Panel:
    """Return the newest objects that the partner refused, with a way to the rest."""
    rows = list(refused_rows(partner)[: SHOWN + 1])
    more = [Button(_("Show all"), page_url(partner, "refused"))] if len(rows) > SHOWN else []
    return refused_panel(partner, rows[:SHOWN], may_change=may_change, buttons=more)


def put_off_panel(partner: Partner) -> list[Panel]:
    """Return what is told later, where there is any."""
    rows = list(partner.deliveries.filter(due_at__isnull=False).order_by("due_at")[: SHOWN + 1])
    if not rows:
        return []
    more = gettext("The first %(count)s.") % {"count": SHOWN} if len(rows) > SHOWN else ""
    note = gettext("Progress of sessions, told now and then; and what failed while others arrived.")
    return [
        Panel(
            title=_("What is told later"),
            note=f"{note} {more}",
            columns=(_("object"), _("due (UTC)"), _("attempts"), _("last error")),
            numeric=frozenset({2}),
            rows=[
                (
                    object_link(delivery.module, delivery.object_id),
                    moment(delivery.due_at),
                    delivery.attempts,
                    in_words(delivery.error) or NONE,
                )
                for delivery in rows[:SHOWN]
            ],
        )
    ]


@dataclass(frozen=True)
class ShownError:
    """A failed exchange: what we sent and what came back, side by side."""

    title: SafeString
    request: str
    response: str


def last_errors(partner: Partner, *, now: datetime) -> list[ShownError]:
    """Return the last failures among the newest messages, without secrets: two queries at most."""
    newest = partner.messages.filter(direction=Direction.OUT, at__gte=now - LOOKED_BACK)
    rows = newest.order_by("-at", "-id")[:MESSAGES_LOOKED_AT]
    failed = [row for row in rows if row.failed][:ERRORS_SHOWN]
    bodies = _bodies(failed)
    return [_shown(row, bodies.get(row.pk)) for row in failed]


def _bodies(rows: Sequence[Message]) -> dict[int, MessageBody]:
    """Return what messages said; what is older than bodies are kept is not there."""
    if not rows:
        return {}
    # The moments tell the database in which days to look.
    moments = [row.at for row in rows]
    found = MessageBody.objects.filter(
        pk__in=[row.pk for row in rows], at__gte=min(moments), at__lte=max(moments)
    )
    return {body.pk: body for body in found}


def _shown(row: Message, bodies: MessageBody | None) -> ShownError:
    return ShownError(
        format_html(
            "{} {} {} {}: {}",
            link(row, moment(row.at)),
            row.method,
            redact_url(row.url)[:200],
            http_text(row),
            in_words(row.error)[:200] or NONE,
        ),
        pretty_body(bodies.request_body if bodies else "") or NONE,
        pretty_body(bodies.response_body if bodies else "") or NONE,
    )
