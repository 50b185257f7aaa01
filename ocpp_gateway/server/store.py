"""What stations say, kept: all that came within a few milliseconds in one transaction.

Whoever keeps something waits for its commit, and answers then. While one batch is written the next
one gathers, so batches are as large as the database is slow.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import psycopg

from cpo_platform.common import clock
from ocpp_gateway.server.database import Pool

logger = logging.getLogger(__name__)

# Readings of a transaction that goes on may wait for each other; what begins or ends it may not.
PATIENT = timedelta(seconds=5)
# News that are due no sooner than this after now are certain to be seen with what is kept now.
CERTAIN = timedelta(seconds=2)
MOST_AT_ONCE = 2000
# How long a batch is tried again while the database is away, in seconds.
TRIES = (0.1, 0.5, 1.0, 2.0, 4.0)
# Messages for the log alone that wait, at most: beyond that they are dropped, and counted.
MOST_NOTES = 20_000


@dataclass(frozen=True, slots=True)
class Message:
    """A row of `StationMessage`."""

    station_id: int
    at: datetime
    direction: str
    version: str
    action: str
    unique_id: str
    payload: str
    answer: str = ""
    error: str = ""
    transaction_id: int | None = None
    duration_ms: int = 0


@dataclass(frozen=True, slots=True)
class OutletReport:
    """What an outlet is said to be; None leaves a column as it is."""

    outlet_id: int
    at: datetime
    status: str | None = None
    error: str = ""
    charging_state: str | None = None


@dataclass(slots=True)
class _Kept:
    message: Message
    news: Sequence[int]
    patient: bool
    report: OutletReport | None
    done: "asyncio.Future[None] | None"


@dataclass(slots=True)
class _Written:
    """What a commit wrote of news, and whose it left out: another's news will do for those."""

    news: list[tuple[int, datetime]]
    left_out: set[int]


@dataclass(slots=True)
class _Promised:
    """Until when news are certain to be looked at, by transaction."""

    until: dict[int, datetime] = field(default_factory=dict)

    def is_promised(self, transaction_id: int, now: datetime) -> bool:
        due_at = self.until.get(transaction_id)
        return due_at is not None and due_at - now > CERTAIN

    def is_over(self, transaction_id: int, now: datetime) -> bool:
        """Tell whether what was promised may have happened by now."""
        due_at = self.until.get(transaction_id)
        return due_at is None or due_at <= now

    def promise(self, transaction_id: int, due_at: datetime) -> None:
        if len(self.until) > 100_000:
            self.until.clear()
        self.until[transaction_id] = due_at


class NotKept(Exception):
    """The database could not be reached: the station has to say it again."""


class Store:
    """The one writer of a gateway. `nudge` is called when something was kept that will not wait."""

    def __init__(self, pool: Pool, nudge: Callable[[], None]) -> None:
        self._pool = pool
        self._nudge = nudge
        self._waiting: list[_Kept] = []
        self._some = asyncio.Event()
        self._promised = _Promised()
        self._dropped = 0
        # Whose messages were kept so late that nobody may look at them: to be written next.
        self._overdue: set[int] = set()
        self._task: asyncio.Task[None] | None = None
        self._ends = False

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="store")

    async def stop(self) -> None:
        """Write what waits, and end."""
        self._ends = True
        self._some.set()
        if self._task is not None:
            await self._task

    async def keep(
        self,
        message: Message,
        *,
        news: Iterable[int] = (),
        patient: bool = False,
        report: OutletReport | None = None,
    ) -> None:
        """Keep a message, and have the transactions of which it is news looked at.

        `patient`: a few seconds later is soon enough.

        Raises:
            NotKept: the database is away for longer than a station waits.

        """
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._put(_Kept(message, tuple(news), patient, report, done))
        await done

    def note(self, message: Message) -> None:
        """Keep a message for the log alone, when there is time."""
        if len(self._waiting) >= MOST_NOTES:
            self._dropped += 1
            return
        self._put(_Kept(message, (), False, None, None))  # noqa: FBT003

    def _news(self, batch: Iterable[_Kept], now: datetime) -> _Written:
        """Return the news of a batch, those that are due first of each transaction."""
        due: dict[int, datetime] = dict.fromkeys(self._overdue, now)
        left_out: set[int] = set()
        for kept in batch:
            for one in kept.news:
                if kept.patient and self._promised.is_promised(one, now):
                    left_out.add(one)
                    continue
                due_at = now + PATIENT if kept.patient else kept.message.at
                due[one] = min(due.get(one, due_at), due_at)
        return _Written(list(due.items()), left_out - due.keys())

    def _put(self, kept: _Kept) -> None:
        self._waiting.append(kept)
        self._some.set()

    async def _run(self) -> None:
        while not self._ends or self._waiting or self._overdue:
            await self._some.wait()
            # Whoever is ready to say something now is part of this batch.
            await asyncio.sleep(0)
            batch, self._waiting = self._waiting[:MOST_AT_ONCE], self._waiting[MOST_AT_ONCE:]
            if not self._waiting and not self._ends:
                self._some.clear()
            if batch or self._overdue:
                await self._write(batch)

    async def _write(self, batch: list[_Kept]) -> None:
        try:
            written = await self._commit_patiently(batch)
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            _refuse(batch, error)
        except Exception as error:  # one that cannot be kept must not take the others with it
            if len(batch) <= 1:
                logger.exception("%s", [kept.message.action for kept in batch])
                _refuse(batch, error)
            else:
                for kept in batch:
                    await self._write([kept])
        else:
            self._committed(batch, written, clock.now())

    async def _commit_patiently(self, batch: list[_Kept]) -> _Written:
        for pause in TRIES:
            try:
                return await self._commit(batch)
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                logger.warning("what stations said waits for the database: %s", error)
                await asyncio.sleep(0 if self._ends else pause)
        return await self._commit(batch)

    def _committed(self, batch: list[_Kept], written: _Written, now: datetime) -> None:
        is_urgent = any(kept.report is not None for kept in batch)
        for transaction_id, due_at in written.news:
            self._overdue.discard(transaction_id)
            if due_at > now:
                self._promised.promise(transaction_id, due_at)
            else:
                is_urgent = True
        for kept in batch:
            if kept.done is not None and not kept.done.done():
                kept.done.set_result(None)
        # The database was so slow that others may have looked before this was there.
        self._overdue |= {one for one in written.left_out if self._promised.is_over(one, now)}
        if self._overdue:
            self._some.set()
        if self._dropped:
            logger.warning("%s messages were not logged: too many came at once", self._dropped)
            self._dropped = 0
        if is_urgent:
            self._nudge()

    async def _commit(self, batch: list[_Kept]) -> _Written:
        written = self._news(batch, clock.now())
        # The last word on each outlet, in an order that all gateways share.
        reports = _last_words([kept.report for kept in batch if kept.report is not None])
        async with self._pool.connection() as one, one.transaction(), one.cursor() as cursor:
            async with cursor.copy(_COPY_MESSAGES) as copy:
                await copy.write("".join(map(_line, batch)))
            if written.news:
                async with cursor.copy(_COPY_NEWS) as copy:
                    await copy.write(
                        "".join(f"{one}\t{due_at.isoformat()}\n" for one, due_at in written.news)
                    )
            if reports:
                await cursor.execute(
                    _UPDATE_OUTLETS,
                    [list(column) for column in zip(*map(_columns, reports), strict=True)],
                )
        return written


