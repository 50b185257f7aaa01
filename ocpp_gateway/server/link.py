"""One station's connection: its calls answered in order, ours sent one at a time.

What a station says is read no faster than it may say it, so a flood costs only who floods: the
rest waits in the station's own connection.
"""

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import uuid4

import psycopg
from django.db import DatabaseError, InterfaceError
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed, ConnectionClosedError

from cpo_platform.common import clock, correlation, figures
from cpo_platform.common.text import storable
from ocpp_gateway import counting, frames, mending, schemas
from ocpp_gateway.frames import BadFrame, Call, CallError, CallResult, ErrorCode, Version
from ocpp_gateway.models import Direction
from ocpp_gateway.redaction import redact
from ocpp_gateway.server import v1_6, v2_0_1
from ocpp_gateway.server.desk import Answer, Desk, Handler
from ocpp_gateway.server.known import KnownStation
from ocpp_gateway.server.store import Message, NotKept, Store

logger = logging.getLogger(__name__)

HANDLERS: Mapping[Version, Mapping[str, Handler]] = {
    Version.V1_6: v1_6.HANDLERS,
    Version.V2_0_1: v2_0_1.HANDLERS,
}
# Calls that a station has sent and that wait for their turn.
MOST_WAITING = 16
# What is written down of a message that is not OCPP.
MOST_SHOWN = 2000
# Kinds of breaches that are written down of one connection.
MOST_MENDED = 20
# What was put right in one message, as far as it is told.
MOST_TOLD = 10
# A burst of so many seconds' messages is read at once.
BURST_SECONDS = 10
# After so long of reading slower than it sends, staff is told.
FLOOD_SECONDS = 60.0


_DIGITS = re.compile(r"\d+")
# How an error begins (OCPP 1.6J, 4.2.3).
_ERROR = f"[{frames.CALL_ERROR},"


class Refused(Exception):
    """The station answered a call of ours with an error, or with what its version does not know."""


class Pace:
    """How many messages a station may send: a bucket that fills by so many a minute."""

    def __init__(self, per_minute: int) -> None:
        self._per_second = per_minute / 60
        self._most = max(1.0, self._per_second * BURST_SECONDS)
        self._left = self._most
        self._at = time.monotonic()
        self.slow_since: float | None = None

    async def wait(self) -> None:
        """Take a place, waiting for one where none is left."""
        now = time.monotonic()
        self._left = min(self._most, self._left + (now - self._at) * self._per_second)
        self._at = now
        if self._left >= 1:
            self._left -= 1
            if self._left >= self._most / 2:
                self.slow_since = None
            return
        self.slow_since = self.slow_since or now
        await asyncio.sleep((1 - self._left) / self._per_second)
        self._left, self._at = 0.0, time.monotonic()


