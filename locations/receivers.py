"""What locations do when tariffs change, in the transaction of the change."""

from datetime import datetime
from typing import Any

from locations import operations
from tariffs.operations import SuccessorRefused
from tariffs.signals import tariff_superseded


def connect() -> None:
    """Connect every signal; called once, when the apps are ready."""
    tariff_superseded.connect(_tariff_superseded, dispatch_uid="locations")


def _tariff_superseded(*, tariff_id: int, successor_id: int, now: datetime, **_kwargs: Any) -> None:
    try:
        operations.give_successor(tariff_id=tariff_id, successor_id=successor_id, now=now)
    except operations.OverlappingTariffs as error:
        raise SuccessorRefused(str(error)) from error
