"""Putting a station into service, in steps: where it stands, then its connectors and password."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.db.models import Count, F, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextInputWidget  # type: ignore[import-untyped]

from cpo_platform.common import clock
from cpo_platform.common.admin import Admin, Button, change_url, visible
from locations.models import Connector, Location, Status
from ocpp_gateway.admin.display import connect_address
from ocpp_gateway.admin.outlet_forms import PasswordForm, outlet_table
from ocpp_gateway.admin.station_panels import device_panel, page_url
from ocpp_gateway.models import Station, StationState
from ocpp_gateway.operations import stations
from ocpp_gateway.operations.stations import PasswordChoice

MOST_LOCATIONS = 50
PLACE_TEMPLATE = "admin/ocpp_gateway/station/place.html"


class IdentityForm(forms.Form):
    """How a station that has not been here yet will call itself."""

    identity = forms.CharField(
        label=_("Identity"),
        max_length=48,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "CP-17", "autocomplete": "off"}),
        help_text=_("The last part of the address that the station connects to."),
    )


def place(admin: Admin, request: HttpRequest, station: Station) -> HttpResponse:
    """Place a station that has knocked, or was refused."""
    if station.state == StationState.PLACED:
        messages.info(request, gettext("It is in service already."))
        return HttpResponseRedirect(change_url(station))
    location = _chosen(request)
    if location is None:
        return _choose_location(admin, request, page_url(station, "place"), station)
    return _place_at(admin, request, location, station)


def place_new(admin: Admin, request: HttpRequest) -> HttpResponse:
    """Place a station before it has ever connected."""
    location = _chosen(request)
    if location is None:
        url = reverse("admin:ocpp_gateway_station_new")
        return _choose_location(admin, request, url, None)
    return _place_at(admin, request, location, None)


def _chosen(request: HttpRequest) -> Location | None:
    value = request.GET.get("location", "")
    if not (value.isascii() and value.isdecimal() and len(value) < 19):
        return None
    return visible(request, Location.objects.filter(pk=int(value))).first()


def _choose_location(
    admin: Admin, request: HttpRequest, url: str, station: Station | None
) -> HttpResponse:
    """Show where it may stand: locations that match, with what is free there."""
    text = request.GET.get("q", "").strip()[:100]
    rows = visible(request, Location.objects.all())
    if text:
        alike = Q(name__icontains=text) | Q(city__icontains=text) | Q(address__icontains=text)
        by_evse = Q(evses__uid=text) | Q(evses__evse_id=text)
        rows = rows.filter(alike | Q(ocpi_id=text) | by_evse).distinct()
    # Counted for the locations that are shown only.
    found = rows.annotate(
        connectors_in_all=_connectors(),
        free=F("connectors_in_all") - _connectors(outlet__isnull=False),
    ).order_by("city", "name", "pk")[: MOST_LOCATIONS + 1]
    shown = [
        {"row": row, "url": f"{url}?{urlencode({'location': row.pk})}"}
        for row in found[:MOST_LOCATIONS]
    ]
    return admin.page(
        request,
        "admin/ocpp_gateway/station/choose_location.html",
        title=_place_title(station),
        obj=station,
        query=text,
        search=_search(text),
        shown=shown,
        more=len(found) > MOST_LOCATIONS,
        add_location_url=reverse("admin:locations_location_add"),
        list_url=change_url(station) if station else admin.list_url(),
        how=""
        if station
        else gettext(
            "Place it first, then set it to its address and password: it is in service as soon as "
            "it connects. Without this step it would knock as a stranger."
        ),
    )


def _connectors(**which: object) -> Coalesce:
    """Return how many connectors of a location are installed, of those that are meant."""
    there = Connector.objects.filter(evse__location=OuterRef("pk"), **which).exclude(
        evse__status=Status.REMOVED
    )
    counted = there.order_by().values("evse__location").annotate(number=Count("pk"))
    return Coalesce(Subquery(counted.values("number")), 0)


def _search(text: str) -> str:
    widget = UnfoldAdminTextInputWidget(
        attrs={
            "id": "place-q",
            "type": "search",
            "placeholder": gettext("name, city, address or EVSE"),
        }
    )
    return str(widget.render("q", text))


def _place_title(station: Station | None) -> str:
    if station is None:
        return gettext("A charger that has not connected yet")
    return gettext("Place %(station)s") % {"station": station}


def _place_at(
    admin: Admin, request: HttpRequest, location: Location, station: Station | None
) -> HttpResponse:
    data = request.POST if request.method == "POST" else None
    identity = None if station else IdentityForm(data)
    password = PasswordForm(data, station=station)
    table = outlet_table(data, location.pk)
    parts: list[Any] = [password, table, *([identity] if identity else [])]
    errors: list[str] = []
    # Each says what is wrong with it, so none is left out.
    valid = [part.is_valid() for part in parts]
    if data is not None and all(valid):
        try:
            placed = stations.place_station(
                station_id=station.pk if station else None,
                identity=identity.cleaned_data["identity"] if identity else "",
                location_id=location.pk,
                outlets=table.places,
                password=PasswordChoice(password.cleaned_data["password"]),
                now=clock.now(),
            )
        except ValueError as error:
            errors.append(refusal(error))
        else:
            admin.log_change(request, placed.station, "Placed.")
            return _placed(admin, request, placed)
    here = page_url(station, "place") if station else reverse("admin:ocpp_gateway_station_new")
    return admin.page(
        request,
        PLACE_TEMPLATE,
        title=_place_title(station),
        obj=station,
        panels=[device_panel(station, [])] if station else [],
        location=location,
        other_url=here,
        evse_url=f"{reverse('admin:locations_evse_add')}?location={location.pk}",
        identity=identity,
        password=password,
        table=table,
        errors=[*errors, *table.non_form_errors()],
        sentences=[
            gettext("What it says counts from now on: sessions begin, and its status is shown."),
            *([gettext("Its connection is closed, so that it boots anew.")] if station else []),
        ],
        button=gettext("Place it"),
        list_url=change_url(station) if station else admin.list_url(),
    )


def _placed(admin: Admin, request: HttpRequest, placed: stations.Placed) -> HttpResponse:
    if not placed.password:
        messages.success(
            request, gettext("Placed: it is asked to boot anew, and counts from then on.")
        )
        return HttpResponseRedirect(change_url(placed.station))
    return show_password(admin, request, placed.station, placed.password)


def show_password(
    admin: Admin, request: HttpRequest, station: Station, password: str
) -> HttpResponse:
    """Show a password, this once: the admin's pages are never cached."""
    return admin.page(
        request,
        "admin/ocpp_gateway/station/password.html",
        title=gettext("The password of %(station)s") % {"station": station},
        obj=station,
        address=connect_address(station.identity),
        password=password,
        station_url=change_url(station),
    )


