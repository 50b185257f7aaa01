"""Everything that writes locations, EVSEs and connectors.

A change of a connector moves `last_updated` of its EVSE and location with it, so that a partner
that pulls by date sees it (OCPI 2.2.1, mod_locations: `last_updated` cascades upwards).

Rows are locked `FOR NO KEY UPDATE`: whoever inserts a row that refers to one (a session that
starts) need not wait for a long import.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.db.models import DateTimeField, F, ProtectedError, QuerySet, Value
from django.db.models.functions import Greatest

from cpo_platform.common import clock
from cpo_platform.common.models import changed_fields
from cpo_platform.common.operations import Outcome
from locations import canonical
from locations.models import (
    Connector,
    Evse,
    EvseParking,
    Location,
    LocationGroup,
    ParkingPlace,
    Status,
    StatusChange,
)
from locations.shapes import ConnectorShape, EvseShape, LocationShape, ParkingShape
from locations.signals import (
    evse_status_changed,
    group_changed,
    location_changed,
    locations_changed,
)
from tariffs.models import Tariff
from tariffs.operations import require_party


class LocationExists(ValueError):
    """A location is to be new, and its party has one with its id."""


class UnknownTariff(ValueError):
    """A connector names a tariff that its party does not have."""


class UnknownParkingPlace(ValueError):
    """An EVSE names a parking place that its location does not have."""


class ParkingPlaceExists(ValueError):
    """A new parking place has the id of one that its location has."""


class OverlappingTariffs(ValueError):
    """A connector has two tariffs of one type that are valid at the same time."""


class EvseElsewhere(ValueError):
    """The EVSE's uid belongs, or belonged, to another location."""


class ConnectorInUse(ValueError):
    """The connector cannot be removed: sessions took place at it."""


class EvseRemoved(ValueError):
    """The EVSE is REMOVED for good: it cannot come back (its uid is never used again)."""


@dataclass(frozen=True)
class LocationOutcome:
    """What a put did: to the location itself, and to each EVSE by uid."""

    location: Location
    outcome: Outcome
    evses: dict[str, Outcome]


def put_location(
    *, location: LocationShape, now: datetime, is_new: bool = False
) -> LocationOutcome:
    """Create a location, or make the one with this identity equal to `location`.

    EVSEs and parking places that `location` does not name stay as they are: an EVSE leaves by
    becoming REMOVED, never by being forgotten. `is_new`: there must be none with this identity.

    Raises:
        LocationExists: there is one, and it is to be new.
        tariffs.operations.UnknownParty: the owner is not one of our parties.
        UnknownTariff, UnknownParkingPlace, OverlappingTariffs, EvseElsewhere, EvseRemoved,
        ConnectorInUse: see there.
        django.core.exceptions.ValidationError: a field breaks a rule.

    """
    try:
        return _put_location(location, now, is_new=is_new)
    except IntegrityError:
        # Another put of the same location, or EVSE, was first: now there is a row to find.
        return _put_location(location, now, is_new=is_new)


def _put_location(location: LocationShape, now: datetime, *, is_new: bool) -> LocationOutcome:
    with transaction.atomic():
        require_party(location.country_code, location.party_id)
        row = (
            Location.objects.select_for_update(no_key=True)
            .filter(
                country_code=location.country_code,
                party_id=location.party_id,
                ocpi_id=location.id,
            )
            .first()
        )
        if is_new and row is not None:
            raise LocationExists(f"id: {location.id} exists already")
        created = row is None
        if row is None:
            row = Location(
                country_code=location.country_code,
                party_id=location.party_id,
                ocpi_id=location.id,
            )
        changed = bool(changed_fields(row, canonical.location_columns(location)))
        if created:
            row.touch(now)
            _check(row)
            row.save()
        places_changed = _put_parking_places(row, location.parking_places or [])
        evses = _put_evses(row, location.evses or [], now)
        changed = changed or places_changed or _any_change(evses.values())
        if changed and not created:
            row.touch(now)
            _check(row)
            row.save()
        if created or changed:
            location_changed.send(sender=Location, location_id=row.pk, now=now)
    outcome = Outcome.CREATED if created else Outcome.CHANGED if changed else Outcome.UNCHANGED
    return LocationOutcome(location=row, outcome=outcome, evses=evses)


