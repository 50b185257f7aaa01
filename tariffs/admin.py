"""The admin pages of parties and tariffs. Everything is saved by `tariffs.operations`."""

from collections.abc import Iterator, Sequence
from datetime import datetime, time
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Count
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.translation import gettext, ngettext, pgettext
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
    FormSet,
    OperationAdmin,
    OperationForm,
    link_to,
    minute,
    money,
    number,
    pill,
)
from cpo_platform.common.formfields import (
    amounts_field,
    images_field,
    text_field,
    texts_field,
)
from cpo_platform.common.shapes import BusinessDetails, Problem, ShapeError, parse
from tariffs import operations
from tariffs.models import (
    DayOfWeek,
    Party,
    ReservationRestrictionType,
    Tariff,
    TariffDimensionType,
    TariffType,
)
from tariffs.shapes import TariffElementShape, TariffRestrictionsShape, TariffShape

DIMENSIONS = (
    TariffDimensionType.ENERGY,
    TariffDimensionType.TIME,
    TariffDimensionType.PARKING_TIME,
    TariffDimensionType.FLAT,
)
LIMITS = ("kwh", "power", "current", "duration")


# Parties


class PartyForm(OperationForm):
    """A party and its business details."""

    logo_line = images_field(
        label=_("logo"),
        help_text=_("Category and address of the image: “OPERATOR https://…/logo.png 400x400”."),
    )

    places = {"logo": "logo_line"}
    fixed = ("country_code", "party_id")

    class Meta:
        model = Party
        fields = ("country_code", "party_id", "name", "website")

    def values_of(self, row: Party) -> dict[str, Any]:
        return {"logo_line": [row.logo] if row.logo else []}

    def clean_country_code(self) -> str:
        return str(self.cleaned_data["country_code"]).upper()

    def clean_party_id(self) -> str:
        return str(self.cleaned_data["party_id"]).upper()

    def build(self) -> BusinessDetails:
        data = self.cleaned_data
        logos = data["logo_line"]
        if len(logos) > 1:
            raise ShapeError([Problem("logo", gettext("a party has one logo."))])
        if self.instance.pk is None and self._exists():
            raise ShapeError([Problem("party_id", gettext("This party exists already."))])
        return parse(
            BusinessDetails,
            {
                "name": data["name"],
                "website": data["website"] or None,
                "logo": logos[0] if logos else None,
            },
        )

    def _exists(self) -> bool:
        data = self.cleaned_data
        return Party.objects.filter(
            country_code=data["country_code"], party_id=data["party_id"]
        ).exists()


@admin.register(Party)
class PartyAdmin(OperationAdmin):
    """Our CPO parties: every location, tariff, session and CDR belongs to one."""

    form = PartyForm
    list_display = ("party", "name", "website", "tariff_count")
    list_display_links = ("party", "name")
    search_fields = ("country_code", "party_id", "name")
    search_help_text = _("Search by country, party id or name")
    ordering = ("country_code", "party_id")
    empty_text = _(
        "A party is who you are to other platforms, such as DE*ABC. Create it first: locations and "
        "tariffs belong to one."
    )
    fieldsets = (
        (
            None,
            {
                "fields": (("country_code", "party_id"), "name", "website", "logo_line"),
                "description": _(
                    "Country code and party id are assigned to you by the id office of your "
                    "country. They cannot be changed later."
                ),
            },
        ),
    )

    def put(self, form: PartyForm, now: datetime) -> Party:
        party, _outcome = operations.put_party(
            country_code=form.cleaned_data["country_code"],
            party_id=form.cleaned_data["party_id"],
            business_details=form.shape,
        )
        return party

    @admin.display(description=_("party"), ordering="country_code")
    def party(self, row: Party) -> str:
        return f"{row.country_code}*{row.party_id}"

    @admin.display(description=_("tariffs"))
    def tariff_count(self, row: Party) -> str:
        url = reverse("admin:tariffs_tariff_changelist")
        party = f"{row.country_code}*{row.party_id}"
        return link_to(f"{url}?party={party}", _("show"))


