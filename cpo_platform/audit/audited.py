"""Which tables are audited, which columns machines move, and why the others are not.

A table that is in neither list fails the tests; `triggers` brings the database in step.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from django.apps import apps
from django.db.models import Model

# A chain leads from a row to what it is a part of: (column, table), (column of that table, table)…
Chain = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Audited:
    """How one table is recorded.

    `left_out` are columns that machines move: to write them costs nothing, and they are not kept.
    `by_hand` are moved by machines and by people: only what people do is recorded
    (`acting`: these pages, imports, commands). `secrets` are recorded as changed, without values.
    `parts_of` are the chains to the objects on whose pages a change is shown, too.
    With `rows_by_hand` rows that come and go are recorded only where people make them do so.
    """

    label: str
    left_out: tuple[str, ...] = ()
    by_hand: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    parts_of: tuple[Chain, ...] = ()
    rows_by_hand: bool = False
    # All but these columns are left out, for tables that machines write most of.
    only: tuple[str, ...] = ()

    @property
    def model(self) -> type[Model]:
        return apps.get_model(self.label)

    @property
    def table(self) -> str:
        return self.model._meta.db_table  # noqa: SLF001  Django's own public name

    @property
    def key(self) -> str:
        return str(self.model._meta.pk.column)  # noqa: SLF001

    @property
    def columns(self) -> list[str]:
        """Return the columns whose changes are always recorded."""
        return [name for name in self._all if name not in (*self.unkept, *self.by_hand)]

    @property
    def unkept(self) -> list[str]:
        """Return the columns that are not recorded at all."""
        if self.only:
            named = (*self.only, *self.by_hand, self.key)
            return [name for name in self._all if name not in named]
        return list(self.left_out)

    @property
    def _all(self) -> list[str]:
        return [str(field.column) for field in self.model._meta.concrete_fields]  # noqa: SLF001


_LOCATION: Chain = (("location_id", "locations_location"),)
_EVSE: Chain = (("evse_id", "locations_evse"), *_LOCATION)
_CONNECTOR: Chain = (("connector_id", "locations_connector"), *_EVSE)
_TARIFF: Chain = (("tariff_id", "tariffs_tariff"),)
_PARTNER: Chain = (("partner_id", "roaming_partner"),)
_STATION: Chain = (("station_id", "ocpp_gateway_station"),)
_SESSION: Chain = (("session_id", "sessions_app_session"),)
_USER: Chain = (("user_id", "auth_user"),)
_RULE: Chain = (("rule_id", "alerting_rule"),)
_CHANNEL: Chain = (("channel_id", "alerting_channel"),)
_GROUP: Chain = (("group_id", "auth_group"),)

AUDITED: tuple[Audited, ...] = (
    Audited("auth.User", left_out=("last_login",), secrets=("password",)),
    Audited("auth.Group"),
    Audited("auth.Group_permissions", parts_of=(_GROUP,)),
    Audited("auth.User_groups", parts_of=(_USER, _GROUP)),
    Audited("auth.User_user_permissions", parts_of=(_USER,)),
    # Where people sign in by allauth.
    Audited("account.EmailAddress", parts_of=(_USER,)),
    Audited("mfa.Authenticator", left_out=("last_used_at",), secrets=("data",), parts_of=(_USER,)),
    Audited(
        "socialaccount.SocialAccount", left_out=("last_login", "extra_data"), parts_of=(_USER,)
    ),
    Audited("socialaccount.SocialApp", secrets=("secret", "key", "settings")),
    Audited("staff.StaffScope", parts_of=(_USER,)),
    Audited(
        "staff.StaffScope_parties", parts_of=((("staffscope_id", "staff_staffscope"), *_USER),)
    ),
    Audited(
        "staff.StaffScope_location_groups",
        parts_of=((("staffscope_id", "staff_staffscope"), *_USER),),
    ),
    Audited("tariffs.Party"),
    Audited("tariffs.Tariff", left_out=("last_updated", "created_at")),
    Audited("tariffs.TariffElement", parts_of=(_TARIFF,)),
    Audited(
        "tariffs.PriceComponent", parts_of=((("element_id", "tariffs_tariffelement"), *_TARIFF),)
    ),
    Audited("locations.Location", left_out=("last_updated", "created_at", "evses_in_place")),
    Audited("locations.LocationGroup"),
    Audited(
        "locations.LocationGroup_locations",
        parts_of=((("locationgroup_id", "locations_locationgroup"),), _LOCATION),
    ),
    Audited("locations.ParkingPlace", parts_of=(_LOCATION,)),
    # Stations report the status all day long; staff sets it now and then.
    Audited(
        "locations.Evse",
        left_out=("last_updated", "created_at"),
        by_hand=("status",),
        parts_of=(_LOCATION,),
    ),
    Audited("locations.EvseParking", parts_of=(_EVSE,)),
    Audited("locations.Connector", left_out=("last_updated",), parts_of=(_EVSE,)),
    Audited("locations.Connector_tariffs", parts_of=(_CONNECTOR, _TARIFF)),
    Audited("sessions_app.Token", left_out=("last_updated", "created_at")),
    # Stations start, move and end sessions: what is decided is what partners and staff choose.
    Audited(
        "sessions_app.Session",
        only=("country_code", "party_id", "ocpi_id", "tariff_id", "charging_preferences"),
        by_hand=("status", "end_date_time"),
        rows_by_hand=True,
    ),
    # Nobody can change a CDR. Stations' sessions become CDRs by themselves; credits are staff's.
    Audited(
        "sessions_app.Cdr",
        left_out=(
            *("last_updated", "created_at", "cdr_location", "tariffs", "charging_periods"),
            *("signed_data", "costs", "price_lines"),
        ),
        parts_of=(_SESSION, (("replaces_id", "sessions_app_cdr"),)),
        rows_by_hand=True,
    ),
    Audited("sessions_app.CdrHold", parts_of=(_SESSION,)),
    # What it counts while it runs is left out.
    Audited(
        "sessions_app.Replay",
        only=(
            *("tariff_id", "candidate", "period_start", "period_end", "country_code", "party_id"),
            *("location_ids", "place", "use_readings", "started_by", "started_at"),
        ),
        by_hand=("status",),
    ),
    Audited("sessions_app.Reservation", parts_of=(_SESSION,)),
    # Progress of pulls and handshakes is left out.
    Audited(
        "roaming.Partner",
        left_out=("token_pull", "told_parties", "handshake", "created_at"),
        secrets=("token_encrypted", "previous_token_encrypted"),
    ),
    Audited(
        "roaming.Partner_location_groups",
        parts_of=(_PARTNER, (("locationgroup_id", "locations_locationgroup"),)),
    ),
    Audited("roaming.Partner_tariffs", parts_of=(_PARTNER, _TARIFF)),
    Audited("roaming.PartnerRole", parts_of=(_PARTNER,)),
    Audited("roaming.Endpoint", parts_of=(_PARTNER,)),
    Audited("roaming.PartnerToken", secrets=("digest",), parts_of=(_PARTNER,)),
    # Of a lane staff decides that it is paused; all else is progress.
    Audited(
        "roaming.Feed",
        only=("partner_id", "lane"),
        by_hand=("paused_at",),
        parts_of=(_PARTNER,),
        rows_by_hand=True,
    ),
    # What it is, and what it runs, is kept; that it is there, and what it is at, is left out.
    Audited(
        "ocpp_gateway.Station",
        left_out=(
            *("booted_at", "boot_reason", "remote_address", "first_seen_at", "connection"),
            *("connected_at", "online_until", "disconnected_at", "offline_shown"),
            *("firmware_status", "log_status", "configuration", "configuration_read_at"),
        ),
        secrets=("password_hash", "next_password_hash"),
        parts_of=(_LOCATION,),
    ),
    Audited(
        "ocpp_gateway.Outlet",
        left_out=(
            *("reported_status", "reported_at", "error", "charging_state"),
            *("publish_due_at", "published"),
        ),
        parts_of=(_STATION, _CONNECTOR),
    ),
    # They are raised by machines; who settled one is staff's.
    Audited(
        "ocpp_gateway.StationAlert",
        only=("kind", "station_id", "transaction_id", "text"),
        by_hand=("resolved_at", "resolved_by"),
        parts_of=(_STATION,),
        rows_by_hand=True,
    ),
    Audited("upkeep.Schedule"),
    Audited("alerting.Rule", left_out=("looked_at",)),
    Audited("alerting.Rule_parties", parts_of=(_RULE,)),
    Audited("alerting.Rule_location_groups", parts_of=(_RULE,)),
    # The address of a webhook often is all that it takes to write to somebody.
    Audited("alerting.Channel", secrets=("secret_encrypted", "url")),
    Audited("alerting.Channel_users", parts_of=(_CHANNEL,)),
    Audited("alerting.Channel_rules", parts_of=(_CHANNEL,)),
    Audited("alerting.Channel_parties", parts_of=(_CHANNEL,)),
    Audited("alerting.Channel_location_groups", parts_of=(_CHANNEL,)),
    # They are opened and closed by machines; who sees to one is staff's.
    Audited(
        "alerting.Incident",
        only=("key", "location_id", "country_code", "party_id"),
        by_hand=("acknowledged_at", "acknowledged_by", "note", "snoozed_until"),
        rows_by_hand=True,
    ),
)

NOT_AUDITED: Mapping[str, str] = {
    "django_celery_beat.PeriodicTask": "made of the schedules, for the beat; those are audited",
    "django_celery_beat.PeriodicTasks": "when the beat has to read its tasks again",
    "django_celery_beat.IntervalSchedule": "made of the schedules, for the beat; those are audited",
    "django_celery_beat.CrontabSchedule": "made of the schedules, for the beat; those are audited",
    "django_celery_beat.SolarSchedule": "not used",
    "django_celery_beat.ClockedSchedule": "not used",
    "alerting.Alert": "found by the platform, and gone with what was wrong",
    "workplace.Tally": "counted by the platform each hour",
    "bulk.Job": "a record itself: who changed what, and what became of it",
    "bulk.JobRow": "a record itself; the objects that it changes are audited",
    "alerting.Notification": "a record itself: who was told of what",
    "account.EmailConfirmation": "a secret that is mailed; nobody confirms addresses here",
    "socialaccount.SocialToken": "secrets of another platform; we keep none",
    "socialaccount.SocialApp_sites": "sites are not used",
    "usersessions.UserSession": "who is signed in, from where; it ends by itself",
    "admin.LogEntry": "nothing is written to it any more: this is its successor",
    "audit.Entry": "it is the audit",
    "auth.Permission": "made by migrations, from the code",
    "staff.RoleGroup": "made by migrations, from the code",
    "contenttypes.ContentType": "made by migrations, from the code",
    "sessions.Session": "who is signed in, with a secret key; it ends by itself",
    "locations.StatusChange": "a record itself: what statuses EVSEs had",
    "locations.EvseUptime": "sums of what statuses EVSEs had",
    "locations.LocationUptime": "sums of what statuses EVSEs had",
    "sites.SiteQuality": "found by the platform while it looks at locations",
    "sessions_app.ChargingPeriod": "made of each meter value; the CDR keeps them for good",
    "sessions_app.MeterReading": "each meter value is a row, and stays as it is",
    "sessions_app.ReplayResult": "what a replay has computed",
    "sessions_app.SimulatedStation": "a toy: no station of the network",
    "roaming.Command": "a record itself: what a partner asked for, and what came of it",
    "roaming.ProfileRequest": "a record itself: what a partner asked for, and what came of it",
    "roaming.Document": "what is served, rendered from other tables",
    "roaming.Quarantined": "found by the platform while it renders; it goes when it is mended",
    "roaming.DriftCheck": "a record itself: who started it, and what was found",
    "roaming.Drift": "what a drift check has found",
    "roaming.Walk": "progress of what is sent",
    "roaming.Change": "the change feed: a row for whatever happens",
    "roaming.Pace": "a counter",
    "roaming.Delivery": "what a partner holds: a row for whatever is sent",
    "roaming.ClientInfo": "what a hub tells of others, all day long",
    "roaming.Message": "a log itself",
    "roaming.MessageBody": "a log itself",
    "roaming.RefusedCall": "counters",
    "roaming.TrafficMinute": "counters",
    "roaming.TrafficTotal": "counters",
    "ocpp_gateway.StationCall": "a record itself: who asked a station for what, and its answer",
    "ocpp_gateway.RemoteStart": "what a station is awaited to do",
    "ocpp_gateway.Transaction": "what a station says, in the station's words",
    "ocpp_gateway.News": "a queue",
    "ocpp_gateway.SignedMeterValue": "a record itself: each is written once, and judged",
    "ocpp_gateway.StationMessage": "a log itself",
}


def audited() -> Iterator[Audited]:
    """Return the tables that are audited, of the apps that are installed."""
    for one in AUDITED:
        if apps.is_installed(_app_of(one.label)):
            yield one


@cache
def by_table() -> Mapping[str, Audited]:
    """Return them by the names of their tables."""
    return {one.table: one for one in audited()}


def _app_of(label: str) -> str:
    name = label.partition(".")[0]
    config = next((each for each in apps.get_app_configs() if each.label == name), None)
    return config.name if config else ""
