"""What is asked before something is asked of a station."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import URLValidator
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (  # type: ignore[import-untyped]
    UnfoldAdminRadioSelectWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from ocpp_gateway.models import Outlet, Station, Transaction
from ocpp_gateway.requests import TRIGGERS
from sessions_app.models import Token, TokenType

LONGEST_ADDRESS = 255
# Open charges of a station that can be chosen from: the newest.
MOST_CHARGES = 50
# What a station would read itself, and ask whether it may charge.
READ_BY_STATIONS = (TokenType.RFID.value, TokenType.EMAID.value)
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


class StartForm(StationForm):
    outlet = _outlet_field(whole=False)
    token = forms.CharField(
        label=_("Token"),
        max_length=64,
        help_text=_("Its uid, visual number or contract id, as in the list of tokens."),
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
    )

    def clean_token(self) -> Token:
        said = self.cleaned_data["token"].strip()
        named = Q(uid=said) | Q(visual_number=said) | Q(contract_id=said)
        found = list(Token.objects.filter(named, type__in=READ_BY_STATIONS).order_by("pk")[:2])
        if not found:
            raise ValidationError(_("No card or contract is known by this name."))
        if len(found) > 1:
            raise ValidationError(
                _("Several tokens are known by this name: give another of its names.")
            )
        return found[0]


class _ChargingField(forms.ModelChoiceField[Transaction]):
    def label_from_instance(self, obj: Transaction) -> str:
        where = f"#{obj.outlet.ordinal}: {obj.outlet.connector.evse}" if obj.outlet else str(obj)
        whose = obj.session.token_contract_id if obj.session else obj.token_uid
        return " · ".join(
            part for part in (where, whose, f"{obj.energy.normalize():f} kWh") if part
        )


class StopForm(StationForm):
    charging = _ChargingField(
        label=_("Charge"),
        queryset=Transaction.objects.none(),
        empty_label=_("choose one"),
        widget=UnfoldAdminSelectWidget,
    )

    def __init__(self, *args: Any, station: Station, **kwargs: Any) -> None:
        super().__init__(*args, station=station, **kwargs)
        charging = self.fields["charging"]
        assert isinstance(charging, forms.ModelChoiceField)  # noqa: S101  it is declared above
        rows = station.transactions.filter(ended_at__isnull=True).order_by("-pk")
        # A station may have left any number open.
        newest = rows.filter(pk__in=rows.values("pk")[:MOST_CHARGES])
        charging.queryset = newest.select_related("station", "session", "outlet__connector__evse")


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