class PartyFilter(admin.SimpleListFilter):
    """Rows of one of our parties; offered when there are several."""

    title = _("party")
    parameter_name = "party"
    path = ""

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return party_choices()

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        country_code, _star, party_id = (self.value() or "").partition("*")
        if not party_id:
            return queryset
        return queryset.filter(
            **{f"{self.path}country_code": country_code, f"{self.path}party_id": party_id}
        )


def party_choices() -> list[tuple[str, str]]:
    """Return our parties as choices: `DE*ABC` and the name."""
    rows = Party.objects.order_by("country_code", "party_id").values_list(
        "country_code", "party_id", "name"
    )[:200]
    return [(f"{code}*{party}", f"{code}*{party} {name}") for code, party, name in rows]


class PartyField(forms.ChoiceField):
    """A choice of our parties; fixed once the object exists, since it is part of its identity."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            choices=party_choices,
            label=_("party"),
            widget=UnfoldAdminSelectWidget,
            help_text=_("Who owns it. This cannot be changed later."),
            **kwargs,
        )


# The elements of a tariff


class DurationField(forms.CharField):
    """Seconds, written as minutes (`90`) or as minutes and seconds (`1:30`)."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, widget=UnfoldAdminTextInputWidget, **kwargs)

    def prepare_value(self, value: Any) -> Any:
        if not isinstance(value, int):
            return value
        minutes, seconds = divmod(value, 60)
        return f"{minutes}:{seconds:02}" if seconds else str(minutes)

    def clean(self, value: Any) -> Any:
        text = str(value or "").strip()
        if not text:
            return None
        minutes, colon, seconds = text.partition(":")
        if not minutes.isdecimal() or (colon and not (seconds.isdecimal() and int(seconds) < 60)):
            raise ValidationError(_("Write minutes, such as 90, or minutes and seconds: 1:30."))
        return int(minutes) * 60 + (int(seconds) if colon else 0)

    def has_changed(self, initial: Any, data: Any) -> bool:
        return str(self.prepare_value(initial) or "") != str(data or "").strip()


