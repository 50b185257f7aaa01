"""A scripted CSMS for one charger or some, which holds all that it is sent against the schemas."""

import asyncio
import base64
import http
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from ocpp_gateway.frames import Call, CallError, CallResult, Json, Version, parse
from ocpp_gateway.frames import call as call_frame
from ocpp_gateway.frames import result as result_frame
from ocpp_gateway.schemas import BadPayload, check
from sandbox.charger.handle import Changes

Script = Callable[[Json], Json | None]

ACCEPTED_1_6 = {"idTagInfo": {"status": "Accepted"}}
ACCEPTED_2_0_1 = {"idTokenInfo": {"status": "Accepted"}}
_WAIT = 15.0


@dataclass(frozen=True)
class Received:
    """A call that came."""

    identity: str
    unique_id: str
    action: str
    payload: Json


class Csms:
    """Everything but the start and the end may be called from the test's thread.

    `scripts` answer calls by action, None: not at all. `passwords` are checked by identity, where
    there is one. `is_strict`: what is answered must fit the schemas, too. `broken` is what broke a
    schema.
    """

    def __init__(self, version: Version) -> None:
        self.version = version
        self.scripts: dict[str, Script] = {}
        self.passwords: dict[str, str] = {}
        self.headers: list[str] = []
        self.calls: list[Received] = []
        self.broken: list[str] = []
        self.interval = 300
        self.is_strict = True
        self.boot_status = "Accepted"
        self.connections: dict[str, ServerConnection] = {}
        self.changes = Changes()
        self.url = ""
        self._transactions = 100
        self._waiting: dict[str, tuple[str, asyncio.Future[Json]]] = {}
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="csms")

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(_WAIT)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    # For the test

    def payloads(self, action: str) -> list[Json]:
        return [call.payload for call in list(self.calls) if call.action == action]

    def wait(self, action: str, count: int = 1, /, **fields: Any) -> list[Json]:
        """Wait until so many calls with these fields have come; return their payloads."""

        def found() -> list[Json] | None:
            fit = [
                one
                for one in self.payloads(action)
                if all(one.get(name) == value for name, value in fields.items())
            ]
            return fit if len(fit) >= count else None

        return self.changes.wait_for(found, _WAIT, f"{count} {action} {fields}") or []

    def call(self, action: str, payload: Json, identity: str = "CS-1") -> Json:
        """Call the charger; return the checked payload of its result, or raise AssertionError."""
        check(self.version, action, payload)
        return self.call_unchecked(action, payload, identity)

    def call_unchecked(self, action: str, payload: Any, identity: str = "CS-1") -> Json:
        work = self._call(identity, action, payload)
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_WAIT)

    def send_text(self, text: str, identity: str = "CS-1") -> None:
        asyncio.run_coroutine_threadsafe(self.connections[identity].send(text), self._loop).result(
            _WAIT
        )

    # The wire

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    async def _serve(self) -> None:
        async with serve(
            self._connected,
            "127.0.0.1",
            0,
            subprotocols=[Subprotocol(self.version.value)],
            process_request=self._admit,
            compression=None,
            close_timeout=1,
        ) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            self.url = f"ws://127.0.0.1:{port}/ocpp"
            self._ready.set()
            await self._stop.wait()

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        identity = request.path.rsplit("/", 1)[-1]
        header = request.headers.get("Authorization", "")
        self.headers.append(header)
        wanted = self.passwords.get(identity)
        expected = base64.b64encode(f"{identity}:{wanted}".encode()).decode()
        if wanted is not None and header != f"Basic {expected}":
            self.changes.note()
            return connection.respond(http.HTTPStatus.UNAUTHORIZED, "no\n")
        return None

    async def _connected(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        identity = connection.request.path.rsplit("/", 1)[-1]
        self.connections[identity] = connection
        self.changes.note()
        try:
            async for message in connection:
                await self._received(connection, identity, message)
        except ConnectionClosed:
            pass
        finally:
            if self.connections.get(identity) is connection:
                del self.connections[identity]
            self.changes.note()

    async def _received(
        self, connection: ServerConnection, identity: str, message: str | bytes
    ) -> None:
        frame = parse(message, most_bytes=1_000_000)
        if isinstance(frame, Call):
            self._check(frame.action, frame.payload, is_result=False)
            # First: a test that sees the call may change what is answered.
            answer = self._answer(frame.action, frame.payload)
            self.calls.append(Received(identity, frame.unique_id, frame.action, frame.payload))
            if answer is not None:
                if self.is_strict:
                    check(self.version, frame.action, answer, is_result=True)
                await connection.send(result_frame(frame.unique_id, answer))
        elif frame.unique_id in self._waiting:
            action, future = self._waiting.pop(frame.unique_id)
            if isinstance(frame, CallResult):
                self._check(action, frame.payload, is_result=True)
                future.set_result(frame.payload)
            else:
                assert isinstance(frame, CallError)
                future.set_exception(Refused(frame.code))
        else:
            assert isinstance(frame, CallError)
            self.calls.append(Received(identity, frame.unique_id, "", {"code": frame.code}))
        self.changes.note()

    def _check(self, action: str, payload: Json, *, is_result: bool) -> None:
        try:
            check(self.version, action, payload, is_result=is_result)
        except BadPayload as error:
            self.broken.append(f"{action} {payload}: {error}")

    def _answer(self, action: str, payload: Json) -> Json | None:
        if action in self.scripts:
            return self.scripts[action](payload)
        now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}Z"
        boot = {"status": self.boot_status, "currentTime": now, "interval": self.interval}
        self._transactions += action == "StartTransaction"
        answers: dict[str, Json] = {
            "Authorize": ACCEPTED_1_6 if self.version is Version.V1_6 else ACCEPTED_2_0_1,
            "BootNotification": boot,
            "DataTransfer": {"status": "Accepted"},
            "Heartbeat": {"currentTime": now},
            "SignCertificate": {"status": "Accepted"},
            "StartTransaction": {"transactionId": self._transactions, **ACCEPTED_1_6},
        }
        return answers.get(action, {})

    async def _call(self, identity: str, action: str, payload: Any) -> Json:
        unique_id = str(uuid.uuid4())
        future: asyncio.Future[Json] = self._loop.create_future()
        self._waiting[unique_id] = (action, future)
        await self.connections[identity].send(call_frame(unique_id, action, payload))
        return await future


class Refused(Exception):
    """The charger answered with an error of that code."""


@contextmanager
def running_csms(version: Version) -> Iterator[Csms]:
    csms = Csms(version)
    csms.start()
    try:
        yield csms
    finally:
        csms.close()
    assert csms.broken == []
