"""What the page of a partner shows."""

from typing import Any

from django.urls import reverse
from django.utils.dateparse import parse_datetime
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from cpo_platform.common.admin import NONE, Button, Panel, moment, pill
from roaming.admin.access import access_panel
from roaming.admin.display import feed_pill, object_link, partner_pill
from roaming.admin.panels import messages_panel
from roaming.admin.partner_parties import parties_panels
from roaming.models import Feed, Partner, PartnerStatus, TokenPurpose
from roaming.ocpi.versions import versions_url
from roaming.operations import feed

MESSAGES_SHOWN = 50


REFUSED_SHOWN = 50
COUNTED = 1000


def partner_panels(obj: Partner, *, may_change: bool) -> list[Panel]:
    """Return what the page of a partner shows; what can be done there, to those who may."""
    its_feed = Feed.objects.filter(partner=obj).order_by("-failures", "lane").first()
    rows = obj.messages.defer("request_body", "response_body").order_by("-id")
    return [
        _facts(obj),
        _feed_panel(its_feed, obj, may_change=may_change),
        access_panel(obj),
        _pull_panel(obj, may_change=may_change),
        *parties_panels(obj),
        _tokens_panel(obj),
        *_refused_panel(obj),
        _handshake_panel(obj),
        _endpoints_panel(obj),
        messages_panel(_("Last messages"), rows[:MESSAGES_SHOWN], with_partner=False),
    ]


def _facts(obj: Partner) -> Panel:
    return Panel(
        title=_("Connection"),
        half=True,
        facts=[
            (_("status"), partner_pill(obj.status)),
            (_("OCPI version"), obj.version or NONE),
            (_("its versions URL"), obj.versions_url or NONE),
            (_("our versions URL"), versions_url()),
            (
                _("token in the header"),
                _("Base64") if obj.token_base64 else _("plain"),
            ),
            (_("registered (UTC)"), moment(obj.registered_at)),
            (_("created (UTC)"), moment(obj.created_at)),
        ],
    )


def _feed_panel(its_feed: Feed | None, obj: Partner, *, may_change: bool) -> Panel:
    if its_feed is None:
        return Panel(
            title=_("What we send"),
            half=True,
            note=_("Nothing is sent before the partner is registered."),
        )
    waiting = feed.waiting(its_feed, at_most=COUNTED)
    position = str(its_feed.position)
    return Panel(
        title=_("What we send"),
        half=True,
        facts=[
            (_("changes waiting"), f"{COUNTED}+" if waiting >= COUNTED else waiting),
            (_("state"), feed_pill(its_feed)),
            (_("last success (UTC)"), moment(its_feed.last_success_at)),
            (_("failures in a row"), its_feed.failures),
            (_("next attempt (UTC)"), moment(its_feed.retry_at)),
            (_("last error"), its_feed.last_error or NONE),
            (_("last error at (UTC)"), moment(its_feed.last_error_at)),
            (_("position in the change feed"), position),
        ],
        buttons=_feed_buttons(obj) if may_change else [],
    )


def _feed_buttons(obj: Partner) -> list[Button]:
    if obj.status != PartnerStatus.REGISTERED:
        return []
    retry, resend = (
        reverse(f"admin:roaming_partner_{name}", args=[obj.pk]) for name in ("retry", "resend")
    )
    return [
        Button(_("Try again now"), retry, post=True),
        Button(_("Send everything again"), resend),
    ]


