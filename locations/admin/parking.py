"""The pages of parking places: kinds of parking space at a location (OCPI 2.3.0 Parking)."""

from datetime import datetime
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from cpo_platform.common import clock
from cpo_platform.common.admin import OperationForm, Way, change_url, link
from cpo_platform.common.formfields import (
    OpenChoicesField,
    images_field,
    text_field,
    words_field,
)
from cpo_platform.common.shapes import parse
from locations import operations
from locations.admin.part_pages import PartAdmin
from locations.models import Evse, Location, ParkingPlace
from locations.shapes import ParkingShape

VEHICLE_CHOICES = [
    ("MOTORCYCLE", _("Motorcycle")),
    ("PERSONAL_VEHICLE", _("Car")),
    ("PERSONAL_VEHICLE_WITH_TRAILER", _("Car with a trailer")),
    ("VAN", _("Van")),
    ("SEMI_TRACTOR", _("Tractor unit")),
    ("RIGID", _("Lorry")),
    ("TRUCK_WITH_TRAILER", _("Lorry with a trailer")),
    ("BUS", _("Bus")),
    ("DISABLED", _("For disabled people")),
]
# What drivers are told in numbers, and by yes or no.
MEASURES = (
    *("max_vehicle_weight", "max_vehicle_height", "max_vehicle_length", "max_vehicle_width"),
    *("parking_space_length", "parking_space_width", "time_limit"),
)
ANSWERS = (
    *("restricted_to_type", "reservation_required", "drive_through", "roofed", "lighting"),
    *("refrigeration_outlet", "dangerous_goods_allowed"),
)


class ParkingPlaceForm(OperationForm):
    """A parking place, in OCPI's order."""

    ocpi_id = text_field(
        label=_("id"),
        max_length=36,
        required=True,
        help_text=_("Names the place towards partners. This cannot be changed later."),
    )
    vehicle_types = OpenChoicesField(
        label=_("vehicle types"), known=VEHICLE_CHOICES, required=True, initial=["PERSONAL_VEHICLE"]
    )
    standards = words_field(label=_("standards"), help_text=_("One name per line."))
    image_lines = images_field(label=_("images"))

    location: Location | None = None
    fixed = ("ocpi_id",)
    places = {"id": "ocpi_id", "images": "image_lines"}
    refusals = {
        operations.ParkingPlaceExists: (
            "ocpi_id",
            _("This location has a parking place with this id."),
        )
    }

    class Meta:
        model = ParkingPlace
        fields = ("physical_reference", "direction", "apds_reference", *MEASURES, *ANSWERS)

    def clean_ocpi_id(self) -> str:
        """Refuse the id of another place at once, and not when everything else is right."""
        name = str(self.cleaned_data["ocpi_id"])
        is_asked = self.instance.pk is None and self.refusal is None
        places = ParkingPlace.objects.filter(location=self.location, ocpi_id=name)
        if is_asked and places.exists():
            raise ValidationError(self.refusals[operations.ParkingPlaceExists][1])
        return name

    def values_of(self, row: ParkingPlace) -> dict[str, Any]:
        return {
            "ocpi_id": row.ocpi_id,
            "vehicle_types": row.vehicle_types,
            "standards": row.standards,
            "image_lines": row.images,
        }

    def build(self) -> ParkingShape:
        data = self.cleaned_data
        texts = ("physical_reference", "direction", "apds_reference")
        return parse(
            ParkingShape,
            {
                "id": data["ocpi_id"],
                "vehicle_types": data["vehicle_types"],
                "standards": data["standards"] or None,
                "images": data["image_lines"] or None,
                **{name: data[name] or None for name in texts},
                **{name: data[name] for name in (*MEASURES, *ANSWERS)},
            },
        )


@admin.register(ParkingPlace)
class ParkingPlaceAdmin(PartAdmin):
    """Parking places; they are reached from their location, and chosen at its EVSEs."""

    how_to_add = _("Open a location and choose “Add a parking place”.")
    anchor = "#parking"
    form = ParkingPlaceForm
    scope = Way(party="location", location="location")
    list_display = ("title", "place", "vehicles")
    list_display_links = ("title",)
    list_select_related = ("location",)
    search_fields = ("ocpi_id", "physical_reference")
    search_help_text = _("Search by id or reference")
    ordering = ("location_id", "ocpi_id")
    empty_text = _("Open a location and choose “Add a parking place”.")
    fieldsets = (
        (None, {"fields": (("ocpi_id", "physical_reference"), "vehicle_types")}),
        (_("Rules"), {"fields": (ANSWERS[:2], "time_limit", "dangerous_goods_allowed")}),
        (
            _("Measures"),
            {
                "fields": (
                    ("max_vehicle_height", "max_vehicle_weight"),
                    ("max_vehicle_length", "max_vehicle_width"),
                    ("parking_space_length", "parking_space_width"),
                )
            },
        ),
        (
            _("On site"),
            {
                "fields": (
                    ("direction", "drive_through"),
                    ("roofed", "lighting"),
                    "refrigeration_outlet",
                    "standards",
                    "image_lines",
                    "apds_reference",
                )
            },
        ),
    )

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Allow it to whoever may change the location: a place is a part of it."""
        return request.user.has_perm("locations.change_location")

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Ask, then delete the parking place."""
        place = self.get_object(request, object_id)
        if not self.has_delete_permission(request, place):
            raise PermissionDenied
        if place is None:
            return self.missing(request, object_id)
        if request.method == "POST":
            return self._delete(request, place)
        evses = list(Evse.objects.filter(parking__parking_place=place).order_by("evse_id", "pk"))
        return self.confirm(
            request,
            title=gettext("Delete the parking place %(place)s?") % {"place": place},
            sentences=[
                ngettext(
                    "%(number)s EVSE stands at it. It stays, and does not name the place any more.",
                    "%(number)s EVSEs stand at it. They stay, and do not name the place any more.",
                    len(evses),
                )
                % {"number": len(evses)}
                if evses
                else gettext("No EVSE stands at it."),
                gettext("Partners will be told of the location without it."),
            ],
            links=[link(evse) for evse in evses[:20]],
            button=gettext("Delete for good"),
            cancel_url=change_url(place),
            danger=True,
        )

    def _delete(self, request: HttpRequest, place: ParkingPlace) -> HttpResponse:
        try:
            operations.delete_parking_place(place_id=place.pk, now=clock.now())
        except ParkingPlace.DoesNotExist:
            return self.missing(request, place.pk)
        self.log_deletions(request, [place])
        text = gettext("Parking place %(place)s is deleted. Partners will be told.")
        messages.success(request, text % {"place": place})
        return HttpResponseRedirect(f"{change_url(place.location)}{self.anchor}")

    def saved_text(self, obj: ParkingPlace) -> str:
        return gettext("Parking place %(place)s is saved.") % {"place": obj}

    def put(self, form: ParkingPlaceForm, now: datetime) -> ParkingPlace:
        assert form.location is not None  # noqa: S101  `add_view` sees to it
        return operations.put_parking_place(
            location_id=form.location.pk,
            place=form.shape,
            is_new=form.instance.pk is None,
            now=now,
        )

    @admin.display(description=_("parking place"), ordering="ocpi_id")
    def title(self, row: ParkingPlace) -> object:
        return row.ocpi_id

    @admin.display(description=_("location"))
    def place(self, row: ParkingPlace) -> str:
        return link(row.location, row.location.name or row.location.address)

    @admin.display(description=_("vehicle types"))
    def vehicles(self, row: ParkingPlace) -> str:
        return ", ".join(row.vehicle_types)
