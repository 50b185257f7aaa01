"""Add up how requests to partners went, and read it for people."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import connection

from cpo_platform.common import json
from roaming.histograms import BUCKETS
from roaming.models.traffic import TrafficMinute

KEPT = timedelta(days=8)


@dataclass(slots=True)
class Tally:
    """What went to one partner in one module since it was last written down."""

    partner_id: int
    module: str
    done: int = 0
    unknown: int = 0
    refused: int = 0
    failed: int = 0
    lag: list[int] = field(default_factory=lambda: [0] * BUCKETS)
    lag_seconds: float = 0.0
    answer: list[int] = field(default_factory=lambda: [0] * BUCKETS)
    answer_seconds: float = 0.0

    def add(self, other: "Tally") -> None:
        """Add another tally of the same partner and module."""
        self.done += other.done
        self.unknown += other.unknown
        self.refused += other.refused
        self.failed += other.failed
        self.lag = _sums(self.lag, other.lag)
        self.lag_seconds += other.lag_seconds
        self.answer = _sums(self.answer, other.answer)
        self.answer_seconds += other.answer_seconds


@dataclass(slots=True)
class Figures:
    """What went to a partner in one module in a time: requests, and durations per bucket."""

    done: int = 0
    unknown: int = 0
    refused: int = 0
    failed: int = 0
    lag: list[int] = field(default_factory=lambda: [0] * BUCKETS)
    answer: list[int] = field(default_factory=lambda: [0] * BUCKETS)

    @property
    def requests(self) -> int:
        return self.done + self.unknown + self.refused + self.failed

    def add(self, counts: Sequence[int], lag: Sequence[int], answer: Sequence[int]) -> None:
        done, unknown, refused, failed = counts
        self.done += done
        self.unknown += unknown
        self.refused += refused
        self.failed += failed
        self.lag = _sums(self.lag, lag)
        self.answer = _sums(self.answer, answer)


def _sums(some: Sequence[int], others: Sequence[int]) -> list[int]:
    return [one + other for one, other in zip(some, others, strict=True)]


_COLUMNS = (
    "partner_id, module, done, unknown, refused, failed, lag, lag_seconds, answer, answer_seconds"
)
_PLAIN = ("done", "unknown", "refused", "failed", "lag_seconds", "answer_seconds")


def _added(table: str) -> str:
    """Return how what is new is added to what is there: numbers, and arrays place by place."""
    plain = [f"{name} = {table}.{name} + excluded.{name}" for name in _PLAIN]
    arrays = [
        f"{name} = (SELECT array_agg(before + fresh ORDER BY place) FROM "  # noqa: S608  names of ours
        f"unnest({table}.{name}, excluded.{name}) WITH ORDINALITY AS u (before, fresh, place))"
        for name in ("lag", "answer")
    ]
    return ", ".join([*plain, *arrays])


# One statement for both tables. Ordered, so that processes that write at once do not block each
# other; of a partner that was deleted meanwhile, nothing is written.
_ADD = f"""
WITH fresh AS (
    SELECT tally.* FROM jsonb_to_recordset(%s::jsonb) AS tally (
        partner_id bigint, module text, done bigint, unknown bigint, refused bigint, failed bigint,
        lag bigint[], lag_seconds float8, answer bigint[], answer_seconds float8
    ) JOIN roaming_partner ON roaming_partner.id = tally.partner_id
    ORDER BY tally.partner_id, tally.module
), minutes AS (
    INSERT INTO roaming_trafficminute AS minute ({_COLUMNS}, minute)
    SELECT {_COLUMNS}, %s::timestamptz FROM fresh
    ON CONFLICT (partner_id, minute, module) DO UPDATE SET {_added("minute")}
)
INSERT INTO roaming_traffictotal AS total ({_COLUMNS}) SELECT {_COLUMNS} FROM fresh
ON CONFLICT (partner_id, module) DO UPDATE SET {_added("total")}
"""  # noqa: S608  names of ours


def add(*, tallies: Iterable[Tally], now: datetime) -> None:
    """Add what went out to this minute and to the totals, with one statement."""
    rows = [
        {name: getattr(tally, name) for name in Tally.__slots__}
        for tally in sorted(tallies, key=lambda tally: (tally.partner_id, tally.module))
    ]
    if rows:
        with connection.cursor() as cursor:
            cursor.execute(_ADD, [json.dump_text(rows), now.replace(second=0, microsecond=0)])


def forget_old(*, now: datetime) -> None:
    """Delete the minutes that nobody looks at any more; the totals stay."""
    TrafficMinute.objects.filter(minute__lt=now - KEPT).delete()


_BY_SLOT = """
SELECT module, slot, sum(done)::bigint, sum(unknown)::bigint, sum(refused)::bigint,
    sum(failed)::bigint, array_agg(lag ORDER BY place), array_agg(answer ORDER BY place)
FROM (
    SELECT module, date_bin(%s::interval, minute, %s) AS slot, place,
        sum(bucket.lag)::bigint AS lag, sum(bucket.answer)::bigint AS answer,
        sum(done) FILTER (WHERE place = 1) AS done,
        sum(unknown) FILTER (WHERE place = 1) AS unknown,
        sum(refused) FILTER (WHERE place = 1) AS refused,
        sum(failed) FILTER (WHERE place = 1) AS failed
    FROM roaming_trafficminute AS traffic,
        unnest(traffic.lag, traffic.answer) WITH ORDINALITY AS bucket (lag, answer, place)
    WHERE partner_id = %s AND minute >= %s AND minute < %s
    GROUP BY module, slot, place
) AS counted
GROUP BY module, slot ORDER BY module, slot
"""


def slots(
    *, partner_id: int, begin: datetime, end: datetime, step: timedelta
) -> dict[str, dict[datetime, Figures]]:
    """Return what went to a partner between two moments, by module and by slots from `begin` on.

    A slot without requests is left out.
    """
    found: dict[str, dict[datetime, Figures]] = defaultdict(dict)
    with connection.cursor() as cursor:
        cursor.execute(_BY_SLOT, [f"{step.total_seconds()} seconds", begin, partner_id, begin, end])
        for module, slot, *values in cursor.fetchall():
            found[module][slot] = Figures(*values)
    return dict(found)


def summed(by_slot: Mapping[datetime, Figures], *, since: datetime | None = None) -> Figures:
    """Return the sum of slots, of those only that begin at a moment or later."""
    whole = Figures()
    for slot, part in by_slot.items():
        if since is None or slot >= since:
            counts = (part.done, part.unknown, part.refused, part.failed)
            whole.add(counts, part.lag, part.answer)
    return whole
