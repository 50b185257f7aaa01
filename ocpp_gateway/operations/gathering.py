"""The facts of a transaction: what was said of it, and what befell its station meanwhile.

A step of `digesting`. The number of queries is the same, however much was said.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

from django.db.models import F, Q

from cpo_platform.common import json
from ocpp_gateway import v1_6, v2_0_1
from ocpp_gateway.facts import Fact, Kind, superseded_by
from ocpp_gateway.frames import Version
from ocpp_gateway.models import Direction, StationMessage, Transaction
from ocpp_gateway.station_clock import MAX_LEAD
from ocpp_gateway.transactions import understand

# Nothing is said of a transaction before it is opened. A day: how messages are partitioned.
_BEFORE_OPENED = timedelta(days=1)
# The first of those that began later is what counts; some of them may turn out not to have.
_MOST_OTHERS = 3

Reader = Callable[..., Fact | None]

_READERS: dict[tuple[str, str], Reader] = {
    (Version.V1_6, "StartTransaction"): v1_6.start_transaction,
    (Version.V1_6, "MeterValues"): v1_6.meter_values,
    (Version.V1_6, "StopTransaction"): v1_6.stop_transaction,
    (Version.V1_6, "StatusNotification"): v1_6.state,
    (Version.V1_6, "BootNotification"): v1_6.boot_notification,
    (Version.V2_0_1, "TransactionEvent"): v2_0_1.transaction_event,
    (Version.V2_0_1, "BootNotification"): v2_0_1.boot_notification,
}


def facts_of(row: Transaction, *, now: datetime) -> list[Fact]:
    """Return every fact of a transaction; none where nothing was said of it itself."""
    said = _said(row.opened_at, transaction=row)
    own = [fact for message in said if (fact := _fact(message)) is not None]
    if not own:
        return []
    return [*own, *_boots(row, own), *_superseding(row, own, now)]


class _Message(NamedTuple):
    at: datetime
    transaction_id: int | None
    ocpp_version: str
    action: str
    payload: str


def _said(opened_at: datetime, *which: Q, **fields: Any) -> Iterator[_Message]:
    """Yield what stations said and was answered, in order."""
    rows = StationMessage.objects.filter(
        *which, at__gte=opened_at - _BEFORE_OPENED, direction=Direction.IN, error="", **fields
    ).order_by("at", "id")
    # Not as rows of the model: there are many.
    return map(_Message._make, rows.values_list(*_Message._fields))


def _fact(message: _Message) -> Fact | None:
    """Translate a message; None where it is of no matter to a transaction."""
    reader = _READERS.get((message.ocpp_version, message.action))
    if reader is None:
        return None
    if reader is v1_6.start_transaction:
        # The id that it was answered with.
        reader = partial(reader, transaction_id=str(message.transaction_id))
    payload: Mapping[str, Any] = json.loads(message.payload)
    return reader(payload, arrived_at=message.at)


def _boots(row: Transaction, own: Iterable[Fact]) -> list[Fact]:
    """Return the boots of the station while the transaction was open."""
    ends = [fact.arrived_at for fact in own if fact.kind == Kind.ENDED]
    meanwhile = Q(at__gt=row.opened_at, at__lt=min(ends)) if ends else Q(at__gt=row.opened_at)
    boots = _said(row.opened_at, meanwhile, station_id=row.station_id, action="BootNotification")
    return [fact for message in boots if (fact := _fact(message)) is not None]


def _superseding(row: Transaction, own: list[Fact], now: datetime) -> list[Fact]:
    """Return what the next transactions at the outlet say of this one.

    Next is what began later: a station that was offline tells of older ones afterwards.
    """
    if row.outlet_id is None:
        return []
    began = _began(own, now)
    others = list(
        Transaction.objects.filter(
            Q(started_at=None) | Q(started_at__gte=began),
            station_id=row.station_id,
            outlet_id=row.outlet_id,
            # It cannot have begun before this one if it was heard of before that.
            opened_at__gte=min(began, row.opened_at) - MAX_LEAD,
        )
        .exclude(pk=row.pk)
        .order_by(F("started_at").asc(nulls_last=True), "pk")
        .values_list("pk", "opened_at")[:_MOST_OTHERS]
    )
    if not others:
        return []
    return [
        superseded_by(fact)
        for pk, fact in _starts(dict(others)).items()
        if (_began([fact], now), pk) > (began, row.pk)
    ]


def _starts(opened: Mapping[int, datetime]) -> dict[int, Fact]:
    """Return the start of each of these transactions, where it was told."""
    said = _said(
        min(opened.values()),
        # Of 2.0.1's events only those that begin one.
        Q(action="StartTransaction") | Q(action="TransactionEvent", payload__contains='"Started"'),
        transaction_id__in=opened,
    )
    found: dict[int, Fact] = {}
    for message in said:
        fact = _fact(message)
        if fact is not None and fact.kind == Kind.STARTED and message.transaction_id is not None:
            found.setdefault(message.transaction_id, fact)
    return found


def _began(facts: list[Fact], now: datetime) -> datetime:
    """Return when a transaction began, as far as one fact can tell."""
    first = next((fact for fact in facts if fact.kind == Kind.STARTED), facts[0])
    return understand([first], now=now).started_at
