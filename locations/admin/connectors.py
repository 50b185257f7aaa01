"""The forms of the connectors of an EVSE."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (  # type: ignore[import-untyped]
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from cpo_platform.common.admin import PartFormSet
from cpo_platform.common.formfields import (
    Offered,
    OpenChoiceField,
    OpenChoicesField,
    url_field,
)
from locations.models import CONNECTOR_TYPES, ConnectorCapability, ConnectorFormat, PowerType

CONNECTOR_CHOICES = [(name, name.replace("_", " ")) for name in CONNECTOR_TYPES]


class ConnectorForm(forms.Form):
    """One connector of an EVSE."""

    id = forms.CharField(label=_("id"), max_length=36, widget=UnfoldAdminTextInputWidget)
    standard = OpenChoiceField(label=_("standard"), known=CONNECTOR_CHOICES, initial="IEC_62196_T2")
    format = forms.ChoiceField(
        label=_("format"), choices=ConnectorFormat.choices, widget=UnfoldAdminSelectWidget
    )
    power_type = forms.ChoiceField(
        label=_("power type"),
        choices=PowerType.choices,
        initial=PowerType.AC_3_PHASE,
        widget=UnfoldAdminSelectWidget,
    )
    max_voltage = forms.IntegerField(
        label=_("V"),
        help_text=_("Volts between one phase and neutral: 230 in Europe, also with three phases."),
        initial=230,
        min_value=0,
        max_value=100_000,
        widget=UnfoldAdminIntegerFieldWidget,
    )
    max_amperage = forms.IntegerField(
        label=_("A"),
        help_text=_("Amperes of one phase: 32 for 22 kW with three phases, 16 for 11 kW."),
        initial=32,
        min_value=0,
        max_value=100_000,
        widget=UnfoldAdminIntegerFieldWidget,
    )
    max_electric_power = forms.IntegerField(
        label=_("W"),
        min_value=0,
        max_value=2_147_483_647,
        required=False,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text=_("Only where it is lower than voltage × current × phases: 22000 is 22 kW."),
    )
    tariff_ids = forms.MultipleChoiceField(
        label=_("tariffs"), required=False, widget=UnfoldAdminCheckboxSelectMultipleWidget
    )
    capabilities = OpenChoicesField(label=_("capabilities"), known=ConnectorCapability.choices)
    terms_and_conditions = url_field(label=_("terms and conditions"))

    def __init__(self, *args: Any, tariffs: Sequence[tuple[str, str]] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choice = self.fields["tariff_ids"]
        assert isinstance(choice, forms.MultipleChoiceField)  # noqa: S101  it is declared above
        # Many, and the same for all connectors: they are not to be looked through for each.
        choice.choices = Offered(tariffs)
        standard = self.fields["standard"]
        assert isinstance(standard, OpenChoiceField)  # noqa: S101  it is declared above
        standard.keep(self.initial.get("standard"))
        capabilities = self.fields["capabilities"]
        assert isinstance(capabilities, OpenChoicesField)  # noqa: S101  it is declared above
        capabilities.keep(self.initial.get("capabilities"))
        if self.initial.get("id"):
            self.fields["id"].disabled = True

    def document(self) -> dict[str, Any]:
        """Return the connector as OCPI writes it."""
        data = self.cleaned_data
        names = (
            *("id", "standard", "format", "power_type", "max_voltage", "max_amperage"),
            *("max_electric_power", "tariff_ids", "capabilities", "terms_and_conditions"),
        )
        return {name: None if data[name] in ("", []) else data[name] for name in names}


class ConnectorFormSet(PartFormSet):
    """The connectors of an EVSE."""

    def documents(self) -> list[tuple[int, dict[str, Any]]]:
        """Return the connectors that stay and can be read, each with the place of its form."""
        return [
            (place, form.document())
            for place, form in self.readable()
            if form.has_changed() or form.initial.get("id")
        ]


CONNECTOR_FORMSET: Any = forms.formset_factory(
    ConnectorForm, formset=ConnectorFormSet, extra=0, can_delete=True, max_num=100, absolute_max=101
)
