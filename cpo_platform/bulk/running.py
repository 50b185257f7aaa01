"""The work on a job, batch by batch: its rows are made, then checked, then, if asked for, applied.

Each row is checked in a transaction that is taken back, and applied in one of its own: the object,
its announcement to partners, its audit and the outcome of its row are written together. Several
lanes may work on a job: each has a stripe of its rows for itself (`claiming`).
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from django.db import OperationalError, transaction
from django.utils import translation
from django.utils.translation import gettext

from cpo_platform.audit.models import Way
from cpo_platform.bulk import asking, columns, operations, reading
from cpo_platform.bulk.claiming import STRIPE, claimed
from cpo_platform.bulk.lists import BulkList, list_of
from cpo_platform.bulk.models import WORKING, WOULD, Job, JobKind, JobRow, JobState, RowOutcome
from cpo_platform.bulk.operations import Found, NewRow
from cpo_platform.bulk.refusing import RowRefused
from cpo_platform.bulk.writing import Writer
from cpo_platform.common import acting
from cpo_platform.common.acting import Actor

BATCH = STRIPE

logger = logging.getLogger(__name__)


def step(*, job_id: int, clock: Callable[[], datetime], size: int = BATCH) -> bool:
    """Do the next batch of a job's work; return whether there may be more that no lane has.

    Raises:
        Job.DoesNotExist: it was deleted.

    """
    job = Job.objects.select_related("undoes").get(pk=job_id)
    listed = list_of(job.label)
    if job.state not in WORKING or listed is None:
        return False
    more = True
    with translation.override(job.language), acting.as_found(lambda: _actor(job)):
        if not job.prepared:
            _prepare(job, listed, clock())
        else:
            more = _work(job, listed, size)
    return operations.advance(job_id=job_id, now=clock()).state in WORKING and more


def request_id_of(job: Job) -> str:
    """Return the id by which the audit knows what a job did."""
    return f"bulk-{job.pk}"


def _actor(job: Job) -> Actor:
    way = Way.IMPORT if job.kind == JobKind.IMPORT else Way.ADMIN
    what = f"bulk change {job.pk}: {job.kind.lower()} {job.label}"
    return Actor(way.value, what, job.started_by_name, job.started_by_id, request_id_of(job))


def _prepare(job: Job, listed: BulkList, now: datetime) -> None:
    try:
        operations.prepare(job_id=job.pk, rows=_rows(job, listed), now=now)
    except reading.UnreadableFile as error:
        operations.fail(job_id=job.pk, error=str(error), now=now)


def _rows(job: Job, listed: BulkList) -> Iterable[NewRow]:
    if job.kind == JobKind.IMPORT:
        return list(_file_rows(job, listed))
    if job.kind == JobKind.UNDO and job.undoes is not None:
        return _undo_rows(job.undoes)
    return (NewRow(number=number, object_id=key) for number, key in enumerate(job.targets, start=1))


def _undo_rows(undone: Job) -> Iterator[NewRow]:
    stays = gettext("It was created by this. Nothing is deleted here: take it away by hand.")
    for row in operations.rows_to_undo(undone):
        if row.reasons:
            yield NewRow(
                number=row.number, name=row.name, object_id=row.object_id, reasons=[("", stays)]
            )
        else:
            yield row


def _file_rows(job: Job, listed: BulkList) -> Iterator[NewRow]:
    table = reading.read(bytes(job.file or b""))
    heads = columns.heads_of(listed, table.heads)
    importing = columns.importing_of(listed)
    request = asking.request_of(job.started_by_id)
    known: dict[str, int] = {}
    for number, line in table.rows:
        cells = {column: line[place] for place, column in heads.read.items()}
        name = importing.name(request, cells)
        first = known.setdefault(name.lower(), number)
        again = gettext("Row %(number)s is about the same.") % {"number": first}
        reasons = [("", again)] if first != number else []
        yield NewRow(number=number, name=name, values=cells, reasons=reasons)


def _work(job: Job, listed: BulkList, size: int) -> bool:
    """Check or apply rows that no other lane has; return whether there were any."""
    checks = job.state == JobState.CHECKING
    with claimed(job, [RowOutcome.PENDING] if checks else WOULD) as rows:
        if rows is None:
            return False
        batch = list(rows[:size])
        writer = Writer.of(job, listed)
        writer.read_ahead(batch)
        if checks:
            operations.note_checked(found={row.pk: _checked(writer, row) for row in batch})
        else:
            for row in batch:
                _apply_row(writer, row.pk)
    return True


def _checked(writer: Writer, row: JobRow) -> Found:
    try:
        return writer.check(row)
    except OperationalError:
        # The database is away, or two waited for each other: this row is tried again.
        raise
    except Exception:
        logger.exception("row %s of bulk change %s cannot be checked", row.number, row.job_id)
        return Found(RowOutcome.REFUSED, row.name, row.object_id, reasons=_unexpected())


def _apply_row(writer: Writer, row_id: int) -> None:
    with transaction.atomic():
        row = JobRow.objects.select_for_update().get(pk=row_id)
        if row.outcome not in WOULD:
            # Another lane was faster.
            return
        try:
            key, left = writer.apply(row)
        except RowRefused as error:
            operations.note_refused(row=row, reasons=error.reasons)
        except OperationalError:
            raise
        except Exception:
            logger.exception("row %s of bulk change %s cannot be applied", row.number, row.job_id)
            operations.note_refused(row=row, reasons=_unexpected())
        else:
            operations.note_applied(row=row, object_id=key, left=left)


def _unexpected() -> list[tuple[str, str]]:
    return [("", gettext("It cannot be written for a reason that we did not expect: see the log."))]
