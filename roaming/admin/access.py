"""Who sees which location, and why; and the form that decides it."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Case, Q, When
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from cpo_platform.common import clock
from cpo_platform.common.admin import (
    NONE,
    Admin,
    Button,
    Panel,
    change_url,
    link,
    link_to,
    pill,
    register_panel,
    visible,
)
from locations.models import Location
from roaming import explaining, visibility
from roaming.admin.display import partner_pill
from roaming.admin.partner_forms import AccessForm
from roaming.models import Partner
from roaming.operations import access
from roaming.visibility import Reason

PAGE = 50


def who_sees(page_of: Admin, request: HttpRequest, location_id: int) -> HttpResponse:
    """Show every partner with a yes or a no for one location."""
    _check(request)
    location = get_object_or_404(visible(request, Location.objects.all()), pk=location_id)
    rows = visible(request, Partner.objects.order_by("name")).prefetch_related("tariffs")
    shown = Paginator(rows, PAGE).get_page(request.GET.get("p"))
    partners = list(shown.object_list)
    seeing = explaining.who_sees(partners, location, now=clock.now())
    panel = Panel(
        title=_("Partners"),
        columns=(_("partner"), _("status"), _("OCPI version"), _("sees it"), ""),
        rows=[
            (
                link(partner),
                partner_pill(partner.status),
                partner.version or NONE,
                yes_or_no(yes=partner.pk in seeing),
                link_to(why_url(partner.pk, location.pk), _why(yes=partner.pk in seeing)),
            )
            for partner in partners
        ],
        empty=_("There are no partners yet."),
        buttons=turn_pages(request, shown),
    )
    return page_of.page(
        request,
        "admin/cpo/record.html",
        title=gettext("Who sees %(location)s?") % {"location": name_of(location)},
        panels=[panel],
        buttons=[Button(_("Back to the location"), change_url(location))],
    )


def why(page_of: Admin, request: HttpRequest, object_id: int, location_id: int) -> HttpResponse:
    """Explain step by step why a partner sees a location, or why not."""
    _check(request)
    partners = visible(request, Partner.objects.prefetch_related("roles", "endpoints"))
    partner = get_object_or_404(partners, pk=object_id)
    location = get_object_or_404(visible(request, Location.objects.all()), pk=location_id)
    reasons = explaining.explain_location(partner, location, now=clock.now())
    yes = explaining.sees(reasons)
    names = {"partner": partner.name, "location": name_of(location)}
    title = (
        gettext("Why can %(partner)s see %(location)s?")
        if yes
        else gettext("Why can't %(partner)s see %(location)s?")
    )
    panels = [_steps(_("What decides"), [reason for reason in reasons if reason.decides])]
    others = [reason for reason in reasons if not reason.decides]
    if others:
        panels.append(_steps(_("How it is told"), others))
    return page_of.page(
        request,
        "admin/cpo/record.html",
        title=title % names,
        obj=partner,
        heading=yes_or_no(yes=yes),
        panels=panels,
        buttons=[
            Button(_("To the partner"), change_url(partner)),
            Button(_("To the location"), change_url(location)),
            Button(_("Who else sees it?"), who_sees_url(location.pk)),
        ],
    )


def seen_by(page_of: Admin, request: HttpRequest, object_id: int) -> HttpResponse:
    """List our locations with a yes or a no for one partner, and the way to the reasons."""
    _check(request)
    partner = get_object_or_404(visible(request, Partner.objects.all()), pk=object_id)
    wanted = request.GET.get("q", "").strip()
    rows = visible(request, Location.objects.order_by("city", "name", "pk"))
    if wanted:
        rows = rows.filter(
            Q(name__icontains=wanted)
            | Q(address__icontains=wanted)
            | Q(city__icontains=wanted)
            | Q(ocpi_id__icontains=wanted)
        )
    shown = Paginator(rows, PAGE).get_page(request.GET.get("p"))
    found = list(shown.object_list)
    door = visibility.location_door(partner, now=clock.now())
    answers = dict(
        Location.objects.filter(pk__in=[row.pk for row in found])
        .annotate(seen=Case(When(door, then=True), default=False))
        .values_list("pk", "seen")
    )
    panel = Panel(
        title=_("Locations"),
        columns=(_("location"), _("city"), _("party"), _("id"), _("may see it"), ""),
        rows=[
            (
                link(location, name_of(location)),
                location.city,
                location.party,
                location.ocpi_id,
                yes_or_no(yes=answers[location.pk]),
                link_to(why_url(partner.pk, location.pk), _why(yes=answers[location.pk])),
            )
            for location in found
        ],
        empty=_("No location was found."),
        buttons=turn_pages(request, shown),
    )
    return page_of.page(
        request,
        "admin/roaming/partner/locations.html",
        title=gettext("What %(partner)s sees of our locations") % {"partner": partner.name},
        obj=partner,
        wanted=wanted,
        panels=[panel],
        buttons=[Button(_("To the partner"), change_url(partner))],
    )


def edit(page_of: Admin, request: HttpRequest, object_id: int) -> HttpResponse:
    """Change what a partner may see and how it is spoken to."""
    if not request.user.has_perm("roaming.change_partner"):
        raise PermissionDenied
    partner = get_object_or_404(visible(request, Partner.objects.all()), pk=object_id)
    form = AccessForm(request.POST or None, partner=partner)
    if request.method == "POST" and form.is_valid():
        if access.set_access(partner_id=partner.pk, access=form.access, now=clock.now()):
            page_of.log_change(request, partner, "Changed what it sees and how it is spoken to.")
            messages.success(
                request,
                gettext("Saved. What changes for %(name)s is being sent.") % {"name": partner.name},
            )
        else:
            messages.info(request, gettext("Nothing was changed."))
        return HttpResponseRedirect(change_url(partner))
    return page_of.page(
        request,
        "admin/roaming/partner/access.html",
        title=gettext("What %(name)s sees and how we speak to it") % {"name": partner.name},
        obj=partner,
        form=form,
        list_url=change_url(partner),
        button=_("Save"),
    )


def access_panel(partner: Partner) -> Panel:
    """Return what a partner sees, and what is said differently to it: on its own page."""
    chosen = access.Access.of(partner)
    dialect = chosen.dialect
    groups = ", ".join(partner.location_groups.order_by("name").values_list("name", flat=True))
    tariffs = partner.tariffs.order_by("ocpi_id").values_list("ocpi_id", flat=True)
    party = visibility.our_party_of(partner) if visibility.is_one_party(partner) else None
    limit = dialect.requests_per_minute
    return Panel(
        title=_("What it sees and how we speak to it"),
        half=True,
        facts=[
            (_("locations"), _("all") if chosen.all_locations else groups or _("none")),
            (_("own tariffs"), ", ".join(tariffs) or NONE),
            *([(_("our party"), link(party))] if party else []),
            (_("hub"), partner.hub_party_id or NONE),
            (_("its parties are granted as it names them"), _yes_no(yes=chosen.auto_grant)),
            (_("a status of an EVSE"), dialect.evse_status),
            (_("a change of a session"), dialect.sessions),
            (_("not sent, it pulls"), ", ".join(dialect.push_off) or NONE),
            (_("left out"), ", ".join(dialect.omit) or NONE),
            (_("objects a page, at most"), dialect.page_size or NONE),
            (_("requests a minute, at most"), limit or NONE),
            (_("routing headers"), _yes_no(yes=dialect.routing_headers)),
            (_("texts in ASCII only"), _yes_no(yes=dialect.ascii_only)),
        ],
        buttons=[
            Button(
                _("What it sees of our locations"),
                reverse("admin:roaming_partner_locations", args=[partner.pk]),
            )
        ],
    )


def name_of(location: Location) -> str:
    """Return what people call a location."""
    return str(location.name or location.address)


def who_sees_url(location_id: int) -> str:
    return reverse("admin:roaming_partner_who_sees", args=[location_id])


def why_url(partner_id: int, location_id: int) -> str:
    return reverse("admin:roaming_partner_why", args=[partner_id, location_id])


def yes_or_no(*, yes: bool) -> object:
    """Return a yes or a no in its colour."""
    return pill(_("Yes"), "green") if yes else pill(_("No"), "red")


def _yes_no(*, yes: bool) -> object:
    return _("yes") if yes else _("no")


def _why(*, yes: bool) -> object:
    return _("Why?") if yes else _("Why not?")


def _steps(title: object, reasons: list[Reason]) -> Panel:
    return Panel(
        title=title,
        columns=(_("met"), _("condition")),
        rows=[
            (pill(_("Yes"), "green") if reason.ok else pill(_("No"), "red"), reason.text)
            for reason in reasons
        ],
    )


def turn_pages(request: HttpRequest, shown: Any) -> list[Button]:
    """Return the ways to the pages before and after this one."""

    def url(number: int) -> str:
        query = request.GET.copy()
        query["p"] = str(number)
        return f"?{query.urlencode()}"

    buttons = []
    if shown.has_previous():
        buttons.append(Button(_("Previous page"), url(shown.previous_page_number())))
    if shown.has_next():
        buttons.append(Button(_("Next page"), url(shown.next_page_number())))
    return buttons


def _check(request: HttpRequest) -> None:
    allowed = ("roaming.view_partner", "locations.view_location")
    if not all(_may(request, permission) for permission in allowed):
        raise PermissionDenied


def _may(request: HttpRequest, permission: str) -> bool:
    return request.user.has_perm(permission) or request.user.has_perm(
        permission.replace(".view_", ".change_")
    )


def _who_sees_panel(request: HttpRequest, object_id: int) -> Panel:
    """Return, on a location's page, the way to who sees it."""
    buttons = []
    if _may(request, "roaming.view_partner"):
        buttons = [Button(_("Who sees this location?"), who_sees_url(object_id))]
    return Panel(
        title=_("Who sees it"),
        note=_("Every partner with a yes or a no, and the reasons step by step."),
        buttons=buttons,
    )


def _own_tariff_panel(_request: HttpRequest, object_id: int) -> Panel:
    """Return, on a tariff's page, the partners that it is for where it is not for all."""
    partners = Partner.objects.filter(tariffs=object_id).order_by("name")[:PAGE]
    return Panel(
        title=_("Partners that it is given to"),
        note=_(
            "A tariff that is not for every partner is given to some on their pages, under “What "
            "it sees”."
        ),
        columns=(_("partner"), _("status")),
        rows=[(link(partner), partner_pill(partner.status)) for partner in partners],
        empty=_("None by name."),
    )


register_panel("locations", _who_sees_panel, needs="roaming.view_partner")
register_panel("tariffs", _own_tariff_panel, needs="roaming.view_partner")
