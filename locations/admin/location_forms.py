"""The form of a location."""

from decimal import Decimal
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (  # type: ignore[import-untyped]
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from cpo_platform.common.admin import (
    Findings,
    OperationForm,
    green_field,
    mix_document,
    mix_values,
    sources_field,
)
from cpo_platform.common.formfields import (
    DayHoursField,
    OpenChoiceField,
    OpenChoicesField,
    amounts_field,
    images_field,
    periods_field,
    places_field,
    publish_to_field,
    text_field,
    texts_field,
    url_field,
)
from cpo_platform.common.shapes import Problem, ShapeError, parse
from locations import canonical
from locations.admin.location_hours import DAYS, hours_values, resolved
from locations.countries import ALPHA_3, CODES, TIME_ZONES
from locations.models import Facility, Location, ParkingType
from locations.operations import LocationExists
from locations.shapes import LocationShape
from tariffs.admin import PartyField
from tariffs.operations import UnknownParty

BUSINESSES = ("operator", "suboperator", "owner")


def _business_fields(title: Any) -> tuple[forms.Field, forms.Field, forms.Field]:
    return (
        text_field(label=title, max_length=100),
        url_field(label=_("website")),
        images_field(
            label=_("logo"),
            rows=1,
            help_text=_("An image, such as “OPERATOR https://…/logo.png 120x60”."),
        ),
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
    operator_name, operator_website, operator_logo = _business_fields(_("operator"))
    suboperator_name, suboperator_website, suboperator_logo = _business_fields(_("suboperator"))
    owner_name, owner_website, owner_logo = _business_fields(_("owner"))
    facilities = OpenChoicesField(label=_("facilities"), known=Facility.choices)
    # As long as somebody writes it: what is cut to three letters may be another country.
    country = text_field(
        label=_("country"),
        required=True,
        help_text=_("Three letters (ISO 3166-1 alpha-3): DEU, NLD."),
    )
    time_zone = forms.CharField(
        label=_("time zone"),
        max_length=255,
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "Europe/Berlin"}),
        help_text=_(
            "IANA name, such as Europe/Berlin or Asia/Tokyo. Empty: that of the country, where it "
            "has only one."
        ),
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
        help_text=_("Hours are local time: “08:00-12:00, 13:00-18:00” or “8-18”. Empty: closed."),
    )
    monday, tuesday, wednesday, thursday, friday, saturday, sunday = (
        DayHoursField(label=label) for _name, label in DAYS
    )
    openings = periods_field(
        label=_("also open"),
        help_text=_(
            "Exceptions, one per line, in local time (or in UTC with a Z at the end). Hours of one "
            "day: “2026-12-24 8-12”."
        ),
    )
    closings = periods_field(label=_("closed on"))
    image_lines = images_field(label=_("images"))
    green = green_field()
    supplier_name = text_field(label=_("supplier"), max_length=64)
    energy_product_name = text_field(label=_("energy product"), max_length=64)
    energy_sources = sources_field()
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
        **{f"{name}.logo": f"{name}_logo" for name in BUSINESSES},
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
    refusals = {
        UnknownParty: ("party", _("This party does not exist any more.")),
        LocationExists: ("ocpi_id", _("This party has a location with this id.")),
    }
    # Of what was written, and cannot be read: hours and names were meant, whatever they are.
    stand_ins = {
        "party": "NL*XXX",
        **dict.fromkeys(("ocpi_id", "address", "city"), "X"),
        **dict.fromkeys(("name", "postal_code", "state", "help_phone"), ""),
        **dict.fromkeys((f"{name}_name" for name in BUSINESSES), "X"),
        **dict.fromkeys((f"{name}_website" for name in BUSINESSES), ""),
        **dict.fromkeys((f"{name}_logo" for name in BUSINESSES), ()),
        **dict.fromkeys(("latitude", "longitude"), Decimal(1)),
        **dict.fromkeys((name for name, _label in DAYS), (("08:00", "18:00"),)),
        **dict.fromkeys(("publish_to", "related", "direction_texts", "image_lines"), ()),
        **dict.fromkeys(("openings", "closings", "environ_impact", "facilities"), ()),
        **dict.fromkeys(("supplier_name", "energy_product_name"), ""),
        "energy_sources": (),
        "country": "NLD",
        "time_zone": "UTC",
        "parking_type": "",
    }

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
        return {
            "party": row.party,
            "ocpi_id": row.ocpi_id,
            "publish_to": row.publish_allowed_to,
            "latitude": canonical.coordinate_text(row.latitude),
            "longitude": canonical.coordinate_text(row.longitude),
            "related": row.related_locations,
            "direction_texts": row.directions,
            "image_lines": row.images,
            **mix_values(row.energy_mix),
            "environ_impact": (row.energy_mix or {}).get("environ_impact") or [],
            **hours_values(row.opening_times, ZoneInfo(row.time_zone)),
            **{
                f"{business}_{part}": (getattr(row, business) or {}).get(part)
                for business in BUSINESSES
                for part in ("name", "website")
            },
            **{f"{name}_logo": _logo_lines(getattr(row, name)) for name in BUSINESSES},
        }

    def clean(self) -> Any:
        data = super().clean()
        if self.is_taken(Location.objects.all()):
            self.add_error("ocpi_id", self.refusals[LocationExists][1])
        return data

    def clean_country(self) -> str:
        """Return the code of a country in three letters; two are taken where we know them."""
        written = str(self.cleaned_data["country"]).strip()
        code = ALPHA_3.get(written.upper(), written.upper())
        if code not in CODES:
            raise ValidationError(
                gettext("There is no country with the code %(code)s: Germany is DEU.")
                % {"code": written}
            )
        return code

    def clean_time_zone(self) -> str:
        """Return the time zone; where none is said, that of the country, as imports do."""
        name = str(self.cleaned_data["time_zone"]).strip()
        if not name:
            return self._usual_time_zone()
        if name not in available_timezones():
            raise ValidationError(_("There is no such time zone: write one like Europe/Berlin."))
        return name

    def _usual_time_zone(self) -> str:
        country = self.cleaned_data.get("country")
        if country is None:
            # It is refused itself: nothing is said of what hangs on it.
            return str(self.stand_ins["time_zone"])
        if country not in TIME_ZONES:
            raise ValidationError(
                gettext(
                    "Write a time zone, such as Europe/Berlin: %(country)s has several, or is not "
                    "known to us."
                )
                % {"country": country}
            )
        return TIME_ZONES[country]

    def build(self) -> LocationShape:
        findings = Findings()
        document = self._document(findings)
        return findings.whole(lambda: parse(LocationShape, document))  # type: ignore[no-any-return]

    def _document(self, findings: Findings) -> dict[str, Any]:
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
                name: canonical.coordinate_text(data[name]) for name in ("latitude", "longitude")
            },
            "related_locations": data["related"],
            "directions": data["direction_texts"],
            **{name: findings.of(partial(self._business, name)) for name in BUSINESSES},
            "facilities": data["facilities"],
            "opening_times": findings.of(self._opening_times),
            "charging_when_closed": data["charging_when_closed"],
            "images": data["image_lines"],
            "energy_mix": findings.of(lambda: mix_document(data, data["environ_impact"] or None)),
        }

    def _business(self, name: str) -> dict[str, Any] | None:
        data = self.cleaned_data
        title, website = data[f"{name}_name"], data[f"{name}_website"]
        logos = data[f"{name}_logo"]
        if not title:
            if website:
                raise ShapeError([Problem(name, gettext("A website needs a name as well."))])
            if logos:
                raise ShapeError([Problem(name, gettext("A logo needs a name as well."))])
            return None
        if len(logos) > 1:
            raise ShapeError([Problem(f"{name}.logo", gettext("Give one image only."))])
        return {"name": title, "website": website or None, "logo": logos[0] if logos else None}

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
            "exceptional_openings": resolved("openings", data["openings"], zone),
            "exceptional_closings": resolved("closings", data["closings"], zone),
        }


def _logo_lines(business: dict[str, Any] | None) -> list[Any]:
    logo = (business or {}).get("logo")
    return [logo] if logo else []
