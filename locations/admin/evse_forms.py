"""The form of an EVSE with its connectors."""

from decimal import Decimal
from functools import partial
from operator import attrgetter
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import prefetch_related_objects
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (  # type: ignore[import-untyped]
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminSelectWidget,
)

from cpo_platform.common.admin import Findings, PartsForm
from cpo_platform.common.formfields import (
    LinesField,
    OpenChoicesField,
    images_field,
    local_periods,
    periods_field,
    resolve_periods,
    text_field,
    texts_field,
    words_field,
)
from cpo_platform.common.shapes import Problem, ShapeError, parse
from locations import canonical, operations
from locations.admin.connectors import CONNECTOR_FORMSET, ConnectorFormSet
from locations.models import (
    Capability,
    Evse,
    EvsePosition,
    Location,
    ParkingRestriction,
    Status,
)
from locations.shapes import EvseShape
from tariffs.models import Tariff


def _read_position(line: str) -> dict[str, str]:
    """Return where the EVSE stands at a parking place: `P1 LEFT`.

    Raises:
        ValueError: it is no such line.

    """
    name, _space, position = line.rpartition(" ")
    if not name.strip() or position.upper() not in EvsePosition.values:
        raise ValueError(gettext("write a parking place and LEFT, RIGHT or CENTER."))
    return {"parking_id": name.strip(), "evse_position": position.upper()}


