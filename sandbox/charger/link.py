"""The connection of a charger: connects again and again, boots, beats, and sends what waits.

What tells of transactions is kept while there is no connection, and sent first to last with the
times at which it happened (OCPP 1.6, 3.7; OCPP 2.0.1, E04). It stays until it is answered, so what
was under way when the connection broke is sent once more.
"""

import asyncio
import base64
import logging
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus, WebSocketException
from websockets.typing import Subprotocol

from sandbox.charger.config import StationConfig
from sandbox.charger.wire import CallFailed, Frame, Json, NotConnected, Wire, new_id

logger = logging.getLogger(__name__)

_LONGEST_PAUSE = 60.0
_OPEN_TIMEOUT = 10.0
_PING_SECONDS = 60.0
_LARGEST_MESSAGE = 1024 * 1024


def _nothing(_: object) -> None:
    pass


@dataclass(slots=True, eq=False)
class Outgoing:
    """A call that waits for its turn. `kept`: it also waits for the next connection.

    The payload is made when it is sent: the id of a transaction of 1.6 comes with an answer.
    """

    action: str
    payload: Callable[[], Json]
    kept: bool = False
    on_answer: Callable[[Json], None] = _nothing
    on_failure: Callable[[Exception], None] = _nothing
    unique_id: str = field(default_factory=new_id)
    attempts: int = 0


class Owner(Protocol):
    """Whose connection it is."""

    def boot_payload(self, reason: str) -> Json:
        """Return the payload of BootNotification, for a reason as 2.0.1 names it."""

    def answer(self, action: str, payload: Json) -> Json:
        """Answer a call of the CSMS, or raise `wire.Refusal`."""

    def answered(self) -> None:
        """Go on with what an answer has promised."""

    def online(self, *, booted: bool) -> None:
        """Tell what has changed: the CSMS listens again."""

    def changed(self) -> None:
        """Hear that something happened."""


