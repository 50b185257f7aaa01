"""The gateway: takes connections, passes on calls, says who is online, and ends in good order."""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from uuid import uuid4

import psycopg
from django.conf import settings
from django.db import DatabaseError
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from cpo_platform.common import clock, figures
from cpo_platform.common.saying import say
from ocpp_gateway import counting, registry, tasks
from ocpp_gateway.frames import Version
from ocpp_gateway.models import AlertKind, StationState
from ocpp_gateway.operations import alerts
from ocpp_gateway.registry import CallOutcome, CallRequest, OutcomeKind
from ocpp_gateway.server import known
from ocpp_gateway.server.admission import Admitted, Door, TurnedAway
from ocpp_gateway.server.database import Pool, rows
from ocpp_gateway.server.desk import THREADS, Desk
from ocpp_gateway.server.known import KnownStation
from ocpp_gateway.server.link import Link, Pace, Refused
from ocpp_gateway.server.store import Store

logger = logging.getLogger(__name__)

# How often a gateway says which stations it holds, and how long that is believed, in seconds.
RENEW_SECONDS = 10.0
ONLINE = timedelta(seconds=45)
# How long a station is given to answer a ping, in seconds: connections die without a word.
PING_SECONDS = 60.0
STOP_SECONDS = 5.0
# Messages of a station that wait to be read, while it waits for the answer to the one before.
MOST_QUEUED = 8
HANDSHAKE_SECONDS = 15.0
TAKEN_OVER = "A newer connection has taken over."
# 2.0.1 first, where a station offers both.
_PREFERRED = (Version.V2_0_1, Version.V1_6)
_SPELLINGS = {
    "ocpp16": Version.V1_6,
    "ocpp16j": Version.V1_6,
    "ocpp16json": Version.V1_6,
    "ocpp201": Version.V2_0_1,
    "ocpp201j": Version.V2_0_1,
    "ocpp201json": Version.V2_0_1,
}


class StationConnection(ServerConnection):
    """A WebSocket that knows which station it is of, once that was let in."""

    admitted: Admitted | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """What one station may do, and all together; see the settings of the same names."""

    connections: int
    message_bytes: int
    messages_per_minute: int


