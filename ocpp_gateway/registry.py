"""Which gateway holds a station, and calls on their way to it and back: all in Redis.

A station's key names the gateway and the connection, for as long as the gateway renews it. A call
is put on the list of that gateway, its outcome on a list of its own. Nothing here has to survive:
what is lost is a call without an answer, and the next renewal says again who holds what.
"""

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Any, cast

import redis
from django.conf import settings
from redis.asyncio import Redis as AsyncRedis
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry

from cpo_platform.common import clock, json
from ocpp_gateway import frames

logger = logging.getLogger(__name__)

_PREFIX = "cpo:ocpp"
# How long a station is believed to be held by a gateway that does not say so again.
LEASE_MILLISECONDS = 30_000
# How long requests wait for a gateway that is gone, and outcomes for who does not wait any more.
LIST_MILLISECONDS = 120_000
# How many calls a gateway has under way; the others wait in its list until their deadline.
MOST_CALLS = 1000
STATIONS_AT_ONCE = 1000
BLOCK_SECONDS = 5.0
SOCKET_SECONDS = 10.0
CONNECT_SECONDS = 2.0
LONGEST_PAUSE = 5.0

# KEYS: the station. ARGV: connection, gateway, lease, time of lists, prefix of lists, the request
# to close. Whoever has the older connection is told to close it, also if that is who claims.
_CLAIM = """
local held = redis.call('GET', KEYS[1])
local number, gateway = string.match(held or '', '^(%d+) (.*)$')
if number == nil or tonumber(number) <= tonumber(ARGV[1]) then
    redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. ARGV[2], 'PX', ARGV[3])
else
    number, gateway = ARGV[1], ARGV[2]
end
if number ~= nil and held ~= ARGV[1] .. ' ' .. ARGV[2] then
    local list = ARGV[5] .. gateway
    redis.call('RPUSH', list, string.format(ARGV[6], number))
    redis.call('PEXPIRE', list, ARGV[4])
end
"""
# KEYS: stations. ARGV: gateway, lease, and the connection of each. Returns where a newer one is.
_RENEW = """
local lost = {}
for position, key in ipairs(KEYS) do
    local mine = ARGV[position + 2]
    local number = string.match(redis.call('GET', key) or '', '^(%d+) ')
    if number ~= nil and tonumber(number) > tonumber(mine) then
        table.insert(lost, position)
    else
        redis.call('SET', key, mine .. ' ' .. ARGV[1], 'PX', ARGV[2])
    end
end
return lost
"""
# KEYS: the station. ARGV: what it holds while it is ours.
_RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end"
# KEYS: the station, the mark that this was sent. ARGV: prefix of lists, request, time of lists.
# The mark keeps a request that is sent again over a new connection from reaching the station twice.
_SEND = """
local gateway = string.match(redis.call('GET', KEYS[1]) or '', '^%d+ (.*)$')
if gateway == nil then return 0 end
if redis.call('SET', KEYS[2], '', 'NX', 'PX', ARGV[3]) then
    redis.call('RPUSH', ARGV[1] .. gateway, ARGV[2])
    redis.call('PEXPIRE', ARGV[1] .. gateway, ARGV[3])
end
return 1
"""


class OutcomeKind(StrEnum):
    """What came of a call; REFUSED: the station answered with an error (OCPP: CALLERROR)."""

    ANSWERED = "ANSWERED"
    REFUSED = "REFUSED"
    TIMEOUT = "TIMEOUT"
    OFFLINE = "OFFLINE"


@dataclass(frozen=True, slots=True)
class CallRequest:
    """A call for a station; after its deadline nobody waits for the answer."""

    id: str
    station_id: int
    action: str
    payload: Mapping[str, Any]
    deadline: datetime


@dataclass(frozen=True, slots=True)
class CallOutcome:
    """`error` is `code: description` of a REFUSED call, else why there is no answer.

    OFFLINE with `sent_at`: the connection was lost after it had been sent.
    """

    kind: OutcomeKind
    payload: Mapping[str, Any] | None = None
    error: str = ""
    sent_at: datetime | None = None
    answered_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Holder:
    """The gateway that holds a station, and the number of the connection."""

    gateway: str
    connection: int


Handle = Callable[[CallRequest], Awaitable[CallOutcome]]
OnClose = Callable[[int, int], Awaitable[None]]