class ClockField(forms.TimeField):
    """A time of day without seconds."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            required=False,
            input_formats=["%H:%M"],
            widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "08:00", "size": 6}),
            **kwargs,
        )

    def prepare_value(self, value: Any) -> Any:
        return value.strftime("%H:%M") if hasattr(value, "strftime") else value


def _amount(label: Any, **kwargs: Any) -> forms.DecimalField:
    kwargs.setdefault("min_value", Decimal(0))
    return forms.DecimalField(
        label=label,
        required=False,
        max_digits=12,
        decimal_places=4,
        widget=UnfoldAdminDecimalFieldWidget(attrs={"step": "any"}),
        **kwargs,
    )


class ElementForm(forms.Form):
    """One tariff element: up to four prices, and when they apply."""

    order = forms.IntegerField(
        label=_("order"),
        min_value=1,
        max_value=999,
        required=False,
        widget=UnfoldAdminIntegerFieldWidget,
    )
    start_time = ClockField(label=_("from time"))
    end_time = ClockField(label=_("until time"))
    start_date = forms.DateField(
        label=_("from date"),
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"type": "date"}),
    )
    end_date = forms.DateField(
        label=_("until date (not included)"),
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"type": "date"}),
    )
    min_kwh = _amount(_("from kWh"))
    max_kwh = _amount(_("until kWh"))
    min_power = _amount(_("from kW"))
    max_power = _amount(_("below kW"))
    min_current = _amount(_("from A"))
    max_current = _amount(_("below A"))
    min_duration = DurationField(label=_("after minutes"))
    max_duration = DurationField(label=_("until minutes"))
    day_of_week = forms.MultipleChoiceField(
        label=_("days of the week"),
        required=False,
        choices=DayOfWeek.choices,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
    )
    reservation = forms.ChoiceField(
        label=_("reservation"),
        required=False,
        choices=[("", _("Charging, no reservation")), *ReservationRestrictionType.choices],
        widget=UnfoldAdminSelectWidget,
    )
    summary = ""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for dimension in DIMENSIONS:
            key = dimension.value
            self.fields[f"{key}_price"] = _amount(dimension.label, min_value=None)
            self.fields[f"{key}_vat"] = forms.DecimalField(
                required=False,
                min_value=0,
                max_digits=7,
                decimal_places=4,
                label=_("VAT %"),
                widget=UnfoldAdminDecimalFieldWidget(attrs={"step": "any"}),
            )
            self.fields[f"{key}_step"] = forms.IntegerField(
                required=False,
                min_value=0,
                max_value=2_147_483_647,
                label=_("step"),
                widget=UnfoldAdminIntegerFieldWidget(attrs={"placeholder": "1"}),
            )
            for part, title in (("price", _("price")), ("vat", _("VAT %")), ("step", _("step"))):
                self.fields[f"{key}_{part}"].widget.attrs["aria-label"] = (
                    f"{dimension.label}: {title}"
                )

    @property
    def price_rows(self) -> list[tuple[str, Any, Any, Any, str]]:
        """Return the four rows of prices: label, the fields, the unit of the step."""
        units = {"ENERGY": "Wh", "FLAT": ""}
        return [
            (
                str(dimension.label),
                self[f"{dimension.value}_price"],
                self[f"{dimension.value}_vat"],
                self[f"{dimension.value}_step"],
                units.get(dimension.value, pgettext("unit of time", "seconds")),
            )
            for dimension in DIMENSIONS
        ]

    @property
    def restriction_fields(self) -> list[Any]:
        names = [
            *("start_time", "end_time", "start_date", "end_date"),
            *(f"{end}_{name}" for name in LIMITS for end in ("min", "max")),
            "reservation",
        ]
        return [self[name] for name in names]

    @property
    def is_restricted(self) -> bool:
        """Tell whether there is a restriction or something wrong with one: then it is shown."""
        names = TariffRestrictionsShape.model_fields
        return any(self[name].errors or self[name].value() for name in names)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if data.get("DELETE") or self.errors:
            return data
        if not any(data.get(f"{dimension.value}_price") is not None for dimension in DIMENSIONS):
            raise ValidationError(_("Give at least one price; write 0 for free of charge."))
        return data

    def document(self) -> dict[str, Any]:
        """Return the element as OCPI writes it."""
        data = self.cleaned_data
        components = [
            {
                "type": dimension.value,
                "price": data[f"{dimension.value}_price"],
                "vat": data[f"{dimension.value}_vat"],
                "step_size": 1 if (step := data[f"{dimension.value}_step"]) is None else step,
            }
            for dimension in DIMENSIONS
            if data[f"{dimension.value}_price"] is not None
        ]
        restrictions = {
            name: value
            for name in TariffRestrictionsShape.model_fields
            if (value := data[name]) not in (None, "", [])
        }
        return {"price_components": components, "restrictions": restrictions or None}


def element_values(element: TariffElementShape) -> dict[str, Any]:
    """Return the values of an element's form."""
    values: dict[str, Any] = {}
    for component in element.price_components:
        values |= {
            f"{component.type}_price": number(component.price),
            f"{component.type}_vat": None if component.vat is None else number(component.vat),
            f"{component.type}_step": component.step_size,
        }
    if element.restrictions:
        values |= {
            name: number(value) if isinstance(value, Decimal) else value
            for name, value in element.restrictions.model_dump(exclude_none=True).items()
        }
    return values