class Gateway:
    """One process's stations, and everything that they share."""

    def __init__(self, pool: Pool) -> None:
        self.id = uuid4().hex
        self._limits = Limits(
            settings.OCPP_MAX_CONNECTIONS,
            settings.OCPP_MAX_MESSAGE_BYTES,
            settings.OCPP_MESSAGES_PER_MINUTE,
        )
        self._pool = pool
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="ocpp")
        self._desk = Desk(pool, self._threads, settings.OCPP_HEARTBEAT_SECONDS)
        self._door = Door(
            self._desk,
            holds_strangers=settings.OCPP_STRANGERS == "hold",
            most_strangers=settings.OCPP_MOST_STRANGERS,
            requires_password=settings.OCPP_REQUIRE_PASSWORD,
        )
        self._store = Store(pool, self._nudge)
        self._post = registry.Post(settings.REDIS_URL, self.id)
        self._links: dict[int, Link] = {}
        self._nudging: asyncio.Task[None] | None = None
        self._closings: set[asyncio.Task[None]] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self.server: Server | None = None

    @asynccontextmanager
    async def serving(self, host: str, port: int) -> AsyncIterator[Server]:
        """Take connections while the block runs; then tell every station to come back later."""
        self._store.start()
        self._tasks = [
            asyncio.create_task(self._renew_always(), name="renew"),
            asyncio.create_task(self._post.run(self._call, self._close), name="post"),
        ]
        try:
            async with serve(
                self._serve_station,
                host,
                port,
                create_connection=StationConnection,
                process_request=self._admit,
                select_subprotocol=_choose,
                ssl=_tls(),
                # It costs memory for every station that is idle.
                compression=None,
                max_size=self._limits.message_bytes,
                max_queue=MOST_QUEUED,
                open_timeout=HANDSHAKE_SECONDS,
                ping_interval=PING_SECONDS,
                ping_timeout=PING_SECONDS,
                close_timeout=STOP_SECONDS,
                server_header=None,
            ) as self.server:
                yield self.server
        finally:
            await _end(self._tasks)
            await self._desk.ask(figures.say_gone, counting.KIND, self.id)
            await self._store.stop()
            if self._nudging is not None:
                await asyncio.wait([self._nudging])
            await self._post.close()
            self._threads.shutdown(wait=False, cancel_futures=True)

    async def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        assert isinstance(connection, StationConnection)  # noqa: S101  as `serve` was told
        try:
            connection.protocol.process_request(request)
        except InvalidHandshake:
            # No WebSocket: the library says so, and nobody is looked up, or listed, for that.
            return None
        if len(self._links) >= self._limits.connections:
            return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "Too many stations.\n")
        authorization = request.headers.get_all("Authorization")
        try:
            connection.admitted = await self._door.admit(
                request.path, authorization[0] if authorization else None, clock.now()
            )
        except TurnedAway as error:
            response = connection.respond(error.status, f"{error}\n")
            figures.count(counting.CONNECTIONS, f"http_{error.status.value}", flush_soon=False)
            if error.status is HTTPStatus.UNAUTHORIZED:
                response.headers["WWW-Authenticate"] = 'Basic realm="OCPP", charset="UTF-8"'
            return response
        except psycopg.Error as error:
            logger.warning("a station was not let in: %s", error)
            return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "Try again later.\n")
        return None

    async def _serve_station(self, socket: ServerConnection) -> None:
        assert isinstance(socket, StationConnection) and socket.admitted  # noqa: S101, PT018  let in
        version = _version_of(socket.subprotocol or "")
        if version is None:
            # OCPP 1.6J, 3.1.2: complete the handshake without a protocol, then close.
            await socket.close(1002, "Offer ocpp1.6 or ocpp2.0.1 as the WebSocket protocol.")
            return
        admitted = socket.admitted
        try:
            station = await self._arrive(admitted, version, _address(socket))
        except psycopg.Error as error:
            logger.warning("%s could not be taken: %s", admitted.identity, error)
            station = None
        if station is None:
            await socket.close(1013, "Try again later.")
            return
        link = Link(
            socket,
            station,
            self._desk,
            self._store,
            pace=Pace(self._limits.messages_per_minute),
            most_bytes=self._limits.message_bytes,
            on_flood=self._tell_flood,
        )
        before = self._links.get(station.id)
        if before is not None and before.station.connection > station.connection:
            # It has come later, and was quicker.
            await self._leave(link)
            await link.close(1000, TAKEN_OVER)
            return
        self._links[station.id] = link
        figures.count(counting.CONNECTIONS, "connected", flush_soon=False)
        try:
            if before is not None:
                # It may be dead, and take its time: the station is here.
                self._closing(before, TAKEN_OVER)
            await self._post.claim(station.id, station.connection)
            await link.run()
        finally:
            await self._leave(link)

    async def _arrive(
        self, admitted: Admitted, version: Version, address: str
    ) -> KnownStation | None:
        """Note that a station has come; None: it was removed a moment ago."""
        now = clock.now()
        values = [now, now + ONLINE, version.value, address, admitted.station_id]
        found = await rows(self._pool, _ARRIVE, values)
        if not found:
            return None
        ((connection, state),) = found
        station = KnownStation(
            admitted.station_id,
            admitted.identity,
            version,
            connection,
            is_placed=admitted.is_placed and state == "PLACED",
        )
        if station.is_placed:
            await known.learn(self._pool, station)
            await rows(self._pool, _SHOW_AGAIN, [station.id, now, station.id])
        return station

    async def _leave(self, link: Link) -> None:
        station = link.station
        if self._links.get(station.id) is link:
            del self._links[station.id]
            await self._post.release(station.id, station.connection)
        now = clock.now()
        try:
            await rows(self._pool, _LEAVE, [now, now, station.id, station.connection])
        except psycopg.Error as error:
            # It is shown as offline all the same, when nobody renews it.
            logger.warning("that %s has gone was not kept: %s", station.identity, error)

    async def _renew_always(self) -> None:
        await self._desk.ask(self._tell_monitoring)
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            held = {one: link.station.connection for one, link in self._links.items()}
            try:
                lost = await self._post.renew(held)
                until = clock.now() + ONLINE
                renewed = await rows(self._pool, _RENEW, [until, list(held), list(held.values())])
                lost |= self._moved(dict(renewed))
                # All at once: each may be dead, and take its time, and the others have a lease.
                await asyncio.gather(*(self._close(one, held[one]) for one in lost))
                await self._desk.ask(self._tell_monitoring)
            except Exception:  # it is tried again soon
                logger.exception("the stations that are online were not renewed")

    def _tell_monitoring(self) -> None:
        figures.say_alive(counting.KIND, self.id)
        figures.flush()

    def _moved(self, states: Mapping[int, str]) -> set[int]:
        """Return who has been placed or refused since it came in: it is to come in anew."""
        return {
            one
            for one, state in states.items()
            if one in self._links
            and self._links[one].station.is_placed != (state == StationState.PLACED.value)
        }

    async def _close(self, station_id: int, connection: int) -> None:
        """Close a connection that a newer one has replaced, or that staff wants anew."""
        link = self._links.get(station_id)
        if link is not None and link.station.connection <= connection:
            await link.close(1000, "Connect anew.")

    async def _call(self, request: CallRequest) -> CallOutcome:
        """Pass a call on to its station; say what came of it."""
        link = self._links.get(request.station_id)
        if link is None:
            return CallOutcome(OutcomeKind.OFFLINE)
        sent_at = clock.now()
        try:
            async with asyncio.timeout(_seconds_until(request.deadline, sent_at)):
                answer = await link.call(request.action, request.payload)
        except Refused as error:
            return CallOutcome(
                OutcomeKind.REFUSED, error=str(error), sent_at=sent_at, answered_at=clock.now()
            )
        except TimeoutError:
            return CallOutcome(OutcomeKind.TIMEOUT, sent_at=sent_at)
        except ConnectionClosed:
            return CallOutcome(OutcomeKind.OFFLINE, sent_at=sent_at)
        return CallOutcome(
            OutcomeKind.ANSWERED, payload=answer, sent_at=sent_at, answered_at=clock.now()
        )

    def _closing(self, link: Link, reason: str) -> None:
        """Have a connection closed while others go on."""
        task = asyncio.create_task(link.close(1000, reason))
        self._closings.add(task)
        task.add_done_callback(self._closings.discard)

    async def _tell_flood(self, station: KnownStation) -> None:
        try:
            await self._desk.ask(
                alerts.raise_alert,
                kind=AlertKind.FLOOD,
                station_id=station.id,
                saying=say(
                    "It sends more than %(limit)s messages a minute; they are read more "
                    "slowly than it sends them.",
                    limit=str(self._limits.messages_per_minute),
                ),
                now=clock.now(),
            )
        except DatabaseError as error:
            logger.warning("that %s sends too much was not told: %s", station.identity, error)

    def _nudge(self) -> None:
        """Have workers look at once; while that is under way, once is enough."""
        if self._nudging is None or self._nudging.done():
            self._nudging = asyncio.create_task(self._desk.ask(tasks.digest_soon))


