"""A real gateway in a thread of the test's process, and stations that say what a test wants."""

import asyncio
import base64
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from cpo_platform.common import json
from ocpp_gateway.server import database
from ocpp_gateway.server.serving import Gateway
from sessions_app.authorization import Allowed, Question, RealtimeAnswer

PASSWORD = "0123456789abcdef0123456789abcdef"
Json = dict[str, Any]


class ConnectedEmsps:
    """As REALTIME_AUTHORIZER: eMSPs that are connected, and that nobody can ask."""

    def is_connected(self, *, country_code: str, party_id: str) -> bool:
        return True

    def ask(self, question: Question) -> RealtimeAnswer:
        return RealtimeAnswer(Allowed.UNREACHABLE)


CONNECTED_EMSPS = f"{__name__}.ConnectedEmsps"


class RunningGateway:
    """A gateway, on a free port unless told; `stop` ends it in good order, `crash` does not."""

    def __init__(self, port: int = 0) -> None:
        self.port = port
        self.gateway: Gateway
        self._ready = threading.Event()
        self._ends: asyncio.Event
        self._loop: asyncio.AbstractEventLoop
        self._main: asyncio.Task[None]
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._live, daemon=True)

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ocpp"

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(20)
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._ends.set)
        self._thread.join(20)
        assert not self._thread.is_alive()

    def crash(self) -> None:
        """End as if killed: connections break, and what is not written yet is lost."""
        self._loop.call_soon_threadsafe(self._break)
        self._thread.join(20)
        assert not self._thread.is_alive()

    def _break(self) -> None:
        for link in list(self.gateway._links.values()):
            link._socket.transport.abort()
        assert self.gateway._store._task is not None
        self.gateway._store._task.cancel()
        self._main.cancel()

    def _live(self) -> None:
        try:
            asyncio.run(self._run())
        except asyncio.CancelledError:  # it was crashed
            pass
        except BaseException as error:  # the test's thread has to hear of it
            self._failure = error
            self._ready.set()
            raise

    async def _run(self) -> None:
        self._loop, self._ends = asyncio.get_running_loop(), asyncio.Event()
        main = asyncio.current_task()
        assert main is not None
        self._main = main
        async with database.pool() as pool:
            self.gateway = Gateway(pool)
            try:
                await self._serve()
            except asyncio.CancelledError:
                # A process that is killed keeps no connections open.
                await self.gateway._post.close()
                raise

    async def _serve(self) -> None:
        async with self.gateway.serving("127.0.0.1", self.port) as server:
            self.port = next(iter(server.sockets)).getsockname()[1]
            self._ready.set()
            await self._ends.wait()


@contextmanager
def running_gateway() -> Iterator[RunningGateway]:
    """Run a gateway, by the settings as they are now."""
    # Its threads end without a word, and keep no connection over that.
    connection.settings_dict["CONN_MAX_AGE"], kept = 0, connection.settings_dict["CONN_MAX_AGE"]
    running = RunningGateway()
    running.start()
    try:
        yield running
    finally:
        running.stop()
        connection.settings_dict["CONN_MAX_AGE"] = kept


class ScriptedStation:
    """A station that says exactly what it is told to say."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self._count = 0

    def send(self, text: str | bytes) -> None:
        self.socket.send(text)

    def receive(self) -> Any:
        return json.loads(self.socket.recv(timeout=10))

    def call(self, action: str, payload: Json, *, unique_id: str = "") -> Json:
        """Call, and return the result; raise AssertionError where it is an error."""
        answer = self.try_call(action, payload, unique_id=unique_id)
        assert answer[0] == 3, answer
        return dict(answer[2])

    def try_call(self, action: str, payload: Json, *, unique_id: str = "") -> list[Any]:
        self._count += 1
        unique_id = unique_id or f"m{self._count}"
        self.send(json.dumps([2, unique_id, action, payload]))
        answer = self.receive()
        assert answer[1] == unique_id
        return list(answer)


@contextmanager
def connected(
    url: str,
    identity: str,
    *,
    ocpp: str = "1.6",
    password: str | bytes | None = PASSWORD,
    user: str | None = None,
    tls: ssl.SSLContext | None = None,
) -> Iterator[ScriptedStation]:
    """Connect a station.

    Raises:
        websockets.exceptions.InvalidStatus: it is turned away.

    """
    headers = {}
    if password is not None:
        secret = password.encode() if isinstance(password, str) else password
        shown = (user or identity).encode() + b":" + secret
        headers["Authorization"] = f"Basic {base64.b64encode(shown).decode()}"
    protocols = [Subprotocol(f"ocpp{ocpp}")] if ocpp else None
    with connect(
        f"{url}/{identity}",
        subprotocols=protocols,
        additional_headers=headers,
        compression=None,
        ssl=tls,
    ) as socket:
        yield ScriptedStation(socket)
