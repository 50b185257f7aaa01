"""Replays: try a tariff on the past, batch by batch.

A batch is read and priced outside any transaction; its results, the sums and the cursor are then
saved together in a short one. Whoever is killed in between has lost one batch of work and nothing
else. Left out are credit CDRs and the CDRs that they take back: together they are no revenue.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from operator import itemgetter
from typing import Any

from django.db import transaction
from django.db.models import Max, Min, QuerySet

from sessions_app.metering import LevelBounds, Reading, metered_use
from sessions_app.models import (
    Cdr,
    MeterReading,
    Replay,
    ReplayResult,
    ReplayStatus,
    ReservationStatus,
)
from sessions_app.replaying import Repriced, Tally, joined, reserved_part
from tariffs.models import Tariff
from tariffs.operations import shape_of
from tariffs.pricing.documents import use_of
from tariffs.pricing.engine import price_session
from tariffs.pricing.types import Segment
from tariffs.pricing.types import Tariff as PricingTariff

BATCH = 500
PROBLEMS_KEPT = 20
# How many readings are fetched from the server at a time: a session may have thousands.
READINGS_AT_ONCE = 2000
# Without progress for this long, its worker is gone.
STALLED_AFTER = timedelta(seconds=60)

Row = Mapping[str, Any]

_COLUMNS = (
    *("pk", "ocpi_id", "country_code", "party_id", "correction"),
    *("start_date_time", "end_date_time", "charging_periods"),
    *("total_cost_before_taxes", "total_cost_after_taxes", "session_id"),
    *("session__start_date_time", "session__end_date_time"),
    *("session__frozen_location__time_zone", "session__reservation__status"),
)


# What a replay asks: two that run with the same are one.
_QUESTION = (
    *("tariff", "candidate", "period_start", "period_end", "country_code", "party_id"),
    *("location_ids", "use_readings", "last_cdr"),
)


class NotReplayable(ValueError):
    """These CDRs cannot be priced by this tariff; the message says why."""


class OtherCurrency(NotReplayable):
    """Some of the CDRs are in another currency than the tariff."""


class NothingToReplay(NotReplayable):
    """There are no CDRs in the period, at these locations."""


class ReplayNotRunning(ValueError):
    """The replay is done or was stopped."""


def start_replay(
    *,
    tariff_id: int,
    period_start: datetime,
    period_end: datetime,
    now: datetime,
    party: tuple[str, str] | None = None,
    location_ids: Sequence[int] | None = None,
    place: str = "",
    use_readings: bool = True,
    started_by: str = "",
) -> Replay:
    """Freeze what is to be tried on what; nothing is priced yet (`replay_batch`).

    The period is that of the sessions' ends, its end exclusive. `location_ids` None means all. The
    tariff need not be valid at the time: it is tried.

    Raises:
        Tariff.DoesNotExist: there is no such tariff, or it is deleted.
        NotReplayable: the period is empty, or no CDR can be priced by this tariff.

    """
    if period_end <= period_start:
        raise NotReplayable("The period must end after it starts.")
    with transaction.atomic():
        row = Tariff.objects.in_use().with_elements().get(pk=tariff_id)
        replay = Replay(
            tariff=row,
            candidate=shape_of(row).model_dump(mode="json", exclude_none=True),
            currency=row.currency,
            period_start=period_start,
            period_end=period_end,
            country_code=party[0] if party else "",
            party_id=party[1] if party else "",
            location_ids=None if location_ids is None else sorted(location_ids),
            place=place[:255],
            use_readings=use_readings,
            started_by=started_by[:150],
            started_at=now,
            moved_at=now,
        )
        _bound(replay)
        replay.full_clean(exclude={"tariff"})
        same = Replay.objects.filter(
            status=ReplayStatus.RUNNING, **{name: getattr(replay, name) for name in _QUESTION}
        ).first()
        if same is not None:
            # Asked twice, by two clicks or two people: it is running.
            return same
        replay.save()
    return replay


def _bound(replay: Replay) -> None:
    """Set which CDRs are in it, and how many; refuse those of another currency."""
    replay.last_cdr = Cdr.objects.aggregate(last=Max("pk"))["last"] or 0
    rows = _cdrs(replay)
    replay.total = rows.count()
    if not replay.total:
        raise NothingToReplay("No session ended in this period at these locations.")
    others = rows.exclude(currency=replay.currency)
    other = others.values_list("currency", flat=True).first()
    if other is not None:
        raise OtherCurrency(
            f"{others.count()} of {replay.total} CDRs are in another currency ({other}) than the "
            f"tariff ({replay.currency}): choose locations with one currency."
        )
    replay.cursor = (rows.aggregate(first=Min("pk"))["first"] or 1) - 1


def _cdrs(replay: Replay) -> QuerySet[Cdr]:
    rows = Cdr.objects.filter(
        pk__lte=replay.last_cdr,
        end_date_time__gte=replay.period_start,
        end_date_time__lt=replay.period_end,
        credit=False,
    )
    if replay.party_id:
        rows = rows.filter(country_code=replay.country_code, party_id=replay.party_id)
    if replay.location_ids is not None:
        rows = rows.filter(session__location_id__in=replay.location_ids)
    return rows


def replay_batch(*, replay_id: int, now: datetime, size: int = BATCH) -> bool:
    """Price the next CDRs of a replay; return whether there are more to come.

    A second worker on the same batch is not harmful: what it did is thrown away.

    Raises:
        Replay.DoesNotExist: it was deleted.

    """
    replay = Replay.objects.get(pk=replay_id)
    if replay.status != ReplayStatus.RUNNING:
        return False
    batch = _Batch(replay, size)
    results, problems = batch.priced()
    left_out = len(batch.rows) - len(results)
    with transaction.atomic():
        row = Replay.objects.select_for_update().get(pk=replay_id)
        if row.status != ReplayStatus.RUNNING or row.cursor != replay.cursor:
            return row.status == ReplayStatus.RUNNING
        _add(row, results, problems)
        row.done += len(batch.rows)
        row.skipped += left_out
        row.cursor = batch.rows[-1]["pk"] if batch.rows else row.last_cdr
        row.moved_at = now
        if len(batch.rows) < size:
            row.status, row.finished_at = ReplayStatus.DONE, now
        row.save()
    return row.status == ReplayStatus.RUNNING


def _add(row: Replay, results: Sequence[Repriced], problems: Sequence[str]) -> None:
    ReplayResult.objects.bulk_create(
        ReplayResult(
            replay=row,
            cdr_id=one.cdr_id,
            before_taxes=one.before_taxes,
            after_taxes=one.after_taxes,
            new_before_taxes=one.new_before_taxes,
            new_after_taxes=one.new_after_taxes,
            difference=one.difference,
        )
        for one in results
    )
    tally = Tally(row.currency, histogram=list(row.histogram))
    for one in results:
        tally.add(one)
    row.histogram = tally.histogram
    row.before_taxes += tally.before_taxes
    row.new_before_taxes += tally.new_before_taxes
    row.taxed += tally.taxed
    row.after_taxes += tally.after_taxes
    row.new_after_taxes += tally.new_after_taxes
    row.problems = [*row.problems, *problems][:PROBLEMS_KEPT]


@dataclass
class _Use:
    """What a CDR was, in segments, or why it cannot be told."""

    row: Row
    segments: tuple[Segment, ...] = ()
    problem: str = ""


class _Batch:
    """The next CDRs of a replay: three queries, whatever the number."""

    def __init__(self, replay: Replay, size: int) -> None:
        self.replay = replay
        self.tariff = PricingTariff.from_json(replay.candidate)
        rows = _cdrs(replay).filter(pk__gt=replay.cursor).order_by("pk")
        self.rows: list[dict[str, Any]] = list(rows.values(*_COLUMNS)[:size])

    def priced(self) -> tuple[list[Repriced], list[str]]:
        """Return each CDR's prices, and a sentence for each that has none."""
        results, problems = [], []
        for use in self._uses():
            if use.problem:
                problems.append(f"{use.row['ocpi_id']}: {use.problem}")
                continue
            try:
                results.append(self._reprice(use))
            except (ValueError, KeyError, TypeError, ArithmeticError) as error:
                # One CDR that cannot be priced must not keep the others.
                problems.append(f"{use.row['ocpi_id']}: {error}")
        return results, problems

    def _reprice(self, use: _Use) -> Repriced:
        row = use.row
        priced = price_session(
            tariff=self.tariff,
            segments=use.segments,
            time_zone=row["session__frozen_location__time_zone"],
        )
        total = priced.total_cost.rounded()
        return Repriced(
            cdr_id=row["pk"],
            before_taxes=row["total_cost_before_taxes"],
            after_taxes=row["total_cost_after_taxes"],
            new_before_taxes=total.before_taxes,
            new_after_taxes=total.after_taxes,
        )

    def _uses(self) -> Iterator[_Use]:
        credited = self._credited()
        bounds = LevelBounds.of([self.replay.candidate])
        by_session: defaultdict[int, list[Row]] = defaultdict(list)
        for row in self.rows:
            if row["pk"] in credited:
                continue
            if row["session_id"] is None:
                yield _Use(row, problem="has no session here: its time zone is not known")
            else:
                by_session[row["session_id"]].append(row)
        if self.replay.use_readings:
            for session_id, readings in self._readings(by_session):
                yield from (_use(row, readings, bounds) for row in by_session.pop(session_id))
        yield from (_use(row, [], bounds) for rows in by_session.values() for row in rows)

    def _credited(self) -> set[int]:
        """Return those that a credit CDR took back before the replay began."""
        named = {_identity(row, "ocpi_id"): row["pk"] for row in self.rows}
        found = Cdr.objects.filter(
            credit=True,
            pk__lte=self.replay.last_cdr,
            credit_reference_id__in=[row["ocpi_id"] for row in self.rows],
        ).values("country_code", "party_id", "credit_reference_id")
        keys = (_identity(row, "credit_reference_id") for row in found)
        return {named[key] for key in keys if key in named}

    def _readings(self, by_session: Iterable[int]) -> Iterator[tuple[int, list[Reading]]]:
        """Yield the readings of each session that has any: those of one at a time in memory."""
        rows: Any = (
            MeterReading.objects.filter(session_id__in=list(by_session))
            .order_by("session_id", "at")
            .values_list("session_id", "at", "kwh", "power", "current", "requesting_power")
            .iterator(chunk_size=READINGS_AT_ONCE)
        )
        for session_id, group in groupby(rows, key=itemgetter(0)):
            yield session_id, [Reading(*columns[1:]) for columns in group]