_ARRIVE = """
UPDATE ocpp_gateway_station
SET connection = connection + 1, connected_at = %s, online_until = %s, ocpp_version = %s,
    remote_address = %s
WHERE id = %s RETURNING connection, state
"""
# A station that was shown as offline comes back: what it said last is shown again. Not at the time
# that is there already: who publishes at this moment would not see that there is more.
_SHOW_AGAIN = """
WITH back AS (
    UPDATE ocpp_gateway_station SET offline_shown = false WHERE id = %s AND offline_shown
    RETURNING id
)
UPDATE ocpp_gateway_outlet SET publish_due_at = %s
WHERE station_id = %s AND EXISTS (SELECT FROM back)
"""
_LEAVE = """
UPDATE ocpp_gateway_station SET online_until = %s, disconnected_at = %s
WHERE id = %s AND connection = %s
"""
_RENEW = """
UPDATE ocpp_gateway_station AS station SET online_until = %s
FROM unnest(%s::bigint[], %s::bigint[]) AS held (id, connection)
WHERE station.id = held.id AND station.connection = held.connection
RETURNING station.id, station.state
"""


async def _end(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel tasks until they have ended: a client of Redis may take the first for its own."""
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _done, pending = await asyncio.wait(pending, timeout=0.5)


def _choose(_connection: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    """Return the best version that is offered, as it is written there; None: we speak none."""
    for version in _PREFERRED:
        for one in offered:
            if _version_of(one) is version:
                return one
    return None


def _version_of(subprotocol: str) -> Version | None:
    """Return the version that a station means, however it writes it: OCPP1.6, ocpp1.6j, ocpp16."""
    return _SPELLINGS.get(subprotocol.lower().replace(".", "").replace("-", ""))


def _address(socket: ServerConnection) -> str:
    address = socket.remote_address
    return str(address[0])[:64] if address else ""


def _seconds_until(deadline: datetime, now: datetime) -> float:
    return max(0.0, (deadline - now).total_seconds())


def _tls() -> ssl.SSLContext | None:
    """Return what TLS needs, where the gateway does it itself (OCPP security profile 2)."""
    if not settings.OCPP_TLS_CERTIFICATE:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(settings.OCPP_TLS_CERTIFICATE, settings.OCPP_TLS_KEY or None)
    return context
