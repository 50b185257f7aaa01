"""One worker's time with a lane of a partner's feed: window by window, as long as there is news."""

import random
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from django.db import transaction

from cpo_platform.common import clock
from roaming import traffic
from roaming.client import Verdict
from roaming.draining import notes, reading, statuses
from roaming.draining.jobs import Job, jobs_for, removals
from roaming.draining.notes import LeaseLost
from roaming.draining.sender import Sender
from roaming.draining.turns import Turn, beside
from roaming.models import Partner
from roaming.ocpi.handshake import (
    HandshakeFailed,
    read_endpoints_again,
    unknown_parties,
    update_registration,
)
from roaming.ocpi.target import Target
from roaming.operations import feed
from roaming.operations.feed import News
from roaming.redaction import redact_text

# Objects between two notes of what arrived.
CHUNK = 100
# A handshake is at most some six requests of ten seconds.
HANDSHAKE_TIME = timedelta(seconds=90)
# How often it is written down how far we are, where nothing else is to be noted.
MOVE_SECONDS = 0.5
# How long what a partner may see, and how it is spoken to, is taken for granted.
TARGET_SECONDS = 5.0

# After so many failures a 403 is taken for the refusal of our token.
FORBIDDEN_FOR_ALL = 5

# A tariff goes before the locations that name it, and is deleted after those that named it.
FIRST = "tariffs"
# A session goes before its CDR; the result of a request on a charging profile before the limits
# that it led to.
LIMITS = "chargingprofiles"
ORDER = ("locations", "sessions", "cdrs", "commands", "profileresults", LIMITS)


@dataclass(frozen=True)
class Drained:
    """How many requests went out, and whether there is more that can be sent now."""

    requests: int = 0
    has_more: bool = False


@dataclass
class _Left:
    """What of a window is not dealt with, and what is in the way."""

    news: list[News] = field(default_factory=list)
    trouble: list[Job] = field(default_factory=list)

    @property
    def sequences(self) -> list[int]:
        return [one.sequence for one in self.news]


