"""The parties behind a partner: what it may speak for, and what a hub says of their connection."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from cpo_platform.common.admin import (
    NONE,
    Admin,
    Button,
    Panel,
    change_url,
    link,
    moment,
    pill,
    visible,
)
from roaming.admin.access import turn_pages
from roaming.models import ClientInfo, ConnectionStatus, Partner, PartnerRole

SHOWN = 20
PAGE = 50
CONNECTION_TONES = {
    ConnectionStatus.CONNECTED: "green",
    ConnectionStatus.OFFLINE: "amber",
    ConnectionStatus.PLANNED: "blue",
    ConnectionStatus.SUSPENDED: "red",
}
_ORDER = ("country_code", "party_id", "role")

_Party = tuple[str, str, str]


def parties_panels(partner: Partner) -> list[Panel]:
    """Return the first parties, and for a hub those behind it: five queries at most."""
    panels = [_first(_roles_panel, partner.roles.order_by("granted", *_ORDER), partner, "parties")]
    if partner.hub_party_id:
        infos = partner.client_infos.order_by(*_ORDER)
        panels.append(_first(_clients_panel, infos, partner, "clients"))
    return panels


def all_parties(page_of: Admin, request: HttpRequest, object_id: int) -> HttpResponse:
    """Show all that a partner names, page by page: the claims first."""
    partner = _partner(request, object_id)
    rows = partner.roles.order_by("granted", *_ORDER)
    title = gettext("Parties that %(name)s speaks for") % {"name": partner.name}
    shown = Paginator(rows, PAGE).get_page(request.GET.get("p"))
    panel = _roles_panel(list(shown.object_list), turn_pages(request, shown))
    return _page(page_of, request, partner, panel, title)


def all_clients(page_of: Admin, request: HttpRequest, object_id: int) -> HttpResponse:
    """Show all that a hub has told of the parties behind it, page by page."""
    partner = _partner(request, object_id)
    rows = partner.client_infos.order_by(*_ORDER)
    title = gettext("Parties behind %(name)s") % {"name": partner.name}
    shown = Paginator(rows, PAGE).get_page(request.GET.get("p"))
    panel = _clients_panel(list(shown.object_list), turn_pages(request, shown))
    return _page(page_of, request, partner, panel, title)


def _partner(request: HttpRequest, object_id: int) -> Partner:
    permissions = ("roaming.view_partner", "roaming.change_partner")
    if not any(request.user.has_perm(permission) for permission in permissions):
        raise PermissionDenied
    return get_object_or_404(visible(request, Partner.objects.all()), pk=object_id)


def _first(panel: Any, rows: Any, partner: Partner, page: str) -> Panel:
    some = list(rows[: SHOWN + 1])
    url = reverse(f"admin:roaming_partner_{page}", args=[partner.pk])
    more = [Button(_("Show all"), url)] if len(some) > SHOWN else []
    shown: Panel = panel(some[:SHOWN], more)
    return shown


def _page(
    page_of: Admin, request: HttpRequest, partner: Partner, panel: Panel, title: str
) -> HttpResponse:
    return page_of.page(
        request,
        "admin/cpo/record.html",
        title=title,
        panels=[panel],
        buttons=[Button(_("To the partner"), change_url(partner))],
    )


def _roles_panel(roles: Sequence[PartnerRole], buttons: Sequence[Button]) -> Panel:
    held = _held([role for role in roles if not role.granted])
    return Panel(
        title=_("Parties it speaks for"),
        columns=(_("party"), _("role"), _("name"), _("granted")),
        rows=[
            (
                f"{role.country_code}*{role.party_id}",
                role.get_role_display(),
                (role.business_details or {}).get("name", NONE),
                _granted(role, held.get(_key(role))),
            )
            for role in roles
        ],
        empty=_("Not known yet: the partner says so when it registers."),
        buttons=buttons,
    )


def _granted(role: PartnerRole, holder: Partner | None) -> object:
    if role.granted:
        return _("Yes")
    if holder is None:
        return _("No: claimed only, it sees nothing of it")
    return format_html("{} {}", _("No: claimed only. Who speaks for it:"), link(holder))


def _held(claims: Iterable[PartnerRole]) -> dict[_Party, Partner]:
    """Return who speaks for parties that are claimed: one query, none without claims."""
    wanted = Q()
    for claim in claims:
        wanted |= Q(role=claim.role, country_code=claim.country_code, party_id=claim.party_id)
    if not wanted:
        return {}
    rows = PartnerRole.objects.filter(wanted, granted=True).select_related("partner")
    return {_key(row): row.partner for row in rows}


def _clients_panel(infos: Sequence[ClientInfo], buttons: Sequence[Button]) -> Panel:
    return Panel(
        title=_("Parties behind the hub"),
        note=_("What the hub says of them. Nothing is sent to a party that is not connected."),
        columns=(_("party"), _("role"), _("connection"), _("since (UTC)")),
        rows=[
            (
                f"{info.country_code}*{info.party_id}",
                info.get_role_display(),
                pill(info.get_status_display(), CONNECTION_TONES[ConnectionStatus(info.status)]),
                moment(info.last_updated),
            )
            for info in infos
        ],
        empty=_("The hub has told of no party yet: it does so by client info."),
        buttons=buttons,
    )


def _key(role: PartnerRole) -> _Party:
    return role.role, role.country_code.lower(), role.party_id.lower()
