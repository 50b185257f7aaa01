"""Turn the domain's signals into rows of the change feed, in the transaction of the change."""

from typing import Any

from locations.signals import evse_status_changed, location_changed
from roaming.operations import feed
from sessions_app.signals import cdr_issued, session_changed
from tariffs.signals import tariff_changed


def connect() -> None:
    """Connect every signal; called once, when the apps are ready."""
    location_changed.connect(_location_changed, dispatch_uid="roaming")
    evse_status_changed.connect(_location_changed, dispatch_uid="roaming")
    tariff_changed.connect(_tariff_changed, dispatch_uid="roaming")
    session_changed.connect(_session_changed, dispatch_uid="roaming")
    cdr_issued.connect(_cdr_issued, dispatch_uid="roaming")


def _location_changed(*, location_id: int, **_kwargs: Any) -> None:
    feed.announce(module="locations", object_id=location_id)


def _tariff_changed(*, tariff_id: int, **_kwargs: Any) -> None:
    feed.announce(module="tariffs", object_id=tariff_id)


def _session_changed(*, session_id: int, **_kwargs: Any) -> None:
    feed.announce(module="sessions", object_id=session_id)


def _cdr_issued(*, cdr_id: int, **_kwargs: Any) -> None:
    feed.announce(module="cdrs", object_id=cdr_id)