def put_evse(*, location_id: int, evse: EvseShape, now: datetime) -> tuple[Evse, Outcome]:
    """Create an EVSE of a location, or make the one with this uid equal to `evse`.

    Connectors that `evse` does not name are removed.

    Raises:
        Location.DoesNotExist: there is no such location.
        UnknownTariff, UnknownParkingPlace, OverlappingTariffs, EvseElsewhere, EvseRemoved,
        ConnectorInUse: see there.
        django.core.exceptions.ValidationError: a field breaks a rule.

    """
    with transaction.atomic():
        location = Location.objects.select_for_update(no_key=True).get(pk=location_id)
        outcome = _put_evses(location, [evse], now)[evse.uid]
        if outcome is not Outcome.UNCHANGED:
            location.touch(now)
            location.save(update_fields=["last_updated"])
            location_changed.send(sender=Location, location_id=location.pk, now=now)
    return location.evses.get(uid=evse.uid), outcome


def put_parking_place(
    *, location_id: int, place: ParkingShape, is_new: bool, now: datetime
) -> ParkingPlace:
    """Create a parking place of a location, or make the one with this id equal to `place`.

    Raises:
        Location.DoesNotExist: there is no such location.
        ParkingPlaceExists: it is to be new, and there is one with its id.
        django.core.exceptions.ValidationError: a field breaks a rule.

    """
    with transaction.atomic():
        location = Location.objects.select_for_update(no_key=True).get(pk=location_id)
        if is_new and location.parking_places.filter(ocpi_id=place.id).exists():
            raise ParkingPlaceExists(f"id: {location.ocpi_id} has a parking place {place.id}")
        if _put_parking_places(location, [place]):
            location.touch(now)
            location.save(update_fields=["last_updated"])
            location_changed.send(sender=Location, location_id=location.pk, now=now)
    return location.parking_places.get(ocpi_id=place.id)


def delete_parking_place(*, place_id: int, now: datetime) -> None:
    """Delete a parking place; EVSEs that stand at it stay, and do not name it any more.

    Raises:
        ParkingPlace.DoesNotExist: there is no such parking place.

    """
    with transaction.atomic():
        location_id = ParkingPlace.objects.values_list("location_id", flat=True).get(pk=place_id)
        location = Location.objects.select_for_update(no_key=True).get(pk=location_id)
        # Whoever was first has deleted it.
        place = location.parking_places.get(pk=place_id)
        evses = Evse.objects.select_for_update(no_key=True)
        for evse in evses.filter(parking__parking_place=place).order_by("pk"):
            evse.touch(now)
            evse.save(update_fields=["last_updated"])
        place.evse_parking.all().delete()
        place.delete()
        location.touch(now)
        location.save(update_fields=["last_updated"])
        location_changed.send(sender=Location, location_id=location.pk, now=now)


def set_evse_status(*, evse_id: int, status: str, now: datetime) -> bool:
    """Set the status of an EVSE; return whether that changed it.

    Raises:
        EvseRemoved: the EVSE is REMOVED, and `status` is another.
        Evse.DoesNotExist: there is no such EVSE.
        ValueError: `status` is not an OCPI Status.

    """
    status = Status(status).value
    moment = clock.truncate(now)
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(_SET_STATUS, [moment, evse_id, status, evse_id, status])
            changed = cursor.fetchone()
        if changed is None:
            _refuse_removed(Evse.objects.get(pk=evse_id), status)
            return False
        evse_status_changed.send(sender=Evse, location_id=changed[0], evse_id=evse_id, now=now)
    return True