class ElementFormSet(FormSet):
    """The elements of a tariff, in the order of their numbers."""

    def add_fields(self, form: ElementForm, index: int | None) -> None:
        super().add_fields(form, index)
        form.fields["DELETE"].label = _("Remove")

    def documents(self) -> list[tuple[int, dict[str, Any]]]:
        """Return the elements that stay, in order, each with the place of its form."""
        forms_left = [
            (form.cleaned_data.get("order") or 1000, place, form)
            for place, form in enumerate(self.forms)
            if form.has_changed() and not form.cleaned_data.get("DELETE")
        ]
        return [(place, form.document()) for _order, place, form in sorted(forms_left, key=_first)]


def _first(item: tuple[int, int, Any]) -> tuple[int, int]:
    return item[0], item[1]


ELEMENT_FORMSET: Any = forms.formset_factory(
    ElementForm, formset=ElementFormSet, extra=0, can_delete=True, max_num=200, absolute_max=201
)


# What an element says, in a sentence


def element_sentence(element: TariffElementShape, currency: str) -> str:
    """Say in one sentence what an element costs and when."""
    prices = ", ".join(
        _price_text(component.type, component.price, component.vat, currency)
        for component in element.price_components
    )
    when = ", ".join(_conditions(element.restrictions)) if element.restrictions else ""
    always = gettext("always")
    return f"{prices} · {when or always}"


def _price_text(kind: str, price: Decimal, vat: Decimal | None, currency: str) -> str:
    amount = money(price, currency)
    text = {
        "ENERGY": gettext("%(amount)s per kWh"),
        "TIME": gettext("%(amount)s per hour of charging"),
        "PARKING_TIME": gettext("%(amount)s per hour of parking"),
        "FLAT": gettext("%(amount)s once"),
    }[kind] % {"amount": amount}
    tax = gettext("VAT")
    return text if vat is None else f"{text} ({tax} {number(vat)} %)"


def _conditions(restrictions: TariffRestrictionsShape) -> Iterator[str]:
    if restrictions.reservation:
        yield str(ReservationRestrictionType(restrictions.reservation).label)
    if restrictions.day_of_week:
        yield _days(restrictions.day_of_week)
    if restrictions.start_time or restrictions.end_time:
        start, end = restrictions.start_time or time(0), restrictions.end_time or time(0)
        yield f"{start:%H:%M}\N{EN DASH}{'24:00' if end == time(0) else f'{end:%H:%M}'}"
    for text, values in _bounds(restrictions):
        yield from (text % {"bound": value} for value in values)


def _days(chosen: Sequence[str]) -> str:
    """Return weekdays, three or more in a row as a range."""
    week = list(DayOfWeek)
    places = sorted(week.index(DayOfWeek(day)) for day in chosen)
    names = [str(week[place].label) for place in places]
    is_range = len(places) > 2 and places[-1] - places[0] == len(places) - 1
    return f"{names[0]}\N{EN DASH}{names[-1]}" if is_range else ", ".join(names)


def _bounds(restrictions: TariffRestrictionsShape) -> Iterator[tuple[str, list[str]]]:
    """Return sentences with a gap for a bound, each with the bounds that are set."""
    dates = (restrictions.start_date, restrictions.end_date)
    yield gettext("from %(bound)s"), [date_format(day) for day in dates[:1] if day]
    yield gettext("before %(bound)s"), [date_format(day) for day in dates[1:] if day]
    for name, unit in (("kwh", "kWh"), ("power", "kW"), ("current", "A")):
        low, high = getattr(restrictions, f"min_{name}"), getattr(restrictions, f"max_{name}")
        yield gettext("from %(bound)s"), [number(low, unit)] if low is not None else []
        yield gettext("below %(bound)s"), [number(high, unit)] if high is not None else []
    for text, seconds in (
        (gettext("after %(bound)s min"), restrictions.min_duration),
        (gettext("until %(bound)s min"), restrictions.max_duration),
    ):
        yield text, [] if seconds is None else [_minutes(seconds)]


