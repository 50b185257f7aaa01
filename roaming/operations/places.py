"""Where a command is to be carried out: what its ids mean, among what the partner may see."""

from collections.abc import Iterable
from datetime import datetime

from django.db.models import Q

from locations.models import Capability, Connector, Evse, Location, Status
from roaming import visibility
from roaming.models import Partner


class UnknownPlace(ValueError):
    """The location, EVSE or connector that is named does not exist for the partner."""


class NotCapable(ValueError):
    """The EVSE, or every EVSE of the location, lacks the capability that the command needs."""


class NothingAvailable(ValueError):
    """No EVSE of the location is available."""


class ConnectorRequired(ValueError):
    """The EVSE can be started only if a connector is named, and none is."""


def of_party(receiver: tuple[str, str] | None, prefix: str = "") -> Q:
    """Return the condition that an object belongs to the party of ours that was asked, if any."""
    if receiver is None:
        return Q()
    country_code, party_id = receiver
    return Q(**{f"{prefix}country_code": country_code, f"{prefix}party_id": party_id})


def find_location(
    partner: Partner, location_id: str, receiver: tuple[str, str] | None, now: datetime
) -> Location:
    """Return a location with its EVSEs and connectors.

    Raises:
        UnknownPlace: the partner sees no such location.

    """
    location = (
        visibility.locations_for(partner, now=now)
        .filter(of_party(receiver), ocpi_id=location_id)
        .prefetch_related("evses__connectors")
        .order_by("id")
        .first()
    )
    if location is None:
        raise UnknownPlace(f"location_id: {location_id} is not known")
    return location


def find_evse(location: Location, uid: str) -> Evse:
    """Return an EVSE of a location; one that is REMOVED is none.

    Raises:
        UnknownPlace: there is no such EVSE.

    """
    for evse in evses_of(location):
        if evse.uid.lower() == uid.lower():
            return evse
    raise UnknownPlace(f"evse_uid: {uid} is not known at this location")


def find_connector(evse: Evse, connector_id: str) -> Connector:
    """Return a connector of an EVSE.

    Raises:
        UnknownPlace: there is no such connector.

    """
    for connector in evse.connectors.all():
        if connector.ocpi_id.lower() == connector_id.lower():
            return connector
    raise UnknownPlace(f"connector_id: {connector_id} is not known at this EVSE")


def evses_of(location: Location) -> list[Evse]:
    """Return the EVSEs of a location that are in place, the oldest first."""
    evses = [evse for evse in location.evses.all() if evse.status != Status.REMOVED]
    return sorted(evses, key=lambda evse: evse.pk)


def require(evses: Iterable[Evse], capability: Capability, verb: str) -> None:
    """Check that at least one of the EVSEs has a capability; `verb` is what it would be able to.

    Raises:
        NotCapable: none of them has.

    """
    if not any(capability in evse.capabilities for evse in evses):
        raise NotCapable(f"it cannot be {verb} remotely")


def choose_evse(location: Location, preferred: Iterable[int]) -> Evse:
    """Return the EVSE to start at where none is named: one that is preferred, or the first free.

    Raises:
        NothingAvailable: none is free.

    """
    wanted = frozenset(preferred)
    candidates = [
        evse
        for evse in evses_of(location)
        if Capability.REMOTE_START_STOP_CAPABLE in evse.capabilities
        and (evse.status == Status.AVAILABLE or evse.pk in wanted)
    ]
    if not candidates:
        raise NothingAvailable("no EVSE of this location is available")
    return min(candidates, key=lambda evse: (evse.pk not in wanted, evse.pk))


def start_connector(evse: Evse, connector_id: str | None, *, can_be_named: bool) -> Connector:
    """Return the connector to start at; the first one where none is named.

    `can_be_named` is False where the version of OCPI has no way to name one (2.1.1).

    Raises:
        UnknownPlace: there is no such connector.
        ConnectorRequired: one must be named (OCPI 2.2.1, Capability).

    """
    if connector_id is not None:
        return find_connector(evse, connector_id)
    if can_be_named and Capability.START_SESSION_CONNECTOR_REQUIRED in evse.capabilities:
        raise ConnectorRequired("connector_id: is required at this EVSE")
    return min(evse.connectors.all(), key=lambda connector: connector.pk)