class Attendance:
    """A lease of a lane, the connections to its partner, and how far we are."""

    def __init__(self, lease: feed.Lease, turn: Turn) -> None:
        self._lease = lease
        self._turn = turn
        self._position = lease.position
        self._requests = 0
        # Statuses that were told since we last moved on: nothing else is known of them.
        self._told: list[Job] = []
        self._load_at = 0.0
        self._moved_at = 0.0
        self._written = lease.position
        self._renewed_at = time.monotonic()
        self._window_ends = 0

    async def drain(self) -> Drained:
        self._load()
        if await self._introduce_new_parties():
            # Tokens were exchanged: what we hold is a lease of before.
            return Drained(has_more=True)
        feed.sequence_changes()
        async with Sender(self._target.partner, self._lease, self._turn) as self._sender:
            while True:
                try:
                    goes_on = await self._go_through_all()
                except LeaseLost:
                    self._leave_to_others()
                    raise
                if not goes_on:
                    return Drained(self._requests)
                if self._turn.is_over() or not await self._turn.wait():
                    break
                self._write_position(at_least_after=MOVE_SECONDS)
            self._write_position()
        feed.release_lease(lease=self._lease)
        # A change that was committed after the last look found the feed leased: look once more.
        feed.sequence_changes()
        has_more = await self._next_window(limit=1) is not None
        return Drained(self._requests, has_more=has_more)

    def _write_position(self, *, at_least_after: float = 0) -> None:
        """Write down how far we are, unless it is written, or something was a moment ago."""
        is_due = time.monotonic() - self._moved_at >= at_least_after
        if self._position != self._written and is_due and not self._move_on(self._position):
            raise LeaseLost

    async def _introduce_new_parties(self) -> bool:
        """Tell the partner of parties of ours that it does not know; their objects wait for it."""
        now = clock.now()
        if not self._target.untold or not feed.may_introduce(lease=self._lease, now=now):
            return False
        feed.renew_lease(lease=self._lease, now=now, at_least=HANDSHAKE_TIME)
        try:
            await beside(update_registration, partner_id=self._lease.partner_id, now=now)
        except HandshakeFailed as error:
            feed.note_error(lease=self._lease, error=str(error), now=now)
            return False
        return True

    def _load(self) -> None:
        """Read whom we serve: a tariff may have become valid, a party may be back."""
        partner = registration(self._lease)
        self._target = Target.of(partner, untold=unknown_parties(partner), now=clock.now())
        self._statuses = statuses.Reader(self._target)
        # Not all partners at the same moment: meanwhile nobody sends.
        self._load_at = time.monotonic() + TARGET_SECONDS * random.uniform(0.6, 1)  # noqa: S311

    def _load_again(self, *, at_once: bool = False) -> None:
        if at_once or time.monotonic() > self._load_at:
            self._load()
            self._sender.speak_to(self._target.partner)

    async def _next_window(self, *, limit: int | None = None) -> feed.Window | None:
        # Whoever wakes us has given the changes their numbers. That is done by one at a time: to do
        # it here, after every window of every lane, would have the lanes wait for each other.
        query = feed.window_query(lease=self._lease, position=self._position, limit=limit)
        return feed.window_of(await reading.rows(*query))

    async def _go_through_all(self) -> bool:
        """Send all there is for now; False when the lane rests, or is another's."""
        while not self._turn.is_over() and (window := await self._next_window()):
            # What it may see can be newer than what we know of it; never older than this window.
            tariffs_changed = any(news.module == FIRST for news in window.news)
            self._load_again(at_once=window.is_particular or tariffs_changed)
            if not await self._go_through(window):
                return False
        return True

    async def _go_through(self, window: feed.Window) -> bool:
        """Send what a window has; False when the lane rests, or is another's."""
        left = _Left()
        self._window_ends = window.position
        self._sender.begin_anew()
        probed = await self._probe(window, left)
        if self._sender.is_through():
            return self._stop([window.news[0].sequence], left)
        tariffs = [news for news in window.news if news.module == FIRST]
        others = [news for news in window.news if news.module != FIRST and news is not probed]
        # Until the tariffs that are gone are deleted, we are not past their changes.
        held = [news.sequence for news in tariffs[:1]]
        await self._send(FIRST, tariffs, left)
        for some, ahead in _slices(others):
            self._load_again()
            for module in ORDER:
                await self._send(module, [news for news in some if news.module == module], left)
            self._put_off(left)
            rest = [ahead] if ahead else []
            if self._sender.is_through() and (left.news or held or rest):
                return self._stop([*left.sequences, *held, *rest], left)
            if rest and not self._move_on(min([*left.sequences, *held, *rest]) - 1):
                return False
        await self._delete_tariffs(tariffs, window.position, left)
        self._put_off(left)
        if left.sequences:
            return self._stop([*left.sequences, *held], left)
        if time.monotonic() - self._moved_at < MOVE_SECONDS:
            # Where many statuses come in a row, not each few of them are worth a write.
            self._position = window.position
            return True
        return self._move_on(window.position)

    async def _probe(self, window: feed.Window, left: _Left) -> News | None:
        """Try a partner that was away with one object; return it if it went through.

        By chance, so that one that the partner cannot take does not hide that it is back.
        """
        if not self._sender.probes:
            return None
        probe = random.choice(window.news)  # noqa: S311  not for secrets
        await self._send(probe.module, [probe], left)
        return None if left.news else probe

    def _put_off(self, left: _Left) -> None:
        """Have what failed sent again later, if the partner took something else: it is there."""
        if left.trouble and self._sender.went_through and not self._sender.gives_up:
            notes.put_off(self._lease, left.trouble)
            put_off = {(job.module, job.object_id) for job in left.trouble}
            left.news = [one for one in left.news if (one.module, one.object_id) not in put_off]
            left.trouble = []

    def _stop(self, ahead: Sequence[int], left: _Left) -> bool:
        """Move on to what is left, and let the lane rest if the partner is in trouble."""
        position = min(ahead) - 1
        if self._told and not self._move_on(position):
            return False
        if not left.trouble:
            return self._move_on(position)
        told = [job for job in left.trouble if job.replies]
        worst = next((job for job in told if not job.answered), told[0])
        reply = worst.replies[-1]
        # FastAPI's security says 403 for a token that it does not know; others mean the object.
        repeated = self._lease.failures >= FORBIDDEN_FOR_ALL
        feed.back_off(
            lease=self._lease,
            error=redact_text(worst.reason),
            now=clock.now(),
            position=position,
            retry_after_seconds=reply.retry_after_seconds(clock.now()),
            is_unauthorized=reply.is_unauthorized and (reply.is_for_all or repeated),
        )
        return False

    def _move_on(self, position: int) -> bool:
        self._position = position
        self._renewed_at = self._moved_at = time.monotonic()
        self._written = position
        is_ours = feed.move_on(lease=self._lease, position=position, now=clock.now())
        if not is_ours:
            self._leave_to_others()
        self._told = []
        return is_ours

    def _leave_to_others(self) -> None:
        """Have what we told without a note told again: another may have told of it in between."""
        notes.leave_to_others(self._target.partner, self._told)
        self._told = []

    async def _send(self, module: str, news: Sequence[News], left: _Left) -> None:
        """Send some news of one module."""
        if not news or self._sender.is_through():
            left.news += news
            return
        quick: list[Job] = []
        others = {one.object_id for one in news}
        if module == "locations":
            quick, others = await self._statuses.jobs(news)
        work = await self._jobs_for(module, sorted(others))
        if work and module == "locations":
            await self._send_tariffs_behind()
        await self._carry_out(news, [*quick, *work], left)

    async def _jobs_for(self, module: str, object_ids: Sequence[int]) -> list[Job]:
        def jobs() -> list[Job]:
            return list(jobs_for(self._target, module, object_ids))

        # Stations are asked for their limits: others must not wait for that.
        return await beside(jobs) if module == LIMITS else jobs()

    async def _send_tariffs_behind(self) -> None:
        """Send tariffs that have changed since: the locations that go now may name them already.

        They are in the feed and come again, when they are no news any more.
        """
        ids = feed.changed_behind(lease=self._lease, module=FIRST, position=self._window_ends)
        if ids:
            await self._carry_out([], list(jobs_for(self._target, FIRST, ids)), _Left())

    async def _delete_tariffs(self, news: Sequence[News], position: int, left: _Left) -> None:
        """Delete what is gone of the tariffs that changed, where the partner has it."""
        if news:
            ids = sorted({one.object_id for one in news})
            await self._carry_out(news, list(removals(self._target, ids, position=position)), left)

    async def _carry_out(self, news: Sequence[News], work: Sequence[Job], left: _Left) -> None:
        if not work:
            return
        self._keep_lease()
        since = _since(news)
        causes = {one.object_id: one.cause for one in news if one.cause}
        for job in work:
            job.since = since.get(job.object_id)
            job.cause = causes.get(job.object_id, "")
        notes.mark_uncertain(work)
        await self._sender.send_all(work)
        again = await self._once_more(work)
        await self._sender.send_all(again)
        self._requests += self._sender.take_count()
        final = [*(job for job in work if not job.is_replaced), *again]
        notes.log(self._target.partner, [*work, *again])
        traffic.note_jobs(self._lease.partner_id, [*work, *again])
        self._told += [job for job in final if job.delivery is None and job.verdict is Verdict.DONE]
        notes.note(self._target.partner, self._lease, final)
        failed = [job for job in final if job.verdict is Verdict.TROUBLE]
        unbegun = [job for job in final if job.verdict is None]
        open_ids = {job.object_id for job in (*unbegun, *failed)}
        left.news += [one for one in news if one.object_id in open_ids]
        left.trouble += failed

    def _keep_lease(self) -> None:
        """Renew the lease, unless that was done a moment ago: every renewal is a write."""
        if time.monotonic() - self._renewed_at > feed.lease_time().total_seconds() / 3:
            if not feed.renew_lease(lease=self._lease, now=clock.now()):
                raise LeaseLost
            self._renewed_at = time.monotonic()

    async def _once_more(self, work: Sequence[Job]) -> list[Job]:
        """Return the whole of what the partner does not know, and what has gone to a wrong URL."""
        unknown = [job for job in work if job.verdict is Verdict.UNKNOWN_OBJECT]
        astray = [job for job in work if job.went_astray]
        if astray and not await self._endpoints_have_moved():
            astray = []
        before = {job.object_id: job for job in (*unknown, *astray)}
        if not before:
            return []
        for job in work:
            job.is_replaced = job.object_id in before
        anew = list(jobs_for(self._target, work[0].module, sorted(before), whole=True))
        for job in anew:
            job.since = before[job.object_id].since
            job.cause = before[job.object_id].cause
        return anew

    async def _endpoints_have_moved(self) -> bool:
        """Read the partner's endpoints again, now and then, where one of them is not there."""
        now = clock.now()
        if not feed.may_read_endpoints(lease=self._lease, now=now):
            return False
        feed.renew_lease(lease=self._lease, now=now, at_least=HANDSHAKE_TIME)
        moved = await beside(read_endpoints_again, partner_id=self._lease.partner_id, now=now)
        if moved:
            try:
                self._load_again(at_once=True)
            except LeaseLost:
                # What was sent is to be noted first, and that finds out.
                return False
        return moved


