"""The table of a station's outlets, and the choice of its password."""

from collections.abc import Iterable, Mapping
from typing import Any

from django import forms
from django.conf import settings
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (  # type: ignore[import-untyped]
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminRadioSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from cpo_platform.common.admin import FormSet
from locations.admin import connector_text
from locations.models import Connector
from ocpp_gateway.models import Outlet, Station
from ocpp_gateway.operations.stations import (
    ASIDE,
    MOST_OUTLETS,
    OutletPlace,
    PasswordChoice,
    default_outlets,
)


def _number(label: Any) -> forms.IntegerField:
    return forms.IntegerField(
        label=label,
        min_value=1,
        max_value=ASIDE - 1,
        widget=UnfoldAdminIntegerFieldWidget(attrs={"class": "cpo-short"}),
    )


class OutletForm(forms.Form):
    """One connector of the location: whether the station has it, and how it counts it."""

    used = forms.BooleanField(label=_("has it"), required=False, widget=UnfoldBooleanWidget)
    connector_id = forms.IntegerField(widget=forms.HiddenInput)
    ordinal = _number(_("connectorId (1.6)"))
    evse_number = _number(_("EVSE (2.0.1)"))
    connector_number = _number(_("connector of the EVSE (2.0.1)"))
    public_key = forms.CharField(
        label=_("public key of the meter"),
        required=False,
        max_length=4000,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )

    connector: Connector | None = None

    @property
    def name(self) -> str:
        return str(self.connector.evse) if self.connector else ""

    @property
    def kind(self) -> str:
        return connector_text(self.connector) if self.connector else ""


class OutletTable(FormSet):
    """The connectors of a location that a station may have."""

    def name_rows(self, connectors: Mapping[int, Connector]) -> None:
        """Tell each row which connector it is about."""
        for form in self.forms:
            value = form["connector_id"].value()
            form.connector = connectors.get(int(value)) if str(value).isdecimal() else None
            # The heads of a table are no labels: each field says which connector it is about.
            for field in form.fields.values():
                field.widget.attrs["aria-label"] = f"{form.name}: {field.label}"

    @property
    def places(self) -> list[OutletPlace]:
        """Return what the table says, once it is valid."""
        return [
            OutletPlace(
                **{
                    name: form.cleaned_data[name]
                    for name in (
                        *("connector_id", "ordinal", "evse_number", "connector_number"),
                        "public_key",
                    )
                }
            )
            for form in self.forms
            if form.cleaned_data.get("used")
        ]


_TABLE: Any = forms.formset_factory(
    OutletForm, formset=OutletTable, extra=0, max_num=MOST_OUTLETS, absolute_max=MOST_OUTLETS
)


def outlet_table(data: Any, location_id: int, *, station: Station | None = None) -> OutletTable:
    """Return the table for a location: what the station has, and what it could have."""
    own = list(station.outlets.order_by("ordinal")) if station else []
    free = default_outlets(location_id, station_id=station.pk if station else None)
    rows = [*_of_station(own), *_others(free, own)]
    table: OutletTable = _TABLE(data, initial=rows, prefix="outlets")
    connectors = Connector.objects.filter(
        pk__in=[row["connector_id"] for row in rows]
    ).select_related("evse")
    table.name_rows({row.pk: row for row in connectors})
    return table


def _of_station(own: Iterable[Outlet]) -> Iterable[dict[str, Any]]:
    for outlet in own:
        yield {
            "used": True,
            "connector_id": outlet.connector_id,
            "ordinal": outlet.ordinal,
            "evse_number": outlet.evse_number,
            "connector_number": outlet.connector_number,
            "public_key": outlet.public_key,
        }


def _others(free: list[OutletPlace], own: list[Outlet]) -> Iterable[dict[str, Any]]:
    """Return the connectors that it has not, with numbers that are free; all, where it is new."""
    known = {outlet.connector_id for outlet in own}
    ordinal = max((outlet.ordinal for outlet in own), default=0)
    evse = max((outlet.evse_number for outlet in own), default=0)
    for place in free:
        if place.connector_id in known:
            continue
        yield {
            "used": not own,
            "connector_id": place.connector_id,
            "ordinal": ordinal + place.ordinal,
            "evse_number": evse + place.evse_number,
            "connector_number": place.connector_number,
        }


class PasswordForm(forms.Form):
    """Which password a station is placed with."""

    password = forms.ChoiceField(label=_("Password"), widget=UnfoldAdminRadioSelectWidget)

    def __init__(self, *args: Any, station: Station | None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices: list[tuple[str, Any]] = []
        if station is not None and station.password_hash:
            choices.append((PasswordChoice.KEEP.value, _("Keep the one that it knocked with")))
        choices.append((PasswordChoice.NEW.value, _("Make a new one: you set it at the charger")))
        if not settings.OCPP_REQUIRE_PASSWORD:
            choices.append((PasswordChoice.NONE.value, _("None: anybody may say to be it")))
        field = self.fields["password"]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101  declared above
        field.choices = choices
        field.initial = choices[0][0]