# One statement: it is made for every car that comes or goes, and the ORM takes four times as long.
# The location is locked first, as in every other operation (no deadlocks), and both are touched as
# `Updated.touch` does it: with one moment, so that whoever is told of the EVSE alone knows how new
# the location is. Who had to wait for the lock sees what was written meanwhile. The history of the
# EVSE gets its row by the way.
_SET_STATUS = """
WITH held AS MATERIALIZED (
    SELECT location.id, greatest(%s, location.last_updated + interval '1 millisecond') AS moment
    FROM locations_location AS location
    JOIN locations_evse AS evse ON evse.location_id = location.id
    WHERE evse.id = %s FOR NO KEY UPDATE OF location
), changed AS (
    UPDATE locations_evse AS evse
    SET status = %s, last_updated = greatest(held.moment, last_updated + interval '1 millisecond')
    FROM held
    WHERE evse.id = %s AND evse.location_id = held.id AND evse.status NOT IN (%s, 'REMOVED')
    RETURNING evse.id, evse.location_id, evse.last_updated, evse.status
), kept AS (
    INSERT INTO locations_statuschange (evse_id, at, status)
    SELECT id, last_updated, status FROM changed
)
UPDATE locations_location AS location
SET last_updated = changed.last_updated
FROM changed WHERE location.id = changed.location_id
RETURNING location.id
"""


def _refuse_removed(evse: Evse, status: str) -> None:
    if evse.status == Status.REMOVED != status:
        raise EvseRemoved(f"status: EVSE {evse.uid} is REMOVED and cannot become {status}")


def touch_connectors_of(*, tariff_id: int, now: datetime) -> list[int]:
    """Move `last_updated` of every connector that has a tariff, and of all above it.

    For when the connector itself is the same, and what partners read of it is not: the tariff has
    become valid, or is for others now.

    Returns:
        The ids of the locations.

    """
    connectors = Connector.objects.filter(tariffs=tariff_id)
    with transaction.atomic():
        location_ids = _lock_locations_with(tariff_id)
        evse_ids = list(connectors.values_list("evse", flat=True).distinct())
        _touch_all(connectors, now)
        _touch_all(Evse.objects.filter(pk__in=evse_ids), now)
        _touch_all(Location.objects.filter(pk__in=location_ids), now)
        if location_ids:
            locations_changed.send(sender=Location, location_ids=location_ids, now=now)
    return location_ids


def give_successor(*, tariff_id: int, successor_id: int, now: datetime) -> list[int]:
    """Give every connector that has a tariff its successor, too; the number of queries is fixed.

    Returns:
        The ids of the locations.

    Raises:
        OverlappingTariffs: a connector has a third tariff of that type at that time.

    """
    with transaction.atomic():
        _lock_locations_with(tariff_id)
        connectors = list(
            Connector.objects.filter(tariffs=tariff_id).prefetch_related("tariffs").order_by("pk")
        )
        successor = Tariff.objects.get(pk=successor_id)
        for connector in connectors:
            refuse_overlapping_tariffs(connector.ocpi_id, [*connector.tariffs.all(), successor])
        Connector.tariffs.through.objects.bulk_create(
            Connector.tariffs.through(connector_id=connector.pk, tariff_id=successor_id)
            for connector in connectors
        )
        return touch_connectors_of(tariff_id=successor_id, now=now)


def _lock_locations_with(tariff_id: int) -> list[int]:
    """Lock the locations of connectors that have a tariff, in the order of all who lock several."""
    connectors = Connector.objects.filter(tariffs=tariff_id)
    rows = Location.objects.select_for_update(no_key=True).filter(
        pk__in=connectors.values("evse__location")
    )
    return list(rows.order_by("pk").values_list("pk", flat=True))


def _touch_all(rows: QuerySet[Any], now: datetime) -> None:
    """Do what `touch` does, to many rows in one statement."""
    moment = Value(clock.truncate(now), output_field=DateTimeField())
    rows.update(last_updated=Greatest(moment, F("last_updated") + clock.RESOLUTION))


def put_group(*, group: LocationGroup, location_ids: Iterable[int], now: datetime) -> LocationGroup:
    """Create or rename a group of locations, and make these its locations.

    Raises:
        django.core.exceptions.ValidationError: a field breaks a rule.

    """
    with transaction.atomic():
        group.full_clean()
        group.save()
        before = set(group.locations.values_list("pk", flat=True))
        group.locations.set(location_ids)
        after = set(group.locations.values_list("pk", flat=True))
        if before != after:
            _say_group_changed(group.pk, before ^ after, now)
    return group


