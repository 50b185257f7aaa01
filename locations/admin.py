"""The admin pages of locations and EVSEs. Everything is saved by `locations.operations`."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from functools import partial
from importlib.util import find_spec
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import include, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.module_loading import import_string
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (  # type: ignore[import-untyped]
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from cpo_platform.common import clock
from cpo_platform.common.admin import (
    Button,
    FormSet,
    OperationAdmin,
    OperationForm,
    Panel,
    change_url,
    link,
    link_to,
    minute,
    moment,
    number,
    pill,
)
from cpo_platform.common.formfields import (
    DayHoursField,
    OpenChoiceField,
    OpenChoicesField,
    amounts_field,
    images_field,
    local_periods,
    periods_field,
    places_field,
    publish_to_field,
    resolve_periods,
    text_field,
    texts_field,
    url_field,
    words_field,
)
from cpo_platform.common.shapes import Problem, ShapeError, parse
from locations import operations
from locations.models import (
    CONNECTOR_TYPES,
    Capability,
    Connector,
    ConnectorFormat,
    Evse,
    Facility,
    Location,
    ParkingRestriction,
    ParkingType,
    PowerType,
    Status,
)
from locations.shapes import EvseShape, LocationShape
from tariffs.admin import PartyField, PartyFilter, needs_party, party_choices
from tariffs.models import Tariff
from tariffs.operations import UnknownParty

# From "all is well" to "look here", with their colours.
STATUS_TONES = {
    Status.AVAILABLE: "green",
    Status.CHARGING: "blue",
    Status.RESERVED: "blue",
    Status.BLOCKED: "amber",
    Status.INOPERATIVE: "amber",
    Status.OUTOFORDER: "red",
    Status.PLANNED: "grey",
    Status.UNKNOWN: "grey",
    Status.REMOVED: "grey",
}
DAYS = (
    ("monday", _("Monday")),
    ("tuesday", _("Tuesday")),
    ("wednesday", _("Wednesday")),
    ("thursday", _("Thursday")),
    ("friday", _("Friday")),
    ("saturday", _("Saturday")),
    ("sunday", _("Sunday")),
)
BUSINESSES = ("operator", "suboperator", "owner")
CONNECTOR_CHOICES = [(name, name.replace("_", " ")) for name in CONNECTOR_TYPES]


def status_pill(status: str) -> str:
    """Return an EVSE status in its colour."""
    known = Status(status)
    return pill(known.label, STATUS_TONES[known])


def connector_text(connector: Connector) -> str:
    """Say in a few words what a connector is: `IEC 62196 T2, socket, 22 kW`."""
    kind = connector.standard.replace("_", " ")
    power = connector.max_electric_power or power_of(connector)
    shown = number(round(Decimal(power) / 1000, 1), "kW")
    return f"{kind}, {connector.get_format_display()}, {shown}"


def power_of(connector: Connector) -> int:
    """Return the W that volts and amperes make (OCPI 2.2.1, Connector.max_voltage: phase to N)."""
    phases = {"AC_2_PHASE": 2, "AC_2_PHASE_SPLIT": 2, "AC_3_PHASE": 3}.get(connector.power_type, 1)
    return connector.max_voltage * connector.max_amperage * phases


# Locations


def _business_fields(title: Any) -> tuple[forms.Field, forms.Field]:
    return (
        text_field(label=title, max_length=100),
        url_field(label=_("website")),
    )


class LocationForm(OperationForm):
    """A location without its EVSEs, in OCPI's order."""

    party = PartyField()
    ocpi_id = text_field(
        label=_("id"),
        max_length=36,
        required=True,
        help_text=_("Names the location towards partners. This cannot be changed later."),
    )
    publish_to = publish_to_field(label=_("publish to tokens"))
    latitude = forms.DecimalField(
        label=_("latitude"),
        min_value=-90,
        max_value=90,
        decimal_places=7,
        widget=UnfoldAdminDecimalFieldWidget(attrs={"step": "any", "placeholder": "48.892330"}),
        help_text=_("Decimal degrees (WGS 84)."),
    )
    longitude = forms.DecimalField(
        label=_("longitude"),
        min_value=-180,
        max_value=180,
        decimal_places=7,
        widget=UnfoldAdminDecimalFieldWidget(attrs={"step": "any", "placeholder": "9.183290"}),
    )
    related = places_field(label=_("related places"))
    parking_type = OpenChoiceField(
        label=_("parking type"), required=False, known=ParkingType.choices
    )
    direction_texts = texts_field(label=_("directions"))
    operator_name, operator_website = _business_fields(_("operator"))
    suboperator_name, suboperator_website = _business_fields(_("suboperator"))
    owner_name, owner_website = _business_fields(_("owner"))
    facilities = OpenChoicesField(label=_("facilities"), known=Facility.choices)
    time_zone = forms.CharField(
        label=_("time zone"),
        max_length=255,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "Europe/Berlin"}),
        help_text=_("IANA name, such as Europe/Berlin or Asia/Tokyo."),
    )
    open_always = forms.ChoiceField(
        label=_("open"),
        required=False,
        choices=[
            ("", _("not stated")),
            ("yes", _("always (24/7)")),
            ("no", _("at these hours")),
        ],
        widget=UnfoldAdminSelectWidget,
        help_text=_("Hours are local time: “08:00-12:00, 13:00-18:00”. Empty: closed."),
    )
    monday, tuesday, wednesday, thursday, friday, saturday, sunday = (
        DayHoursField(label=label) for _name, label in DAYS
    )
    openings = periods_field(
        label=_("also open"),
        help_text=_("Exceptions, one per line, in local time (or in UTC with a Z at the end)."),
    )
    closings = periods_field(label=_("closed on"))
    image_lines = images_field(label=_("images"))
    green = forms.ChoiceField(
        label=_("green energy"),
        required=False,
        choices=[("", _("not stated")), ("yes", _("yes")), ("no", _("no"))],
        widget=UnfoldAdminSelectWidget,
    )
    supplier_name = text_field(label=_("supplier"), max_length=64)
    energy_product_name = text_field(label=_("energy product"), max_length=64)
    energy_sources = amounts_field(
        "source",
        "percentage",
        label=_("sources (%)"),
        help_text=_(
            "One per line, adding up to 100: “SOLAR 60”. NUCLEAR, GENERAL_FOSSIL, COAL, GAS, "
            "GENERAL_GREEN, SOLAR, WIND, WATER."
        ),
    )
    environ_impact = amounts_field(
        "category",
        "amount",
        label=_("impact (g/kWh)"),
        help_text=_("One per line: “CARBON_DIOXIDE 12.5” or “NUCLEAR_WASTE 0.1”."),
    )

    fixed = ("party", "ocpi_id")
    places = {
        "id": "ocpi_id",
        "country_code": "party",
        "party_id": "party",
        "publish_allowed_to": "publish_to",
        "coordinates": "latitude",
        "coordinates.latitude": "latitude",
        "coordinates.longitude": "longitude",
        "related_locations": "related",
        "directions": "direction_texts",
        **{name: f"{name}_name" for name in BUSINESSES},
        **{f"{name}.website": f"{name}_website" for name in BUSINESSES},
        "opening_times": "open_always",
        "opening_times.exceptional_openings": "openings",
        "opening_times.exceptional_closings": "closings",
        "images": "image_lines",
        "energy_mix": "green",
        "energy_mix.supplier_name": "supplier_name",
        "energy_mix.energy_product_name": "energy_product_name",
        "energy_mix.energy_sources": "energy_sources",
        "energy_mix.environ_impact": "environ_impact",
    }
    refusals = {UnknownParty: ("party", _("This party does not exist any more."))}

    class Meta:
        model = Location
        fields = (
            "publish",
            "name",
            "address",
            "city",
            "postal_code",
            "state",
            "country",
            "charging_when_closed",
            "help_phone",
        )

    def values_of(self, row: Location) -> dict[str, Any]:
        mix = row.energy_mix or {}
        green = mix.get("is_green_energy")
        return {
            "party": row.party,
            "ocpi_id": row.ocpi_id,
            "publish_to": row.publish_allowed_to,
            "latitude": operations.coordinate_text(row.latitude),
            "longitude": operations.coordinate_text(row.longitude),
            "related": row.related_locations,
            "direction_texts": row.directions,
            "image_lines": row.images,
            "green": "" if green is None else "yes" if green else "no",
            **{name: mix.get(name) for name in ("supplier_name", "energy_product_name")},
            **{name: mix.get(name) or [] for name in ("energy_sources", "environ_impact")},
            **_hours_values(row.opening_times, ZoneInfo(row.time_zone)),
            **{
                f"{business}_{part}": (getattr(row, business) or {}).get(part)
                for business in BUSINESSES
                for part in ("name", "website")
            },
        }

    def clean_country(self) -> str:
        return str(self.cleaned_data["country"]).upper()

    def clean_time_zone(self) -> str:
        name = str(self.cleaned_data["time_zone"]).strip()
        if name not in available_timezones():
            raise ValidationError(_("There is no such time zone: write one like Europe/Berlin."))
        return name

    def build(self) -> LocationShape:
        return parse(LocationShape, self._document())

    def _document(self) -> dict[str, Any]:
        data = self.cleaned_data
        country_code, _star, party_id = data["party"].partition("*")
        texts = ("name", "address", "city", "postal_code", "state", "country", "help_phone")
        return {
            "country_code": country_code,
            "party_id": party_id,
            "id": data["ocpi_id"],
            "publish": data["publish"],
            "publish_allowed_to": data["publish_to"],
            **{name: data[name] or None for name in (*texts, "parking_type", "time_zone")},
            "coordinates": {
                name: operations.coordinate_text(data[name]) for name in ("latitude", "longitude")
            },
            "related_locations": data["related"],
            "directions": data["direction_texts"],
            **{name: self._business(name) for name in BUSINESSES},
            "facilities": data["facilities"],
            "opening_times": self._opening_times(),
            "charging_when_closed": data["charging_when_closed"],
            "images": data["image_lines"],
            "energy_mix": self._energy_mix(),
        }

    def _business(self, name: str) -> dict[str, Any] | None:
        data = self.cleaned_data
        title, website = data[f"{name}_name"], data[f"{name}_website"]
        if not title:
            if website:
                raise ShapeError([Problem(name, gettext("A website needs a name as well."))])
            return None
        logo = (getattr(self.instance, name) or {}).get("logo")
        return {"name": title, "website": website or None, "logo": logo}

    def _opening_times(self) -> dict[str, Any] | None:
        data = self.cleaned_data
        zone = ZoneInfo(data["time_zone"])
        regular = [
            {"weekday": weekday, "period_begin": begin, "period_end": end}
            for weekday, (name, _label) in enumerate(DAYS, start=1)
            for begin, end in data[name]
        ]
        always = data["open_always"] == "yes"
        if not data["open_always"]:
            if regular or data["openings"] or data["closings"]:
                raise ShapeError([Problem("opening_times", gettext("Say when it is open."))])
            return None
        if always and regular:
            raise ShapeError(
                [Problem("opening_times", gettext("It is open always: leave the hours empty."))]
            )
        if not always and not regular:
            raise ShapeError([Problem("opening_times", gettext("Give the hours below."))])
        return {
            "twentyfourseven": always,
            "regular_hours": regular or None,
            "exceptional_openings": _resolved("openings", data["openings"], zone),
            "exceptional_closings": _resolved("closings", data["closings"], zone),
        }

    def _energy_mix(self) -> dict[str, Any] | None:
        data = self.cleaned_data
        names = ("supplier_name", "energy_product_name", "energy_sources", "environ_impact")
        mix = {name: data[name] or None for name in names}
        if not data["green"]:
            if any(mix.values()):
                raise ShapeError(
                    [Problem("energy_mix", gettext("Say whether the energy is green."))]
                )
            return None
        return mix | {"is_green_energy": data["green"] == "yes"}


