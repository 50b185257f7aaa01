"""What staff decides on a station: where it stands, whether it may speak, what its password is."""

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import redis
from django.conf import settings
from django.db import IntegrityError, transaction

from locations.models import Connector, Location, Status
from ocpp_gateway import passwords, publishing, registry
from ocpp_gateway.models import AlertKind, Outlet, Station, StationAlert, StationState

# Numbers that no outlet has: while they are exchanged, two would be the same for a moment.
ASIDE = 10_000
MOST_OUTLETS = 200
# As the gateway has it: what an address can end with, without spaces and slashes.
_IDENTITY = re.compile(r"[!-.0-~]{1,48}")

logger = logging.getLogger(__name__)


class PasswordChoice(StrEnum):
    """KEEP: the one that the stranger knocked with. NONE: it may connect without."""

    NEW = "NEW"
    KEEP = "KEEP"
    NONE = "NONE"


class BadIdentity(ValueError):
    """An identity is none that a station can connect by."""


class IdentityTaken(ValueError):
    """There is a station with this identity."""


class NoSuchStation(ValueError):
    """There is no such station."""


class NoSuchLocation(ValueError):
    """There is no such location."""


class WrongState(ValueError):
    """A station is in a state in which this cannot be done."""


class NoPassword(ValueError):
    """There is no password to keep, or a station may not be without one."""


class BadOutlets(ValueError):
    """The outlets are not what a station and its location can have."""


class StillCharging(ValueError):
    """Something is under way where it would be lost."""


class HasTransactions(ValueError):
    """A station with transactions is kept, with them."""


@dataclass(frozen=True, slots=True)
class OutletPlace:
    """One connector of ours (its pk) and how a station counts it."""

    connector_id: int
    ordinal: int
    evse_number: int
    connector_number: int
    public_key: str = ""


@dataclass(frozen=True, slots=True)
class Placed:
    """`password` is in clear here only, "" where none was made."""

    station: Station
    password: str


def place_station(
    *,
    location_id: int,
    password: PasswordChoice,
    now: datetime,
    station_id: int | None = None,
    identity: str = "",
    outlets: Sequence[OutletPlace] | None = None,
) -> Placed:
    """Put a station into service: one that knocked or was refused, else a new one by `identity`.

    Without `outlets` it gets those of `default_outlets`. One that is connected has to boot anew.

    Raises:
        BadIdentity, IdentityTaken, NoSuchStation, NoSuchLocation, WrongState, NoPassword,
        BadOutlets: each names what is wrong. Nothing has changed then.

    """
    with transaction.atomic():
        row = _new(identity) if station_id is None else _locked(station_id)
        if row.state == StationState.PLACED:
            raise WrongState(f"station {row}: it is in service already")
        if not Location.objects.filter(pk=location_id).exists():
            raise NoSuchLocation(f"location_id: there is no location {location_id}")
        made = _choose_password(row, password)
        row.state, row.location_id = StationState.PLACED, location_id
        row.offline_shown = False
        row.save()
        places = default_outlets(location_id) if outlets is None else outlets
        _write_outlets(row, places)
        publishing.publish_station(station_id=row.pk, now=now)
        _boot_anew(row)
    return Placed(row, made)


def refuse_station(*, station_id: int, now: datetime) -> Station:
    """Turn a station away from now on. Its connectors are free for another one.

    Raises:
        NoSuchStation: there is none.
        StillCharging: a transaction of it is under way.

    """
    with transaction.atomic():
        row = _locked(station_id)
        if row.transactions.filter(ended_at__isnull=True).exists():
            raise StillCharging(f"station {row}: a transaction is under way")
        row.outlets.all().delete()
        row.state = StationState.REFUSED
        row.save(update_fields=["state"])
        gone = StationAlert.objects.filter(station=row, kind=AlertKind.OFFLINE, resolved_at=None)
        gone.update(resolved_at=now)
        _boot_anew(row)
    return row


def set_password(*, station_id: int) -> str:
    """Give a station another password, and return it: it is kept as a hash only.

    It holds from the next connection on; the station has to be told by hand.

    Raises:
        NoSuchStation: there is none.

    """
    password = passwords.generate()
    with transaction.atomic():
        row = _locked(station_id)
        row.password_hash, row.next_password_hash = passwords.make(password), ""
        row.save(update_fields=["password_hash", "next_password_hash"])
    return password


def put_outlets(*, station_id: int, outlets: Sequence[OutletPlace], now: datetime) -> None:
    """Say which connectors of its location a station in service has, and how it counts them.

    Raises:
        NoSuchStation: there is none.
        WrongState: it is not in service.
        BadOutlets: they are not of its location, of another station, or counted twice.
        StillCharging: a transaction is under way at one that would be taken away.

    """
    with transaction.atomic():
        row = _locked(station_id)
        if row.state != StationState.PLACED:
            raise WrongState(f"station {row}: it is not in service")
        _write_outlets(row, outlets)
        publishing.publish_station(station_id=row.pk, now=now)
        _boot_anew(row)


def set_maintenance(*, station_id: int, in_maintenance: bool, now: datetime) -> Station:
    """Show the EVSEs of a station as inoperative, or as what it reports again.

    Raises:
        NoSuchStation: there is none.

    """
    with transaction.atomic():
        row = _locked(station_id)
        row.in_maintenance = in_maintenance
        row.save(update_fields=["in_maintenance"])
        publishing.publish_station(station_id=row.pk, now=now)
    return row