def _pull_panel(obj: Partner, *, may_change: bool) -> Panel:
    """Return how the last pull of its tokens went; the button only where there is a list."""
    title = _("Pull of its tokens")
    if not obj.endpoints.filter(identifier="tokens", role="SENDER").exists():
        note = _("The partner offers no list of its tokens yet: it can only send them.")
        return Panel(title=title, half=True, note=note)
    progress = obj.token_pull
    refused = progress.get("refused", [])
    button = Button(
        _("Pull its tokens now"), reverse("admin:roaming_partner_pull", args=[obj.pk]), post=True
    )
    is_registered = obj.status == PartnerStatus.REGISTERED
    return Panel(
        title=title,
        half=True,
        facts=[
            (_("state"), _pull_pill(progress)),
            (_("list"), _pulled_list(progress)),
            (_("begun (UTC)"), _at(progress, "began_at")),
            (_("pages"), progress.get("pages", NONE)),
            (_("tokens stored"), progress.get("stored", NONE)),
            (_("bad entries"), progress.get("skipped", NONE)),
            (_("last run to its end (UTC)"), _at(progress, "done_at")),
            (_("last whole list (UTC)"), _at(progress, "full_at")),
            (_("next (UTC)"), _at(progress, "next_at")),
            (_("last error"), progress.get("error") or NONE),
        ],
        columns=(_("entry that could not be read"),) if refused else (),
        rows=[(text,) for text in refused],
        buttons=[button] if may_change and is_registered else [],
    )


def _pull_pill(progress: dict[str, Any]) -> str:
    began, done = progress.get("began_at"), progress.get("done_at")
    if progress.get("error"):
        return pill(_("Failing"), "red")
    if began is None:
        return pill(_("Not pulled yet"))
    # Both are ours, in one form, in UTC.
    return pill(_("Done"), "green") if done and done >= began else pill(_("Under way"), "blue")


def _pulled_list(progress: dict[str, Any]) -> object:
    if "full" not in progress:
        return NONE
    return _("the whole list") if progress["full"] else _("what changed")


def _at(progress: dict[str, Any], name: str) -> object:
    text = progress.get(name)
    return moment(parse_datetime(text)) if isinstance(text, str) else NONE


def _tokens_panel(obj: Partner) -> Panel:
    return Panel(
        title=_("Tokens it calls us with"),
        note=_("Tokens are kept as digests: nobody can read them here."),
        columns=(_("purpose"), _("created (UTC)"), _("valid until (UTC)")),
        rows=[
            (
                TokenPurpose(token.purpose).label,
                moment(token.created_at),
                moment(token.valid_until) if token.valid_until else _("no end"),
            )
            for token in obj.tokens.order_by("pk")
        ],
        empty=_("None: the partner cannot call us. Invite it again to make one."),
    )


def _refused_panel(obj: Partner) -> list[Panel]:
    refused = obj.deliveries.filter(refused_at__isnull=False).order_by("-refused_at")
    rows = list(refused[: REFUSED_SHOWN + 1])
    if not rows:
        return []
    more = gettext("The last %(count)s.") % {"count": REFUSED_SHOWN}
    return [
        Panel(
            title=_("What it refused"),
            note=more if len(rows) > REFUSED_SHOWN else "",
            columns=(_("object"), _("refused (UTC)"), _("attempts"), _("reason")),
            numeric=frozenset({2}),
            rows=[
                (
                    object_link(delivery.module, delivery.object_id),
                    moment(delivery.refused_at),
                    delivery.attempts,
                    delivery.error,
                )
                for delivery in rows[:REFUSED_SHOWN]
            ],
        )
    ]


def _handshake_panel(obj: Partner) -> Panel:
    return Panel(
        title=_("Last handshake, step by step"),
        columns=(_("step"), "", _("what came back")),
        rows=[
            (
                step.get("text", ""),
                pill(_("Done"), "green") if step.get("ok") else pill(_("Failed"), "red"),
                step.get("detail") or NONE,
            )
            for step in obj.handshake
        ],
        note=_handshake_time(obj),
        empty=_("There was none yet."),
    )


def _endpoints_panel(obj: Partner) -> Panel:
    return Panel(
        title=_("Its endpoints"),
        columns=(_("module"), _("interface"), _("URL")),
        rows=[
            (endpoint.identifier, endpoint.role, endpoint.url)
            for endpoint in obj.endpoints.order_by("identifier", "role")
        ],
        empty=_("Not known yet: they are read when the partner registers."),
    )


def _handshake_time(obj: Partner) -> object:
    value = obj.handshake[0].get("at") if obj.handshake else None
    at = parse_datetime(value) if isinstance(value, str) else None
    return format_html("{} UTC", moment(at)) if at else ""
