"""Each object rendered once per version, and served as it is from then on.

A document is good as long as its `last_updated` is the object's: every change of an object moves
that. Missing and stale ones are rendered and stored on the way. Pull and push use the same text.
What breaks the rules of its version is quarantined instead: see docs/adr/0011-pages.md.
"""

import hashlib
import logging
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import Exists, OuterRef, QuerySet

from cpo_platform.common import json
from locations.models import Location
from roaming.models import Document, Quarantined
from roaming.ocpi import schemas
from roaming.ocpi.common import sql
from roaming.ocpi.common.audience import Audience
from roaming.ocpi.common.pagination import PageRequest
from roaming.ocpi.common.shapes import Shapes
from roaming.ocpi.versions import VERSIONS, Version
from roaming.operations import quarantine
from sessions_app.models import Cdr, Session
from tariffs.models import Tariff

logger = logging.getLogger(__name__)

Rows = QuerySet[Any]

MOST_READS = 10
# Objects that are rendered within one request, so that its count knows which of them are sound.
MOST_SWEPT = 1000
# Rendering a page anew because it changed meanwhile; then it goes out as it is.
MOST_ROUNDS = 3
MOST_REMEMBERED = 10_000


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


@dataclass(frozen=True)
class Page:
    """One page: its bodies, the number of all that match, and where the next page begins.

    `following` is the last object of this page, None on the last page. `tag` changes whenever a
    body, their order or their number does. `bodies` are in UTF-8, None if only the tag was asked
    for.
    """

    bodies: list[bytes] | None
    total: int
    following: int | None
    tag: str


EMPTY = Page([], 0, None, "")


@dataclass(frozen=True)
class Listing:
    """The rows of a list as SQL with columns `id` and `last_updated`: compiled once, read often.

    `name` tells lists apart for which counting once is enough; see `_sweep`.
    """

    module: str
    version: Version
    rendering: str
    name: object
    sql: str = ""
    params: tuple[Any, ...] = field(default=())


def listing(
    rows: Rows, *, module: str, version: Version, audience: Audience, name: object
) -> Listing | None:
    """Return a list without what is quarantined; None: nothing can ever be in it. No query."""
    rendering = version.rendering(audience)
    aside = Quarantined.objects.filter(
        module=module,
        version=rendering,
        object_id=OuterRef("pk"),
        last_updated=OuterRef("last_updated"),
    )
    served = rows.filter(~Exists(aside)).order_by().values("id", "last_updated")
    try:
        sql, params = served.query.sql_with_params()
    except EmptyResultSet:
        return None
    return Listing(module, version, rendering, name, sql, tuple(params))


def page(
    wanted: Listing | None,
    *,
    audience: Audience,
    request: PageRequest,
    only_tag: bool = False,
) -> Page:
    """Return one page, oldest object first. One query, and a second one for a plain offset.

    What is missing or stale is rendered first, in a constant few more.
    """
    if wanted is None:
        return EMPTY
    for attempt in range(MOST_ROUNDS):
        found = _read(wanted, request, only_tag=only_tag)
        last = attempt == MOST_ROUNDS - 1
        if last or not (_sweep(wanted, found, audience) or _refresh(wanted, found, audience)):
            break
    return Page(found.bodies, found.total, found.following, found.tag)


@dataclass(frozen=True)
class _Found:
    total: int
    newest: int
    bodies: list[bytes] | None
    last: int | None
    tag: str
    stale: list[int]

    @property
    def following(self) -> int | None:
        return self.last if self.last is not None and self.newest > self.last else None


_COUNT = 'SELECT count(*) AS total, coalesce(max("id"), 0) AS newest FROM ({rows}) AS visible'
_FROM_START = """
SELECT "id", "last_updated" FROM ({rows}) AS visible WHERE "id" > %s
ORDER BY "id" LIMIT %s OFFSET %s
"""
_FROM_END = """
SELECT "id", "last_updated" FROM ({rows}) AS visible WHERE "id" <= %s
ORDER BY "id" DESC LIMIT %s OFFSET %s
"""
# A row for each object of the page, and one without an object if there is none. The texts are not
# joined here: PostgreSQL takes fresh memory for the whole each time, which takes twice as long.
_PAGE = """
SELECT counted.total, counted.newest, page."id", {body}, kept."xmin", kept."ctid",
    kept."last_updated" IS DISTINCT FROM page."last_updated"
FROM {counted} AS counted LEFT JOIN (
    ({page}) AS page
    LEFT JOIN "roaming_document" AS kept
        ON kept."module" = %s AND kept."version" = %s AND kept."object_id" = page."id"
) ON true
ORDER BY page."id"
"""
# As bytes: they go out as they come in, and are never made a text.
_BODY = """convert_to(kept."body", 'UTF8')"""
_NO_BODY = "NULL"

