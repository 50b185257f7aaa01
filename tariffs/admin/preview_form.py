"""What the preview may be asked: when a session starts and where, and a session of one's own."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (  # type: ignore[import-untyped]
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from tariffs.pricing.calendar import Reference
from tariffs.pricing.samples import Sample, Supply, next_monday_evening

# Longer ones say nothing more, and a tariff may cut each day four hundred times.
LONGEST_MINUTES = 1440
# Years in which time zones, and a week on both sides of a moment, are sure to work.
YEARS = range(2000, 2200)
NOWHERE = "UTC"


@dataclass(frozen=True)
class Inputs:
    """What was asked, checked: `start` is in `zone`, `own` holds one sample or none."""

    start: datetime
    zone: ZoneInfo
    reference: Reference
    own: tuple[Sample, ...] = ()


@cache
def zones() -> tuple[str, ...]:
    """Return the time zones that people choose from."""
    return tuple(
        sorted(name for name in available_timezones() if "/" in name and "Etc" not in name)
    )


def _amount(label: Any, **kwargs: Any) -> forms.DecimalField:
    return forms.DecimalField(
        label=label,
        required=False,
        min_value=0,
        max_value=100_000,
        max_digits=9,
        decimal_places=3,
        widget=UnfoldAdminDecimalFieldWidget(attrs={"step": "any"}),
        **kwargs,
    )


def _minutes(label: Any) -> forms.IntegerField:
    return forms.IntegerField(
        label=label,
        required=False,
        min_value=0,
        max_value=LONGEST_MINUTES,
        widget=UnfoldAdminIntegerFieldWidget,
    )


class PreviewForm(forms.Form):
    """The questions. What is left empty has the value that it shows at first."""

    start = forms.DateTimeField(
        label=_("sessions start (local time)"),
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"type": "datetime-local"}),
    )
    time_zone = forms.CharField(
        label=_("time zone"),
        required=False,
        max_length=64,
        widget=UnfoldAdminTextInputWidget(
            attrs={"list": "preview-zones", "placeholder": "Europe/Berlin", "autocomplete": "off"}
        ),
    )
    power = _amount(_("power (kW)"))
    current = _amount(_("current (A, all phases)"))
    kwh = _amount(_("energy so far (kWh)"))
    minutes = _minutes(_("minutes so far"))
    own_supply = forms.ChoiceField(
        label=_("supply"),
        required=False,
        choices=[(supply.value, supply.value) for supply in Supply],
        widget=UnfoldAdminSelectWidget,
    )
    own_energy = _amount(_("energy (kWh)"))
    own_charging = _minutes(_("minutes of charging"))
    own_parked = _minutes(_("minutes parked"))
    own_reserved = _minutes(_("minutes reserved"))

    def __init__(self, data: Any, *, now: datetime) -> None:
        self.now = now
        reference = Reference()
        initial = {
            "time_zone": NOWHERE,
            "start": next_monday_evening(now, ZoneInfo(NOWHERE)).strftime("%Y-%m-%dT%H:%M"),
            "power": reference.power,
            "current": reference.current,
            "kwh": reference.kwh,
            "minutes": reference.minutes,
        }
        super().__init__(data, prefix="preview", initial=initial)

    @property
    def when_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in ("start", "time_zone")]

    @property
    def state_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in ("power", "current", "kwh", "minutes")]

    @property
    def own_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in self.fields if name.startswith("own_")]

    def clean_start(self) -> datetime | None:
        start: datetime | None = self.cleaned_data["start"]
        if start is not None and start.year not in YEARS:
            raise ValidationError(_("Choose a moment between 2000 and 2199."))
        return start

    def clean_time_zone(self) -> str:
        name = str(self.cleaned_data["time_zone"]).strip()
        if name and name != NOWHERE and name not in zones():
            raise ValidationError(_("There is no such time zone; write “Europe/Berlin”."))
        return name

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if data.get("own_energy") and not data.get("own_charging"):
            self.add_error("own_charging", _("Energy takes time: how many minutes?"))
        return data

    def inputs(self) -> Inputs:
        """Return what was asked; what is wrong, or not there, is as it is at first."""
        data = getattr(self, "cleaned_data", {})
        zone = ZoneInfo(data.get("time_zone") or NOWHERE)
        start = data.get("start")
        first = Reference()
        return Inputs(
            start=start.replace(tzinfo=zone) if start else next_monday_evening(self.now, zone),
            zone=zone,
            reference=Reference(
                power=_given(data, "power", first.power),
                current=_given(data, "current", first.current),
                kwh=_given(data, "kwh", first.kwh) or Decimal(0),
                minutes=data.get("minutes") or 0,
            ),
            own=self._own(data),
        )

    def _own(self, data: dict[str, Any]) -> tuple[Sample, ...]:
        lengths = {
            name: data.get(f"own_{name}") or 0 for name in ("charging", "parked", "reserved")
        }
        if not any(lengths.values()):
            return ()
        energy = (data.get("own_energy") or Decimal(0)) if lengths["charging"] else Decimal(0)
        supply = Supply(data.get("own_supply") or Supply.AC)
        return (Sample("own", energy=energy, supply=supply, **lengths),)


def _given(data: dict[str, Any], name: str, first: Decimal | None) -> Decimal | None:
    value: Decimal | None = data.get(name)
    return first if value is None else value
