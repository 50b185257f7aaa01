"""What keeps a partner's drivers from charging, said where it is seen first."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from cpo_platform.common.admin import Button, Panel, link_to
from cpo_platform.common.saying import Saying
from cpo_platform.common.telling import tell
from roaming.admin.display import partner_pill
from roaming.failures import in_words
from roaming.models import Partner, PartnerRole, PartnerStatus, Role
from roaming.operations import health
from roaming.operations.partners import OTHER_PARTY

HANDSHAKE_ANCHOR = "handshake"
_NAMED, _DETAIL = 3, 300


class GrantedFilter(admin.SimpleListFilter):
    """Registered partners that may speak for none of the eMSPs that they name."""

    title = _("parties granted")
    parameter_name = "granted"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("none", _("None of its eMSPs"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if self.value() != "none":
            return queryset
        return queryset.filter(pk__in=health.granted_nothing().values("pk"))


def standing(partner: Partner) -> object:
    """Return its status, and what stopped the last handshake where that failed."""
    status = partner_pill(partner.status)
    step = partner.handshake[-1] if partner.handshake else None
    if step is None or step.get("ok"):
        return status
    reason = tell(Saying.from_json(step))
    detail = in_words(str(step.get("detail") or ""))[:_DETAIL]
    return format_html(
        "{} <span>{}</span> {}",
        status,
        gettext("Last attempt failed: %(reason)s")
        % {"reason": f"{reason}: {detail}" if detail else reason},
        link_to(f"#{HANDSHAKE_ANCHOR}", gettext("Step by step")),
    )


def claim_panels(partner: Partner, *, may_change: bool) -> list[Panel]:
    """Return what to do where a registered partner's eMSPs are all claimed only; else nothing.

    No query where its roles are at hand.
    """
    named = [role for role in partner.roles.all() if role.role == Role.EMSP]
    if partner.status != PartnerStatus.REGISTERED or not named:
        return []
    if any(role.granted for role in named):
        return []
    grant = Button(
        _("Grant parties"),
        reverse("admin:roaming_partner_grant", args=[partner.pk]),
        tone="primary",
    )
    return [
        Panel(
            title=_("Its drivers cannot charge yet"),
            note=f"{_who(partner, named)} {_consequences()}",
            buttons=[grant] if may_change else [],
        )
    ]


def _who(partner: Partner, named: list[PartnerRole]) -> str:
    """Say as whom it registered, and as whom it was invited as long as that is known."""
    for step in partner.handshake:
        if step["text"] == OTHER_PARTY:
            return tell(Saying.from_json(step))
    return gettext("It registered as %(parties)s, which you have not granted.") % {
        "parties": _names(named)
    }


def _consequences() -> str:
    return gettext(
        "Its starts are refused, and it sees no sessions and no CDRs. Grant what it registered as "
        "if that is the partner's own; otherwise the partner corrects its party id and renews its "
        "credentials."
    )


def _names(roles: list[PartnerRole]) -> str:
    """Return the first parties: `NL*EMS, NL*EM2 and 5 more`."""
    names = ", ".join(f"{role.country_code}*{role.party_id}" for role in roles[:_NAMED])
    more = len(roles) - _NAMED
    if more < 1:
        return names
    return ngettext("%(names)s and %(count)s more", "%(names)s and %(count)s more", more) % {
        "names": names,
        "count": more,
    }