_UNRENDERED = """
SELECT visible."id" FROM ({rows}) AS visible
LEFT JOIN "roaming_document" AS kept
    ON kept."module" = %s AND kept."version" = %s AND kept."object_id" = visible."id"
WHERE kept."last_updated" IS DISTINCT FROM visible."last_updated"
ORDER BY visible."id" LIMIT %s
"""


def _read(wanted: Listing, request: PageRequest, *, only_tag: bool) -> _Found:
    """Read a page as it is stored.

    From a cursor, or the start, everything is one query. An offset needs the count first: the
    farther half of a list is read from its end.
    """
    if request.after is None and request.offset:
        counted, page_sql, params = _at_offset(wanted, request)
    else:
        counted = f"({_COUNT})".format(rows=wanted.sql)
        page_sql = _FROM_START.format(rows=wanted.sql)
        params = (*wanted.params, *wanted.params, request.after or 0, request.limit, 0)
    body = _NO_BODY if only_tag else _BODY
    query = _PAGE.format(counted=counted, body=body, page=page_sql)
    rows = sql.rows(query, (*params, wanted.module, wanted.rendering), binary=True)
    (total, *_), (newest, *_), ids, texts, *versions, changed = zip(*rows, strict=True)
    return _Found(
        total=total,
        newest=newest,
        bodies=None if only_tag else [text for text in texts if text is not None],
        last=ids[-1],
        tag=_tag(*versions),
        stale=[object_id for object_id, is_stale in zip(ids, changed, strict=True) if is_stale],
    )


def _tag(xmins: Iterable[bytes | None], ctids: Iterable[bytes | None]) -> str:
    """Return a tag of what the database itself knows the version of a row by.

    It changes with every writing of a document.
    """
    return hashlib.sha256(b"".join(filter(None, (*xmins, *ctids)))).hexdigest()


def _at_offset(wanted: Listing, request: PageRequest) -> tuple[str, str, tuple[Any, ...]]:
    ((total, newest),) = sql.rows(_COUNT.format(rows=wanted.sql), wanted.params)
    counted = "(SELECT %s::bigint AS total, %s::bigint AS newest)"
    if request.offset * 2 <= total or request.offset >= total:
        limit = request.limit if request.offset < total else 0
        page_sql, bound, skipped = _FROM_START, 0, request.offset if limit else 0
    else:
        # Not above `newest`: what was created since the count must not push the page along.
        page_sql, bound = _FROM_END, newest
        skipped = max(total - request.offset - request.limit, 0)
        limit = min(request.limit, total - request.offset)
    params = (total, newest, *wanted.params, bound, limit, skipped)
    return counted, page_sql.format(rows=wanted.sql), params


# By list: the count and the newest object when all of it was last known to be rendered.
_swept: dict[object, tuple[int, int]] = {}


def _sweep(wanted: Listing, found: _Found, audience: Audience) -> bool:
    """Render what of a list never was, so that its count knows what is sound.

    Tell whether anything was rendered: then the count may be another. One query, and none as long
    as nothing is added. A list with more to render than fits into a request is rendered page by
    page, and its count is right when that is done.
    """
    state = found.total, found.newest
    name = (wanted.module, wanted.rendering, wanted.name)
    if _swept.get(name) == state:
        return False
    with connection.cursor() as cursor:
        arguments = (*wanted.params, wanted.module, wanted.rendering, MOST_SWEPT + 1)
        cursor.execute(_UNRENDERED.format(rows=wanted.sql), arguments)
        unrendered = [row[0] for row in cursor.fetchall()]
    if len(unrendered) > MOST_SWEPT:
        return False
    if unrendered:
        _render(unrendered, module=wanted.module, version=wanted.version, audience=audience)
        return True
    if len(_swept) >= MOST_REMEMBERED:
        _swept.clear()
    _swept[name] = state
    return False


def _refresh(wanted: Listing, found: _Found, audience: Audience) -> bool:
    """Render what is stale on a page; tell whether there was anything."""
    if found.stale:
        _render(found.stale, module=wanted.module, version=wanted.version, audience=audience)
    return bool(found.stale)


