"""What is asked before something is asked of a station."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import URLValidator
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (  # type: ignore[import-untyped]
    UnfoldAdminRadioSelectWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from ocpp_gateway.models import Outlet, Station
from ocpp_gateway.requests import TRIGGERS

LONGEST_ADDRESS = 255
_PASSWORDS = frozenset({"authorizationkey", "securityctrlr/basicauthpassword"})


class StationForm(forms.Form):
    """A form for one station; `outlet` is one of its outlets."""

    def __init__(self, *args: Any, station: Station, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        outlet = self.fields.get("outlet")
        if isinstance(outlet, forms.ModelChoiceField):
            rows = station.outlets.select_related("connector__evse", "station")
            outlet.queryset = rows.order_by("ordinal")


class NoForm(StationForm):
    """Nothing but the button."""


class _OutletField(forms.ModelChoiceField[Outlet]):
    def label_from_instance(self, obj: Outlet) -> str:
        return f"#{obj.ordinal}: {obj.connector.evse}"


def _outlet_field(*, whole: bool) -> forms.ModelChoiceField[Outlet]:
    return _OutletField(
        label=_("Connector"),
        queryset=Outlet.objects.none(),
        required=not whole,
        empty_label=_("the whole station") if whole else _("choose one"),
        widget=UnfoldAdminSelectWidget,
    )


def _choice(label: Any, choices: Any, initial: str) -> forms.ChoiceField:
    return forms.ChoiceField(
        label=label, choices=choices, initial=initial, widget=UnfoldAdminRadioSelectWidget
    )


class ResetForm(StationForm):
    SOFT, HARD = "soft", "hard"
    kind = _choice(_("How"), [(SOFT, _("soft")), (HARD, _("hard"))], SOFT)


class AvailabilityForm(StationForm):
    OPERATIVE, INOPERATIVE = "operative", "inoperative"
    outlet = _outlet_field(whole=True)
    operative = _choice(
        _("Is to be"),
        [(INOPERATIVE, _("out of service")), (OPERATIVE, _("in service"))],
        INOPERATIVE,
    )


class UnlockForm(StationForm):
    outlet = _outlet_field(whole=False)


class TriggerForm(StationForm):
    what = forms.ChoiceField(
        label=_("Message"),
        choices=[(name, name) for name in TRIGGERS],
        initial="StatusNotification",
        widget=UnfoldAdminSelectWidget,
    )
    outlet = _outlet_field(whole=True)


class SettingForm(StationForm):
    name = forms.CharField(
        label=_("Name"),
        max_length=150,
        widget=UnfoldAdminTextInputWidget(attrs={"list": "settings", "autocomplete": "off"}),
        help_text=_("As its configuration has it: “HeartbeatInterval”, or “component/variable”."),
    )
    value = forms.CharField(
        label=_("Value"),
        max_length=500,
        required=False,
        strip=False,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
    )

    suggestions: tuple[str, ...] = ()

    def __init__(self, *args: Any, station: Station, **kwargs: Any) -> None:
        super().__init__(*args, station=station, **kwargs)
        self.suggestions = tuple(sorted(station.configuration))

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"].strip()
        if name.lower() in _PASSWORDS:
            raise ValidationError(_("Change the password by its own button: we have to know it."))
        return name


class FirmwareForm(StationForm):
    url = forms.CharField(
        label=_("Address of the file"),
        max_length=LONGEST_ADDRESS,
        validators=[URLValidator(schemes=["http", "https", "ftp", "ftps", "sftp"])],
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "https://files.example/fw.bin"}),
    )
    retrieve_at = forms.DateTimeField(
        label=_("Not before (UTC)"),
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"type": "datetime-local"}),
        help_text=_("Empty: at once."),
    )


class LogsForm(StationForm):
    url = forms.CharField(
        label=_("Address to upload to"),
        max_length=LONGEST_ADDRESS,
        validators=[URLValidator(schemes=["http", "https", "ftp", "ftps", "sftp"])],
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "ftp://files.example/logs/"}),
    )
