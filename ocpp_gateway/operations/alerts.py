"""Alerts: raised and resolved by whoever sees what is wrong, and resolved by staff."""

from collections.abc import Collection
from datetime import datetime

from django.db.models import QuerySet

from cpo_platform.common.saying import Saying
from ocpp_gateway.models import AlertKind, StationAlert


def raise_alert(
    *,
    kind: AlertKind,
    station_id: int,
    saying: Saying,
    now: datetime,
    transaction_id: int | None = None,
) -> bool:
    """Tell staff of something; return whether that is new.

    There is one open alert of a kind for each transaction, or for a station: one that is open gets
    the sentence, and keeps its time.
    """
    told = {"text": saying.text, "values": saying.values_to_json()}
    if _open(kind, station_id, transaction_id).update(**told):
        return False
    alert = StationAlert(
        kind=kind,
        station_id=station_id,
        transaction_id=transaction_id,
        raised_at=now,
        **told,
    )
    # Somebody else may raise it at this moment: then theirs is as good.
    StationAlert.objects.bulk_create([alert], ignore_conflicts=True)
    return True


def resolve_alert(
    *, kind: AlertKind, station_id: int, now: datetime, transaction_id: int | None = None
) -> bool:
    """Resolve an alert whose cause has gone by itself; return whether there was one."""
    return bool(_open(kind, station_id, transaction_id).update(resolved_at=now))


def resolve_alerts(*, alert_ids: Collection[int], by: str, now: datetime) -> int:
    """Resolve alerts for staff; return how many were open. `by` is a user's name."""
    open_ones = StationAlert.objects.filter(pk__in=alert_ids, resolved_at=None)
    return open_ones.update(resolved_at=now, resolved_by=by)


def _open(kind: AlertKind, station_id: int, transaction_id: int | None) -> QuerySet[StationAlert]:
    rows = StationAlert.objects.filter(kind=kind, station_id=station_id, resolved_at=None)
    if transaction_id is None:
        return rows.filter(transaction=None)
    return rows.filter(transaction_id=transaction_id)