def _resolved(name: str, items: list[dict[str, Any]], zone: ZoneInfo) -> list[Any] | None:
    try:
        return resolve_periods(items, zone) or None
    except ValueError as error:
        place = f"opening_times.exceptional_{name}"
        raise ShapeError([Problem(place, gettext("There is no such date or time."))]) from error


def _hours_values(hours: dict[str, Any] | None, zone: ZoneInfo) -> dict[str, Any]:
    if hours is None:
        return {"open_always": ""}
    days: dict[str, list[tuple[str, str]]] = {name: [] for name, _label in DAYS}
    for period in hours.get("regular_hours") or []:
        name = DAYS[period["weekday"] - 1][0]
        days[name].append((period["period_begin"], period["period_end"]))
    return {
        "open_always": "yes" if hours["twentyfourseven"] else "no",
        **days,
        "openings": local_periods(hours.get("exceptional_openings") or [], zone),
        "closings": local_periods(hours.get("exceptional_closings") or [], zone),
    }


class PublishedFilter(admin.SimpleListFilter):
    """Whether apps and maps show a location."""

    title = _("publish")
    parameter_name = "publish"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("yes", _("Published")), ("no", _("Not published"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(publish=self.value() == "yes") if self.value() else queryset


@admin.register(Location)
class LocationAdmin(OperationAdmin):
    """Locations with their EVSEs; an EVSE has a page of its own."""

    form = LocationForm
    module = "locations"
    change_list_template = "admin/locations/location/change_list.html"
    list_display = ("title", "city", "party", "evses", "available", "published", "updated")
    list_display_links = ("title",)
    list_filter = (PublishedFilter, PartyFilter, "country", "parking_type")
    search_fields = ("name", "address", "city", "ocpi_id", "evses__uid", "evses__evse_id")
    search_help_text = _("Search by name, address, id or EVSE")
    ordering = ("city", "name", "pk")
    empty_text = _("Import your network from a file, or add a location by hand.")
    fieldsets = (
        (None, {"fields": (("party", "ocpi_id"), "publish", "publish_to")}),
        (
            _("Address"),
            {
                "fields": (
                    "name",
                    "address",
                    ("postal_code", "city"),
                    ("state", "country"),
                    ("latitude", "longitude"),
                )
            },
        ),
        (
            _("On site"),
            {
                "fields": ("related", "parking_type", "direction_texts"),
                "classes": ("collapse",),
            },
        ),
        (
            _("Who runs it"),
            {
                "fields": tuple((f"{name}_name", f"{name}_website") for name in BUSINESSES),
                "classes": ("collapse",),
            },
        ),
        (_("Facilities"), {"fields": ("facilities",), "classes": ("collapse",)}),
        (
            _("Opening times"),
            {
                "fields": (
                    "time_zone",
                    "open_always",
                    ("monday", "tuesday"),
                    ("wednesday", "thursday"),
                    ("friday", "saturday"),
                    "sunday",
                    ("openings", "closings"),
                    "charging_when_closed",
                )
            },
        ),
        (
            _("Images, energy and help"),
            {
                "fields": (
                    "image_lines",
                    "green",
                    ("supplier_name", "energy_product_name"),
                    ("energy_sources", "environ_impact"),
                    "help_phone",
                ),
                "classes": ("collapse",),
            },
        ),
    )

    def get_urls(self) -> list[Any]:
        urls: list[Any] = super().get_urls()
        if find_spec("locations.views") is None:
            return urls
        # By name: the import is a view of its own, and neither of us depends on the other.
        import_urls = import_string("locations.views.import_urls")
        return [path("import/", include(import_urls(self.admin_site))), *urls]

    def get_queryset(self, request: HttpRequest) -> Any:
        installed = ~Q(evses__status=Status.REMOVED)
        return (
            super()
            .get_queryset(request)
            .annotate(
                evse_total=Count("evses", filter=installed, distinct=True),
                evse_available=Count(
                    "evses", filter=Q(evses__status=Status.AVAILABLE), distinct=True
                ),
            )
        )

    def put(self, form: LocationForm, now: datetime) -> Location:
        return operations.put_location(location=form.shape, now=now).location

    def add_view(
        self,
        request: HttpRequest,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        return needs_party(request) or super().add_view(request, form_url, extra_context)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        newest = Location.objects.order_by("-pk").values("country", "time_zone").first()
        parties = party_choices()
        party = {"party": parties[0][0]} if len(parties) == 1 else {}
        given = super().get_changeform_initial_data(request)
        return {"publish": True, "charging_when_closed": True, **(newest or {}), **party, **given}

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: Any = None) -> Any:
        response = super().response_add(request, obj, post_url_continue)
        if "_save" in request.POST:
            # A location without EVSEs is of no use yet: show where they are added.
            return HttpResponseRedirect(change_url(obj))
        return response

    def form_context(self, request: HttpRequest, object_id: str | None) -> dict[str, Any]:
        context = super().form_context(request, object_id)
        if object_id and str(object_id).isdigit():
            context["panels_above"] = [evses_panel(request, int(object_id))]
            context["panels"] = [*parking_panel(int(object_id)), *context.get("panels", [])]
        return context

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        context = {"import_url": self._import_url(request), **(extra_context or {})}
        return super().changelist_view(request, context)

    def _import_url(self, request: HttpRequest) -> str:
        allowed = self.has_add_permission(request) and self.has_change_permission(request)
        has_import = allowed and find_spec("locations.views") is not None
        return reverse("admin:locations_import") if has_import else ""

    @admin.display(description=_("location"), ordering="name")
    def title(self, row: Location) -> object:
        return row.name or row.address

    @admin.display(description=_("party"), ordering="country_code")
    def party(self, row: Location) -> str:
        return row.party

    @admin.display(description=_("EVSEs"), ordering="evse_total")
    def evses(self, row: Any) -> str:
        url = reverse("admin:locations_evse_changelist") + f"?location={row.pk}"
        return link_to(url, row.evse_total) if row.evse_total else "0"

    @admin.display(description=_("available"), ordering="evse_available")
    def available(self, row: Any) -> str:
        if not row.evse_total:
            return "\N{EN DASH}"
        return pill(row.evse_available, "green" if row.evse_available else "amber")

    @admin.display(description=_("publish"), ordering="publish", boolean=True)
    def published(self, row: Location) -> bool:
        return row.publish

    @admin.display(description=_("updated (UTC)"), ordering="last_updated")
    def updated(self, row: Location) -> object:
        return minute(row.last_updated)


def evses_panel(request: HttpRequest, location_id: int) -> Panel:
    """Return the EVSEs of a location, each with a link to its page."""
    evses = list(
        Evse.objects.filter(location_id=location_id)
        .prefetch_related("connectors__tariffs")
        .order_by("physical_reference", "evse_id", "pk")
    )
    buttons = []
    if request.user.has_perm("locations.add_evse"):
        url = reverse("admin:locations_evse_add") + f"?location={location_id}"
        buttons = [Button(_("Add an EVSE"), url, tone="primary")]
    return Panel(
        title=_("EVSEs"),
        columns=(_("EVSE id"), _("uid"), _("status"), _("connectors"), _("tariffs"), ""),
        rows=[
            (
                link(evse, evse.evse_id or evse.uid),
                evse.uid,
                status_pill(evse.status),
                _lines(connector_text(connector) for connector in evse.connectors.all()),
                _lines(sorted(_tariff_names(evse))),
                link(evse, _("show")),
            )
            for evse in evses
        ],
        empty=_("This location has no EVSE yet: partners do not see it. Add the first one."),
        buttons=buttons,
    )


def _tariff_names(evse: Evse) -> set[str]:
    return {
        tariff.ocpi_id
        for connector in evse.connectors.all()
        for tariff in connector.tariffs.all()
        if tariff.deleted_at is None
    }


def _lines(texts: Iterable[str]) -> str:
    lines: str = format_html_join("", "<div>{}</div>", ((text,) for text in texts))
    return lines or "\N{EN DASH}"


def parking_panel(location_id: int) -> list[Panel]:
    """Return the parking places of a location, if it has some."""
    location = Location.objects.prefetch_related("parking_places").filter(pk=location_id).first()
    places = list(location.parking_places.all()) if location else []
    if not places:
        return []
    return [
        Panel(
            title=_("Parking places"),
            note=_("Parking places come from imports; choose them at the EVSEs."),
            columns=(_("id"), _("reference"), _("vehicles"), _("roofed"), _("drive-through")),
            rows=[
                (
                    place.ocpi_id,
                    place.physical_reference,
                    ", ".join(place.vehicle_types),
                    _yes_no(place.roofed),
                    _yes_no(place.drive_through),
                )
                for place in places
            ],
        )
    ]


def _yes_no(value: bool | None) -> str:  # noqa: FBT001  a value to be shown
    return "\N{EN DASH}" if value is None else gettext("yes") if value else gettext("no")


# EVSEs


class ConnectorForm(forms.Form):
    """One connector of an EVSE."""

    id = forms.CharField(label=_("id"), max_length=36, widget=UnfoldAdminTextInputWidget)
    standard = OpenChoiceField(label=_("standard"), known=CONNECTOR_CHOICES, initial="IEC_62196_T2")
    format = forms.ChoiceField(
        label=_("format"), choices=ConnectorFormat.choices, widget=UnfoldAdminSelectWidget
    )
    power_type = forms.ChoiceField(
        label=_("power type"),
        choices=PowerType.choices,
        initial=PowerType.AC_3_PHASE,
        widget=UnfoldAdminSelectWidget,
    )
    max_voltage = forms.IntegerField(
        label=_("V"),
        initial=230,
        min_value=0,
        max_value=100_000,
        widget=UnfoldAdminIntegerFieldWidget,
    )
    max_amperage = forms.IntegerField(
        label=_("A"),
        initial=32,
        min_value=0,
        max_value=100_000,
        widget=UnfoldAdminIntegerFieldWidget,
    )
    max_electric_power = forms.IntegerField(
        label=_("W"),
        min_value=0,
        max_value=2_147_483_647,
        required=False,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text=_("Only where it is lower than voltage × current."),
    )
    tariff_ids = forms.MultipleChoiceField(
        label=_("tariffs"), required=False, widget=UnfoldAdminCheckboxSelectMultipleWidget
    )
    terms_and_conditions = url_field(label=_("terms and conditions"))

    def __init__(self, *args: Any, tariffs: Sequence[tuple[str, str]] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choice = self.fields["tariff_ids"]
        assert isinstance(choice, forms.MultipleChoiceField)  # noqa: S101  it is declared above
        choice.choices = list(tariffs)
        standard = self.fields["standard"]
        assert isinstance(standard, OpenChoiceField)  # noqa: S101  it is declared above
        standard.keep(self.initial.get("standard"))
        if self.initial.get("id"):
            self.fields["id"].disabled = True

    def document(self) -> dict[str, Any]:
        """Return the connector as OCPI writes it."""
        data = self.cleaned_data
        names = (
            *("id", "standard", "format", "power_type", "max_voltage", "max_amperage"),
            *("max_electric_power", "tariff_ids", "terms_and_conditions"),
        )
        return {name: None if data[name] in ("", []) else data[name] for name in names}


class ConnectorFormSet(FormSet):
    """The connectors of an EVSE."""

    def add_fields(self, form: Any, index: int | None) -> None:
        super().add_fields(form, index)
        form.fields["DELETE"].label = _("Remove")

    def documents(self) -> list[tuple[int, dict[str, Any]]]:
        """Return the connectors that stay, each with the place of its form."""
        return [
            (place, form.document())
            for place, form in enumerate(self.forms)
            if (form.has_changed() or form.initial.get("id"))
            and not form.cleaned_data.get("DELETE")
        ]


CONNECTOR_FORMSET: Any = forms.formset_factory(
    ConnectorForm, formset=ConnectorFormSet, extra=0, can_delete=True, max_num=100, absolute_max=101
)


class EvseForm(OperationForm):
    """An EVSE with its connectors, in OCPI's order."""

    uid = text_field(
        label=_("uid"),
        max_length=36,
        required=True,
        help_text=_("Never changes and is never used again; not a serial number."),
    )
    status = forms.ChoiceField(
        label=_("status"),
        choices=[choice for choice in Status.choices if choice[0] != Status.REMOVED],
        initial=Status.UNKNOWN,
        required=False,
        widget=UnfoldAdminSelectWidget,
        help_text=_("Until the station says something else."),
    )
    schedule = periods_field(
        with_status=True,
        label=_("status schedule"),
        help_text=_(
            "What is planned, one per line, in the local time of the location. Drivers are told; "
            "the status itself does not change."
        ),
    )
    capabilities = OpenChoicesField(label=_("capabilities"), known=Capability.choices)
    latitude = forms.DecimalField(
        label=_("latitude"),
        required=False,
        min_value=-90,
        max_value=90,
        decimal_places=7,
        widget=UnfoldAdminDecimalFieldWidget(attrs={"step": "any"}),
        help_text=_("Only where it differs from the location's."),
    )
    longitude = forms.DecimalField(
        label=_("longitude"),
        required=False,
        min_value=-180,
        max_value=180,
        decimal_places=7,
        widget=UnfoldAdminDecimalFieldWidget(attrs={"step": "any"}),
    )
    direction_texts = texts_field(label=_("directions"))
    parking_restrictions = OpenChoicesField(
        label=_("parking restrictions"), known=ParkingRestriction.choices
    )
    parking_ids = forms.MultipleChoiceField(
        label=_("parking places"), required=False, widget=UnfoldAdminCheckboxSelectMultipleWidget
    )
    image_lines = images_field(label=_("images"))
    providers = words_field(
        label=_("accepted service providers"), help_text=_("One name per line.")
    )

    location: Location | None = None
    fixed = ("uid",)
    places = {
        "status_schedule": "schedule",
        "coordinates": "latitude",
        "coordinates.longitude": "longitude",
        "directions": "direction_texts",
        "parking": "parking_ids",
        "images": "image_lines",
        "accepted_service_providers": "providers",
    }
    refusals = {
        operations.UnknownTariff: (None, _("A tariff was deleted meanwhile: choose another.")),
        operations.OverlappingTariffs: (
            None,
            _(
                "A connector has two tariffs of one type that are valid at the same time: choose "
                "one, or tariffs of different types."
            ),
        ),
        operations.EvseElsewhere: ("uid", _("Another EVSE has or had this uid.")),
        operations.ConnectorInUse: (
            None,
            _("A connector has had sessions and cannot be removed."),
        ),
        operations.EvseRemoved: (None, _("This EVSE is removed for good.")),
        operations.UnknownParkingPlace: (
            "parking_ids",
            _("The location has no such parking place any more."),
        ),
    }

    class Meta:
        model = Evse
        fields = ("evse_id", "floor_level", "physical_reference")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is not None:
            self.location = self.instance.location
        choice = self.fields.get("parking_ids")
        if isinstance(choice, forms.MultipleChoiceField) and self.location:
            choice.choices = [
                (place.ocpi_id, f"{place.ocpi_id} {place.physical_reference}".strip())
                for place in self.location.parking_places.all()
            ]
        self.connectors: ConnectorFormSet = CONNECTOR_FORMSET(
            self.data if self.is_bound else None,
            prefix="connectors",
            initial=self._connectors(),
            form_kwargs={"tariffs": self._tariffs()},
        )

    def _connectors(self) -> list[dict[str, Any]]:
        if self.instance.pk is None:
            return [{}]
        return [
            operations.connector_shape_of(connector).model_dump()
            for connector in self.instance.connectors.prefetch_related("tariffs").order_by("pk")
        ]

    def _tariffs(self) -> list[tuple[str, str]]:
        if self.location is None:
            return []
        rows = (
            Tariff.objects.in_use()
            .filter(country_code=self.location.country_code, party_id=self.location.party_id)
            .order_by("ocpi_id")
            .values_list("ocpi_id", "currency")
        )
        return [(ocpi_id, f"{ocpi_id} ({currency})") for ocpi_id, currency in rows]

    def content_of(self, row: Evse) -> str:
        connectors = row.connectors.order_by("pk").values_list("pk", "last_updated")
        return super().content_of(row) + repr(list(connectors))

    def values_of(self, row: Evse) -> dict[str, Any]:
        coordinates = {
            name: None if value is None else operations.coordinate_text(value)
            for name in ("latitude", "longitude")
            for value in (getattr(row, name),)
        }
        return {
            "uid": row.uid,
            "status": row.status,
            "schedule": local_periods(row.status_schedule, ZoneInfo(row.location.time_zone)),
            "direction_texts": row.directions,
            "parking_ids": [
                parking.parking_place.ocpi_id
                for parking in row.parking.select_related("parking_place")
            ],
            "image_lines": row.images,
            "providers": row.accepted_service_providers,
            **coordinates,
        }

    def is_valid(self) -> bool:
        connectors_are_valid = self.connectors.is_valid() if self.is_bound else True
        return super().is_valid() and connectors_are_valid

    @property
    def changed_data(self) -> list[str]:
        return [name for name in super().changed_data if name != "seen"]

    def build(self) -> EvseShape:
        if not self.connectors.is_valid():
            raise ShapeError([Problem("", gettext("Look at the connectors below."))])
        documents = self.connectors.documents()
        if not documents:
            raise ShapeError([Problem("", gettext("An EVSE needs at least one connector."))])
        try:
            return parse(EvseShape, self._document([document for _place, document in documents]))
        except ShapeError as error:
            raise ShapeError(self._left_over(error.problems, documents)) from error

    def _left_over(
        self, problems: Sequence[Problem], documents: Sequence[tuple[int, dict[str, Any]]]
    ) -> list[Problem]:
        """Show problems of connectors at their forms; return the others."""
        others = []
        for problem in problems:
            if not problem.path.startswith("connectors["):
                others.append(problem)
                continue
            index, _bracket, rest = problem.path.removeprefix("connectors[").partition("]")
            form = self.connectors.forms[documents[int(index)][0]]
            name = rest.removeprefix(".").partition("[")[0]
            form.add_error(name if name in form.fields else None, problem.reason)
        return others or [Problem("", gettext("Look at the connectors below."))]

    def _document(self, connectors: list[dict[str, Any]]) -> dict[str, Any]:
        assert self.location is not None  # noqa: S101  there is no page without one
        data = self.cleaned_data
        has = operations.evse_shape_of(self.instance).model_dump() if self.instance.pk else {}
        kept = {item["id"]: item["capabilities"] for item in has.get("connectors", [])}
        positions = {item["parking_id"]: item for item in has.get("parking") or []}
        return {
            "uid": data["uid"],
            "evse_id": data["evse_id"] or None,
            "status": data.get("status") or self.instance.status,
            "status_schedule": self._schedule(ZoneInfo(self.location.time_zone)),
            "capabilities": data["capabilities"],
            "connectors": [
                connector | {"capabilities": kept.get(connector["id"])} for connector in connectors
            ],
            "floor_level": data["floor_level"] or None,
            "coordinates": self._coordinates(),
            "physical_reference": data["physical_reference"] or None,
            "directions": data["direction_texts"],
            "parking_restrictions": data["parking_restrictions"],
            "parking": [
                positions.get(parking_id, {"parking_id": parking_id})
                for parking_id in data["parking_ids"]
            ],
            "images": data["image_lines"],
            "accepted_service_providers": data["providers"],
        }

    def _schedule(self, zone: ZoneInfo) -> list[dict[str, Any]]:
        try:
            return resolve_periods(self.cleaned_data["schedule"], zone)
        except ValueError as error:
            reason = gettext("There is no such date or time.")
            raise ShapeError([Problem("status_schedule", reason)]) from error

    def _coordinates(self) -> dict[str, str] | None:
        latitude, longitude = self.cleaned_data["latitude"], self.cleaned_data["longitude"]
        if (latitude is None) != (longitude is None):
            raise ShapeError([Problem("coordinates", gettext("Give both coordinates, or none."))])
        if latitude is None:
            return None
        return {
            "latitude": operations.coordinate_text(latitude),
            "longitude": operations.coordinate_text(longitude),
        }


class EvsePartyFilter(PartyFilter):
    """EVSEs at locations of one of our parties."""

    path = "location__"


class _IdFilter(admin.SimpleListFilter):
    """Rows of one object, chosen on another page; offered only while it is on."""

    lookup = ""

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        value = request.GET.get(str(self.parameter_name), "")
        return [(value, self.name_of(value))] if value.isdecimal() else []

    def name_of(self, value: str) -> str:
        raise NotImplementedError

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        value = self.value()
        return queryset.filter(**{self.lookup: value}) if value else queryset


class AtLocationFilter(_IdFilter):
    """EVSEs of one location."""

    title = _("location")
    parameter_name = "location"
    lookup = "location_id"

    def name_of(self, value: str) -> str:
        row = Location.objects.filter(pk=value).first()
        return (row.name or row.address) if row else value


class TariffFilter(_IdFilter):
    """EVSEs with a connector that uses one tariff."""

    title = _("tariff")
    parameter_name = "tariff"

    def name_of(self, value: str) -> str:
        return str(Tariff.objects.filter(pk=value).first() or value)

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if not self.value():
            return queryset
        using = Connector.tariffs.through.objects.filter(tariff_id=int(self.value() or 0))
        return queryset.filter(connectors__in=using.values("connector_id")).distinct()


@admin.register(Evse)
class EvseAdmin(OperationAdmin):
    """EVSEs: their status at a glance, and the page of each with its connectors."""

    form = EvseForm
    change_form_template = "admin/locations/evse/change_form.html"
    change_list_template = "admin/locations/evse/change_list.html"
    list_display = ("title", "state", "place", "connectors", "physical_reference", "updated")
    list_display_links = ("title",)
    list_filter = (
        "status",
        EvsePartyFilter,
        AtLocationFilter,
        TariffFilter,
    )
    list_select_related = ("location",)
    search_fields = (
        *("uid", "evse_id", "physical_reference", "location__name", "location__address"),
        *("location__city", "location__ocpi_id"),
    )
    search_help_text = _("Search by EVSE id, uid, sign or location")
    ordering = ("location__city", "location_id", "evse_id", "pk")
    empty_text = _("EVSEs are added at their location: open one and choose “Add an EVSE”.")
    fieldsets = (
        (None, {"fields": (("uid", "evse_id"), "status", "schedule")}),
        (
            _("Capabilities"),
            {"fields": ("capabilities",), "classes": ("collapse", "then-connectors")},
        ),
        (
            _("On site"),
            {
                "fields": (
                    ("floor_level", "physical_reference"),
                    ("latitude", "longitude"),
                    "direction_texts",
                    "parking_restrictions",
                    "parking_ids",
                    "image_lines",
                    "providers",
                ),
                "classes": ("collapse",),
            },
        ),
    )

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        location = self._location(request, obj)
        # The status of an EVSE that exists is set by its buttons: a form would write an old one.
        hidden = set() if obj is None else {"status"}
        if location is None or not location.parking_places.exists():
            hidden.add("parking_ids")
        return [
            (
                title,
                options
                | {"fields": tuple(name for name in options["fields"] if name not in hidden)},
            )
            for title, options in self.fieldsets
        ]

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("connectors")

    def get_form(
        self,
        request: HttpRequest,
        obj: Any = None,
        change: bool = False,  # noqa: FBT001, FBT002  Django's signature
        **kwargs: Any,
    ) -> Any:
        form = super().get_form(request, obj, change=change, **kwargs)
        return type(form.__name__, (form,), {"location": self._location(request, obj)})

    def _location(self, request: HttpRequest, obj: Evse | None) -> Location | None:
        if obj is not None:
            return obj.location
        value = request.GET.get("location", "")
        return Location.objects.filter(pk=value).first() if value.isdecimal() else None

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        removed = obj is not None and obj.status == Status.REMOVED
        return super().has_change_permission(request, obj) and not removed

    def add_view(
        self,
        request: HttpRequest,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        location = self._location(request, None)
        if location is None:
            messages.info(
                request, gettext("Open the location that gets the EVSE and choose “Add an EVSE”.")
            )
            return HttpResponseRedirect(reverse("admin:locations_location_changelist"))
        context = {"location": location, "title": gettext("Add an EVSE"), **(extra_context or {})}
        return super().add_view(request, form_url, context)

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: Any = None) -> Any:
        return self._next_page(request, obj) or super().response_add(
            request, obj, post_url_continue
        )

    def response_change(self, request: HttpRequest, obj: Any) -> Any:
        return self._next_page(request, obj) or super().response_change(request, obj)

    def _next_page(self, request: HttpRequest, obj: Evse) -> HttpResponse | None:
        """Return to the location, or to the next EVSE of it."""
        if "_continue" in request.POST:
            return None
        messages.success(request, gettext("EVSE %(evse)s is saved.") % {"evse": obj})
        if "_addanother" in request.POST:
            url = reverse("admin:locations_evse_add")
            return HttpResponseRedirect(f"{url}?location={obj.location_id}")
        return HttpResponseRedirect(change_url(obj.location))

    def put(self, form: EvseForm, now: datetime) -> Evse:
        assert form.location is not None  # noqa: S101  `add_view` sees to it
        with transaction.atomic():
            # Stations change the status while a person edits: it stays as it is now.
            Location.objects.select_for_update().get(pk=form.location.pk)
            status = Evse.objects.filter(pk=form.instance.pk).values_list("status", flat=True)
            shape = form.shape
            if form.instance.pk is not None:
                shape = shape.model_copy(update={"status": status.get()})
            elif Evse.objects.filter(uid=shape.uid).exists():
                raise operations.EvseElsewhere(f"uid: {shape.uid} exists already")
            row, _outcome = operations.put_evse(location_id=form.location.pk, evse=shape, now=now)
        return row

    def get_urls(self) -> list[Any]:
        status = self.admin_site.admin_view(self.status_view)
        own = [path("<int:object_id>/status/", status, name="locations_evse_status")]
        return [*own, *super().get_urls()]

    def form_context(self, request: HttpRequest, object_id: str | None) -> dict[str, Any]:
        context = super().form_context(request, object_id)
        row = None
        if object_id and str(object_id).isdigit():
            row = Evse.objects.select_related("location").filter(pk=int(object_id)).first()
        if row is not None:
            context |= {
                "location": row.location,
                "status_label": status_pill(row.status),
                "status_buttons": self._status_buttons(request, row),
                "since": moment(row.last_updated),
            }
        return context

    def _status_buttons(self, request: HttpRequest, evse: Evse) -> list[Button]:
        if not self.has_change_permission(request, evse):
            return []
        url = reverse("admin:locations_evse_status", args=[evse.pk])
        return [
            Button(
                status.label,
                url,
                post=True,
                tone="warn" if status is Status.REMOVED else "",
                values={"status": status.value},
            )
            for status in STATUS_TONES
            if status.value != evse.status
        ]

    def status_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Set the status of an EVSE; removing it asks first."""
        evse = self.found(request, object_id)
        if evse is None:
            return self.missing(request, object_id)
        status = request.POST.get("status", "")
        if request.method != "POST" or status not in Status.values:
            return HttpResponseRedirect(change_url(evse))
        if not self.has_change_permission(request):
            raise PermissionDenied
        if status == Status.REMOVED and "confirmed" not in request.POST:
            return self._ask_to_remove(
                request,
                [evse],
                cancel_url=change_url(evse),
                values=[("status", status), ("confirmed", "1")],
            )
        self._set_status(request, [evse], status)
        return HttpResponseRedirect(change_url(evse))

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions = super().get_actions(request)
        if not self.has_change_permission(request):
            return actions
        for status in STATUS_TONES:
            name = f"set_{status.value.lower()}"
            title = gettext("Set status: %(status)s") % {"status": status.label}
            actions[name] = (partial(_set_status_action, status=status.value), name, title)
        return actions

    def set_statuses(self, request: HttpRequest, queryset: Any, status: str) -> Any:
        """Set the status of the chosen EVSEs; removing them asks first."""
        evses = list(queryset)
        if status == Status.REMOVED and "confirmed" not in request.POST:
            chosen = [("_selected_action", str(evse.pk)) for evse in evses]
            return self._ask_to_remove(
                request,
                evses,
                cancel_url=self.list_url(),
                values=[("action", "set_removed"), ("confirmed", "1"), *chosen],
            )
        self._set_status(request, evses, status)
        return None

    def _ask_to_remove(
        self,
        request: HttpRequest,
        evses: Sequence[Evse],
        *,
        cancel_url: str,
        values: list[tuple[str, str]],
    ) -> HttpResponse:
        return self.confirm(
            request,
            title=ngettext("Remove this EVSE?", "Remove %(total)s EVSEs?", len(evses))
            % {"total": len(evses)},
            sentences=[
                gettext("It gets the status “Removed” and can never come back."),
                gettext("Its uid cannot be used again, not even for a new station at this place."),
                gettext("Partners will be told at once. Its sessions and CDRs stay."),
            ],
            links=[str(evse) for evse in evses[:20]],
            button=gettext("Remove for good"),
            cancel_url=cancel_url,
            danger=True,
            values=values,
        )

    def _set_status(self, request: HttpRequest, evses: Sequence[Evse], status: str) -> None:
        now, changed = clock.now(), 0
        for evse in evses:
            try:
                if operations.set_evse_status(evse_id=evse.pk, status=status, now=now):
                    changed += 1
                    self.log_change(request, evse, f"status: {status}")
            except operations.EvseRemoved:
                messages.error(request, gettext("%(evse)s is removed for good.") % {"evse": evse})
        label = Status(status).label
        if changed:
            text = ngettext(
                "%(total)s EVSE is now: %(status)s. Partners will be told.",
                "%(total)s EVSEs are now: %(status)s. Partners will be told.",
                changed,
            )
            messages.success(request, text % {"total": changed, "status": label})
        else:
            messages.info(request, gettext("Nothing to change."))

    def view_heading(self, obj: Evse) -> object:
        return format_html("{} {}", status_pill(obj.status), link(obj.location))

    def view_panels(self, obj: Evse) -> list[Panel]:
        return [
            Panel(
                title=_("Connectors"),
                columns=(_("id"), _("connector"), _("tariffs")),
                rows=[
                    (
                        connector.ocpi_id,
                        connector_text(connector),
                        _lines(tariff.ocpi_id for tariff in connector.tariffs.all()),
                    )
                    for connector in obj.connectors.prefetch_related("tariffs")
                ],
            )
        ]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        counts = dict(Evse.objects.values_list("status").annotate(Count("pk")))
        chosen = request.GET.get("status__exact")
        chips = [
            {
                "label": status.label,
                "tone": tone,
                "count": counts[status.value],
                "url": f"?status__exact={status.value}",
                "current": chosen == status.value,
            }
            for status, tone in STATUS_TONES.items()
            if counts.get(status.value)
        ]
        return super().changelist_view(request, {"chips": chips, **(extra_context or {})})

    @admin.display(description=_("EVSE"), ordering="evse_id")
    def title(self, row: Evse) -> object:
        return row.evse_id or row.uid

    @admin.display(description=_("status"), ordering="status")
    def state(self, row: Evse) -> str:
        return status_pill(row.status)

    @admin.display(description=_("location"), ordering="location__name")
    def place(self, row: Evse) -> str:
        location = row.location
        return link(location, f"{location.name or location.address}, {location.city}")

    @admin.display(description=_("connectors"))
    def connectors(self, row: Evse) -> str:
        return _lines(connector_text(connector) for connector in row.connectors.all())

    @admin.display(description=_("updated (UTC)"), ordering="last_updated")
    def updated(self, row: Evse) -> object:
        return minute(row.last_updated)


def _set_status_action(
    model_admin: EvseAdmin, request: HttpRequest, queryset: Any, *, status: str
) -> Any:
    return model_admin.set_statuses(request, queryset, status)