def registration(lease: feed.Lease) -> Partner:
    """Return the partner with its roles and endpoints, all of one moment.

    Read one after the other, the token and the version could be of before an exchange of
    credentials and the endpoints of after it. Who exchanges holds the partner's row.

    Raises:
        LeaseLost: credentials were exchanged, or another worker has the feed.

    """
    with transaction.atomic():
        partner = (
            Partner.objects.select_for_update(no_key=True)
            .prefetch_related("roles", "endpoints")
            .get(pk=lease.partner_id)
        )
        if not feed.is_held(lease=lease):
            raise LeaseLost
    return partner


def _since(news: Sequence[News]) -> Mapping[int, float]:
    """Return when the first change happened of each object, in seconds."""
    moments: dict[int, float] = defaultdict(lambda: float("inf"))
    for one in news:
        if one.since is not None:
            moments[one.object_id] = min(moments[one.object_id], one.since.timestamp())
    return dict(moments)


def _slices(news: Sequence[News]) -> Iterator[tuple[Sequence[News], int]]:
    """Return the news in pieces, each with the number of what comes after it; 0: nothing."""
    for start in range(0, len(news), CHUNK):
        rest = news[start + CHUNK : start + CHUNK + 1]
        yield news[start : start + CHUNK], rest[0].sequence if rest else 0
