"""EVSE statuses and connectors, as people read them."""

from collections.abc import Iterable
from decimal import Decimal

from django.utils.html import format_html_join
from django.utils.translation import gettext

from cpo_platform.common.admin import NONE, number, pill
from locations.models import Connector, Status

# From "all is well" to "look here", with their colours.
STATUS_TONES = {
    Status.AVAILABLE: "green",
    Status.CHARGING: "blue",
    Status.RESERVED: "blue",
    Status.BLOCKED: "amber",
    Status.INOPERATIVE: "amber",
    Status.OUTOFORDER: "red",
    Status.PLANNED: "grey",
    Status.UNKNOWN: "grey",
    Status.REMOVED: "grey",
}


def status_pill(status: str) -> str:
    """Return an EVSE status in its colour."""
    known = Status(status)
    return pill(known.label, STATUS_TONES[known])


def connector_text(connector: Connector) -> str:
    """Say in a few words what a connector is: `IEC 62196 T2, socket, 22 kW`."""
    kind = connector.standard.replace("_", " ")
    power = connector.max_electric_power or power_of(connector)
    shown = number(round(Decimal(power) / 1000, 1), "kW")
    return f"{kind}, {connector.get_format_display()}, {shown}"


def power_of(connector: Connector) -> int:
    """Return the W that volts and amperes make (OCPI 2.2.1, Connector.max_voltage: phase to N)."""
    phases = {"AC_2_PHASE": 2, "AC_2_PHASE_SPLIT": 2, "AC_3_PHASE": 3}.get(connector.power_type, 1)
    return connector.max_voltage * connector.max_amperage * phases


def lines(texts: Iterable[str]) -> str:
    """Return texts one below the other; a dash for none."""
    shown: str = format_html_join("", "<div>{}</div>", ((text,) for text in texts))
    return shown or NONE


def yes_no(value: bool | None) -> str:  # noqa: FBT001  a value to be shown
    """Return yes or no; a dash where nobody said."""
    return NONE if value is None else gettext("yes") if value else gettext("no")