def _refuse(batch: list[_Kept], error: Exception) -> None:
    logger.error("%s messages were not kept: %s", len(batch), error)
    for kept in batch:
        if kept.done is not None and not kept.done.done():
            kept.done.set_exception(NotKept(str(error)))


_COPY_MESSAGES = (
    b"COPY ocpp_gateway_stationmessage (station_id, transaction_id, at, direction, ocpp_version,"
    b" action, unique_id, payload, answer, error, duration_ms) FROM STDIN"
)
_COPY_NEWS = b"COPY ocpp_gateway_news (transaction_id, due_at) FROM STDIN"
_UPDATE_OUTLETS = b"""
UPDATE ocpp_gateway_outlet AS outlet
SET reported_status = coalesce(said.status, reported_status),
    reported_at = CASE WHEN said.status IS NULL THEN reported_at ELSE said.at END,
    error = CASE WHEN said.status IS NULL THEN outlet.error ELSE said.error END,
    charging_state = coalesce(said.charging_state, outlet.charging_state),
    publish_due_at = coalesce(publish_due_at, said.at)
FROM unnest(%s::bigint[], %s::timestamptz[], %s::text[], %s::text[], %s::text[])
    AS said (id, at, status, error, charging_state)
WHERE outlet.id = said.id
"""


def _last_words(reports: Sequence[OutletReport]) -> list[OutletReport]:
    last: dict[int, OutletReport] = {}
    for report in reports:
        before = last.get(report.outlet_id)
        last[report.outlet_id] = report if before is None else _both(before, report)
    return [last[outlet_id] for outlet_id in sorted(last)]


def _both(before: OutletReport, report: OutletReport) -> OutletReport:
    state = before.charging_state if report.charging_state is None else report.charging_state
    if report.status is None:
        return OutletReport(report.outlet_id, before.at, before.status, before.error, state)
    return OutletReport(report.outlet_id, report.at, report.status, report.error, state)


def _columns(report: OutletReport) -> tuple[object, ...]:
    return (report.outlet_id, report.at, report.status, report.error, report.charging_state)


def _line(kept: _Kept) -> str:
    """Return a message as a line of COPY's text format."""
    one = kept.message
    transaction = r"\N" if one.transaction_id is None else one.transaction_id
    return (
        f"{one.station_id}\t{transaction}\t{one.at.isoformat()}\t{one.direction}\t{one.version}\t"
        f"{_text(one.action)}\t{_text(one.unique_id)}\t{_text(one.payload)}\t{_text(one.answer)}\t"
        f"{_text(one.error)}\t{one.duration_ms}\n"
    )


_ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r", "\x00": None})


def _text(value: str) -> str:
    # Few texts need it, and a look is quicker than a translation.
    return value if value.isprintable() and "\\" not in value else value.translate(_ESCAPES)
