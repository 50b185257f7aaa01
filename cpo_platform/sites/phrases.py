"""The rules of quality in words: what is wrong, what to do, and where in the form."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _

from locations.quality import BETTER, MISSING, WRONG

SEVERITIES: Mapping[str, tuple[Any, str]] = {
    WRONG: (_("wrong"), "red"),
    MISSING: (_("missing"), "amber"),
    BETTER: (_("could be better"), "grey"),
}


@dataclass(frozen=True)
class Phrase:
    """What a rule finds, what to do about it, and the field of the form that it is about."""

    finds: Any
    do: Any
    field: str = ""


PHRASES: Mapping[str, Phrase] = {
    "breaks_rules": Phrase(
        _("Something breaks the rules of OCPI"),
        _("Save the form of the location, and of its EVSEs: it says what to mend."),
    ),
    "no_evse": Phrase(_("No EVSE"), _("Add an EVSE: until then partners do not see the location.")),
    "coordinates_zero": Phrase(
        _("Coordinates are 0, 0"),
        _("Write the latitude and the longitude of the place."),
        "latitude",
    ),
    "coordinates_elsewhere": Phrase(
        _("Coordinates are far outside of the country"),
        _("Check the country, and whether latitude and longitude are mixed up."),
        "latitude",
    ),
    "time_zone_elsewhere": Phrase(
        _("Time zone is not that of the country"),
        _("Choose the time zone of the place: opening hours and prices go by it."),
        "time_zone",
    ),
    "power_impossible": Phrase(
        _("Power does not go with voltage and current"),
        _("Correct volts, amperes or watts: watts are never more than they come to."),
    ),
    "power_in_kilowatts": Phrase(
        _("Power is below 1000 W"), _("Write the power in watts: 22 kW is 22000.")
    ),
    "evse_id_format": Phrase(
        _("EVSE id is not like DE*ABC*E0001"),
        _("Write the id as eMI3 has it: country, operator, E, and a number."),
        "evse_id",
    ),
    "same_place": Phrase(
        _("Another site has the same coordinates"),
        _("Correct the coordinates; what is one site belongs into one location."),
        "latitude",
    ),
    "hidden_in_service": Phrase(
        _("In service, but not published"),
        _("Publish it, so that drivers find it, or say to which tokens it is published."),
        "publish",
    ),
    "no_evse_id": Phrase(
        _("No EVSE id"), _("Write the id that is printed on the station."), "evse_id"
    ),
    "no_tariff": Phrase(
        _("Connector without a tariff"),
        _("Choose a tariff at the connector: without one charging costs nothing."),
    ),
    "no_opening_hours": Phrase(
        _("No opening hours"), _("Say when it is open, or that it always is."), "open_always"
    ),
    "no_operator": Phrase(
        _("No operator"), _("Write the name that drivers know it by."), "operator_name"
    ),
    "no_help_phone": Phrase(
        _("No help phone"), _("Write the number that drivers call for help."), "help_phone"
    ),
    "no_name": Phrase(_("No name"), _("Give the place a name that drivers recognise."), "name"),
    "name_is_address": Phrase(
        _("Name is the address"), _("Give the place a name that says more."), "name"
    ),
    "no_postal_code": Phrase(_("No postal code"), _("Write the postal code."), "postal_code"),
    "no_physical_reference": Phrase(
        _("EVSE without a sign"),
        _("Write what stands on it, so that drivers find the right one of several."),
        "physical_reference",
    ),
    "no_remote_start": Phrase(
        _("Apps cannot start a session"),
        _("Tick “Remote start and stop” among the capabilities, if the station can do it."),
        "capabilities",
    ),
    "no_parking_type": Phrase(
        _("Kind of parking is not stated"), _("Choose the parking type."), "parking_type"
    ),
    "no_accessibility": Phrase(
        _("Nothing says who may park there"),
        _("State parking restrictions or places at EVSEs, those for disabled people too."),
    ),
    "no_photos": Phrase(
        _("No photos"),
        _("Add the address of a photo of the station or its entrance."),
        "image_lines",
    ),
    "no_directions": Phrase(
        _("No directions"), _("Say how to find it from the street."), "direction_texts"
    ),
    "no_energy_mix": Phrase(
        _("No energy mix"), _("Say whether the energy is green, and where it comes from."), "green"
    ),
    "complete_but_hidden": Phrase(
        _("Complete, but not published"),
        _("Publish it once drivers may come: nothing that they need is missing."),
        "publish",
    ),
}
