"""Each object rendered once per version, and served as it is from then on.

A document is good as long as its `last_updated` is the object's: every change of an object moves
that. Missing and stale ones are rendered and stored on the way. Pull and push use the same text.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from cpo_platform.common import json
from locations.models import Location
from roaming.models import Document
from roaming.ocpi.common.audience import Audience
from roaming.ocpi.common.pagination import PageRequest
from roaming.ocpi.common.shapes import Shapes
from roaming.ocpi.versions import Version
from sessions_app.models import Cdr, Session
from tariffs.models import Tariff

Rows = QuerySet[Any]

MOST_READS = 10


class NeverStill(RuntimeError):
    """An object changes faster than it can be read."""


@dataclass(frozen=True)
class _Source:
    """Where a module's objects come from, and how a version renders one."""

    rows: Callable[[], Rows]
    render: Callable[[Shapes, Any, Audience], dict[str, Any]]


SOURCES: dict[str, _Source] = {
    "locations": _Source(
        Location.objects.complete,
        lambda shapes, row, audience: shapes.location(row, audience),
    ),
    "tariffs": _Source(
        Tariff.objects.with_elements, lambda shapes, row, _audience: shapes.tariff(row)
    ),
    "sessions": _Source(
        Session.objects.complete, lambda shapes, row, _audience: shapes.session(row)
    ),
    "cdrs": _Source(Cdr.objects.all, lambda shapes, row, _audience: shapes.cdr(row)),
}


def page(
    rows: Rows, *, module: str, version: Version, audience: Audience, request: PageRequest
) -> tuple[list[str], int]:
    """Return the bodies of one page, oldest object first, and the number of all that match.

    Three queries: the count, the page, its documents; rendering adds a constant few.
    """
    if request.date_from is not None:
        rows = rows.filter(last_updated__gte=request.date_from)
    if request.date_to is not None:
        rows = rows.filter(last_updated__lt=request.date_to)
    total = rows.count()
    if request.offset >= total:
        return [], total
    # By creation, not by last_updated: an object must not move between the pages of a crawl.
    ordered = rows.order_by("id").values_list("id", "last_updated")
    wanted = list(ordered[request.offset : request.offset + request.limit])
    found = bodies(wanted, module=module, version=version, audience=audience)
    return [found[object_id] for object_id, _moment in wanted if object_id in found], total


def bodies(
    wanted: Iterable[tuple[int, datetime]], *, module: str, version: Version, audience: Audience
) -> dict[int, str]:
    """Return the body of each object, by id, rendered if need be."""
    moments = dict(wanted)
    stored = {
        document.object_id: document.body
        for document in Document.objects.filter(
            module=module, version=version.rendering(audience), object_id__in=list(moments)
        )
        if document.last_updated == moments[document.object_id]
    }
    missing = [object_id for object_id in moments if object_id not in stored]
    return stored | _render(missing, module=module, version=version, audience=audience)


def _render(
    object_ids: list[int], *, module: str, version: Version, audience: Audience
) -> dict[int, str]:
    if not object_ids:
        return {}
    source = SOURCES[module]
    documents = [
        Document(
            module=module,
            object_id=row.pk,
            version=version.rendering(audience),
            last_updated=row.last_updated,
            body=json.dump_text(source.render(version.shapes, row, audience)),
        )
        for row in _whole(source, object_ids)
    ]
    Document.objects.bulk_create(
        documents,
        update_conflicts=True,
        unique_fields=["module", "version", "object_id"],
        update_fields=["last_updated", "body"],
    )
    return {document.object_id: document.body for document in documents}


def _whole(source: _Source, object_ids: list[int]) -> Iterable[Any]:
    """Return rows with all that belongs to them, each as it was at one moment.

    That takes several queries, and an object that changes between them is read half old and half
    new, which may even be none that can be rendered. A change moves `last_updated`: what moved is
    read again.

    Raises:
        NeverStill: an object changed during every attempt.

    """
    wanted = set(object_ids)
    for _attempt in range(MOST_READS):
        rows = list(source.rows().filter(pk__in=wanted))
        moments = dict(
            source.rows().filter(pk__in=wanted).order_by().values_list("pk", "last_updated")
        )
        still = [row for row in rows if row.last_updated == moments.get(row.pk)]
        yield from still
        wanted = moments.keys() - {row.pk for row in still}
        if not wanted:
            return
    raise NeverStill(f"{sorted(wanted)} changed during each of {MOST_READS} attempts to read them")