class EvseForm(PartsForm):
    """An EVSE with its connectors, in OCPI's order."""

    uid = text_field(
        label=_("uid"),
        max_length=36,
        required=True,
        help_text=_(
            "Any name of yours, such as NWC-1-A. It never changes and is never used again: no "
            "serial number."
        ),
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
    capabilities = OpenChoicesField(
        label=_("capabilities"),
        known=Capability.choices,
        help_text=_(
            "What drivers are told, and apps go by: they can start a session only where “Remote "
            "start and stop” is ticked. For a new EVSE it is, and “RFID reader”, as nearly every "
            "public station has both: take away what yours cannot do."
        ),
    )
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
    position_lines = LinesField(
        label=_("where the EVSE stands"),
        help_text=_(
            "Seen by who drives into the parking place, one place per line: “P1 LEFT”, RIGHT or "
            "CENTER."
        ),
        read=_read_position,
        write=lambda item: f"{item['parking_id']} {item['evse_position']}",
    )
    image_lines = images_field(label=_("images"))
    providers = words_field(
        label=_("accepted service providers"), help_text=_("One name per line.")
    )

    location: Location | None = None
    fixed = ("uid",)
    part_name = "connectors"
    part_title = _("connector %(number)s")
    parts_are_wrong = _("Look at the connectors below.")
    stand_in_part = {
        "id": "1",
        "standard": "IEC_62196_T2",
        "format": "SOCKET",
        "power_type": "AC_1_PHASE",
        "max_voltage": 230,
        "max_amperage": 16,
    }
    parts_are_missing = _("An EVSE needs at least one connector.")
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

    # Of what was written, and cannot be read.
    stand_ins = {
        "uid": "X",
        "status": Status.UNKNOWN,
        **dict.fromkeys(("evse_id", "floor_level", "physical_reference"), ""),
        **dict.fromkeys(("latitude", "longitude"), Decimal(1)),
        **dict.fromkeys(("schedule", "capabilities", "direction_texts", "image_lines"), ()),
        **dict.fromkeys(("parking_restrictions", "parking_ids", "position_lines"), ()),
        "providers": (),
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
        if self.initial.get("first_connector"):
            # On the page only: a file that says no connector is not given one by us.
            self.connectors.forms[0].fields["id"].initial = self.initial["first_connector"]

    def _connectors(self) -> list[dict[str, Any]]:
        if self.instance.pk is None:
            return [{}]
        connectors = sorted(self.instance.connectors.all(), key=attrgetter("pk"))
        # Nothing is asked where they are there already.
        prefetch_related_objects(connectors, "tariffs")
        return [canonical.connector_shape_of(one).model_dump() for one in connectors]

    def _tariffs(self) -> list[tuple[str, str]]:
        if self.location is None:
            return []
        party = (self.location.country_code, self.location.party_id)
        # Once in a request: many EVSEs are written in one by bulk changes.
        known: dict[tuple[str, str], list[tuple[str, str]]] = getattr(
            self.request, "tariffs_of_parties", {}
        )
        if party not in known:
            known[party] = _tariffs_of(*party)
            if self.request is not None:
                self.request.tariffs_of_parties = known  # type: ignore[attr-defined]
        return known[party]

    def content_of(self, row: Evse) -> str:
        connectors = sorted((one.pk, one.last_updated) for one in row.connectors.all())
        return super().content_of(row) + repr(connectors)

    def values_of(self, row: Evse) -> dict[str, Any]:
        coordinates = {
            name: None if value is None else canonical.coordinate_text(value)
            for name in ("latitude", "longitude")
            for value in (getattr(row, name),)
        }
        stands = [
            (parking.parking_place.ocpi_id, parking.evse_position)
            for parking in sorted(row.parking.all(), key=attrgetter("pk"))
        ]
        return {
            "uid": row.uid,
            "status": row.status,
            "schedule": local_periods(row.status_schedule, ZoneInfo(row.location.time_zone)),
            "direction_texts": row.directions,
            "parking_ids": [place for place, _position in stands],
            "position_lines": [
                {"parking_id": place, "evse_position": position}
                for place, position in stands
                if position
            ],
            "image_lines": row.images,
            "providers": row.accepted_service_providers,
            **coordinates,
        }

    def build_with(self, parts: list[dict[str, Any]]) -> EvseShape:
        findings = Findings()
        document = self._document(parts, findings)
        return findings.whole(lambda: parse(EvseShape, document))  # type: ignore[no-any-return]

    def clean_uid(self) -> str:
        """Refuse the uid of another EVSE at once, and not when everything else is right."""
        uid = str(self.cleaned_data["uid"])
        is_asked = self.instance.pk is None and self.refusal is None
        if is_asked and Evse.objects.filter(uid=uid).exists():
            raise ValidationError(self.refusals[operations.EvseElsewhere][1])
        return uid

    def clean_position_lines(self) -> list[dict[str, str]]:
        """Refuse a position at a place that is not chosen."""
        items: list[dict[str, str]] = self.cleaned_data["position_lines"]
        chosen = self.cleaned_data.get("parking_ids") or []
        for item in items:
            if item["parking_id"] not in chosen:
                raise ValidationError(
                    gettext("Choose the parking place %(name)s above first.")
                    % {"name": item["parking_id"]}
                )
        return items

    def _document(self, connectors: list[dict[str, Any]], findings: Findings) -> dict[str, Any]:
        assert self.location is not None  # noqa: S101  there is no page without one
        zone = ZoneInfo(self.location.time_zone)
        data = self.cleaned_data
        positions = {item["parking_id"]: item["evse_position"] for item in data["position_lines"]}
        return {
            "uid": data["uid"],
            "evse_id": data["evse_id"] or None,
            "status": data.get("status") or self.instance.status,
            "status_schedule": findings.of(partial(self._schedule, zone)),
            "capabilities": data["capabilities"],
            "connectors": connectors,
            "floor_level": data["floor_level"] or None,
            "coordinates": findings.of(self._coordinates),
            "physical_reference": data["physical_reference"] or None,
            "directions": data["direction_texts"],
            "parking_restrictions": data["parking_restrictions"],
            "parking": [
                {"parking_id": parking_id, "evse_position": positions.pop(parking_id, None)}
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
            "latitude": canonical.coordinate_text(latitude),
            "longitude": canonical.coordinate_text(longitude),
        }


def _tariffs_of(country_code: str, party_id: str) -> list[tuple[str, str]]:
    """Return the tariffs in use of a party, as choices."""
    rows = (
        Tariff.objects.in_use()
        .filter(country_code=country_code, party_id=party_id)
        .order_by("ocpi_id")
        .values_list("ocpi_id", "currency")
    )
    return [(ocpi_id, f"{ocpi_id} ({currency})") for ocpi_id, currency in rows]
