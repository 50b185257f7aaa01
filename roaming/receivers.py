"""Turn the domain's signals into rows of the change feed, in the transaction of the change."""

from datetime import datetime
from typing import Any

from locations import operations as location_operations
from locations.signals import (
    evse_status_changed,
    group_changed,
    location_changed,
    locations_changed,
)
from roaming.operations import access, charging_profiles, commands, feed
from sessions_app.signals import (
    cdr_issued,
    charging_profile_changed,
    reservation_canceled,
    session_changed,
)
from tariffs.signals import tariff_changed, tariff_superseded


def connect() -> None:
    """Connect every signal; called once, when the apps are ready."""
    location_changed.connect(_location_changed, dispatch_uid="roaming")
    evse_status_changed.connect(_evse_status_changed, dispatch_uid="roaming")
    locations_changed.connect(_locations_changed, dispatch_uid="roaming")
    group_changed.connect(_group_changed, dispatch_uid="roaming")
    tariff_changed.connect(_tariff_changed, dispatch_uid="roaming")
    tariff_superseded.connect(_tariff_superseded, dispatch_uid="roaming")
    session_changed.connect(_session_changed, dispatch_uid="roaming")
    cdr_issued.connect(_cdr_issued, dispatch_uid="roaming")
    charging_profile_changed.connect(_charging_profile_changed, dispatch_uid="roaming")
    reservation_canceled.connect(_reservation_canceled, dispatch_uid="roaming")


def _location_changed(*, location_id: int, **_kwargs: Any) -> None:
    feed.announce(module="locations", object_id=location_id)


def _evse_status_changed(*, location_id: int, evse_id: int, **_kwargs: Any) -> None:
    feed.announce(module="locations", object_id=location_id, evse_id=evse_id)


def _locations_changed(*, location_ids: list[int], **_kwargs: Any) -> None:
    feed.announce_many(module="locations", object_ids=location_ids)


def _group_changed(*, group_id: int, location_ids: list[int], **_kwargs: Any) -> None:
    feed.announce_to_group(group_id=group_id, location_ids=location_ids)


def _tariff_changed(*, tariff_id: int, now: datetime, turned: bool, **_kwargs: Any) -> None:
    """Announce a tariff; what its connectors show may be another tariff now (OCPI 2.1.1 has one).

    Before them, since they may name it from now on, and after them, since they may name it no
    more: it is deleted at a partner's only then.
    """
    feed.announce(module="tariffs", object_id=tariff_id)
    if turned and location_operations.touch_connectors_of(tariff_id=tariff_id, now=now):
        feed.announce(module="tariffs", object_id=tariff_id)


def _tariff_superseded(*, tariff_id: int, successor_id: int, **_kwargs: Any) -> None:
    access.give_successor(tariff_id=tariff_id, successor_id=successor_id)


def _session_changed(*, session_id: int, **_kwargs: Any) -> None:
    feed.announce(module="sessions", object_id=session_id)


def _cdr_issued(*, cdr_id: int, **_kwargs: Any) -> None:
    feed.announce(module="cdrs", object_id=cdr_id)


def _charging_profile_changed(*, session_id: int, **_kwargs: Any) -> None:
    charging_profiles.announce_limits(session_id=session_id)


def _reservation_canceled(*, reservation_id: int, now: datetime, **_kwargs: Any) -> None:
    commands.tell_canceled_reservation(reservation_id=reservation_id, now=now)
