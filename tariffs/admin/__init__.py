"""The admin pages of parties and tariffs. Everything is saved by `tariffs.operations`."""

from tariffs.admin.check_page import register_network_check
from tariffs.admin.elements import (
    DIMENSIONS,
    ELEMENT_FORMSET,
    LIMITS,
    ClockField,
    DurationField,
    ElementForm,
    ElementFormSet,
    element_values,
)
from tariffs.admin.findings import findings
from tariffs.admin.forms import TariffForm
from tariffs.admin.pages import TariffAdmin, UseFilter
from tariffs.admin.parties import (
    PartyAdmin,
    PartyField,
    PartyFilter,
    PartyForm,
    needs_party,
    party_choices,
)
from tariffs.admin.preview_form import YEARS
from tariffs.admin.sentences import element_sentence

__all__ = [
    "DIMENSIONS",
    "ELEMENT_FORMSET",
    "LIMITS",
    "YEARS",
    "ClockField",
    "DurationField",
    "ElementForm",
    "ElementFormSet",
    "PartyAdmin",
    "PartyField",
    "PartyFilter",
    "PartyForm",
    "TariffAdmin",
    "TariffForm",
    "UseFilter",
    "element_sentence",
    "element_values",
    "findings",
    "needs_party",
    "party_choices",
    "register_network_check",
]
