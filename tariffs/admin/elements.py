"""The forms of the elements of a tariff."""

from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext
from unfold.widgets import (  # type: ignore[import-untyped]
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from cpo_platform.common.admin import PartFormSet, number
from tariffs.models import DayOfWeek, ReservationRestrictionType, TariffDimensionType
from tariffs.shapes import TariffElementShape, TariffRestrictionsShape

DIMENSIONS = (
    TariffDimensionType.ENERGY,
    TariffDimensionType.TIME,
    TariffDimensionType.PARKING_TIME,
    TariffDimensionType.FLAT,
)
PARTS = {
    "price": _("price"),
    "vat": _("VAT %"),
    "step": _("step"),
    "grace": _("free minutes"),
}
# Seconds: a week, as the shape has it.
LONGEST_GRACE = 604_800
LIMITS = ("kwh", "power", "current", "duration")


class DurationField(forms.CharField):
    """Seconds, written as minutes (`90`) or as minutes and seconds (`1:30`)."""

    def __init__(self, *, longest: int | None = None, **kwargs: Any) -> None:
        super().__init__(required=False, widget=UnfoldAdminTextInputWidget, **kwargs)
        self.longest = longest

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
        total = int(minutes) * 60 + (int(seconds) if colon else 0)
        if self.longest is not None and total > self.longest:
            raise ValidationError(
                _("At most %(minutes)s minutes."), params={"minutes": self.longest // 60}
            )
        return total

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


def amount_field(label: Any, **kwargs: Any) -> forms.DecimalField:
    """Return a field for an amount that need not be there; not below 0 unless told."""
    kwargs.setdefault("min_value", Decimal(0))
    return forms.DecimalField(
        label=label,
        required=False,
        max_digits=12,
        decimal_places=4,
        widget=UnfoldAdminDecimalFieldWidget(attrs={"step": "any"}),
        **kwargs,
    )


def _price_fields(dimension: TariffDimensionType) -> dict[str, forms.Field]:
    fields: dict[str, forms.Field] = {
        "price": amount_field(dimension.label, min_value=None),
        "vat": forms.DecimalField(
            required=False,
            min_value=0,
            max_digits=7,
            decimal_places=4,
            label=_("VAT %"),
            widget=UnfoldAdminDecimalFieldWidget(attrs={"step": "any"}),
        ),
        "step": forms.IntegerField(
            required=False,
            min_value=0,
            max_value=2_147_483_647,
            label=_("step"),
            widget=UnfoldAdminIntegerFieldWidget(attrs={"placeholder": "1"}),
        ),
    }
    if dimension is TariffDimensionType.PARKING_TIME:
        fields["grace"] = DurationField(label=_("free minutes"), longest=LONGEST_GRACE)
    return fields


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
    min_kwh = amount_field(_("from kWh"))
    max_kwh = amount_field(_("until kWh"))
    min_power = amount_field(_("from kW"))
    max_power = amount_field(_("below kW"))
    min_current = amount_field(_("from A"))
    max_current = amount_field(_("below A"))
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
            for part, field in _price_fields(dimension).items():
                field.widget.attrs["aria-label"] = f"{dimension.label}: {PARTS[part]}"
                self.fields[f"{dimension.value}_{part}"] = field

    @property
    def price_rows(self) -> list[dict[str, Any]]:
        """Return the four rows of prices: label, the fields, the unit of the step."""
        units = {"ENERGY": "Wh", "FLAT": ""}
        return [
            {
                "label": dimension.label,
                "unit": units.get(dimension.value, pgettext("unit of time", "seconds")),
                **{
                    part: self[name]
                    for part in PARTS
                    if (name := f"{dimension.value}_{part}") in self.fields
                },
            }
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
        prices = [f"{dimension.value}_price" for dimension in DIMENSIONS]
        is_priced = any(data.get(name) is not None or name in self.errors for name in prices)
        if not is_priced and not data.get("DELETE"):
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
                "grace_period": data.get(f"{dimension.value}_grace") or None,
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
        if component.grace_period:
            values[f"{component.type}_grace"] = component.grace_period
    if element.restrictions:
        values |= {
            name: number(value) if isinstance(value, Decimal) else value
            for name, value in element.restrictions.model_dump(exclude_none=True).items()
        }
    return values


class ElementFormSet(PartFormSet):
    """The elements of a tariff, in the order of their numbers."""

    def documents(self) -> list[tuple[int, dict[str, Any]]]:
        """Return the elements that stay and can be read, in order, each with its form's place."""
        forms_left = [
            (form.cleaned_data.get("order") or 1000, place, form)
            for place, form in self.readable()
            if form.has_changed()
        ]
        return [(place, form.document()) for _order, place, form in sorted(forms_left, key=_first)]


def _first(item: tuple[int, int, Any]) -> tuple[int, int]:
    return item[0], item[1]


ELEMENT_FORMSET: Any = forms.formset_factory(
    ElementForm, formset=ElementFormSet, extra=0, can_delete=True, max_num=200, absolute_max=201
)