class Link:
    """Keep a charger connected; everything here runs in the event loop.

    `log` holds the last `logged` messages that went both ways; `last` the last call of each action,
    and "" the last of all: its action, its payload and its id.
    """

    def __init__(
        self,
        config: StationConfig,
        url: str,
        owner: Owner,
        *,
        rng: random.Random,
        subprotocol: str,
        malformed: str,
        logged: int,
    ) -> None:
        self.config = config
        self.attempts = 3
        self.log: deque[Frame] = deque(maxlen=logged)
        self.last: dict[str, tuple[str, Json, str]] = {}
        self.is_online = False
        self.boot_reason = "PowerUp"
        self._url = f"{url.rstrip('/')}/{config.identity}"
        self._owner = owner
        self._rng = rng
        self._subprotocol = Subprotocol(subprotocol)
        self._malformed = malformed
        self._passwords = [config.password]
        self._waiting: deque[Outgoing] = deque()
        self._something_waits = asyncio.Event()
        self._may_connect = asyncio.Event()
        self._may_connect.set()
        self._hurry = asyncio.Event()
        self._boot_now = asyncio.Event()
        self._connection: ClientConnection | None = None
        self._resuming: asyncio.TimerHandle | None = None
        self._beating: asyncio.TimerHandle | None = None
        self._beat_seconds = 0.0

    # What the rest of the charger asks for

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection, accepted by BootNotification or not."""
        return self._connection is not None

    @property
    def has_kept(self) -> bool:
        """Whether messages of transactions wait to be sent."""
        return any(message.kept for message in self._waiting)

    @property
    def has_any(self) -> bool:
        """Whether any call waits to be sent or answered."""
        return bool(self._waiting)

    def now(self) -> datetime:
        """Return what the clock of the charger says."""
        return datetime.now(UTC) + timedelta(seconds=self.config.clock_skew)

    def put(self, message: Outgoing) -> None:
        """Let a call wait for its turn; without a connection, only one that is kept does."""
        if message.kept or self.is_online:
            self._waiting.append(message)
            self._something_waits.set()
        else:
            message.on_failure(NotConnected("the charger is offline"))

    async def call(self, action: str, payload: Json, unique_id: str = "") -> Json:
        """Make a call when its turn comes; return the payload of its result.

        Raises:
            CallFailed: the answer is an error.
            NotConnected: there is no connection, or it broke.
            TimeoutError: no answer came.

        """
        future: asyncio.Future[Json] = asyncio.get_running_loop().create_future()

        def settle(outcome: Json | Exception) -> None:
            if future.done():
                return
            if isinstance(outcome, Exception):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)

        message = Outgoing(action, lambda: payload, on_answer=settle, on_failure=settle)
        message.unique_id = unique_id or message.unique_id
        self.put(message)
        return await future

    async def flushed(self, seconds: float) -> None:
        """Wait until nothing that is kept waits any more, or so long."""
        done = asyncio.Event()
        self.put(Outgoing("", dict, kept=True, on_answer=lambda _: done.set()))
        try:
            async with asyncio.timeout(seconds):
                await done.wait()
        except TimeoutError:
            self._waiting = deque(one for one in self._waiting if one.action)

    def drop(self, seconds: float | None) -> None:
        """Cut the connection, and stay away so long; None: until `resume`."""
        self._may_connect.clear()
        self._stop_timer()
        if seconds is not None:
            self._resuming = asyncio.get_running_loop().call_later(seconds, self.resume)
        self._cut()

    def resume(self) -> None:
        """Connect again, now."""
        self._stop_timer()
        self._may_connect.set()
        self._hurry.set()

    def reconnect(self) -> None:
        """Connect anew: the password is another one."""
        self._hurry.set()
        self._cut()

    def set_password(self, password: str) -> None:
        """Use another password; the one before stays for when the CSMS does not know the new."""
        self._passwords = [password, self._passwords[0]]

    def reboot(self, reason: str) -> None:
        """Be gone until `resume`, and boot then for that reason, as 2.0.1 names it."""
        self.boot_reason = reason
        self.drop(None)

    def boot_at_once(self) -> None:
        """Send BootNotification, which was asked for."""
        if self.is_online:
            payload = self._owner.boot_payload("Triggered")
            self.put(Outgoing("BootNotification", lambda: payload, on_answer=self._booted))
        else:
            self._boot_now.set()

    def beat(self) -> None:
        """Send a Heartbeat now."""
        self.put(Outgoing("Heartbeat", dict))

    def beat_every(self, seconds: float) -> None:
        """Send a Heartbeat every so often; 0: never."""
        if self._beating:
            self._beating.cancel()
            self._beating = None
        self._beat_seconds = seconds
        if seconds > 0 and self.is_online:
            self._beating = asyncio.get_running_loop().call_later(seconds, self._beat)

    # How it does that

    async def run(self) -> None:
        """Connect, and connect again, until cancelled."""
        failures = 0
        try:
            while True:
                await self._may_connect.wait()
                self._hurry.clear()
                try:
                    await self._once()
                    failures = 0
                except InvalidStatus as error:
                    logger.info("%s: %s", self.config.identity, error)
                    failures += 1
                    if error.response.status_code == 401:
                        self._passwords.reverse()
                except (OSError, WebSocketException) as error:
                    logger.info("%s: %s", self.config.identity, error)
                    failures += 1
                await self._pause(failures)
        finally:
            self._stop_timer()
            self.beat_every(0)

    async def _pause(self, failures: int) -> None:
        if self._hurry.is_set() or not self._may_connect.is_set():
            return
        seconds = min(self.config.reconnect_seconds * 2.0 ** min(failures, 10), _LONGEST_PAUSE)
        try:
            async with asyncio.timeout(seconds * self._rng.uniform(0.5, 1.5)):
                await self._hurry.wait()
        except TimeoutError:
            pass

    async def _once(self) -> None:
        connection = await connect(
            self._url,
            subprotocols=[self._subprotocol],
            additional_headers=self._headers(),
            compression=None,
            proxy=None,
            open_timeout=_OPEN_TIMEOUT,
            close_timeout=2,
            ping_interval=_PING_SECONDS,
            max_size=_LARGEST_MESSAGE,
        )
        self._passwords = self._passwords[:1]
        self._hurry.clear()
        if not self._may_connect.is_set():
            connection.transport.abort()
        wire = Wire(
            connection,
            answer=self._owner.answer,
            answered=self._owner.answered,
            note=self._note,
            malformed=self._malformed,
            timeout=self.config.call_timeout,
        )
        self._connection = connection
        tasks = [asyncio.ensure_future(wire.serve()), asyncio.ensure_future(self._work(wire))]
        self._owner.changed()
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        except NotConnected:
            pass
        finally:
            self._lost()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await connection.close()
            self._owner.changed()

    def _headers(self) -> dict[str, str]:
        if not self._passwords[0]:
            return {}
        secret = f"{self.config.identity}:{self._passwords[0]}".encode()
        return {"Authorization": f"Basic {base64.b64encode(secret).decode()}"}

    async def _work(self, wire: Wire) -> None:
        booted = bool(self.boot_reason)
        while self.boot_reason:
            await self._boot(wire)
        self.is_online = True
        self.beat_every(self._beat_seconds)
        self._owner.online(booted=booted)
        while True:
            if not self._waiting:
                self._something_waits.clear()
                await self._something_waits.wait()
            await self._deliver(wire, self._waiting[0])

    async def _boot(self, wire: Wire) -> None:
        self._boot_now.clear()
        reason = self.boot_reason
        wait = _LONGEST_PAUSE
        try:
            answer = await wire.call("BootNotification", self._owner.boot_payload(reason), new_id())
        except (CallFailed, TimeoutError) as error:
            logger.info("%s: BootNotification: %s", self.config.identity, error)
        else:
            self._booted(answer)
            wait = _interval(answer) or _LONGEST_PAUSE
        if self.boot_reason == reason:
            try:
                async with asyncio.timeout(wait):
                    await self._boot_now.wait()
            except TimeoutError:
                pass

    def _booted(self, answer: Json) -> None:
        if answer.get("status") == "Accepted":
            self.boot_reason = ""
            self.beat_every(_interval(answer) or self._beat_seconds)

    async def _deliver(self, wire: Wire, message: Outgoing) -> None:
        if not message.action:
            self._finish(message)
            message.on_answer({})
            return
        payload = message.payload()
        sent = (message.action, payload, message.unique_id)
        self.last[message.action] = self.last[""] = sent
        try:
            answer = await wire.call(message.action, payload, message.unique_id)
        except (CallFailed, TimeoutError) as error:
            message.attempts += 1
            # An id is used once on a connection, but for what is repeated on purpose.
            message.unique_id = new_id()
            if message.kept and message.attempts < self.attempts:
                await asyncio.sleep(self.config.retry_seconds * message.attempts)
                return
            logger.info("%s: %s: %s", self.config.identity, message.action, error)
            self._finish(message)
            message.on_failure(error)
        else:
            self._finish(message)
            message.on_answer(answer)
        self._owner.changed()

    def _finish(self, message: Outgoing) -> None:
        if self._waiting and self._waiting[0] is message:
            self._waiting.popleft()

    def _lost(self) -> None:
        self._connection = None
        self.is_online = False
        if self._beating:
            self._beating.cancel()
            self._beating = None
        dropped = [message for message in self._waiting if not message.kept]
        self._waiting = deque(message for message in self._waiting if message.kept)
        for message in dropped:
            message.on_failure(NotConnected("the connection broke"))

    def _cut(self) -> None:
        self.is_online = False
        if self._connection:
            self._connection.transport.abort()

    def _beat(self) -> None:
        self.beat()
        self.beat_every(self._beat_seconds)

    def _stop_timer(self) -> None:
        if self._resuming:
            self._resuming.cancel()
            self._resuming = None

    def _note(self, frame: Frame) -> None:
        self.log.append(frame)
        self._owner.changed()


def _interval(answer: Json) -> float:
    """Return the interval of an answer to BootNotification, 0 where it gives none."""
    value = answer.get("interval")
    return float(value) if isinstance(value, int) else 0.0
