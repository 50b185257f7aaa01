"""A network as large as they get, made of the demonstration's: `manage.py seed_scale`.

The demonstration is written by the operations that real data takes. What is made here are copies of
its rows, in SQL, with other names, places and times: tens of thousands a second. Nobody is told of
them (no change feed, no audit): a seeded database is for measuring, and for nothing else.

It is done in steps of one transaction each, and each step looks first how far it is: a run that was
interrupted goes on where it stopped.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import ProgrammingError, connection, transaction
from django.db.models.expressions import RawSQL

from cpo_platform import demo
from cpo_platform.common.secrets import encrypt, new_token
from cpo_platform.upkeep.copying import insert_copies
from locations import tallying
from locations.models import Connector, Evse, Location, LocationGroup
from ocpp_gateway.models import Outlet, Station
from roaming.models import Feed, Message, Partner, PartnerRole, PartnerStatus, Role
from roaming.operations import feed
from sessions_app.models import Cdr, ChargingPeriod, Session, Token, TokenType, WhitelistType

# What a copy's identifiers begin with: the number of the copy follows.
PREFIX = "SEED"
DAYS = 400
# Since when it is known what was up.
HISTORY_DAYS = 60
CHUNK = 20_000
PARTNERS = 20
PARTNER = "Partner Z"
ELSEWHERE = "https://scale.example"
GROUPS = 25
# Half as many messages as sessions, in so many days.
MESSAGES_DAYS = 3
FIRST_CONNECTORS = (
    "(SELECT evse_id, min(id) AS connector_id FROM locations_connector GROUP BY evse_id) AS first"
)


class NotEmpty(RuntimeError):
    """The database holds sessions that neither the demonstration nor a seeding has made."""


class NoSuperuser(RuntimeError):
    """PostgreSQL lets only a superuser write rows that no trigger looks at."""


@dataclass(frozen=True)
class Step:
    """One transaction: what it makes, and how many of how many there are then."""

    what: str
    done: int
    total: int


def seed(*, evses: int, sessions: int, now: datetime) -> Iterator[Step]:
    """Make so many EVSEs, and so many sessions with their CDRs, in all; yield each step.

    Raises:
        NotEmpty: there is a network here that is not the demonstration's.
        NoSuperuser: the database user may not leave out triggers.

    """
    _refuse_other_networks()
    demo.load(now=now)
    yield from _network(evses)
    yield Step("partners", _partners(now), PARTNERS)
    yield from _charging(sessions, now)
    yield Step("tokens", *_tokens(max(sessions // 5, 1), now))
    yield Step("sessions that go on", *_ongoing(now))
    yield Step("messages of partners", *_messages(sessions, now))
    yield from _uptimes(now)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def _refuse_other_networks() -> None:
    known = Location.objects.filter(ocpi_id__startswith=PREFIX).exists()
    if Session.objects.count() > demo.SESSIONS * 20 and not known:
        raise NotEmpty(
            "There are sessions of a network that runs: seed a database of its own (VAR_DIR=...)."
        )


def _network(evses: int) -> Iterator[Step]:
    """Copy the demonstration's locations until there are enough EVSEs."""
    originals = Evse.objects.exclude(location__ocpi_id__startswith=PREFIX).count()
    copies = max(-(-evses // originals) - 1, 0)
    made = (
        Location.objects.filter(ocpi_id__startswith=PREFIX)
        .annotate(copy=RawSQL(_copy_number("ocpi_id"), []))
        .values_list("copy", flat=True)
        .order_by("-copy")
        .first()
        or 0
    )
    step = max(CHUNK // originals, 1)
    for first in range(made + 1, copies + 1, step):
        last = min(first + step - 1, copies)
        _write(*_copies_of_network(first, last))
        yield Step("EVSEs", originals * (last + 1), originals * (copies + 1))


def _copies_of_network(first: int, last: int) -> Iterator[tuple[str, list[Any]]]:
    number = f"generate_series({int(first)}, {int(last)}) AS number"
    prefix = f"'{PREFIX}' || number || '-'"
    is_copy = "NOT starts_with({0}, '" + PREFIX + "')"
    here = f"{_copy_number('copy.ocpi_id')} BETWEEN {int(first)} AND {int(last)}"
    copied = "copy.ocpi_id LIKE '" + PREFIX + "%%-' || place.ocpi_id AND " + here
    yield (
        insert_copies(
            Location,
            {
                "ocpi_id": f"{prefix} || original.ocpi_id",
                "name": "original.name || ' ' || number",
                # Some hundred kilometres around, the same each time.
                "latitude": f"original.latitude + {_noise('number', 'original.id')} * 5",
                "longitude": f"original.longitude + {_noise('original.id', 'number')} * 7",
            },
            f"locations_location AS original, {number} WHERE {is_copy.format('original.ocpi_id')}",
        ),
        [],
    )
    yield (
        insert_copies(
            Evse,
            {
                "location_id": "copy.id",
                "uid": "split_part(copy.ocpi_id, '-', 1) || '-' || original.uid",
                "evse_id": f"original.evse_id || '*' || {_copy_number('copy.ocpi_id')}",
                "status": _status("original.id", "copy.id"),
            },
            "locations_evse AS original"
            " JOIN locations_location AS place ON place.id = original.location_id"
            f" JOIN locations_location AS copy ON {copied}",
        ),
        [],
    )
    yield (
        # The EVSE that one was copied from has the same uid, without the prefix.
        "CREATE TEMPORARY TABLE twins ON COMMIT DROP AS"
        " SELECT copy.id AS copy_id, original.id AS original_id FROM locations_evse AS copy"
        " JOIN locations_evse AS original"
        " ON original.uid = substr(copy.uid, position('-' in copy.uid) + 1)"
        f" WHERE {_copy_number('copy.uid')} BETWEEN {int(first)} AND {int(last)}",
        [],
    )
    yield (
        insert_copies(
            Connector,
            {"evse_id": "twins.copy_id"},
            "locations_connector AS original JOIN twins ON twins.original_id = original.evse_id",
        ),
        [],
    )
    # Each has failed once since, for some hours.
    yield (
        "INSERT INTO locations_statuschange (evse_id, at, status)"
        " SELECT evse.id, date_trunc('milliseconds', now()) - past.ago, past.status"
        " FROM twins JOIN locations_evse AS evse ON evse.id = twins.copy_id,"
        " LATERAL (SELECT (abs(hashint8(evse.id)::bigint) % 50 + 4) * interval '1 day' AS ago,"
        " (abs(hashint8(evse.id)::bigint) % 47 + 1) * interval '1 hour' AS hours) AS failure,"
        f" LATERAL (VALUES (interval '{HISTORY_DAYS} days', 'AVAILABLE'),"
        " (failure.ago, 'OUTOFORDER'), (failure.ago - failure.hours, 'AVAILABLE'),"
        " (interval '0', evse.status)) AS past (ago, status)",
        [],
    )
    yield "ANALYZE twins, locations_connector", []
    yield (
        "INSERT INTO locations_connector_tariffs (connector_id, tariff_id)"
        " SELECT copy.id, link.tariff_id FROM twins"
        " JOIN locations_connector AS original ON original.evse_id = twins.original_id"
        " JOIN locations_connector AS copy"
        " ON copy.evse_id = twins.copy_id AND copy.ocpi_id = original.ocpi_id"
        " JOIN locations_connector_tariffs AS link ON link.connector_id = original.id",
        [],
    )
    yield from _stations()
    yield from _groups()


def _stations() -> Iterator[tuple[str, list[Any]]]:
    """Give every EVSE that was copied a station of its own, most of them online."""
    station, outlet = Station._meta.db_table, Outlet._meta.db_table  # noqa: SLF001
    yield (
        f"INSERT INTO {station} (identity, state, location_id, password_hash, next_password_hash,"
        " in_maintenance, ocpp_version, vendor, model, serial_number, firmware_version, booted_at,"
        " boot_reason, remote_address, first_seen_at, connection, connected_at, online_until,"
        " disconnected_at, offline_shown, firmware_status, log_status, configuration)"
        " SELECT uid, 'PLACED', location_id, '', '', false,"
        " CASE WHEN id % 2 = 0 THEN 'ocpp1.6' ELSE 'ocpp2.0.1' END, 'Example', 'M' || id % 7,"
        " id::text, '1.' || id % 12, now(), 'PowerUp', '', now(), 1, now(),"
        " CASE WHEN id % 50 = 0 THEN now() - interval '3 hours' ELSE now() + interval '5 days' END,"
        " NULL, id % 50 = 0, '', '', '{}'"
        f" FROM locations_evse WHERE starts_with(uid, '{PREFIX}') ON CONFLICT DO NOTHING",
        [],
    )
    yield (
        f"INSERT INTO {outlet} (station_id, connector_id, ordinal, evse_number, connector_number,"
        " public_key, reported_status, reported_at, error, charging_state, published)"
        " SELECT station.id, connector.id,"
        " row_number() OVER (PARTITION BY station.id ORDER BY connector.id), 1,"
        " row_number() OVER (PARTITION BY station.id ORDER BY connector.id),"
        " '', 'Available', now(), '', '', '{}'"
        f" FROM {station} AS station JOIN locations_evse AS evse ON evse.uid = station.identity"
        " JOIN locations_connector AS connector ON connector.evse_id = evse.id"
        f" WHERE starts_with(station.identity, '{PREFIX}')"
        f" AND NOT EXISTS (SELECT FROM {outlet} AS there WHERE there.station_id = station.id)",
        [],
    )


def _groups() -> Iterator[tuple[str, list[Any]]]:
    group = LocationGroup._meta.db_table  # noqa: SLF001
    yield (
        f"INSERT INTO {group} (name) SELECT 'Region ' || number"
        f" FROM generate_series(1, {GROUPS}) AS number ON CONFLICT DO NOTHING",
        [],
    )
    yield (
        f"INSERT INTO {group}_locations (locationgroup_id, location_id)"
        f" SELECT one.id, place.id FROM locations_location AS place JOIN {group} AS one"
        f" ON one.name = 'Region ' || place.id % {GROUPS} + 1"
        f" WHERE starts_with(place.ocpi_id, '{PREFIX}') ON CONFLICT DO NOTHING",
        [],
    )


def _partners(now: datetime) -> int:
    """Register partners, and pause what is sent to them: there is nobody at their addresses."""
    there = Partner.objects.filter(name__startswith=PARTNER).count()
    for number in range(there + 1, PARTNERS + 1):
        with transaction.atomic():
            partner = Partner.objects.create(
                name=f"{PARTNER}{number:02}",
                status=PartnerStatus.REGISTERED,
                version="2.2.1",
                versions_url=f"{ELSEWHERE}/{number}/versions",
                token_encrypted=encrypt(new_token()),
                registered_at=now,
            )
            PartnerRole.objects.create(
                partner=partner, role=Role.EMSP, country_code="NL", party_id=f"Z{number:02}"
            )
            feed.open_feeds(partner, now=now)
            Feed.objects.filter(partner=partner).update(paused_at=now, retry_at=None)
    return PARTNERS


def _charging(sessions: int, now: datetime) -> Iterator[Step]:
    """Copy the sessions that have a CDR, over the EVSEs and the days, newest last."""
    templates = list(
        Cdr.objects.filter(credit=False, replaces__isnull=True, session__status="COMPLETED")
        .exclude(ocpi_id__startswith=PREFIX)
        .values_list("pk", flat=True)
        .order_by("pk")[: demo.SESSIONS]
    )
    made = Session.objects.filter(ocpi_id__startswith=PREFIX).count()
    for first in range(made + 1, sessions + 1, CHUNK):
        last = min(first + CHUNK - 1, sessions)
        _write(*_copies_of_charging(first, last, sessions, templates, now))
        yield Step("sessions and CDRs", last, sessions)


def _copies_of_charging(
    first: int, last: int, sessions: int, templates: list[int], now: datetime
) -> Iterator[tuple[str, list[Any]]]:
    yield (
        # Which CDR is copied, to which EVSE, and how long after the original.
        "CREATE TEMPORARY TABLE seeded ON COMMIT DROP AS"
        " SELECT number, cdr.id AS cdr_id, cdr.session_id, evse.id AS evse_id, evse.location_id,"
        " first.connector_id,"
        " date_trunc('second', %s - interval '1 day' * (%s * (1 - number::float / %s))"
        " - cdr.start_date_time - interval '6 hours') AS shift"
        " FROM generate_series(%s, %s) AS number"
        " JOIN sessions_app_cdr AS cdr ON cdr.id = (%s::bigint[])[1 + number %% %s]"
        " JOIN (SELECT id, location_id, row_number() OVER (ORDER BY id) AS position"
        " FROM locations_evse) AS evse"
        " ON evse.position = 1 + (number::bigint * 7919) %% %s"
        f" JOIN {FIRST_CONNECTORS} ON first.evse_id = evse.id",
        [now, DAYS, sessions, first, last, templates, len(templates), Evse.objects.count()],
    )
    later = {
        column: f"original.{column} + seeded.shift"
        for column in ("start_date_time", "end_date_time", "last_updated", "created_at")
    }
    name = f"'{PREFIX}' || seeded.number"
    yield (
        insert_copies(
            Session,
            later
            | {
                "ocpi_id": name,
                "evse_id": "seeded.evse_id",
                "location_id": "seeded.location_id",
                "connector_id": "seeded.connector_id",
            },
            "sessions_app_session AS original JOIN seeded ON seeded.session_id = original.id"
            " ORDER BY seeded.number",
        ),
        [],
    )
    yield (
        "ALTER TABLE seeded ADD COLUMN copy_id bigint",
        [],
    )
    yield (
        "UPDATE seeded SET copy_id = session.id FROM sessions_app_session AS session"
        f" WHERE session.ocpi_id = {name} AND session.id >="
        " (SELECT max(id) - %s FROM sessions_app_session)",
        [2 * (last - first + 1)],
    )
    yield (
        insert_copies(
            Cdr,
            later
            | {
                "ocpi_id": name,
                "session_id": "seeded.copy_id",
                "session_ocpi_id": name,
            },
            "sessions_app_cdr AS original JOIN seeded ON seeded.cdr_id = original.id"
            " ORDER BY seeded.number",
        ),
        [],
    )
    yield (
        insert_copies(
            ChargingPeriod,
            {
                "session_id": "seeded.copy_id",
                "start_date_time": "original.start_date_time + seeded.shift",
            },
            "sessions_app_chargingperiod AS original"
            " JOIN seeded ON seeded.session_id = original.session_id",
        ),
        [],
    )


def _tokens(total: int, now: datetime) -> tuple[int, int]:
    """Make cards of one eMSP, a fifth as many as there are sessions."""
    if not Token.objects.filter(uid=f"{PREFIX}{total}").exists():
        Token.objects.bulk_create(
            (
                Token(
                    country_code="NL",
                    party_id="Z01",
                    uid=f"{PREFIX}{number}",
                    type=TokenType.RFID,
                    contract_id=f"NL-Z01-C{number:08}",
                    issuer=f"{PARTNER}01",
                    valid=number % 20 > 0,
                    whitelist=WhitelistType.ALLOWED,
                    last_updated=now,
                )
                for number in range(1, total + 1)
            ),
            batch_size=5_000,
            ignore_conflicts=True,
        )
    return total, total


def _ongoing(now: datetime) -> tuple[int, int]:
    """Let somebody charge wherever the status says so."""
    _write(
        (
            insert_copies(
                Session,
                {
                    "ocpi_id": f"'{PREFIX}C' || evse.id",
                    "status": "'ACTIVE'",
                    "start_date_time": "%s - interval '1 minute' * (evse.id %% 240)",
                    "last_updated": "%s",
                    "end_date_time": "NULL",
                    "evse_id": "evse.id",
                    "location_id": "evse.location_id",
                    "connector_id": "first.connector_id",
                },
                "locations_evse AS evse, (SELECT * FROM sessions_app_session"
                f" WHERE ocpi_id = '{PREFIX}1') AS original, {FIRST_CONNECTORS}"
                f" WHERE first.evse_id = evse.id AND evse.status = 'CHARGING'"
                f" AND starts_with(evse.uid, '{PREFIX}')"
                " AND NOT EXISTS (SELECT FROM sessions_app_session AS there"
                " WHERE there.evse_id = evse.id AND there.status IN ('ACTIVE', 'PENDING'))",
            ),
            [now, now],
        )
    )
    going_on = Session.objects.filter(ocpi_id__startswith=f"{PREFIX}C").count()
    return going_on, going_on


def _messages(sessions: int, now: datetime) -> tuple[int, int]:
    """Fill the message log of the past days: half as many as there are sessions."""
    total = sessions // 2
    if Message.objects.filter(url__startswith=ELSEWHERE).exists():
        return total, total
    partners = list(Partner.objects.filter(name__startswith=PARTNER).values_list("pk", flat=True))
    table = Message._meta.db_table  # noqa: SLF001
    _write(
        (
            f"INSERT INTO {table} (partner_id, at, direction, method, url, version, module,"
            " object_id, http_status, status_code, duration_ms, failed, error, request_id,"
            " correlation_id) SELECT (%s::bigint[])[1 + number %% %s],"
            " %s - interval '1 second' * (number * %s), 'OUT', 'PUT',"
            f" '{ELSEWHERE}/ocpi/2.2.1/sessions/' || number, '2.2.1', 'sessions', number,"
            " CASE WHEN number %% 97 = 0 THEN 500 ELSE 200 END, 1000, 20 + number %% 300,"
            " number %% 97 = 0, '', 'r' || number, 'c' || number"
            " FROM generate_series(1, %s) AS number",
            [partners, len(partners), now, MESSAGES_DAYS * 86_400 / max(total, 1), total],
        )
    )
    return total, total


def _uptimes(now: datetime) -> Iterator[Step]:
    """Sum up the days that are over and have no totals."""
    for day, _number in tallying.tally(now=now):
        yield Step("days of uptime", HISTORY_DAYS - (now - day).days + 1, HISTORY_DAYS)


def _write(*statements: tuple[str, list[Any]]) -> None:
    """Run statements in one transaction, without triggers: they are for rows that are new."""
    with transaction.atomic(), connection.cursor() as cursor:
        try:
            cursor.execute("SET LOCAL session_replication_role = replica")
        except ProgrammingError as error:
            raise NoSuperuser(
                "Only a superuser of PostgreSQL may seed: use the embedded servers."
            ) from error
        # Of tables that are being filled the planner knows nothing yet.
        cursor.execute("SET LOCAL enable_nestloop = off")
        for statement, values in statements:
            cursor.execute(statement, values or None)


def _copy_number(column: str) -> str:
    """Return an SQL expression for the number of a copy; NULL for what is no copy."""
    return f"substring({column} from '^{PREFIX}(\\d+)-')::int"


def _noise(one: str, other: str) -> str:
    """Return an SQL expression for a number from -1 to 1 that looks random and is not."""
    return f"(hashint8({one}::bigint * 7919 + {other}::bigint) % 1000 / 1000.0)"


def _status(one: str, other: str) -> str:
    """Return an SQL expression for a status: most are free, some charge, few are broken."""
    value = f"abs(hashint8({one}::bigint * 31 + {other}::bigint)::bigint) % 100"
    return (
        f"CASE WHEN {value} < 72 THEN 'AVAILABLE' WHEN {value} < 92 THEN 'CHARGING'"
        f" WHEN {value} < 96 THEN 'OUTOFORDER' WHEN {value} < 98 THEN 'UNKNOWN'"
        " ELSE 'INOPERATIVE' END"
    )
