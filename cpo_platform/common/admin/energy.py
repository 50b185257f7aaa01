"""The energy mix in forms: locations and tariffs state it alike."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminSelectWidget  # type: ignore[import-untyped]

from cpo_platform.common.formfields import LinesField, amounts_field
from cpo_platform.common.shapes import Problem, ShapeError


def green_field() -> forms.ChoiceField:
    """Return the question whether the energy is green; without an answer there is no mix."""
    return forms.ChoiceField(
        label=_("green energy"),
        required=False,
        choices=[("", _("not stated")), ("yes", _("yes")), ("no", _("no"))],
        widget=UnfoldAdminSelectWidget,
    )


def sources_field() -> LinesField:
    """Return the field for where the energy comes from."""
    return amounts_field(
        "source",
        "percentage",
        label=_("sources (%)"),
        help_text=_(
            "One per line, adding up to 100: “SOLAR 60”. NUCLEAR, GENERAL_FOSSIL, COAL, GAS, "
            "GENERAL_GREEN, SOLAR, WIND, WATER."
        ),
    )


def mix_values(mix: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the values of the form's fields."""
    mix = mix or {}
    green = mix.get("is_green_energy")
    return {
        "green": "" if green is None else "yes" if green else "no",
        **{name: mix.get(name) or "" for name in ("supplier_name", "energy_product_name")},
        "energy_sources": mix.get("energy_sources") or [],
    }


def mix_document(data: Mapping[str, Any], environ_impact: Any) -> dict[str, Any] | None:
    """Return the mix as OCPI writes it (OCPI 2.2.1, EnergyMix); None where nothing is stated.

    Raises:
        ShapeError: something is stated, but not whether the energy is green.

    """
    names = ("supplier_name", "energy_product_name", "energy_sources")
    mix = {name: data[name] or None for name in names}
    mix["environ_impact"] = environ_impact
    if not data["green"]:
        if any(mix.values()):
            raise ShapeError([Problem("energy_mix", gettext("Say whether the energy is green."))])
        return None
    return mix | {"is_green_energy": data["green"] == "yes"}