def _identity(row: Row, name: str) -> tuple[str, ...]:
    return tuple(str(row[part]).lower() for part in ("country_code", "party_id", name))


def _document(row: Row) -> dict[str, Any]:
    """Return what a CDR tells of its use."""
    return {
        "start_date_time": row["start_date_time"].isoformat(),
        "end_date_time": row["end_date_time"].isoformat(),
        "charging_periods": row["charging_periods"],
    }


def _use(row: Row, readings: Iterable[Reading], bounds: LevelBounds) -> _Use:
    expired = row["session__reservation__status"] == ReservationStatus.EXPIRED
    try:
        segments = use_of(_document(row), expired=expired)
        reserved = reserved_part(segments)
        # Of a bill that staff corrected the readings are not what was billed.
        is_metered = len(segments) > len(reserved) and not row["correction"]
        known = list(readings) if is_metered else []
        if known:
            use = metered_use(
                readings=known,
                start=row["session__start_date_time"],
                end=row["session__end_date_time"] or row["end_date_time"],
                bounds=bounds,
            )
            segments = (*reserved, *use.segments)
    except (ValueError, KeyError, TypeError, ArithmeticError) as error:
        return _Use(row, problem=str(error))
    return _Use(row, joined(segments))


def cancel_replay(*, replay_id: int, now: datetime) -> Replay:
    """Stop a replay where it is; it can be resumed.

    Raises:
        ReplayNotRunning: it is done, or was stopped before.

    """
    with transaction.atomic():
        row = Replay.objects.select_for_update().get(pk=replay_id)
        if row.status != ReplayStatus.RUNNING:
            raise ReplayNotRunning(f"replay {replay_id}: {row.status}")
        row.status, row.finished_at = ReplayStatus.CANCELED, now
        row.save(update_fields=["status", "finished_at"])
    return row


def resume_replay(*, replay_id: int, now: datetime) -> Replay:
    """Let a replay that was stopped go on behind the last CDR in its sums.

    Raises:
        ReplayNotRunning: it is done.

    """
    with transaction.atomic():
        row = Replay.objects.select_for_update().get(pk=replay_id)
        if row.status == ReplayStatus.DONE:
            raise ReplayNotRunning(f"replay {replay_id} is done")
        row.status, row.finished_at, row.moved_at = ReplayStatus.RUNNING, None, now
        row.save(update_fields=["status", "finished_at", "moved_at"])
    return row


def delete_replay(*, replay_id: int) -> None:
    """Delete a replay with its results; CDRs and tariffs are not touched."""
    with transaction.atomic():
        Replay.objects.select_for_update().get(pk=replay_id)
        ReplayResult.objects.filter(replay_id=replay_id).delete()
        Replay.objects.filter(pk=replay_id).delete()


def stalled_replays(*, now: datetime) -> list[int]:
    """Return the replays that should be running and have not moved for a while."""
    return list(
        Replay.objects.filter(status=ReplayStatus.RUNNING, moved_at__lt=now - STALLED_AFTER)
        .order_by("moved_at")
        .values_list("pk", flat=True)
    )
