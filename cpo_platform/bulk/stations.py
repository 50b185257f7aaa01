"""Stations in bulk: maintenance of many, and a file of those that are to come.

A station that is made by a file is one that has not connected yet. Where it gets a password, nobody
knows it: a job keeps no secrets. One that is to be set at the charger is made on its page, and
shown there once.
"""

import re
from datetime import datetime
from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (  # type: ignore[import-untyped]
    UnfoldAdminSelectWidget,
    UnfoldBooleanSwitchWidget,
)

from cpo_platform.bulk.filling import Unreadable
from cpo_platform.bulk.finding import PLACE, Cells, is_elsewhere, place_text
from cpo_platform.common.admin import OperationForm, Way, visible
from cpo_platform.common.formfields import text_field
from locations.admin import PartAdmin
from locations.models import Connector, Location, Status
from ocpp_gateway.admin.placing import refusal
from ocpp_gateway.models import Station, StationState
from ocpp_gateway.operations import stations
from ocpp_gateway.operations.stations import OutletPlace, PasswordChoice

_BLAMED: dict[type[Exception], str] = {
    stations.BadIdentity: "identity",
    stations.IdentityTaken: "identity",
    stations.NoPassword: "password",
    stations.BadOutlets: "evse_uids",
}


class UidsField(forms.CharField):
    """Uids of EVSEs in the order in which a station counts them."""

    def clean(self, value: Any) -> list[str]:
        words = re.split(r"[;,\n]", super().clean(value))
        return list(dict.fromkeys(word.strip() for word in words if word.strip()))


class StationFileForm(OperationForm):
    """A station as files say it. Where it is, its `location`, is said beside the form."""

    identity = text_field(label=_("identity"), max_length=48, required=True)
    in_maintenance = forms.BooleanField(
        label=_("in maintenance"), required=False, widget=UnfoldBooleanSwitchWidget
    )
    evse_uids = UidsField(
        label=_("EVSEs"),
        help_text=_("The uids of its EVSEs, in the order in which the station counts them."),
    )
    password = forms.ChoiceField(label=_("password"), widget=UnfoldAdminSelectWidget)

    location: Location | None = None
    fixed = ("identity",)

    class Meta:
        model = Station
        fields = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choice = self.fields["password"]
        assert isinstance(choice, forms.ChoiceField)  # noqa: S101  it is declared above
        choice.choices = _passwords()
        choice.initial = PasswordChoice.NEW.value
        if self.instance.pk is not None:
            # Both are decided once; later, by the station's page.
            del self.fields["evse_uids"], self.fields["password"]

    def values_of(self, row: Station) -> dict[str, Any]:
        return {"identity": row.identity, "in_maintenance": row.in_maintenance}

    def content_of(self, row: Station) -> str:
        return repr((row.state, row.location_id, row.in_maintenance))

    def build(self) -> list[OutletPlace]:
        return self._outlets() if self.instance.pk is None else []

    def _outlets(self) -> list[OutletPlace]:
        """Return the connectors of the EVSEs, counted as the file names them.

        Raises:
            django.core.exceptions.ValidationError: one of them is not at the location.

        """
        wanted: list[str] = self.cleaned_data["evse_uids"]
        rows = Connector.objects.filter(evse__location=self.location, evse__uid__in=wanted)
        rows = rows.exclude(evse__status=Status.REMOVED).select_related("evse")
        of_evse: dict[str, list[Connector]] = {}
        for row in rows.order_by("ocpi_id", "pk"):
            of_evse.setdefault(row.evse.uid.lower(), []).append(row)
        places: list[OutletPlace] = []
        for evse_number, uid in enumerate(wanted, start=1):
            for number, row in enumerate(of_evse.get(uid.lower(), ()), start=1):
                places.append(OutletPlace(row.pk, len(places) + 1, evse_number, number))
        return places

    def clean_evse_uids(self) -> list[str]:
        """Refuse EVSEs that the location has not."""
        wanted: list[str] = self.cleaned_data["evse_uids"]
        rows = Connector.objects.filter(evse__location=self.location, evse__uid__in=wanted)
        there = rows.exclude(evse__status=Status.REMOVED).values_list("evse__uid", flat=True)
        known = {uid.lower() for uid in there}
        missing = [uid for uid in wanted if uid.lower() not in known]
        if missing:
            raise ValidationError(
                gettext("The location has no such EVSE with a connector: %(uids)s.")
                % {"uids": ", ".join(missing[:5])}
            )
        return wanted


class StationPages(PartAdmin):
    """What a bulk change of stations goes through: no pages of their own."""

    form = StationFileForm
    scope = Way(party="location", location="location")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        new = ("evse_uids", "password") if obj is None else ()
        return [(None, {"fields": ("identity", "in_maintenance", *new)})]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return super().has_add_permission(request) or self.has_change_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # What has knocked, or was refused, is decided on its page.
        placed = obj is None or obj.state == StationState.PLACED
        return super().has_change_permission(request, obj) and placed

    def put(self, form: StationFileForm, now: datetime) -> Station:
        in_maintenance = form.cleaned_data["in_maintenance"]
        row = self._placed(form, now) if form.instance.pk is None else form.instance
        if row.in_maintenance == in_maintenance:
            return row
        return stations.set_maintenance(station_id=row.pk, in_maintenance=in_maintenance, now=now)

    def _placed(self, form: StationFileForm, now: datetime) -> Station:
        assert form.location is not None  # noqa: S101  the file has said where, or was refused
        data = form.cleaned_data
        try:
            placed = stations.place_station(
                identity=data["identity"],
                location_id=form.location.pk,
                outlets=form.shape,
                password=PasswordChoice(data["password"]),
                now=now,
            )
        except ValueError as error:
            field = _BLAMED.get(type(error))
            text = refusal(error)
            raise ValidationError({field: text} if field else text) from error
        return placed.station


def _passwords() -> list[tuple[str, Any]]:
    choices = [(PasswordChoice.NEW.value, _("One that nobody knows yet: make one on its page"))]
    if not settings.OCPP_REQUIRE_PASSWORD:
        choices.append((PasswordChoice.NONE.value, _("None: anybody may say to be it")))
    return choices


def find_station(request: HttpRequest, cells: Cells) -> Station | None:
    """Return the station that a row names."""
    return visible(request, Station.objects.filter(identity=cells["identity"])).first()


def station_name(_request: HttpRequest, cells: Cells) -> str:
    """Return the name of a row: identities are once on the platform."""
    return cells["identity"]


def check_station(row: Station, cells: Cells) -> None:
    """Refuse a row of a station that waits to be placed, or is placed elsewhere.

    Raises:
        Unreadable: it is so.

    """
    if row.location is None or row.state != StationState.PLACED:
        raise Unreadable(
            gettext("This station has knocked, or was refused: place it on its page."), "identity"
        )
    if is_elsewhere(row.location, cells):
        raise Unreadable(
            gettext("This station is at the location %(id)s, and cannot be moved.")
            % {"id": place_text(row.location, cells)},
            PLACE[0],
        )


def lock_station(object_id: int) -> None:
    """Lock a station; it has no moment of its last change."""
    Station.objects.select_for_update(no_key=True).filter(pk=object_id).first()
