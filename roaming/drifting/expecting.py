"""What a partner should hold of some objects, and where it keeps them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Exists, OuterRef, Q

from cpo_platform.common import json
from roaming.client import Party, endpoint_url, host_of, http_join
from roaming.models import Change, Delivery, Feed, Partner
from roaming.ocpi.dialects import adapt
from roaming.ocpi.documents import SOURCES, bodies
from roaming.ocpi.target import Row, Target, rows_of
from roaming.operations import drift_objects

# Why a copy cannot be asked for.
NO_URL, OTHER_HOST, AWAY = "no_url", "other_host", "away"


@dataclass(frozen=True)
class State:
    """What moves when an object changes or is sent: a copy that was read meanwhile says nothing."""

    last_updated: datetime | None
    delivered_at: datetime | None
    on_its_way: bool


@dataclass(frozen=True)
class Expected:
    """One object: where the partner keeps it and what it should say.

    `document` None: the partner should have it no more. `problem`: why it cannot be asked for.
    """

    object_id: int
    url: str
    sender: Party
    receiver: Party | None
    document: dict[str, Any] | None
    state: State
    problem: str = ""


@dataclass(frozen=True)
class Expectations:
    """What to ask for, and how many objects are not to be looked at now.

    Those are on their way to the partner, or held back from it: there is nothing to compare.
    """

    wanted: Sequence[Expected]
    skipped: int


@dataclass(frozen=True)
class _Held:
    """What we noted of the partner's copy: when it was delivered, and where a CDR is kept."""

    delivered_at: datetime | None
    url: str


def expectations(target: Target, module: str, object_ids: Sequence[int]) -> Expectations:
    """Return what the partner should hold of these objects. Seven queries, whatever the number."""
    partner = target.partner
    rows = _rows(module, object_ids)
    seen = drift_objects.visible(partner, module, now=target.audience.now)
    may_see = set(seen.filter(pk__in=list(rows)).values_list("pk", flat=True))
    deliveries = _deliveries(partner, module, object_ids)
    states = _states(partner, module, rows, deliveries)
    still = {
        object_id: row
        for object_id, row in rows.items()
        if not states[object_id].on_its_way and target.knows(row.owner)
    }
    texts = bodies(
        [(object_id, row.last_updated) for object_id, row in still.items() if object_id in may_see],
        module=module,
        version=target.version,
        audience=target.audience,
    )
    wanted = []
    for object_id, row in still.items():
        text = texts.get(object_id)
        if object_id in may_see and text is None:
            continue
        url, problem = _place(target, module, row, deliveries.get(object_id))
        wanted.append(
            Expected(
                object_id,
                url,
                row.owner,
                row.emsp or target.broadcast_to(),
                None if text is None else _document(target, module, text),
                states[object_id],
                problem,
            )
        )
    return Expectations(wanted, len(object_ids) - len(wanted))


def states_of(target: Target, module: str, object_ids: Sequence[int]) -> dict[int, State]:
    """Return how some objects are now: another state than the one expected is a later one."""
    rows = _rows(module, object_ids)
    deliveries = _deliveries(target.partner, module, object_ids)
    return _states(target.partner, module, rows, deliveries)


def _document(target: Target, module: str, text: str) -> dict[str, Any]:
    adapted = adapt(text, module=module, dialect=target.dialect, version=target.version.number)
    document: dict[str, Any] = json.loads(adapted)
    return document


def _rows(module: str, object_ids: Iterable[int]) -> dict[int, Row]:
    return rows_of(SOURCES[module].rows().filter(pk__in=list(object_ids)).order_by("pk"), module)


def _deliveries(partner: Partner, module: str, object_ids: Iterable[int]) -> dict[int, _Held]:
    found = Delivery.objects.filter(partner=partner, module=module, object_id__in=list(object_ids))
    return {
        object_id: _Held(delivered_at, url)
        for object_id, delivered_at, url in found.values_list("object_id", "delivered_at", "url")
    }


def _states(
    partner: Partner, module: str, rows: dict[int, Row], deliveries: dict[int, _Held]
) -> dict[int, State]:
    moving = _on_their_way(partner, module, list(rows))
    return {
        object_id: State(
            row.last_updated,
            deliveries[object_id].delivered_at if object_id in deliveries else None,
            object_id in moving,
        )
        for object_id, row in rows.items()
    }


def _on_their_way(partner: Partner, module: str, object_ids: Sequence[int]) -> set[int]:
    """Return the objects with news that the partner has not been told of yet. Two queries."""
    told = Feed.objects.filter(
        partner=partner, lane=OuterRef("lane"), position__gte=OuterRef("sequence")
    )
    changes = Change.objects.filter(
        ~Exists(told),
        Q(partner__isnull=True) | Q(partner=partner),
        module=module,
        object_id__in=list(object_ids),
    )
    # Progress of a session that may wait, and what failed a moment ago.
    due = Delivery.objects.filter(
        partner=partner, module=module, object_id__in=list(object_ids), due_at__isnull=False
    )
    ids = [rows.values_list("object_id", flat=True) for rows in (changes, due)]
    return {object_id for found in ids for object_id in found}


def _place(target: Target, module: str, row: Row, delivery: _Held | None) -> tuple[str, str]:
    """Return where the partner keeps an object, and why it cannot be asked for there."""
    base = endpoint_url(target.partner, module, "RECEIVER") or ""
    if target.is_away(row.emsp):
        return "", AWAY
    if module != "cdrs":
        return http_join(base, *row.path), ""
    url = delivery.url if delivery else ""
    if not url:
        return "", NO_URL
    # Our token goes to the host that the partner registered, and nowhere else.
    return (url, "") if host_of(url) == host_of(base) else ("", OTHER_HOST)