class Link:
    """A station that is connected. `run` lasts as long as it is."""

    def __init__(
        self,
        socket: ServerConnection,
        station: KnownStation,
        desk: Desk,
        store: Store,
        *,
        pace: Pace,
        most_bytes: int,
        on_flood: Callable[[KnownStation], Awaitable[None]],
    ) -> None:
        self.station = station
        self._socket = socket
        self._desk = desk
        self._store = store
        self._pace = pace
        self._most_bytes = most_bytes
        self._on_flood = on_flood
        self._has_told_flood = False
        self._calls: asyncio.Queue[Call] = asyncio.Queue(MOST_WAITING)
        # OCPP: no second call before the first is answered (1.6J, 4.1.1; 2.0.1, part 4, 4.1.1).
        self._turn = asyncio.Lock()
        self._asked: dict[str, asyncio.Future[CallResult | CallError]] = {}
        self._mended: set[str] = set()

    async def run(self) -> None:
        """Read until the station is gone, or takes back its word to speak OCPP."""
        answering = asyncio.create_task(self._answer_calls())
        try:
            while True:
                # As bytes: one degree sign in Latin-1 must not cost a station its connection.
                text = await self._socket.recv(decode=False)
                await self._pace.wait()
                await self._read(text)
                if self._pace.slow_since is not None:
                    await self._tell_flood()
        except ConnectionClosed:
            pass
        finally:
            answering.cancel()
            for asked in self._asked.values():
                if not asked.done():
                    asked.set_exception(ConnectionClosedError(None, None))

    async def close(self, code: int, reason: str) -> None:
        """End the connection; the station will come back by itself."""
        await self._socket.close(code, reason)

    async def call(self, action: str, payload: Mapping[str, object]) -> dict[str, Any]:
        """Call the station, and return its answer.

        Raises:
            Refused: it answered with an error, or with something that is no answer.
            TimeoutError: it has not answered; whoever calls says how long that may take.
            ConnectionClosed: it is gone.

        """
        async with self._turn:
            unique_id, began = uuid4().hex, clock.now()
            future: asyncio.Future[CallResult | CallError] = (
                asyncio.get_running_loop().create_future()
            )
            self._asked[unique_id] = future
            answer: CallResult | CallError | None = None
            try:
                await self._socket.send(frames.call(unique_id, action, payload))
                answer = await future
            finally:
                del self._asked[unique_id]
                # What breaks its schema is not written down: who could tell what is secret in it?
                told, refusal = self._understood(action, answer)
                self._note_call(unique_id, action, (payload, told), refusal, began)
        # An error may be without a word.
        if told is None:
            raise Refused(refusal)
        return told

    def _understood(
        self, action: str, answer: CallResult | CallError | None
    ) -> tuple[dict[str, Any] | None, str]:
        """Return what the station answered, None where that is nothing, and what is wrong."""
        if answer is None:
            return None, "no answer"
        if isinstance(answer, CallError):
            return None, f"{answer.code}: {answer.description}".rstrip(": ")
        version = self.station.version
        try:
            payload, _ = mending.mended(version, action, answer.payload, is_result=True)
        except schemas.BadPayload as error:
            return None, f"the answer breaks its schema: {error}"
        return payload, ""

    def _note_call(
        self,
        unique_id: str,
        action: str,
        said: tuple[Mapping[str, object], Mapping[str, object] | None],
        error: str,
        began: datetime,
    ) -> None:
        payload, told = said
        outcome = "done" if told is not None else "refused" if error else "unanswered"
        figures.count(counting.MESSAGES, "out", action, outcome, flush_soon=False)
        self._store.note(
            Message(
                station_id=self.station.id,
                at=began,
                direction=Direction.OUT.value,
                version=self.station.version.value,
                action=action,
                unique_id=unique_id,
                payload=frames.dump(redact(action, payload)),
                answer="" if told is None else frames.dump(redact(action, told)),
                error=storable(error)[:MOST_SHOWN],
                duration_ms=_milliseconds(began),
            )
        )

    async def _tell_flood(self) -> None:
        since = self._pace.slow_since
        if self._has_told_flood or since is None or time.monotonic() - since < FLOOD_SECONDS:
            return
        self._has_told_flood = True
        await self._on_flood(self.station)

    async def _read(self, text: str | bytes) -> None:
        try:
            message = frames.parse(text, most_bytes=self._most_bytes)
        except BadFrame as error:
            await self._refuse_frame(text, error)
            return
        if isinstance(message, Call):
            await self._calls.put(message)
            return
        # An answer to what nobody asked, or that came too late, is nothing.
        asked = self._asked.get(message.unique_id)
        if asked is not None and not asked.done():
            asked.set_result(message)

    async def _refuse_frame(self, text: str | bytes, error: BadFrame) -> None:
        shown = text.decode(errors="replace") if isinstance(text, bytes) else text
        self._note("", error.unique_id or "", storable(shown[:MOST_SHOWN]), "", str(error))
        # To answer an error with an error would never end.
        if error.message_type in {frames.CALL, None}:
            await self._socket.send(
                frames.error(self.station.version, error.unique_id, error.code, str(error))
            )

    async def _answer_calls(self) -> None:
        while True:
            call = await self._calls.get()
            began = time.monotonic()
            cause = f"{self.station.identity}/{call.unique_id}"
            with correlation.caused_by(cause[: correlation.MAX_LENGTH]):
                reply = await self._reply_or_error(call)
            self._count_answer(call, reply, time.monotonic() - began)
            try:
                await self._socket.send(reply)
            except ConnectionClosed:
                return
            if self.station.is_to_reconnect:
                await self.close(1000, "Connect anew.")
                return

    async def _reply_or_error(self, call: Call) -> str:
        try:
            return await self._reply(call)
        except (psycopg.Error, DatabaseError, InterfaceError, NotKept) as error:
            # It will be said again, as nobody has acknowledged it.
            logger.warning("%s of %s waits: %s", call.action, self.station.identity, error)
            return self._error(call, ErrorCode.INTERNAL_ERROR, "try again later")
        except Exception:  # one message must not cost the station its connection
            logger.exception("%s of %s", call.action, self.station.identity)
            return self._error(call, ErrorCode.INTERNAL_ERROR, "")

    def _count_answer(self, call: Call, reply: str, seconds: float) -> None:
        # Names that stations make up are no figures of ours.
        action = call.action if call.action in HANDLERS[self.station.version] else "other"
        outcome = "refused" if reply.startswith(_ERROR) else "done"
        figures.count(counting.MESSAGES, "in", action, outcome, flush_soon=False)
        figures.observe(counting.MESSAGE_SECONDS, "in", seconds=seconds, flush_soon=False)

    async def _reply(self, call: Call) -> str:
        station, now = self.station, clock.now()
        if not station.is_placed and call.action != "BootNotification":
            return self._error(call, ErrorCode.SECURITY_ERROR, "wait until your boot is accepted")
        try:
            payload, done = mending.mended(station.version, call.action, call.payload)
        except schemas.BadPayload as error:
            self._note_broken(call, str(error))
            return self._error(call, error.code, str(error))
        if done:
            self._tell_mended(call, done)
            call = replace(call, payload=payload)
        handler = HANDLERS[station.version].get(call.action)
        if handler is None:
            self._note_broken(call, "not ours")
            return self._error(call, ErrorCode.NOT_SUPPORTED, "stations do not ask this of us")
        answer = await handler(self._desk, station, call.payload, now)
        await self._keep(call, answer, now)
        return frames.result(call.unique_id, answer.payload)

    async def _keep(self, call: Call, answer: Answer, now: datetime) -> None:
        message = Message(
            station_id=self.station.id,
            at=now,
            direction=Direction.IN.value,
            version=self.station.version.value,
            action=call.action,
            unique_id=call.unique_id,
            payload=frames.dump(redact(call.action, call.payload)),
            answer=frames.dump(answer.payload),
            transaction_id=answer.transaction_id,
            duration_ms=_milliseconds(now),
        )
        if not answer.kept:
            self._store.note(message)
            return
        await self._store.keep(
            message, news=answer.news, patient=answer.patient, report=answer.report
        )

    def _error(self, call: Call, code: ErrorCode, text: str) -> str:
        return frames.error(self.station.version, call.unique_id, code, text)

    def _tell_mended(self, call: Call, done: Sequence[str]) -> None:
        """Write down, as it came, what broke its schema and is taken: once for each kind."""
        told = "; ".join(done[:MOST_TOLD])
        kind = f"{call.action} {_DIGITS.sub('', told)}"
        if kind in self._mended or len(self._mended) >= MOST_MENDED:
            return
        self._mended.add(kind)
        self._note_broken(call, f"taken, though it breaks its schema: {told}")

    def _note_broken(self, call: Call, error: str) -> None:
        payload = frames.dump(redact(call.action, call.payload))
        self._note(call.action, call.unique_id, payload, "", error[:MOST_SHOWN])

    def _note(self, action: str, unique_id: str, payload: str, answer: str, error: str) -> None:
        # Strangers write nothing into our log.
        if not self.station.is_placed:
            return
        self._store.note(
            Message(
                station_id=self.station.id,
                at=clock.now(),
                direction=Direction.IN.value,
                version=self.station.version.value,
                action=action,
                unique_id=unique_id,
                payload=payload,
                answer=answer,
                error=error,
            )
        )


def _milliseconds(began: datetime) -> int:
    return max(0, round((clock.now() - began).total_seconds() * 1000))