class Post:
    """A gateway's side: says which stations it holds, and takes the calls for them."""

    def __init__(self, url: str, gateway_id: str) -> None:
        self._gateway = gateway_id
        self._client = AsyncRedis.from_url(
            url,
            socket_timeout=SOCKET_SECONDS,
            socket_connect_timeout=CONNECT_SECONDS,
            retry=AsyncRetry(NoBackoff(), 1),
        )
        self._claim = self._client.register_script(_CLAIM)
        self._renew = self._client.register_script(_RENEW)
        self._release = self._client.register_script(_RELEASE)
        self._places = asyncio.Semaphore(MOST_CALLS)
        self._tasks: set[asyncio.Task[None]] = set()

    async def claim(self, station_id: int, connection: int) -> None:
        """Say that a station has connected here: the newest connection is the station's.

        Whoever holds an older one, in any process, is told to close it; so are we, where a newer
        one is known. While Redis is away nothing is said: the next `renew` does.
        """
        close = frames.dump({"close": {"station_id": station_id, "connection": "NUMBER"}})
        close = close.replace("%", "%%").replace('"NUMBER"', "%s")
        values: list[str | int] = [
            connection,
            self._gateway,
            LEASE_MILLISECONDS,
            LIST_MILLISECONDS,
            _list(""),
            close,
        ]
        try:
            await self._claim(keys=[_station(station_id)], args=values)
        except (redis.RedisError, OSError) as error:
            logger.warning("that station %s is here was not said: %s", station_id, error)

    async def release(self, station_id: int, connection: int) -> None:
        """Say that a station is gone, unless it has connected anew."""
        try:
            await self._release(keys=[_station(station_id)], args=[f"{connection} {self._gateway}"])
        except (redis.RedisError, OSError) as error:
            logger.warning("that station %s has gone was not said: %s", station_id, error)

    async def renew(self, held: Mapping[int, int]) -> set[int]:
        """Say which stations are here, by the numbers of their connections.

        It has to be said again before the lease is over. Returns those that a newer connection
        elsewhere has taken over: theirs is to be closed. None, while Redis is away.
        """
        lost: set[int] = set()
        ours = list(held)
        try:
            for start in range(0, len(ours), STATIONS_AT_ONCE):
                stations = ours[start : start + STATIONS_AT_ONCE]
                connections = (held[one] for one in stations)
                values: list[str | int] = [self._gateway, LEASE_MILLISECONDS, *connections]
                taken = await self._renew(keys=[_station(one) for one in stations], args=values)
                lost.update(stations[position - 1] for position in taken)
        except (redis.RedisError, OSError) as error:
            logger.warning("that %d stations are here was not said: %s", len(held), error)
        return lost

    async def run(self, handle: Handle, on_close: OnClose) -> None:
        """Take what is for this gateway, for ever; each call is a task of its own.

        `on_close` is given a station and the connection that is to be closed. While Redis is away
        it is tried again, less and less often.
        """
        pause = 0.1
        ours = asyncio.current_task()
        try:
            # A connection that is lost while we are canceled hides that.
            while ours is None or not ours.cancelling():
                try:
                    await self._take(handle, on_close)
                except (redis.RedisError, OSError) as error:
                    logger.warning("no calls can be taken: %s", error)
                    await asyncio.sleep(pause)
                    pause = min(pause * 2, LONGEST_PAUSE)
                else:
                    pause = 0.1
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def close(self) -> None:
        """End the connections to Redis."""
        await self._client.aclose()

    async def _take(self, handle: Handle, on_close: OnClose) -> None:
        """Wait a while for one request, and begin with it."""
        await self._places.acquire()
        begun = False
        try:
            taken = await cast(
                "Awaitable[list[bytes] | None]",
                self._client.blpop([_list(self._gateway)], timeout=BLOCK_SECONDS),
            )
            if taken is not None:
                task = asyncio.create_task(self._begin(taken[1], handle, on_close))
                self._tasks.add(task)
                task.add_done_callback(self._done)
                begun = True
        finally:
            if not begun:
                self._places.release()

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._places.release()

    async def _begin(self, text: bytes, handle: Handle, on_close: OnClose) -> None:
        try:
            document = json.loads(text)
            if "close" in document:
                await on_close(document["close"]["station_id"], document["close"]["connection"])
                return
            request = _request(document["call"])
            if request.deadline > clock.now():
                await self._answer(request, await handle(request))
        except Exception:  # one that cannot be carried out must not end the others
            logger.exception("a request could not be carried out")

    async def _answer(self, request: CallRequest, outcome: CallOutcome) -> None:
        key = _reply(request.id)
        async with self._client.pipeline(transaction=True) as pipe:
            pipe.rpush(key, frames.dump(asdict(outcome)))
            pipe.pexpire(key, LIST_MILLISECONDS)
            await pipe.execute()


