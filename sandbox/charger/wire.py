"""OCPP-J over one connection: calls, results and errors, one call of ours at a time.

OCPP 1.6J, 4; OCPP 2.0.1, part 4, 4. Numbers that are `Decimal` are written digit by digit.
"""

import asyncio
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import orjson
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

Json = dict[str, Any]

CALL, CALL_RESULT, CALL_ERROR = 2, 3, 4
# What answers a call whose own id cannot be read (OCPP 2.0.1, part 4, 4.2.3).
_UNREADABLE_ID = "-1"


class CallFailed(Exception):
    """The CSMS answered a call with an error."""

    def __init__(self, code: str, description: str) -> None:
        super().__init__(f"{code}: {description}" if description else code)
        self.code = code
        self.description = description


class NotConnected(ConnectionError):
    """There is no connection, or it broke before the answer came."""


class Refusal(Exception):
    """A call of the CSMS cannot be answered but by an error; `code` is as its version spells it."""

    def __init__(self, code: str, description: str = "") -> None:
        super().__init__(description or code)
        self.code = code
        self.description = description


@dataclass(frozen=True, slots=True)
class Frame:
    """One message that went over the wire.

    `kind` is 2, 3 or 4. Results and errors carry the action of the call they answer, "" where that
    is unknown; the payload of an error is `{"code", "description", "details"}`.
    """

    at: datetime
    sent: bool
    kind: int
    unique_id: str
    action: str
    payload: Json


def new_id() -> str:
    """Return an id for a call."""
    return str(uuid.uuid4())


def dump(value: object) -> str:
    """Render JSON with decimals as they are."""
    return orjson.dumps(value, default=_exact).decode()


def _exact(value: object) -> orjson.Fragment:
    if isinstance(value, Decimal) and value.is_finite():
        return orjson.Fragment(format(value, "f"))
    raise TypeError(f"cannot render {value!r} as JSON")


class Wire:
    """Carry calls both ways over one connection.

    `answer(action, payload)` returns the payload of a result or raises `Refusal`; `answered` is
    called when that has been sent, `note` with every message.
    """

    def __init__(
        self,
        connection: ClientConnection,
        *,
        answer: Callable[[str, Json], Json],
        answered: Callable[[], None],
        note: Callable[[Frame], None],
        malformed: str,
        timeout: float,
    ) -> None:
        self._connection = connection
        self._answer = answer
        self._answered = answered
        self._note = note
        self._malformed = malformed
        self._timeout = timeout
        self._turn = asyncio.Lock()
        self._waiting: tuple[str, str, asyncio.Future[Json]] | None = None

    async def call(self, action: str, payload: Json, unique_id: str) -> Json:
        """Make a call, when those before it are done; return the payload of its result.

        Raises:
            CallFailed: the answer is an error.
            NotConnected: the connection is gone.
            TimeoutError: no answer came.

        """
        async with self._turn:
            future: asyncio.Future[Json] = asyncio.get_running_loop().create_future()
            self._waiting = (unique_id, action, future)
            try:
                await self._send(CALL, unique_id, action, payload)
                async with asyncio.timeout(self._timeout):
                    return await future
            finally:
                self._waiting = None

    async def serve(self) -> None:
        """Answer what comes until the connection ends."""
        try:
            async for message in self._connection:
                await self._receive(message)
        except (ConnectionClosed, NotConnected):
            pass
        finally:
            if self._waiting and not self._waiting[2].done():
                self._waiting[2].set_exception(NotConnected("the connection broke"))

    async def _receive(self, message: str | bytes) -> None:
        try:
            elements = orjson.loads(message)
        except orjson.JSONDecodeError:
            await self._send_error(_UNREADABLE_ID, "", Refusal(self._malformed, "is not JSON"))
            return
        match elements:
            case [2, str(unique_id), str(action), dict(payload)]:
                self._noted(CALL, unique_id, action, payload)
                await self._answer_call(unique_id, action, payload)
            case [2, str(unique_id), *_]:
                error = Refusal(self._malformed, "a call must be [2, id, action, payload]")
                await self._send_error(unique_id, "", error)
            case [3, str(unique_id), dict(payload)]:
                self._noted(CALL_RESULT, unique_id, self._action_of(unique_id), payload)
                self._settle(unique_id, payload)
            case [4, str(unique_id), str(code), *rest]:
                text, details = (*rest, None, None)[:2]
                body: Json = {
                    "code": code,
                    "description": str(text or ""),
                    "details": details or {},
                }
                self._noted(CALL_ERROR, unique_id, self._action_of(unique_id), body)
                self._settle(unique_id, CallFailed(code, body["description"]))
            case _:
                error = Refusal(self._malformed, "is no message of OCPP")
                await self._send_error(_UNREADABLE_ID, "", error)

    async def _answer_call(self, unique_id: str, action: str, payload: Json) -> None:
        try:
            result = self._answer(action, payload)
        except Refusal as error:
            await self._send_error(unique_id, action, error)
        else:
            await self._send(CALL_RESULT, unique_id, action, result)
        self._answered()

    async def _send_error(self, unique_id: str, action: str, error: Refusal) -> None:
        body = {"code": error.code, "description": error.description, "details": {}}
        await self._send(CALL_ERROR, unique_id, action, body)

    async def _send(self, kind: int, unique_id: str, action: str, payload: Json) -> None:
        if kind == CALL:
            elements = [kind, unique_id, action, payload]
        elif kind == CALL_RESULT:
            elements = [kind, unique_id, payload]
        else:
            elements = [kind, unique_id, *payload.values()]
        text = dump(elements)
        # Noted before it is sent: whoever sees the answer of the CSMS finds the call in the log.
        self._note(Frame(datetime.now(UTC), True, kind, unique_id, action, payload))  # noqa: FBT003
        try:
            await self._connection.send(text)
        except ConnectionClosed as error:
            raise NotConnected("the connection is closed") from error

    def _noted(self, kind: int, unique_id: str, action: str, payload: Json) -> None:
        self._note(Frame(datetime.now(UTC), False, kind, unique_id, action, payload))  # noqa: FBT003

    def _action_of(self, unique_id: str) -> str:
        return self._waiting[1] if self._waiting and self._waiting[0] == unique_id else ""

    def _settle(self, unique_id: str, outcome: Json | CallFailed) -> None:
        # What nobody waits for any more is the late answer to a call that was given up.
        if not self._waiting or self._waiting[0] != unique_id or self._waiting[2].done():
            return
        if isinstance(outcome, CallFailed):
            self._waiting[2].set_exception(outcome)
        else:
            self._waiting[2].set_result(outcome)