def forget_station(*, station_id: int) -> None:
    """Delete a station that never had a transaction, with all that was kept of it.

    Raises:
        NoSuchStation: there is none.
        HasTransactions: it has some: they, and it, stay.

    """
    with transaction.atomic():
        row = _locked(station_id)
        if row.transactions.exists():
            raise HasTransactions(f"station {row}: it has transactions, which are kept")
        _boot_anew(row)
        row.delete()


def default_outlets(location_id: int, *, station_id: int | None = None) -> list[OutletPlace]:
    """Return an outlet for each connector of a location that has none of another station."""
    connectors = (
        Connector.objects.filter(evse__location=location_id)
        .exclude(evse__status=Status.REMOVED)
        .exclude(pk__in=Outlet.objects.exclude(station=station_id).values("connector"))
        .order_by("evse__uid", "evse_id", "ocpi_id", "pk")
    )
    places: list[OutletPlace] = []
    evses: dict[int, int] = {}
    counted: dict[int, int] = {}
    for ordinal, row in enumerate(connectors[:MOST_OUTLETS], start=1):
        number = evses.setdefault(row.evse_id, len(evses) + 1)
        counted[number] = counted.get(number, 0) + 1
        places.append(OutletPlace(row.pk, ordinal, number, counted[number]))
    return places


def _new(identity: str) -> Station:
    if not _IDENTITY.fullmatch(identity):
        raise BadIdentity("identity: 1 to 48 letters, digits and signs, no spaces or slashes")
    if Station.objects.filter(identity=identity).exists():
        raise IdentityTaken(f"identity: there is a station {identity} already")
    return Station(identity=identity, state=StationState.HELD)


def _locked(station_id: int) -> Station:
    row = Station.objects.select_for_update(no_key=True).filter(pk=station_id).first()
    if row is None:
        raise NoSuchStation(f"station_id: there is no station {station_id}")
    return row


def _choose_password(row: Station, choice: PasswordChoice) -> str:
    if choice is PasswordChoice.KEEP:
        if not row.password_hash:
            raise NoPassword("password: it has knocked without one, there is none to keep")
        return ""
    row.next_password_hash = ""
    if choice is PasswordChoice.NONE:
        if settings.OCPP_REQUIRE_PASSWORD:
            raise NoPassword("password: a station must have one (OCPP_REQUIRE_PASSWORD)")
        row.password_hash = ""
        return ""
    made = passwords.generate()
    row.password_hash = passwords.make(made)
    return made


def _write_outlets(row: Station, places: Sequence[OutletPlace]) -> None:
    _check_outlets(row, places)
    kept = {outlet.connector_id: outlet for outlet in row.outlets.all()}
    wanted = {place.connector_id for place in places}
    gone = [outlet.pk for connector_id, outlet in kept.items() if connector_id not in wanted]
    if row.transactions.filter(outlet__in=gone, ended_at__isnull=True).exists():
        raise StillCharging("outlets: a transaction is under way at one that would be taken away")
    Outlet.objects.filter(pk__in=gone).delete()
    for aside, outlet in enumerate(row.outlets.order_by("pk"), start=ASIDE):
        Outlet.objects.filter(pk=outlet.pk).update(ordinal=aside, evse_number=aside)
    for place in places:
        numbers = {
            "ordinal": place.ordinal,
            "evse_number": place.evse_number,
            "connector_number": place.connector_number,
            "public_key": place.public_key,
        }
        if place.connector_id in kept:
            Outlet.objects.filter(pk=kept[place.connector_id].pk).update(**numbers)
            continue
        try:
            with transaction.atomic():
                Outlet.objects.create(station=row, connector_id=place.connector_id, **numbers)
        except IntegrityError as error:
            raise BadOutlets("outlets: a connector was given to another station") from error


def _check_outlets(row: Station, places: Sequence[OutletPlace]) -> None:
    if len(places) > MOST_OUTLETS:
        raise BadOutlets(f"outlets: {MOST_OUTLETS} at most")
    if not all(
        1 <= number < ASIDE
        for place in places
        for number in (place.ordinal, place.evse_number, place.connector_number)
    ):
        raise BadOutlets(f"outlets: numbers are from 1 to {ASIDE - 1}")
    for name, keys in (
        ("a connector", [place.connector_id for place in places]),
        ("a connectorId of 1.6", [place.ordinal for place in places]),
        (
            "an EVSE and connector of 2.0.1",
            [(place.evse_number, place.connector_number) for place in places],
        ),
    ):
        if len(set(keys)) < len(keys):
            raise BadOutlets(f"outlets: {name} is there twice")
    ids = {place.connector_id for place in places}
    there = Connector.objects.filter(pk__in=ids, evse__location=row.location_id)
    if there.count() < len(ids):
        raise BadOutlets("outlets: a connector is not of the station's location")
    if Outlet.objects.filter(connector__in=ids).exclude(station=row).exists():
        raise BadOutlets("outlets: a connector is of another station")


def _boot_anew(row: Station) -> None:
    """Have a connection closed after the commit: what it knows of the station is old."""
    station_id = row.pk
    transaction.on_commit(lambda: _disconnect(station_id))


def _disconnect(station_id: int) -> None:
    try:
        registry.disconnect(station_id)
    except redis.RedisError as error:
        logger.warning("station %s was not disconnected: %s", station_id, error)