def holder_of(station_id: int) -> Holder | None:
    """Return who holds a station; None where nobody does.

    Raises:
        redis.RedisError: it cannot be asked.

    """
    held = cast("bytes | None", _client().get(_station(station_id)))
    if held is None:
        return None
    connection, _space, gateway = held.decode().partition(" ")
    return Holder(gateway, int(connection))


def ask(request: CallRequest, timeout: float) -> CallOutcome:
    """Have the gateway that holds the station carry out a call; wait so many seconds at most.

    While Redis is away every station is OFFLINE to us.
    """
    end = time.monotonic() + timeout
    try:
        if not _send(request.station_id, request.id, {"call": asdict(request)}):
            return CallOutcome(OutcomeKind.OFFLINE)
    except redis.RedisError as error:
        logger.warning(
            "%s was not sent to station %s: %s", request.action, request.station_id, error
        )
        return CallOutcome(OutcomeKind.OFFLINE, error="the broker cannot be reached")
    try:
        text = _wait_for(_reply(request.id), end)
    except redis.RedisError as error:
        logger.warning("the outcome of %s was not received: %s", request.action, error)
        return CallOutcome(OutcomeKind.TIMEOUT, error="the broker cannot be reached any more")
    return CallOutcome(OutcomeKind.TIMEOUT) if text is None else _outcome(json.loads(text))


def disconnect(station_id: int) -> bool:
    """Have the connection of a station closed: it will come back. False where there is none.

    Raises:
        redis.RedisError: it cannot be said.

    """
    holder = holder_of(station_id)
    if holder is None:
        return False
    close = {"station_id": station_id, "connection": holder.connection}
    return _send(station_id, f"close-{station_id}-{time.time_ns()}", {"close": close})


def _send(station_id: int, mark: str, document: Mapping[str, Any]) -> bool:
    """Put a request on the list of the gateway that holds a station, if any does."""
    text = frames.dump(document)
    keys = [_station(station_id), f"{_PREFIX}:sent:{mark}"]
    return bool(_sender()(keys=keys, args=[_list(""), text, LIST_MILLISECONDS]))


def _wait_for(key: str, end: float) -> bytes | None:
    """Return what comes on a list until `end`, in slices that a dead connection cannot outlast."""
    while (left := end - time.monotonic()) > 0:
        # To the millisecond, upwards: nought is for ever.
        seconds = math.ceil(min(left, BLOCK_SECONDS) * 1000) / 1000
        taken = cast("list[bytes] | None", _client().blpop([key], timeout=seconds))
        if taken is not None:
            return taken[1]
    return None


@cache
def _client() -> "redis.Redis":
    return redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=SOCKET_SECONDS,
        socket_connect_timeout=CONNECT_SECONDS,
        retry=Retry(NoBackoff(), 1),
    )


@cache
def _sender() -> Callable[..., Any]:
    return _client().register_script(_SEND)


def _station(station_id: int) -> str:
    return f"{_PREFIX}:station:{station_id}"


def _list(gateway: str) -> str:
    return f"{_PREFIX}:gateway:{gateway}"


def _reply(request_id: str) -> str:
    return f"{_PREFIX}:reply:{request_id}"


def _request(fields: Mapping[str, Any]) -> CallRequest:
    return CallRequest(**{**fields, "deadline": datetime.fromisoformat(fields["deadline"])})


def _outcome(fields: Mapping[str, Any]) -> CallOutcome:
    return CallOutcome(
        kind=OutcomeKind(fields["kind"]),
        payload=fields["payload"],
        error=fields["error"],
        sent_at=_moment(fields["sent_at"]),
        answered_at=_moment(fields["answered_at"]),
    )


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