def edit_outlets(admin: Admin, request: HttpRequest, station: Station) -> HttpResponse:
    """Change which connectors a station in service has, and how it counts them."""
    if station.state != StationState.PLACED or station.location is None:
        messages.info(request, gettext("It is not in service: place it first."))
        return HttpResponseRedirect(change_url(station))
    data = request.POST if request.method == "POST" else None
    table = outlet_table(data, station.location.pk, station=station)
    errors: list[str] = []
    if data is not None and table.is_valid():
        try:
            stations.put_outlets(station_id=station.pk, outlets=table.places, now=clock.now())
        except ValueError as error:
            errors.append(refusal(error))
        else:
            admin.log_change(request, station, "Changed its outlets.")
            messages.success(request, gettext("Saved: it is asked to boot anew."))
            return HttpResponseRedirect(change_url(station))
    return admin.page(
        request,
        PLACE_TEMPLATE,
        title=gettext("Connectors of %(station)s") % {"station": station},
        obj=station,
        location=station.location,
        evse_url=f"{reverse('admin:locations_evse_add')}?location={station.location.pk}",
        table=table,
        errors=[*errors, *table.non_form_errors()],
        sentences=[gettext("Its connection is closed, so that it boots anew.")],
        button=gettext("Save"),
        list_url=change_url(station),
    )


_REFUSALS: dict[type[Exception], Callable[[], str]] = {
    stations.BadIdentity: lambda: gettext(
        "The identity has 1 to 48 letters, digits and signs, and no spaces or slashes."
    ),
    stations.IdentityTaken: lambda: gettext("There is a station with this identity."),
    stations.StillCharging: lambda: gettext(
        "A transaction is under way at a connector that you take away: stop it first."
    ),
    stations.WrongState: lambda: gettext("Somebody else has placed it meanwhile."),
    stations.NoPassword: lambda: gettext("It has no password to keep: choose another one."),
}


def refusal(error: ValueError) -> str:
    """Return why an operation of stations refused something, for the person."""
    known = _REFUSALS.get(type(error))
    if known is not None:
        return known()
    if isinstance(error, stations.BadOutlets):
        return gettext("The connectors: %(problem)s.") % {
            "problem": str(error).removeprefix("outlets: ")
        }
    return str(error)


def step_buttons(station: Station) -> list[Button]:
    """Return what can be done with a station that is not in service."""
    buttons = [Button(_("Place it"), page_url(station, "place"), tone="primary")]
    if station.state == StationState.HELD:
        buttons.append(Button(_("Refuse it"), page_url(station, "refuse"), tone="warn"))
    return buttons