def _minutes(seconds: int) -> str:
    return str(DurationField().prepare_value(seconds))


# The page of a tariff


def _price_limit(label: Any, help_text: Any = "") -> forms.DecimalField:
    return _amount(label, help_text=help_text)


def _order_of(card: tuple[ElementForm, str]) -> int:
    """Return the order number of an element's form, as it was sent."""
    value = str(card[0]["order"].value() or "")
    return int(value) if value.isdecimal() else 1000


class TariffForm(OperationForm):
    """A tariff with its elements, in OCPI's order."""

    party = PartyField()
    ocpi_id = text_field(
        label=_("id"),
        max_length=36,
        required=True,
        help_text=_("Names the tariff towards partners. This cannot be changed later."),
    )
    currency = forms.CharField(
        label=_("currency"),
        max_length=3,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "EUR"}),
        help_text=_("Three letters (ISO 4217): EUR, JPY."),
    )
    texts = texts_field(
        label=_("text for drivers"),
        help_text=_(
            "One line per language, such as “en: 0.59 EUR per kWh”. Drivers read it beside the "
            "prices."
        ),
    )
    min_price_before_taxes = _price_limit(
        _("minimum price before taxes"), _("A session costs at least this; not a fee on top.")
    )
    min_price_after_taxes = _price_limit(_("after taxes"))
    max_price_before_taxes = _price_limit(
        _("maximum price before taxes"), _("A session costs at most this.")
    )
    max_price_after_taxes = _price_limit(_("after taxes"))
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

    places = {
        "id": "ocpi_id",
        "country_code": "party",
        "party_id": "party",
        "tariff_alt_text": "texts",
        "min_price.before_taxes": "min_price_before_taxes",
        "min_price.after_taxes": "min_price_after_taxes",
        "max_price.before_taxes": "max_price_before_taxes",
        "max_price.after_taxes": "max_price_after_taxes",
        "energy_mix": "green",
        "energy_mix.supplier_name": "supplier_name",
        "energy_mix.energy_product_name": "energy_product_name",
        "energy_mix.energy_sources": "energy_sources",
    }
    fixed = ("party", "ocpi_id")
    refusals = {
        operations.UnknownParty: ("party", _("This party does not exist any more.")),
    }

    class Meta:
        model = Tariff
        fields = (
            "type",
            "tariff_alt_url",
            "preauthorize_amount",
            "tax_included",
            "start_date_time",
            "end_date_time",
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "type" in self.fields:
            kind = self.fields["type"]
            assert isinstance(kind, forms.ChoiceField)  # noqa: S101  the model has choices
            kind.choices = [("", _("Every session")), *TariffType.choices]
            kind.help_text = _("Which sessions it is for.")
        self.elements: ElementFormSet = ELEMENT_FORMSET(
            self.data if self.is_bound else None, prefix="elements", initial=self._elements()
        )

    def _elements(self) -> list[dict[str, Any]]:
        if self.instance.pk is None:
            return [{"order": 1}]
        elements = operations.shape_of(self.instance).elements
        return [
            element_values(element) | {"order": order}
            for order, element in enumerate(elements, start=1)
        ]

    def sentences(self) -> list[str]:
        """Return what each stored element says."""
        if self.instance.pk is None:
            return []
        shape = operations.shape_of(self.instance)
        return [element_sentence(element, shape.currency) for element in shape.elements]

    def element_cards(self) -> list[tuple[ElementForm, str]]:
        """Return the element forms with their sentences, in order."""
        sentences = self.sentences()
        cards = [
            (form, sentences[place] if place < len(sentences) else gettext("New element"))
            for place, form in enumerate(self.elements.forms)
        ]
        return sorted(cards, key=_order_of)

    def content_of(self, row: Tariff) -> str:
        return row.last_updated.isoformat()

    def values_of(self, row: Tariff) -> dict[str, Any]:
        mix = row.energy_mix or {}
        green = mix.get("is_green_energy")
        limits = {
            name: None if (value := getattr(row, name)) is None else number(value)
            for name in (
                *(
                    f"{end}_price_{tax}_taxes"
                    for end in ("min", "max")
                    for tax in ("before", "after")
                ),
                "preauthorize_amount",
            )
        }
        return {
            "party": row.party,
            "ocpi_id": row.ocpi_id,
            "texts": row.tariff_alt_text,
            "green": "" if green is None else "yes" if green else "no",
            "supplier_name": mix.get("supplier_name", ""),
            "energy_product_name": mix.get("energy_product_name", ""),
            "energy_sources": mix.get("energy_sources") or [],
            **limits,
        }

    def clean_currency(self) -> str:
        return str(self.cleaned_data["currency"]).upper()

    def is_valid(self) -> bool:
        elements_are_valid = self.elements.is_valid() if self.is_bound else True
        return super().is_valid() and elements_are_valid

    def has_changed(self) -> bool:
        return super().has_changed() or self.elements.has_changed()

    @property
    def changed_data(self) -> list[str]:
        return [name for name in super().changed_data if name != "seen"]

    def build(self) -> TariffShape:
        if not self.elements.is_valid():
            raise ShapeError([Problem("", gettext("Look at the elements below."))])
        documents = self.elements.documents()
        if not documents:
            raise ShapeError([Problem("", gettext("A tariff needs at least one element."))])
        try:
            return parse(TariffShape, self._document([element for _place, element in documents]))
        except ShapeError as error:
            raise ShapeError(self._left_over(error.problems, documents)) from error

    def _left_over(
        self, problems: Sequence[Problem], documents: Sequence[tuple[int, dict[str, Any]]]
    ) -> list[Problem]:
        """Show problems of elements at their forms; return the others."""
        others = []
        for problem in problems:
            if not problem.path.startswith("elements["):
                others.append(problem)
                continue
            index, _bracket, rest = problem.path.removeprefix("elements[").partition("]")
            form = self.elements.forms[documents[int(index)][0]]
            name = rest.removeprefix(".restrictions").removeprefix(".")
            form.add_error(name if name in form.fields else None, problem.reason)
        return others or [Problem("", gettext("Look at the elements below."))]

    def _document(self, elements: list[dict[str, Any]]) -> dict[str, Any]:
        data = self.cleaned_data
        country_code, _star, party_id = data["party"].partition("*")
        return {
            "country_code": country_code,
            "party_id": party_id,
            "id": data["ocpi_id"],
            "currency": data["currency"],
            "type": data["type"] or None,
            "tariff_alt_text": data["texts"] or None,
            "tariff_alt_url": data["tariff_alt_url"] or None,
            "min_price": self._limit("min"),
            "max_price": self._limit("max"),
            "preauthorize_amount": data["preauthorize_amount"],
            "elements": elements,
            "tax_included": data["tax_included"],
            "start_date_time": data["start_date_time"],
            "end_date_time": data["end_date_time"],
            "energy_mix": self._energy_mix(),
        }

    def _limit(self, end: str) -> dict[str, Any] | None:
        before = self.cleaned_data[f"{end}_price_before_taxes"]
        after = self.cleaned_data[f"{end}_price_after_taxes"]
        if before is None and after is not None:
            raise ShapeError(
                [
                    Problem(
                        f"{end}_price.before_taxes",
                        gettext("A limit after taxes needs one before."),
                    )
                ]
            )
        return None if before is None else {"before_taxes": before, "after_taxes": after}

    def _energy_mix(self) -> dict[str, Any] | None:
        data = self.cleaned_data
        mix = {
            "supplier_name": data["supplier_name"] or None,
            "energy_product_name": data["energy_product_name"] or None,
            "energy_sources": data["energy_sources"] or None,
            "environ_impact": (self.instance.energy_mix or {}).get("environ_impact"),
        }
        if not data["green"]:
            if any(mix.values()):
                raise ShapeError(
                    [Problem("energy_mix", gettext("Say whether the energy is green."))]
                )
            return None
        return mix | {"is_green_energy": data["green"] == "yes"}


class UseFilter(admin.SimpleListFilter):
    """Tariffs that connectors use, that none uses, or that are deleted."""

    title = _("use")
    parameter_name = "use"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("used", _("In use")), ("unused", _("Not in use")), ("deleted", _("Deleted"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if self.value() == "deleted":
            return queryset.filter(deleted_at__isnull=False)
        queryset = queryset.filter(deleted_at__isnull=True)
        if self.value() == "used":
            return queryset.filter(connector_total__gt=0)
        return queryset.filter(connector_total=0) if self.value() == "unused" else queryset


@admin.register(Tariff)
class TariffAdmin(OperationAdmin):
    """Tariffs, with their elements on one page."""

    form = TariffForm
    module = "tariffs"
    change_form_template = "admin/tariffs/tariff/change_form.html"
    list_display = ("ocpi_id", "party", "prices", "kind", "validity", "use", "updated")
    list_display_links = ("ocpi_id",)
    list_filter = (UseFilter, PartyFilter, "type", "currency", "tax_included")
    search_fields = ("ocpi_id", "tariff_alt_text")
    search_help_text = _("Search by id or text")
    ordering = ("country_code", "party_id", "ocpi_id")
    empty_text = _("Create a tariff, then choose it at the connectors it is for.")
    fieldsets = (
        (None, {"fields": (("party", "ocpi_id"), ("currency", "type"))}),
        (_("For drivers"), {"fields": ("texts", "tariff_alt_url")}),
        (
            _("Limits"),
            {
                "fields": (
                    ("min_price_before_taxes", "min_price_after_taxes"),
                    ("max_price_before_taxes", "max_price_after_taxes"),
                    "preauthorize_amount",
                ),
                "classes": ("collapse", "then-elements"),
            },
        ),
        (
            _("Tax and validity"),
            {"fields": ("tax_included", "start_date_time", "end_date_time")},
        ),
        (
            _("Energy mix"),
            {
                "fields": (
                    "green",
                    ("supplier_name", "energy_product_name"),
                    "energy_sources",
                ),
                "classes": ("collapse",),
            },
        ),
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        tariffs: Any = super().get_queryset(request)
        return tariffs.with_elements().annotate(connector_total=Count("connectors", distinct=True))

    def put(self, form: TariffForm, now: datetime) -> Tariff:
        tariff, _outcome = operations.put_tariff(tariff=form.shape, now=now)
        return tariff

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        deleted = obj is not None and obj.deleted_at is not None
        return super().has_change_permission(request, obj) and not deleted

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        allowed = request.user.has_perm("tariffs.delete_tariff")
        return allowed and (obj is None or obj.deleted_at is None)

    def add_view(
        self,
        request: HttpRequest,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        return needs_party(request) or super().add_view(request, form_url, extra_context)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        parties = party_choices()
        party = {"party": parties[0][0]} if len(parties) == 1 else {}
        newest = Tariff.objects.order_by("-pk").values("currency", "tax_included").first()
        given = super().get_changeform_initial_data(request)
        return {"tax_included": "NO", **party, **(newest or {}), **given}

    def delete_view(
        self,
        request: HttpRequest,
        object_id: str,
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        tariff = self.get_object(request, object_id)
        if tariff is None:
            return self.missing(request, object_id)
        if not self.has_delete_permission(request, tariff):
            raise PermissionDenied
        if request.method == "POST":
            return self._delete(request, tariff)
        return self._ask_to_delete(request, tariff)

    def _delete(self, request: HttpRequest, tariff: Tariff) -> HttpResponse:
        try:
            operations.delete_tariff(tariff_id=tariff.pk, now=clock.now())
        except operations.TariffInUse:
            # A connector took it since the question was asked.
            return self._ask_to_delete(request, self.get_object(request, str(tariff.pk)))
        self.log_deletions(request, Tariff.objects.filter(pk=tariff.pk))
        messages.success(
            request,
            gettext("Tariff %(id)s is deleted. Partners will be told.") % {"id": tariff.ocpi_id},
        )
        return HttpResponseRedirect(self.list_url())

    def _ask_to_delete(self, request: HttpRequest, tariff: Any) -> HttpResponse:
        total = tariff.connector_total
        back = reverse("admin:tariffs_tariff_change", args=[tariff.pk])
        title = gettext("Delete the tariff %(id)s?") % {"id": tariff.ocpi_id}
        if total:
            return self.confirm(
                request,
                title=gettext("The tariff %(id)s cannot be deleted") % {"id": tariff.ocpi_id},
                sentences=[
                    ngettext(
                        "%(total)s connector still uses it. Give it another tariff first.",
                        "%(total)s connectors still use it. Give them another tariff first.",
                        total,
                    )
                    % {"total": total}
                ],
                links=[link_to(_connectors_url(tariff), gettext("Show the EVSEs that use it"))],
                button="",
                cancel_url=back,
                blocked=True,
            )
        return self.confirm(
            request,
            title=title,
            sentences=[
                gettext("No connector uses it."),
                gettext("Every partner that has it will be told that it is gone."),
                gettext(
                    "Sessions that started with it keep their price, and CDRs keep their copy."
                ),
            ],
            button=gettext("Delete the tariff"),
            cancel_url=back,
            danger=True,
        )

    @admin.display(description=_("party"), ordering="country_code")
    def party(self, row: Tariff) -> str:
        return row.party

    @admin.display(description=_("prices"))
    def prices(self, row: Tariff) -> str:
        elements = operations.shape_of(row).elements
        if not elements:
            return "\N{EN DASH}"
        more = len(elements) - 1
        text = element_sentence(elements[0], row.currency)
        return f"{text} (+{more})" if more else text

    @admin.display(description=_("type"), ordering="type")
    def kind(self, row: Tariff) -> Any:
        return TariffType(row.type).label if row.type else _("Every session")

    @admin.display(description=_("validity"))
    def validity(self, row: Tariff) -> Any:
        if row.deleted_at:
            return pill(_("Deleted"), "grey")
        now = clock.now()
        if row.start_date_time and row.start_date_time > now:
            return pill(_("Later"), "blue")
        if row.end_date_time and row.end_date_time <= now:
            return pill(_("Ended"), "grey")
        return pill(_("Valid"), "green")

    @admin.display(description=_("connectors"), ordering="connector_total")
    def use(self, row: Any) -> str:
        if not row.connector_total:
            return "0"
        return link_to(_connectors_url(row), row.connector_total)

    @admin.display(description=_("updated (UTC)"), ordering="last_updated")
    def updated(self, row: Tariff) -> str:
        return minute(row.last_updated)

    def form_context(self, request: HttpRequest, object_id: str | None) -> dict[str, Any]:
        context = super().form_context(request, object_id)
        if object_id and str(object_id).isdigit():
            total = Tariff.connectors.through.objects.filter(tariff_id=int(object_id)).count()
            url = reverse("admin:locations_evse_changelist") + f"?tariff={object_id}"
            context["used_by"] = {"total": total, "url": url}
        return context


def _connectors_url(tariff: Tariff) -> str:
    return reverse("admin:locations_evse_changelist") + f"?tariff={tariff.pk}"


def needs_party(request: HttpRequest) -> HttpResponse | None:
    """Return the way to the page that adds a party, if there is none yet."""
    if Party.objects.exists():
        return None
    messages.info(request, gettext("Create a party first: everything belongs to one."))
    return HttpResponseRedirect(reverse("admin:tariffs_party_add"))
