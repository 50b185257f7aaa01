"""What the page of a partner shows."""

from collections.abc import Sequence
from typing import Any

from django.urls import reverse
from django.utils.dateparse import parse_datetime
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from cpo_platform.common import clock
from cpo_platform.common.admin import NONE, Button, Panel, link_to, moment, pill
from cpo_platform.common.saying import Saying
from cpo_platform.common.telling import tell
from roaming.admin.access import access_panel
from roaming.admin.display import partner_pill
from roaming.admin.health_panels import summary_panel
from roaming.admin.panels import messages_panel
from roaming.admin.partner_parties import parties_panels
from roaming.admin.partner_standing import HANDSHAKE_ANCHOR, claim_panels
from roaming.admin.refused_calls import ANCHOR as REFUSED_ANCHOR
from roaming.admin.refused_calls import refused_calls_panel
from roaming.failures import in_words
from roaming.models import Partner, PartnerStatus, TokenPurpose
from roaming.ocpi.versions import versions_url
from roaming.operations.partners import HAS_A_REGISTRATION
from roaming.redaction import redact_url

MESSAGES_SHOWN = 50


def partner_panels(obj: Partner, *, may_change: bool, may_see_refused: bool) -> list[Panel]:
    """Return what the page of a partner shows; what can be done there, to those who may."""
    rows = obj.messages.order_by("-at", "-id")
    refused = refused_calls_panel(obj, may_change=may_change) if may_see_refused else []
    return [
        *claim_panels(obj, may_change=may_change),
        _facts(obj, _endings(obj) if may_change else []),
        summary_panel(obj, now=clock.now()),
        access_panel(obj),
        _pull_panel(obj, may_change=may_change),
        *parties_panels(obj),
        _tokens_panel(obj, _token_buttons(obj) if may_change else []),
        _handshake_panel(obj, has_refused=bool(refused)),
        *refused,
        _endpoints_panel(obj),
        messages_panel(_("Last messages"), rows[:MESSAGES_SHOWN], with_partner=False),
    ]


def _endings(obj: Partner) -> list[Button]:
    """Return how the connection is stopped for a while, or ended."""
    suspend = [Button(_("Suspend"), _url("suspend", obj))]
    if obj.status not in HAS_A_REGISTRATION:
        return []
    return [
        *(suspend if obj.status == PartnerStatus.REGISTERED else []),
        Button(_("Unregister"), _url("unregister", obj)),
    ]


def _token_buttons(obj: Partner) -> list[Button]:
    """Return how there are new tokens; of a suspended partner they stay as they are."""
    if obj.status == PartnerStatus.REGISTERED:
        return [Button(_("Exchange tokens"), _url("renew", obj))]
    if obj.status == PartnerStatus.SUSPENDED:
        return []
    return [
        Button(_("Invite again"), reverse("admin:roaming_partner_invite") + f"?partner={obj.pk}"),
        Button(
            _("Register with this partner"),
            reverse("admin:roaming_partner_register") + f"?partner={obj.pk}",
        ),
    ]


def _url(action: str, obj: Partner) -> str:
    return reverse(f"admin:roaming_partner_{action}", args=[obj.pk])


def _facts(obj: Partner, buttons: Sequence[Button]) -> Panel:
    return Panel(
        title=_("Connection"),
        half=True,
        facts=[
            (_("status"), partner_pill(obj.status)),
            (_("OCPI version"), obj.version or NONE),
            (_("its versions URL"), redact_url(obj.versions_url) or NONE),
            (_("our versions URL"), versions_url()),
            (
                _("token in the header"),
                _("Base64") if obj.token_base64 else _("plain"),
            ),
            (_("registered (UTC)"), moment(obj.registered_at)),
            (_("created (UTC)"), moment(obj.created_at)),
        ],
        buttons=buttons,
    )


def _pull_panel(obj: Partner, *, may_change: bool) -> Panel:
    """Return how the last pull of its tokens went; the button only where there is a list."""
    title = _("Pull of its tokens")
    if not obj.endpoints.filter(identifier="tokens", role="SENDER").exists():
        note = _("The partner offers no list of its tokens yet: it can only send them.")
        return Panel(title=title, half=True, note=note)
    progress = obj.token_pull
    refused = progress.get("refused", [])
    button = Button(_("Pull its tokens now"), _url("pull", obj), post=True)
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
            (_("last error"), in_words(progress.get("error") or "") or NONE),
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


def _tokens_panel(obj: Partner, buttons: Sequence[Button]) -> Panel:
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
        buttons=buttons,
    )


def _handshake_panel(obj: Partner, *, has_refused: bool) -> Panel:
    none = gettext("There was none yet.")
    if has_refused:
        told = gettext("But calls came that were refused")
        none = format_html("{} {}", none, link_to(f"#{REFUSED_ANCHOR}", told))
    return Panel(
        title=_("Last handshake, step by step"),
        anchor=HANDSHAKE_ANCHOR,
        columns=(_("step"), "", _("what came back")),
        rows=[
            (
                tell(Saying.from_json(step)),
                pill(_("Done"), "green") if step.get("ok") else pill(_("Failed"), "red"),
                in_words(step.get("detail") or "") or NONE,
            )
            for step in obj.handshake
        ],
        note=_handshake_time(obj),
        empty=none,
    )


def _endpoints_panel(obj: Partner) -> Panel:
    return Panel(
        title=_("Its endpoints"),
        columns=(_("module"), _("interface"), _("URL")),
        rows=[
            (endpoint.identifier, endpoint.role, redact_url(endpoint.url))
            for endpoint in obj.endpoints.order_by("identifier", "role")
        ],
        empty=_("Not known yet: they are read when the partner registers."),
    )


def _handshake_time(obj: Partner) -> object:
    value = obj.handshake[0].get("at") if obj.handshake else None
    at = parse_datetime(value) if isinstance(value, str) else None
    return format_html("{} UTC", moment(at)) if at else ""
