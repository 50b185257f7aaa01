"""Roles: what people may do, in one table. Computed with no database.

`AREAS` puts each model of ours into one area; `ROLES` says for each area how far a role goes. A
permission that neither knows fails a test.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from django.utils.translation import gettext_lazy as _


class Level(IntEnum):
    """How far a role goes in an area; each holds what is before it."""

    NONE = 0
    SEE = 1
    WORK = 2
    ALL = 3


VERBS: Mapping[Level, tuple[str, ...]] = {
    Level.NONE: (),
    Level.SEE: ("view",),
    Level.WORK: ("view", "add", "change"),
    Level.ALL: ("view", "add", "change", "delete"),
}

NETWORK, GROUPS, PRICES, REPLAYS = "network", "groups", "prices", "replays"
CHARGING, BILLING, TOKENS = "charging", "billing", "tokens"
CHARGERS, CHARGER_MESSAGES, ALERTS = "chargers", "charger_messages", "alerts"
PARTNERS, PARTNER_SECRETS, MESSAGES = "partners", "partner_secrets", "messages"
ALERT_RULES, ALERT_CHANNELS = "alert_rules", "alert_channels"
COMMANDS, SCHEDULES, STAFF, BULK = "commands", "schedules", "staff", "bulk"

AREAS: Mapping[str, tuple[str, ...]] = {
    NETWORK: (
        *("tariffs.party", "locations.location", "locations.evse", "locations.connector"),
        *("locations.parkingplace", "locations.evseparking", "sessions_app.simulatedstation"),
        *("locations.statuschange", "locations.evseuptime", "locations.locationuptime"),
        "sites.sitequality",
    ),
    GROUPS: ("locations.locationgroup",),
    PRICES: ("tariffs.tariff", "tariffs.tariffelement", "tariffs.pricecomponent"),
    REPLAYS: ("sessions_app.replay", "sessions_app.replayresult"),
    CHARGING: (
        *("sessions_app.session", "sessions_app.chargingperiod", "sessions_app.meterreading"),
        "sessions_app.reservation",
    ),
    BILLING: ("sessions_app.cdr", "sessions_app.cdrhold"),
    TOKENS: ("sessions_app.token",),
    CHARGERS: (
        *("ocpp_gateway.station", "ocpp_gateway.outlet", "ocpp_gateway.stationcall"),
        *("ocpp_gateway.remotestart", "ocpp_gateway.transaction", "ocpp_gateway.news"),
        "ocpp_gateway.signedmetervalue",
    ),
    CHARGER_MESSAGES: ("ocpp_gateway.stationmessage",),
    ALERTS: (
        *("ocpp_gateway.stationalert", "alerting.incident", "alerting.alert"),
        "workplace.tally",
    ),
    ALERT_RULES: ("alerting.rule",),
    # Who is told, and where: addresses of webhooks are as good as secrets.
    ALERT_CHANNELS: ("alerting.channel", "alerting.notification"),
    PARTNERS: (
        *("roaming.partner", "roaming.partnerrole", "roaming.endpoint", "roaming.clientinfo"),
        *("roaming.feed", "roaming.walk", "roaming.change", "roaming.pace", "roaming.delivery"),
        *("roaming.document", "roaming.quarantined", "roaming.driftcheck", "roaming.drift"),
        *("roaming.trafficminute", "roaming.traffictotal"),
    ),
    PARTNER_SECRETS: ("roaming.partnertoken",),
    MESSAGES: ("roaming.message", "roaming.messagebody", "roaming.refusedcall"),
    COMMANDS: ("roaming.command", "roaming.profilerequest"),
    # What a job may write is what its person may write by hand: this is to make jobs at all.
    BULK: ("bulk.job", "bulk.jobrow"),
    SCHEDULES: (
        "upkeep.schedule",
        # What the beat reads: it is made of the schedules, and nobody sees or changes it itself.
        *("django_celery_beat.periodictask", "django_celery_beat.periodictasks"),
        *("django_celery_beat.intervalschedule", "django_celery_beat.crontabschedule"),
        *("django_celery_beat.solarschedule", "django_celery_beat.clockedschedule"),
    ),
    STAFF: (
        *("auth.user", "auth.group", "auth.permission", "staff.rolegroup", "staff.staffscope"),
        "admin.logentry",
    ),
}

AREA_NAMES: Mapping[str, Any] = {
    NETWORK: _("Locations, EVSEs and parties"),
    GROUPS: _("Location groups"),
    PRICES: _("Tariffs"),
    REPLAYS: _("Replays"),
    CHARGING: _("Sessions and reservations"),
    BILLING: _("CDRs and held CDRs"),
    TOKENS: _("Tokens"),
    CHARGERS: _("Stations and transactions"),
    CHARGER_MESSAGES: _("Station messages"),
    ALERTS: _("Alerts"),
    ALERT_RULES: _("Rules of alerts"),
    ALERT_CHANNELS: _("Channels of alerts"),
    PARTNERS: _("Partners, their health and drift"),
    PARTNER_SECRETS: _("Partners' secrets"),
    MESSAGES: _("Messages with partners"),
    COMMANDS: _("Commands and charging profiles"),
    BULK: _("Bulk changes"),
    SCHEDULES: _("Schedules of tasks"),
    STAFF: _("Staff, roles and scopes"),
}

# Permissions that are of no model: who has them.
VIEW_OPERATIONS = "staff.view_operations"
# Nobody may do more than look: the audit is the database's.
VIEW_AUDIT = "audit.view_entry"


@dataclass(frozen=True, slots=True)
class Role:
    """A role: what it is called, what it is for, and how far it goes in each area.

    `further` are permissions beside those of the areas, such as to ask a station something.
    """

    key: str
    name: Any
    about: Any
    levels: Mapping[str, Level]
    further: frozenset[str] = frozenset()

    @property
    def permissions(self) -> frozenset[str]:
        """Return all that it may do, such as `locations.view_evse`."""
        return (
            frozenset(
                f"{app}.{verb}_{name}"
                for area, level in self.levels.items()
                for model in AREAS[area]
                for app, _dot, name in [model.partition(".")]
                for verb in VERBS[level]
            )
            | self.further
        )


def _levels(default: Level, **others: Level) -> Mapping[str, Level]:
    return {area: others.get(area, default) for area in AREAS}


OPERATOR_ADMIN = "operator_admin"

ROLES: tuple[Role, ...] = (
    Role(
        OPERATOR_ADMIN,
        _("Operator admin"),
        _("Everything, and who else may do what."),
        _levels(Level.ALL),
        frozenset({VIEW_OPERATIONS, VIEW_AUDIT}),
    ),
    Role(
        "operations",
        _("Operations"),
        _("The network and its chargers, alerts and sessions. Decides nothing about money."),
        _levels(
            Level.SEE,
            network=Level.WORK,
            groups=Level.ALL,
            charging=Level.WORK,
            chargers=Level.ALL,
            alerts=Level.WORK,
            alert_rules=Level.ALL,
            alert_channels=Level.ALL,
            partner_secrets=Level.NONE,
            bulk=Level.WORK,
            schedules=Level.NONE,
            staff=Level.NONE,
        ),
        frozenset({VIEW_AUDIT}),
    ),
    Role(
        "support",
        _("Support"),
        _("Helps drivers: finds sessions, tokens and CDRs, unlocks, settles alerts."),
        _levels(
            Level.NONE,
            network=Level.SEE,
            groups=Level.SEE,
            charging=Level.SEE,
            billing=Level.SEE,
            tokens=Level.SEE,
            chargers=Level.SEE,
            charger_messages=Level.SEE,
            alerts=Level.WORK,
            alert_rules=Level.SEE,
            commands=Level.SEE,
        ),
        frozenset({"ocpp_gateway.add_stationcall", "sessions_app.change_reservation"}),
    ),
    Role(
        "finance",
        _("Finance"),
        _("Prices and bills: tariffs, replays, CDRs, held CDRs, billing again."),
        _levels(
            Level.NONE,
            network=Level.SEE,
            groups=Level.SEE,
            prices=Level.ALL,
            bulk=Level.WORK,
            replays=Level.ALL,
            charging=Level.SEE,
            billing=Level.ALL,
            tokens=Level.SEE,
            chargers=Level.SEE,
            partners=Level.SEE,
        ),
        frozenset({VIEW_AUDIT}),
    ),
    Role(
        "partner_manager",
        _("Partner manager"),
        _("Partners: connecting them, what they see, hubs, messages and drift."),
        _levels(
            Level.SEE,
            groups=Level.ALL,
            bulk=Level.WORK,
            partners=Level.ALL,
            partner_secrets=Level.ALL,
            replays=Level.NONE,
            charger_messages=Level.NONE,
            alert_channels=Level.NONE,
            schedules=Level.NONE,
            staff=Level.NONE,
        ),
        frozenset({VIEW_AUDIT}),
    ),
    Role(
        "read_only",
        _("Read only"),
        _("Sees everything but staff and secrets, and changes nothing."),
        _levels(
            Level.SEE,
            partner_secrets=Level.NONE,
            alert_channels=Level.NONE,
            schedules=Level.NONE,
            staff=Level.NONE,
        ),
    ),
    Role(
        "ops",
        _("Platform operations"),
        _("Keeps the platform itself running: monitoring, tasks, messages and alerts."),
        _levels(
            Level.NONE,
            network=Level.SEE,
            chargers=Level.SEE,
            charger_messages=Level.SEE,
            alerts=Level.WORK,
            alert_rules=Level.SEE,
            alert_channels=Level.SEE,
            partners=Level.SEE,
            messages=Level.SEE,
            commands=Level.SEE,
            schedules=Level.WORK,
        ),
        frozenset({VIEW_OPERATIONS}),
    ),
)

BY_KEY: Mapping[str, Role] = {role.key: role for role in ROLES}


def known_permissions() -> frozenset[str]:
    """Return every permission that the table decides."""
    every = _levels(Level.ALL)
    return Role("", "", "", every, frozenset({VIEW_OPERATIONS, VIEW_AUDIT})).permissions