def delete_group(*, group_id: int, now: datetime) -> None:
    """Delete a group; its locations stay, and who saw them by it alone does not any more.

    Raises:
        LocationGroup.DoesNotExist: there is no such group.

    """
    with transaction.atomic():
        group = LocationGroup.objects.select_for_update().get(pk=group_id)
        # While the group is there: whoever hears of it must still find whose it is.
        _say_group_changed(group.pk, set(group.locations.values_list("pk", flat=True)), now)
        group.delete()


def _say_group_changed(group_id: int, location_ids: set[int], now: datetime) -> None:
    group_changed.send(
        sender=LocationGroup, group_id=group_id, location_ids=sorted(location_ids), now=now
    )


def _check(row: Location | Evse | Connector) -> None:
    """Check every field. What is unique and in range was checked on the way, without queries.

    What it is a part of is locked: nobody has to ask whether it exists.
    """
    row.full_clean({"location", "evse"}, validate_unique=False, validate_constraints=False)


def _any_change(outcomes: Iterable[Outcome]) -> bool:
    return any(outcome is not Outcome.UNCHANGED for outcome in outcomes)


def _put_parking_places(location: Location, shapes: Sequence[ParkingShape]) -> bool:
    if not shapes:
        return False
    existing = {place.ocpi_id.lower(): place for place in location.parking_places.all()}
    any_change = False
    for shape in shapes:
        place = existing.get(shape.id.lower()) or ParkingPlace(location=location, ocpi_id=shape.id)
        if changed_fields(place, canonical.parking_place_columns(shape)) or place.pk is None:
            any_change = True
            place.full_clean()
            place.save()
    return any_change


def _put_evses(
    location: Location, shapes: Sequence[EvseShape], now: datetime
) -> dict[str, Outcome]:
    """Write EVSEs and their connectors; the caller moves the location's `last_updated`."""
    if not shapes:
        return {}
    uids = [shape.uid for shape in shapes]
    existing = {
        evse.uid.lower(): evse
        for evse in Evse.objects.select_for_update(no_key=True)
        .filter(uid__in=uids)
        .prefetch_related("connectors__tariffs", "parking__parking_place")
    }
    tariffs = _tariffs_named(location, shapes)
    places = {place.ocpi_id.lower(): place for place in location.parking_places.all()}
    outcomes = {}
    got_status: list[Evse] = []
    for shape in shapes:
        evse = existing.get(shape.uid.lower())
        before = None if evse is None else evse.status
        if evse is not None and evse.location_id != location.pk:
            raise EvseElsewhere(f"uid: {shape.uid} belongs to another location")
        if evse is None:
            evse = Evse(location=location, uid=shape.uid)
        outcomes[shape.uid] = _put_evse(evse, shape, tariffs, places, now)
        if evse.status != before:
            got_status.append(evse)
    _keep_statuses(got_status)
    return outcomes


def _keep_statuses(evses: Sequence[Evse]) -> None:
    """Write into the history what EVSEs have just become."""
    StatusChange.objects.bulk_create(
        StatusChange(evse_id=evse.pk, at=evse.last_updated, status=evse.status) for evse in evses
    )


def _tariffs_named(location: Location, shapes: Sequence[EvseShape]) -> dict[str, Tariff]:
    """Return the tariffs that the connectors name, by lower-case id.

    Raises:
        UnknownTariff: one of them does not exist for the location's party.

    """
    names = {
        tariff_id
        for shape in shapes
        for connector in shape.connectors
        for tariff_id in connector.tariff_ids or []
    }
    if not names:
        return {}
    found = {
        tariff.ocpi_id.lower(): tariff
        for tariff in Tariff.objects.in_use().filter(
            country_code=location.country_code,
            party_id=location.party_id,
            ocpi_id__in=sorted(names),
        )
    }
    missing = sorted(name for name in names if name.lower() not in found)
    if missing:
        raise UnknownTariff(f"tariff_ids: {location.party} has no tariff {', '.join(missing)}")
    return found


