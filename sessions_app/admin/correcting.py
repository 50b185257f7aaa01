"""The form in which staff corrects what is billed.

In steps: the form, a preview of the documents (`comparing`), the confirmation. The preview's form
holds what was typed.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.http import HttpRequest
from django.utils import timezone
from django.utils.text import capfirst
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (  # type: ignore[import-untyped]
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from cpo_platform.common.admin import NONE, moment, number
from cpo_platform.common.fields import no_control_characters
from sessions_app.admin.findings import suspicious_moments
from sessions_app.corrections import Correction, ImpossibleCorrection
from sessions_app.models import Session
from tariffs.admin import YEARS
from tariffs.models import Tariff

# The names of the steps, in the field that a button sends.
EDIT, CONFIRM = "edit", "confirm"
NOT_TYPED = {"csrfmiddlewaretoken", "step", "seen"}
MOMENT_FORMATS = ["%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M"]
READINGS_OFFERED = 40


def _note_field(*, required: bool) -> forms.CharField:
    return forms.CharField(
        label=_("note"),
        required=required,
        max_length=500,
        validators=[no_control_characters],
        widget=UnfoldAdminTextInputWidget,
        help_text=_("Why, for your colleagues. Partners do not see it."),
    )


class ReleaseForm(forms.Form):
    """A word on why a held CDR is right after all."""

    note = _note_field(required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _capitalise(self)


class CorrectionForm(forms.Form):
    """What is to be billed instead of what was measured. Empty fields change nothing."""

    energy = forms.DecimalField(
        label=_("energy in all (kWh)"),
        required=False,
        min_value=Decimal(0),
        max_digits=12,
        decimal_places=4,
        widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "decimal"}),
    )
    start = forms.DateTimeField(
        label=_("start"),
        required=False,
        input_formats=MOMENT_FORMATS,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "2026-12-24 08:00:00"}),
    )
    end = forms.DateTimeField(
        label=_("end"),
        required=False,
        input_formats=MOMENT_FORMATS,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "2026-12-24 09:30:00"}),
    )
    without_readings = forms.MultipleChoiceField(
        label=_("readings that do not count"),
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text=_("The doubtful ones, and the one before each. The others count."),
    )
    without_parking = forms.BooleanField(
        label=_("do not bill parking"),
        required=False,
        widget=UnfoldBooleanWidget,
        help_text=_(
            "The CDR then holds a tariff of its own, without a price for parking: its id ends "
            "in -NP."
        ),
    )
    tariff = forms.ModelChoiceField(
        label=_("another tariff"),
        queryset=Tariff.objects.none(),
        required=False,
        empty_label=_("the one of the session"),
        widget=UnfoldAdminSelectWidget,
        help_text=_("With its prices of today."),
    )
    note = _note_field(required=True)

    def __init__(
        self, *args: Any, session: Session, found: Sequence[dict[str, Any]], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.session = session
        self.zone = str(session.frozen_location.get("time_zone") or "UTC")
        fields: dict[str, Any] = self.fields
        fields["energy"].help_text = gettext(
            "Measured: %(energy)s. It is spread over the time as it was measured."
        ) % {"energy": number(session.kwh, "kWh")}
        for name, value in (("start", session.start_date_time), ("end", session.end_date_time)):
            fields[name].help_text = gettext("Now: %(moment)s. By the clock of %(zone)s.") % {
                "moment": self._local(value),
                "zone": self.zone,
            }
        fields["tariff"].queryset = (
            Tariff.objects.in_use()
            .filter(
                country_code=session.country_code,
                party_id=session.party_id,
                currency=session.currency,
            )
            .order_by("ocpi_id")
        )
        fields["without_readings"].choices = self._readings(found)
        if not fields["without_readings"].choices:
            del fields["without_readings"]
        _capitalise(self)

    def _local(self, value: datetime | None) -> str:
        return "" if value is None else f"{value.astimezone(ZoneInfo(self.zone)):%Y-%m-%d %H:%M:%S}"

    def _readings(self, found: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
        rows = self.session.meter_readings.filter(at__in=suspicious_moments(found)).order_by("at")
        return [
            (row.at.isoformat(), f"{self._local(row.at)}: {number(row.kwh, 'kWh')}")
            for row in rows[:READINGS_OFFERED]
        ]

    def full_clean(self) -> None:
        # Moments are typed by the clock of the location; one that it skips or repeats is refused.
        with timezone.override(ZoneInfo(self.zone)):
            super().full_clean()

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        for name in ("start", "end"):
            moment = data.get(name)
            if moment is not None and moment.year not in YEARS:
                self.add_error(name, gettext("Choose a moment between 2000 and 2199."))
        return data

    @property
    def correction(self) -> Correction:
        """What a valid form says."""
        data = self.cleaned_data
        tariff: Tariff | None = data["tariff"]
        return Correction(
            energy=data["energy"],
            start=data["start"] and data["start"].astimezone(UTC),
            end=data["end"] and data["end"].astimezone(UTC),
            without_parking=data["without_parking"],
            tariff_id=tariff.pk if tariff else None,
            without_readings=frozenset(
                map(datetime.fromisoformat, data.get("without_readings", []))
            ),
        )

    def refuse(self, error: ImpossibleCorrection) -> None:
        """Show a refusal at the field that it is about."""
        text = _REFUSALS.get((error.field, error.reason), error.reason)
        self.add_error(error.field if error.field in self.fields else None, str(text))

    @staticmethod
    def initial_of(document: dict[str, Any] | None, zone: str) -> dict[str, Any]:
        """Return what the form says at first: what was corrected before, if anything was."""
        correction = Correction.from_json((document or {}).get("changes", {}))

        def local(value: datetime | None) -> str:
            return f"{value.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M:%S}" if value else ""

        return {
            "energy": correction.energy,
            "start": local(correction.start),
            "end": local(correction.end),
            "without_parking": correction.without_parking,
            "tariff": correction.tariff_id,
            "without_readings": [
                value.astimezone(UTC).isoformat() for value in correction.without_readings
            ],
        }


# In the language of the admin: the operation speaks to programmers.
_REFUSALS = {
    ("", "nothing is corrected"): _("Nothing is corrected: fill in what was wrong."),
    ("", "nothing is corrected: the new CDR would be the same"): _(
        "Nothing is corrected, so the new CDR would be the same. To take the CDR back for good, "
        "credit it."
    ),
    ("energy", "there is no time in which it could have flowed"): _(
        "The session takes no time, so no energy can have flowed: correct start or end as well."
    ),
    ("end", "must not be before the start"): _("The end must not be before the start."),
    ("end", "must not be in the future"): _("The end must not be in the future."),
    ("start", "must not be before the end of the reservation"): _(
        "The start must not be before the end of the reservation."
    ),
    ("", "of a reservation that nobody came for, only the tariff can be another"): _(
        "Nobody came for this reservation: only the tariff can be another."
    ),
}


def _capitalise(form: forms.Form) -> None:
    for field in form.fields.values():
        field.label = capfirst(field.label)


def typed(request: HttpRequest) -> list[tuple[str, str]]:
    """Return what was typed into a form, to be sent along with the next step."""
    return [
        (name, str(value))
        for name, values in request.POST.lists()
        if name not in NOT_TYPED
        for value in values
    ]


def changes_facts(document: dict[str, Any], session: Session | None) -> list[tuple[object, object]]:
    """Return what was corrected, as facts of a page."""
    correction = Correction.from_json(document.get("changes", {}))
    zone = str(session.frozen_location.get("time_zone", "")) if session else ""
    tariff = (
        Tariff.objects.filter(pk=correction.tariff_id).first() if correction.tariff_id else None
    )
    facts: list[tuple[object, object, bool]] = [
        (_("energy"), number(correction.energy, "kWh"), correction.energy is not None),
        (_("start"), moment(correction.start, zone), correction.start is not None),
        (_("end"), moment(correction.end, zone), correction.end is not None),
        (_("parking"), _("not billed"), correction.without_parking),
        (_("tariff"), tariff.ocpi_id if tariff else NONE, correction.tariff_id is not None),
        (
            _("readings that do not count"),
            len(correction.without_readings),
            bool(correction.without_readings),
        ),
    ]
    return [(label, value) for label, value, told in facts if told]
