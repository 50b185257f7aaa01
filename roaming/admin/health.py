"""The health page of a partner: whether everything reaches it, and what to do if not."""

from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from cpo_platform.common import clock
from cpo_platform.common.admin import Admin, Button, change_url, visible
from roaming.admin.access import turn_pages
from roaming.admin.display import lane_pill
from roaming.admin.health_actions import buttons_for
from roaming.admin.health_panels import (
    first_refused_panel,
    lanes_panel,
    last_errors,
    page_url,
    put_off_panel,
    refused_panel,
    refused_rows,
    times_panel,
    walks_panel,
)
from roaming.models import Partner, PartnerStatus
from roaming.operations import health, walks
from roaming.operations.health import LaneHealth, LaneState

PAGE = 50
# In these states the page refreshes by itself: something is about to happen.
LIVELY = frozenset([LaneState.WALKING, LaneState.BEHIND, LaneState.FAILING])


def show(admin: Admin, request: HttpRequest, object_id: int) -> HttpResponse:
    """Show how a partner is doing: the same number of queries for any partner."""
    partner = _partner(request, object_id)
    now = clock.now()
    lanes = health.lanes_of(partner, now=now)
    under_way = walks.progress(partner)
    may_change = request.user.has_perm("roaming.change_partner")
    can_act = may_change and partner.status == PartnerStatus.REGISTERED
    worst = health.worst(lanes)
    return admin.page(
        request,
        "admin/roaming/partner/health.html",
        title=gettext("Health of %(name)s") % {"name": partner.name},
        obj=partner,
        heading=lane_pill(worst.state) if worst else "",
        alert=_alert(partner, worst),
        alert_buttons=_alert_buttons(partner, worst) if can_act else [],
        lanes=lanes_panel(
            lanes, under_way, buttons_for(partner, lanes) if can_act and lanes else []
        ),
        panels=[
            *walks_panel(under_way),
            times_panel(partner, now=now),
            first_refused_panel(partner, may_change=may_change),
            *put_off_panel(partner),
        ],
        errors=last_errors(partner, now=now),
        running=any(lane.state in LIVELY for lane in lanes),
        buttons=[Button(_("To the partner"), change_url(partner))],
    )


def refused(admin: Admin, request: HttpRequest, object_id: int) -> HttpResponse:
    """Show all that a partner refused, page by page."""
    partner = _partner(request, object_id)
    shown = Paginator(refused_rows(partner), PAGE).get_page(request.GET.get("p"))
    panel = refused_panel(
        partner,
        list(shown.object_list),
        may_change=request.user.has_perm("roaming.change_partner"),
        buttons=turn_pages(request, shown),
    )
    return admin.page(
        request,
        "admin/cpo/record.html",
        title=gettext("What %(name)s refused") % {"name": partner.name},
        panels=[panel],
        buttons=[Button(_("To its health"), page_url(partner))],
    )


def _partner(request: HttpRequest, object_id: int) -> Partner:
    permissions = ("roaming.view_partner", "roaming.change_partner")
    if not any(request.user.has_perm(permission) for permission in permissions):
        raise PermissionDenied
    return get_object_or_404(visible(request, Partner.objects.all()), pk=object_id)


def _alert(partner: Partner, worst: LaneHealth | None) -> str:
    """Return what staff must know before anything else, or an empty text."""
    if worst is None:
        return ""
    if partner.status != PartnerStatus.REGISTERED:
        return gettext("Nothing is sent to it: %(status)s.") % {
            "status": partner.get_status_display()
        }
    if worst.state is LaneState.UNAUTHORIZED:
        return gettext(
            "The partner refuses our token. It is tried once an hour, and nothing else is sent. "
            "Ask the partner, then probe; or exchange tokens."
        )
    return ""


def _alert_buttons(partner: Partner, worst: LaneHealth | None) -> list[Button]:
    if worst is None or worst.state is not LaneState.UNAUTHORIZED:
        return []
    return [Button(_("Exchange tokens"), page_url(partner, "renew"))]
