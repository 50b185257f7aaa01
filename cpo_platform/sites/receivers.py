"""What sites do when locations change."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any

from django.db import transaction

from cpo_platform.sites import operations
from cpo_platform.sites.models import SiteQuality
from locations.signals import location_changed, locations_changed


def connect() -> None:
    """Connect every signal; called once, when the apps are ready."""
    location_changed.connect(_location_changed, dispatch_uid="sites")
    locations_changed.connect(_locations_changed, dispatch_uid="sites")


def _location_changed(*, location_id: int, now: datetime, **_kwargs: Any) -> None:
    _look_again([location_id], now)


def _locations_changed(*, location_ids: list[int], now: datetime, **_kwargs: Any) -> None:
    _look_again(location_ids, now)


def _look_again(location_ids: Sequence[int], now: datetime) -> None:
    """Have what changed looked at soon, and not only the next day.

    After the commit, so that nobody waits for the rows of who looks at sites: where that is lost,
    the site is looked at the next day.
    """
    rows = SiteQuality.objects.filter(pk__in=location_ids)
    transaction.on_commit(partial(operations.ask_again, rows=rows, now=now), robust=True)
