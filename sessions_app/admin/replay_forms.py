"""The form that starts a replay."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django import forms
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (  # type: ignore[import-untyped]
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from cpo_platform.common import clock
from cpo_platform.common.admin import scope_of, visible
from locations.models import Location, LocationGroup
from tariffs.admin import YEARS, party_choices
from tariffs.models import Tariff

# So many tariffs are offered; a platform with more starts replays by the command.
TARIFFS_OFFERED = 1000
SHOWN_NAMES = 3


def _day_field(label: Any, help_text: Any = "") -> forms.DateField:
    return forms.DateField(
        label=label,
        help_text=help_text,
        widget=UnfoldAdminTextInputWidget(attrs={"type": "date"}),
    )


class ReplayForm(forms.Form):
    """Which tariff, on which CDRs."""

    tariff = forms.ChoiceField(
        label=_("Tariff"),
        widget=UnfoldAdminSelectWidget,
        help_text=_("It may be one that no connector uses yet: save it first, then try it here."),
    )
    first = _day_field(_("From"), _("Sessions that ended on this day or later (UTC)."))
    last = _day_field(_("Until"), _("The last day, included (UTC)."))
    party = forms.ChoiceField(label=_("Party"), required=False, widget=UnfoldAdminSelectWidget)
    groups = forms.ModelMultipleChoiceField(
        label=_("Location groups"),
        queryset=LocationGroup.objects.none(),
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text=_("Nothing chosen here and below: all locations."),
    )
    locations = forms.CharField(
        label=_("Locations"),
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text=_("Ids of further locations, one per line."),
    )
    use_readings = forms.BooleanField(
        label=_("Use meter readings"),
        required=False,
        initial=True,
        widget=UnfoldBooleanSwitchWidget,
        help_text=_(
            "They tell power and energy more exactly than a CDR. Off: CDRs are priced by their "
            "charging periods, as a partner would."
        ),
    )

    def __init__(self, *args: Any, request: HttpRequest, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.request = request
        rows = visible(request, Tariff.objects.in_use()).order_by(
            "country_code", "party_id", "ocpi_id"
        )
        self._choices("tariff", [(str(row.pk), str(row)) for row in rows[:TARIFFS_OFFERED]])
        parties = [("*".join(key.split("*")[:2]), name) for key, name in party_choices(request)]
        is_whole = scope_of(request).is_whole
        every = [("", gettext("all parties"))] if is_whole else []
        self._choices("party", [*every, *parties])
        # Whoever sees some parties only replays one of them: the sums are of what he sees.
        self.fields["party"].required = not is_whole
        groups = self.fields["groups"]
        assert isinstance(groups, forms.ModelMultipleChoiceField)  # noqa: S101  it is declared so
        groups.queryset = visible(request, LocationGroup.objects.order_by("name"))
        if not groups.queryset.exists():
            del self.fields["groups"]
        if len(parties) < 2 and is_whole:
            del self.fields["party"]
        this_month = clock.now().date().replace(day=1)
        last_month = this_month - timedelta(days=1)
        self.initial.setdefault("first", last_month.replace(day=1))
        self.initial.setdefault("last", last_month)

    def _choices(self, name: str, choices: list[tuple[str, Any]]) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101  it is declared so
        field.choices = choices

    def clean_locations(self) -> list[Location]:
        """Find the locations; refuse an id that nobody has."""
        names = [line.strip() for line in self.cleaned_data["locations"].splitlines()]
        wanted = {name.lower() for name in names if name}
        found = visible(self.request, Location.objects.filter(ocpi_id__in=wanted))
        rows = list(found) if wanted else []
        missing = wanted - {row.ocpi_id.lower() for row in rows}
        if missing:
            raise forms.ValidationError(
                gettext("There is no location %(names)s.") % {"names": ", ".join(sorted(missing))}
            )
        return rows

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        first, last = data.get("first"), data.get("last")
        for name, day in (("first", first), ("last", last)):
            if day is not None and day.year not in YEARS:
                self.add_error(name, gettext("Choose a day between 2000 and 2199."))
        if first and last and last < first:
            self.add_error("last", gettext("The last day is before the first."))
        return data

    @property
    def period(self) -> tuple[datetime, datetime]:
        """Return the moments that the days say, the end exclusive."""
        first, last = self.cleaned_data["first"], self.cleaned_data["last"]
        return _midnight(first), _midnight(last + timedelta(days=1))

    @property
    def chosen(self) -> tuple[list[int] | None, str]:
        """Return the locations' keys and how to call them; None: all."""
        groups, rows = self.cleaned_data.get("groups") or [], self.cleaned_data["locations"]
        if not groups and not rows:
            return None, ""
        keys = {row.pk for row in rows}
        in_groups = visible(self.request, Location.objects.filter(groups__in=groups))
        keys.update(in_groups.values_list("pk", flat=True))
        names = [*(str(group) for group in groups), *(row.name or row.ocpi_id for row in rows)]
        more = "" if len(names) <= SHOWN_NAMES else f" +{len(names) - SHOWN_NAMES}"
        return sorted(keys), ", ".join(names[:SHOWN_NAMES]) + more

    @property
    def chosen_party(self) -> tuple[str, str] | None:
        """Return the party, if one is chosen."""
        country_code, star, party_id = str(self.cleaned_data.get("party") or "").partition("*")
        return (country_code, party_id) if star else None


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC)