def bodies(
    wanted: Iterable[tuple[int, datetime]], *, module: str, version: Version, audience: Audience
) -> dict[int, str]:
    """Return the body of each object, by id, rendered if need be; none of what is quarantined."""
    moments = dict(wanted)
    rendering = version.rendering(audience)
    kept = {
        document.object_id: document
        for document in Document.objects.filter(
            module=module, version=rendering, object_id__in=list(moments)
        )
    }
    stored = {
        object_id: document.body
        for object_id, document in kept.items()
        if document.last_updated == moments[object_id]
    }
    missing = {
        object_id: moment for object_id, moment in moments.items() if object_id not in stored
    }
    if missing:
        aside = quarantine.held_back(module=module, version=rendering, moments=missing)
        rendered = _render(
            [object_id for object_id in missing if object_id not in aside],
            module=module,
            version=version,
            audience=audience,
        )
        stored |= rendered.bodies
        # What never stands still is told as it last was.
        stored |= {
            object_id: kept[object_id].body for object_id in rendered.restless if object_id in kept
        }
    return stored


def judge_again(quarantined: Iterable[Quarantined], *, now: datetime) -> int:
    """Let go of quarantined objects and render them once more; return how many are sound now.

    What was rendered for a partner with tariffs of its own, or by an older renderer, is judged when
    it is next asked for.
    """
    rows = list(quarantined)
    quarantine.release(quarantined_ids=[row.pk for row in rows])
    everybody = Audience(now)
    renderings = {version.rendering(everybody): version for version in VERSIONS.values()}
    by_list: dict[tuple[str, str], list[int]] = {}
    for row in rows:
        by_list.setdefault((row.module, row.version), []).append(row.object_id)
    sound = 0
    for (module, rendering), object_ids in by_list.items():
        version = renderings.get(rendering)
        if version is not None:
            result = _render(object_ids, module=module, version=version, audience=everybody)
            sound += len(result.bodies)
    return sound


@dataclass(frozen=True)
class _Rendered:
    bodies: dict[int, str]
    restless: frozenset[int] = frozenset()


def _render(
    object_ids: Collection[int], *, module: str, version: Version, audience: Audience
) -> _Rendered:
    """Render objects, judge them by the rules of the version, and store what came of it."""
    if not object_ids:
        return _Rendered({})
    rendering = version.rendering(audience)
    documents: list[Document] = []
    findings: list[quarantine.Finding] = []
    rows, restless = _whole(SOURCES[module], object_ids)
    for row in sorted(rows, key=lambda row: row.pk):
        text, problems = _text(row, module=module, version=version, audience=audience)
        if problems:
            findings.append(quarantine.Finding(row.pk, row.last_updated, problems))
            continue
        documents.append(
            Document(
                module=module,
                object_id=row.pk,
                version=rendering,
                last_updated=row.last_updated,
                body=text,
            )
        )
    Document.objects.bulk_create(
        documents,
        update_conflicts=True,
        unique_fields=["module", "version", "object_id"],
        update_fields=["last_updated", "body"],
    )
    quarantine.settle(
        module=module,
        version=rendering,
        sound=[document.object_id for document in documents],
        findings=findings,
        now=audience.now,
    )
    return _Rendered({document.object_id: document.body for document in documents}, restless)


def _text(row: Any, *, module: str, version: Version, audience: Audience) -> tuple[str, list[str]]:
    """Return an object's JSON and what is wrong with it. It never fails: others are on the page."""
    try:
        text = json.dump_text(SOURCES[module].render(version.shapes, row, audience))
        problems = schemas.problems(version.number, module, json.loads(text))
    except Exception as error:
        logger.exception("%s %s cannot be rendered for OCPI %s", module, row.pk, version.number)
        return "", [f"{type(error).__name__}: {error}"]
    if problems:
        logger.error(
            "%s %s breaks the rules of OCPI %s: %s", module, row.pk, version.number, problems[0]
        )
    return text, problems


def _whole(source: _Source, object_ids: Iterable[int]) -> tuple[list[Any], frozenset[int]]:
    """Return rows with all that belongs to them, each as it was at one moment.

    That takes several queries, and an object that changes between them is read half old and half
    new, which may even be none that can be rendered. A change moves `last_updated`: what moved is
    read again. What changed during every attempt is named apart.
    """
    wanted = set(object_ids)
    whole: list[Any] = []
    for _attempt in range(MOST_READS):
        rows = list(source.rows().filter(pk__in=wanted))
        moments = dict(
            source.rows().filter(pk__in=wanted).order_by().values_list("pk", "last_updated")
        )
        still = [row for row in rows if row.last_updated == moments.get(row.pk)]
        whole += still
        wanted = moments.keys() - {row.pk for row in still}
        if not wanted:
            break
    else:
        logger.warning("%s changed during each of %s readings", sorted(wanted), MOST_READS)
    return whole, frozenset(wanted)
