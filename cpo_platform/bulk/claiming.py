"""Which rows a lane works on: a stripe of a job, which no other lane has at that time.

A stripe is fifty numbers. It is held by an advisory lock on the lane's connection: nothing is
written for it and nothing has to run out, as who is killed lets go of it at once.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from django.db.models import QuerySet

from cpo_platform.bulk.models import Job, JobRow, RowOutcome
from cpo_platform.common.locks import advisory_lock

STRIPE = 50
# The first of two numbers of PostgreSQL's advisory locks. The other one is the job's and the
# stripe's: where two are the same by chance, a lane passes over rows that it takes later.
LOCK = 531_700_204
_STRIPES = 1024


@contextmanager
def claimed(job: Job, outcomes: Sequence[RowOutcome]) -> Iterator[QuerySet[JobRow] | None]:
    """Hold the first rows with these outcomes that no other lane has, in their order.

    None: there are none, or other lanes have them all.
    """
    with ExitStack() as held:
        after = 0
        while (first := _first(job, outcomes, after)) is not None:
            stripe = (first - 1) // STRIPE
            after = (stripe + 1) * STRIPE
            key = (job.pk * _STRIPES + stripe % _STRIPES) % 2**31
            if held.enter_context(advisory_lock(LOCK, key)):
                # What another lane did before it let go is seen only now.
                yield _waiting(job, outcomes).filter(number__gt=after - STRIPE, number__lte=after)
                return
        yield None


def _waiting(job: Job, outcomes: Sequence[RowOutcome]) -> QuerySet[JobRow]:
    return JobRow.objects.filter(job=job, outcome__in=outcomes).order_by("number")


def _first(job: Job, outcomes: Sequence[RowOutcome], after: int) -> int | None:
    """Return the lowest number behind one; each outcome is a look into the index."""
    firsts: list[Any] = []
    for outcome in outcomes:
        rows = _waiting(job, [outcome]).filter(number__gt=after)
        firsts += rows.values_list("number", flat=True)[:1]
    return min(firsts, default=None)
