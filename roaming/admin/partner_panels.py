"""What the page of a partner shows."""

from django.utils.dateparse import parse_datetime
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from cpo_platform.common.admin import NONE, Panel, moment, pill
from roaming.admin.access import access_panel
from roaming.admin.display import feed_pill, object_link, partner_pill
from roaming.admin.panels import messages_panel
from roaming.models import Feed, Partner, TokenPurpose
from roaming.ocpi.versions import versions_url
from roaming.operations import feed

MESSAGES_SHOWN = 50


REFUSED_SHOWN = 50
COUNTED = 1000


def partner_panels(obj: Partner) -> list[Panel]:
    """Return what the page of a partner shows."""
    its_feed = Feed.objects.filter(partner=obj).first()
    rows = obj.messages.defer("request_body", "response_body").order_by("-id")
    return [
        _facts(obj),
        _feed_panel(its_feed),
        access_panel(obj),
        _roles_panel(obj),
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


def _feed_panel(its_feed: Feed | None) -> Panel:
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
    )


def _roles_panel(obj: Partner) -> Panel:
    return Panel(
        title=_("Parties it speaks for"),
        half=True,
        columns=(_("party"), _("role"), _("name"), _("granted")),
        rows=[
            (
                f"{role.country_code}*{role.party_id}",
                role.get_role_display(),
                (role.business_details or {}).get("name", NONE),
                _("Yes") if role.granted else _("No: claimed only, it sees nothing of it"),
            )
            for role in obj.roles.all()
        ],
        empty=_("Not known yet: the partner says so when it registers."),
    )


def _tokens_panel(obj: Partner) -> Panel:
    return Panel(
        title=_("Tokens it calls us with"),
        half=True,
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