def _put_evse(
    evse: Evse,
    shape: EvseShape,
    tariffs: dict[str, Tariff],
    places: dict[str, ParkingPlace],
    now: datetime,
) -> Outcome:
    created = evse.pk is None
    if not created and evse.status == Status.REMOVED and shape.status != Status.REMOVED:
        raise EvseRemoved(f"status: EVSE {evse.uid} is REMOVED and cannot come back")
    changed = bool(changed_fields(evse, canonical.evse_columns(shape)))
    if created:
        evse.touch(now)
        _check(evse)
        evse.save()
    changed |= _put_connectors(evse, shape.connectors, tariffs, now, created=created)
    changed |= _put_parking(evse, shape, places, created=created)
    if changed and not created:
        evse.touch(now)
        _check(evse)
        evse.save()
    return Outcome.CREATED if created else Outcome.CHANGED if changed else Outcome.UNCHANGED


def _put_connectors(
    evse: Evse,
    shapes: Sequence[ConnectorShape],
    tariffs: dict[str, Tariff],
    now: datetime,
    *,
    created: bool,
) -> bool:
    existing = (
        {}
        if created
        else {connector.ocpi_id.lower(): connector for connector in evse.connectors.all()}
    )
    any_change = False
    for shape in shapes:
        connector = existing.pop(shape.id.lower(), None)
        wanted = [tariffs[tariff_id.lower()] for tariff_id in shape.tariff_ids or []]
        refuse_overlapping_tariffs(shape.id, wanted)
        any_change |= _put_connector(
            connector or Connector(evse=evse, ocpi_id=shape.id), shape, wanted, now
        )
    for connector in existing.values():
        _remove_connector(connector)
        any_change = True
    return any_change


def _put_connector(
    connector: Connector, shape: ConnectorShape, wanted: Sequence[Tariff], now: datetime
) -> bool:
    created = connector.pk is None
    changed = bool(changed_fields(connector, canonical.connector_columns(shape)))
    has = set() if created else {tariff.pk for tariff in connector.tariffs.all()}
    wants = {tariff.pk for tariff in wanted}
    if not (created or changed or has != wants):
        return False
    connector.touch(now)
    _check(connector)
    connector.save()
    if has != wants:
        connector.tariffs.set(wanted)
    return True


def _remove_connector(connector: Connector) -> None:
    try:
        connector.delete()
    except ProtectedError as error:
        raise ConnectorInUse(
            f"connectors: {connector.ocpi_id} has sessions and cannot be removed"
        ) from error


def refuse_overlapping_tariffs(connector_id: str, tariffs: Sequence[Tariff]) -> None:
    """Check that at any time only one tariff of each type is valid (OCPI 2.2.1, Connector).

    Raises:
        OverlappingTariffs: two tariffs of one type are valid at the same time.

    """
    for position, one in enumerate(tariffs):
        for other in tariffs[position + 1 :]:
            if one.type == other.type and _overlap(one, other):
                raise OverlappingTariffs(
                    f"tariff_ids: connector {connector_id} has the tariffs {one.ocpi_id} and "
                    f"{other.ocpi_id} of one type at the same time"
                )


def _overlap(one: Tariff, other: Tariff) -> bool:
    def ends_first(left: Tariff, right: Tariff) -> bool:
        return (
            left.end_date_time is not None
            and right.start_date_time is not None
            and left.end_date_time <= right.start_date_time
        )

    return not (ends_first(one, other) or ends_first(other, one))


def _put_parking(
    evse: Evse, shape: EvseShape, places: dict[str, ParkingPlace], *, created: bool
) -> bool:
    wanted: dict[int, str] = {}
    for parking in shape.parking or []:
        place = places.get(parking.parking_id.lower())
        if place is None:
            raise UnknownParkingPlace(
                f"parking.parking_id: the location has no parking place {parking.parking_id}"
            )
        wanted[place.pk] = parking.evse_position or ""
    has = (
        {}
        if created
        else {parking.parking_place_id: parking.evse_position for parking in evse.parking.all()}
    )
    if has == wanted:
        return False
    evse.parking.all().delete()
    EvseParking.objects.bulk_create(
        EvseParking(evse=evse, parking_place_id=place_id, evse_position=position)
        for place_id, position in wanted.items()
    )
    return True
