"""How long things took, counted in fixed buckets: pure."""

from bisect import bisect_left
from collections.abc import Sequence

# Seconds: the upper bounds of the buckets, each twice the one before, from 5 ms to a day. What took
# longer is in one more bucket, without a bound.
BOUNDS: tuple[float, ...] = (*(0.005 * 2**step for step in range(24)), 86_400.0)
BUCKETS = len(BOUNDS) + 1


def place(seconds: float) -> int:
    """Return the bucket of a duration."""
    return bisect_left(BOUNDS, seconds)


def quantile(counts: Sequence[int], share: float) -> float | None:
    """Return the duration that a share of all did not exceed, in seconds; None: there were none.

    Within a bucket all are taken to be spread evenly. What took longer than a day counts as a day.
    """
    rank = share * sum(counts)
    below = 0
    for bucket, count in enumerate(counts):
        if count and below + count >= rank:
            if bucket == len(BOUNDS):
                break
            lower = BOUNDS[bucket - 1] if bucket else 0.0
            return lower + (BOUNDS[bucket] - lower) * max(rank - below, 0.0) / count
        below += count
    return BOUNDS[-1] if sum(counts) else None
