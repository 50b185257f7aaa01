"""What each kind of rule needs, and the rules that a new platform begins with: no database."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from cpo_platform.alerting.models import Kind, Severity
from cpo_platform.upkeep import readiness
from locations.models import Status
from ocpp_gateway.models import AlertKind

STATUSES = (Status.OUTOFORDER, Status.INOPERATIVE, Status.UNKNOWN, Status.BLOCKED)
# Without the database nobody could be told.
COMPONENTS: Mapping[str, Any] = {
    part: name for part, name in readiness.NAMES.items() if part != "database"
}
# Partners and the platform belong to no place: their rules look at all of it.
OF_NO_PLACE = frozenset([Kind.PARTNER_LAG, Kind.PARTNER_FAILING, Kind.PARTNER_TOKEN, Kind.PLATFORM])
# What costs more is looked at less often.
EVERY: Mapping[str, timedelta] = {
    Kind.REVENUE: timedelta(minutes=15),
    Kind.CDR_COST: timedelta(minutes=2),
    Kind.SESSION_SILENT: timedelta(minutes=2),
}
# What goes wrong where a connection is lost: it is the doing of whatever took the station away.
OF_CONNECTIONS = frozenset(
    [Kind.STATION_OFFLINE, Kind.EVSE_STATUS, Kind.STATION_ALERT, Kind.SESSION_SILENT]
)


@dataclass(frozen=True)
class About:
    """What a kind is for, in a sentence; the units of its numbers ("": it has none)."""

    text: Any
    limit: Any = ""
    upper: Any = ""
    choices: Mapping[str, Any] = field(default_factory=dict)
    has_currency: bool = False
    needs_limit: bool = True


ABOUT: Mapping[str, About] = {
    Kind.EVSE_STATUS: About(
        _("An EVSE has one of these statuses."),
        choices={status.value: status.label for status in STATUSES},
    ),
    Kind.STATION_OFFLINE: About(_("A station in service has lost its connection.")),
    Kind.STATION_ALERT: About(
        _("The gateway has raised an alert of a station, and nobody has resolved it."),
        choices={kind.value: kind.label for kind in AlertKind},
    ),
    Kind.PARTNER_LAG: About(
        _("The oldest change that a partner was not told of is older than this."),
        pgettext_lazy("unit of time", "seconds"),
    ),
    Kind.PARTNER_FAILING: About(
        _("Requests to a partner have failed this often in a row."), _("failures")
    ),
    Kind.PARTNER_TOKEN: About(_("A partner refuses our token: nothing reaches it.")),
    Kind.SESSION_SILENT: About(
        _("A session goes on, and its meter has said nothing for so long."), _("minutes")
    ),
    Kind.SESSION_LONG: About(_("A session has lasted longer than this."), _("hours")),
    Kind.HELD_COUNT: About(_("More CDRs than this are held for staff."), _("held CDRs")),
    Kind.HELD_AGE: About(_("A held CDR has waited for longer than this."), _("hours")),
    Kind.CDR_COST: About(
        _("A CDR of the last two days costs more than this, before taxes."),
        _("in the currency"),
        has_currency=True,
    ),
    Kind.REVENUE: About(
        _(
            "The revenue of yesterday (UTC), of a party, is below or above a share of the median "
            "of the same weekday."
        ),
        _("percent: below it is too little"),
        _("percent: above it is too much"),
        needs_limit=False,
    ),
    Kind.PLATFORM: About(
        _("A part of the platform does not answer, or is not there."), choices=COMPONENTS
    ),
}


@dataclass(frozen=True)
class Default:
    """A rule that a new platform begins with."""

    kind: Kind
    severity: Severity
    delay: int
    clear: int = 5
    choices: tuple[str, ...] = ()
    limit: int | None = None
    upper: int | None = None
    is_on: bool = True


DEFAULTS = (
    Default(Kind.STATION_OFFLINE, Severity.WARNING, 5),
    Default(Kind.EVSE_STATUS, Severity.WARNING, 10, 10, (Status.OUTOFORDER.value,)),
    Default(Kind.EVSE_STATUS, Severity.INFO, 60, 10, (Status.UNKNOWN.value,), is_on=False),
    Default(
        Kind.STATION_ALERT,
        Severity.WARNING,
        0,
        # That a station is offline is a rule of its own.
        choices=tuple(kind.value for kind in AlertKind if kind is not AlertKind.OFFLINE),
    ),
    Default(Kind.PARTNER_LAG, Severity.WARNING, 5, limit=120),
    Default(Kind.PARTNER_FAILING, Severity.WARNING, 5, limit=3),
    Default(Kind.PARTNER_TOKEN, Severity.CRITICAL, 0),
    Default(Kind.SESSION_SILENT, Severity.INFO, 0, limit=120),
    Default(Kind.SESSION_LONG, Severity.INFO, 0, limit=72),
    Default(Kind.HELD_COUNT, Severity.WARNING, 0, limit=20),
    Default(Kind.HELD_AGE, Severity.INFO, 0, limit=48),
    Default(Kind.REVENUE, Severity.INFO, 0, limit=50, upper=200, is_on=False),
    Default(Kind.PLATFORM, Severity.CRITICAL, 2, 2, tuple(COMPONENTS)),
)
