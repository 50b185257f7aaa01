"""A charger as a synchronous program (a test, a demonstration) holds it, from any thread."""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from decimal import Decimal
from typing import Any, TypeVar

from sandbox.charger.charger import Charger
from sandbox.charger.outlet import Card
from sandbox.charger.vehicle import arriving
from sandbox.charger.wire import Frame, Json

T = TypeVar("T")

_CALL_TIMEOUT = 60.0


class Changes:
    """Count what happens, so that threads can wait for it."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._count = 0

    def note(self) -> None:
        """Wake whoever waits."""
        with self._condition:
            self._count += 1
            self._condition.notify_all()

    def wait_for(self, predicate: Callable[[], T], timeout: float, what: str) -> T:
        """Wait until the predicate is true; return what it returned.

        Raises:
            TimeoutError: it was not within so many seconds; the text tells `what`.

        """
        deadline = time.monotonic() + timeout
        while True:
            with self._condition:
                seen = self._count
            # Without the lock: a predicate asks the thread that notes changes.
            found = predicate()
            if found:
                return found
            with self._condition:
                left = deadline - time.monotonic()
                if self._count == seen and left > 0:
                    self._condition.wait(left)
            if left <= 0:
                raise TimeoutError(f"not within {timeout} s: {what or 'the condition'}")


class Handle:
    """One charger of a running fleet; outlets are counted from 1."""

    def __init__(self, charger: Charger, loop: asyncio.AbstractEventLoop, changes: Changes) -> None:
        self._charger = charger
        self._loop = loop
        self._changes = changes

    # What cars and people do

    def plug(
        self,
        outlet: int = 1,
        *,
        need_kwh: float | Decimal = 40,
        max_kw: float | Decimal | None = None,
    ) -> None:
        """Plug a car in, which takes as much as the outlet gives unless `max_kw` is less.

        Raises:
            ValueError: there is one, or there is no such outlet.

        """

        def plug() -> None:
            place = self._charger.outlet(outlet)
            most = place.config.max_kw if max_kw is None else max_kw
            self._charger.charging.plug(place, arriving(need_kwh, most, place.config.current))

        self._do(plug)

    def unplug(self, outlet: int = 1) -> None:
        """Take the cable out."""
        self._do(lambda: self._charger.charging.unplug(self._charger.outlet(outlet)))

    def present(
        self, card: str, outlet: int = 1, *, kind: str = "ISO14443", timeout: float = _CALL_TIMEOUT
    ) -> str:
        """Present a card; return AuthorizationStatus when it has been asked for.

        `kind` is IdTokenEnumType of 2.0.1. Raises TimeoutError when nobody says anything.
        """
        place = self._charger.outlet(outlet)
        return self._wait(self._charger.charging.present(Card(card, kind), place), timeout)

    # What goes wrong

    def fault(self, outlet: int = 1, code: str = "GroundFailure", *, ends: bool = True) -> None:
        """Break an outlet; `ends`: and the transaction with it. `code` is that of 1.6."""
        self._do(lambda: self._charger.charging.fail(self._charger.outlet(outlet), code, ends=ends))

    def clear(self, outlet: int = 1) -> None:
        """Mend an outlet."""
        self._do(lambda: self._charger.charging.repair(self._charger.outlet(outlet)))

    def drop(self, seconds: float | None = None) -> None:
        """Cut the connection, and stay away for so long; None: until `resume`."""
        self._do(lambda: self._charger.drop(seconds))

    def resume(self) -> None:
        """Connect again, with power if it was lost."""
        self._do(self._charger.resume)

    def power_loss(self, seconds: float | None = 1.0, transactions: str = "ends") -> None:
        """Lose the power for so long (None: until `resume`), and boot.

        A transaction `ends`, which is told after the boot; or it `goes on`; or it `is forgotten`
        and its end never told.
        """
        self._do(lambda: self._charger.power_loss(seconds, transactions))

    def break_signature(self, *, breaks: bool = True) -> None:
        """Let the meter sign something else than it tells."""
        self._charger.core.signer.breaks = breaks

    # Messages

    def send(self, action: str, payload: Json, *, timeout: float = _CALL_TIMEOUT) -> Json:
        """Make any call; return the payload of its result.

        Raises:
            CallFailed: the answer is an error.
            NotConnected: there is no connection.
            TimeoutError: no answer came.

        """
        return self._wait(self._charger.link.call(action, payload), timeout)

    def repeat_last(self, action: str = "", *, new_id: bool = False) -> Json:
        """Send the last call, of an action or of any, once more; return the answer.

        It has the id that it had, unless it shall be a `new_id`. Raises what `send` does.
        """
        return self._wait(self._charger.repeat_last(action, new_id=new_id), _CALL_TIMEOUT)

    @property
    def log(self) -> list[Frame]:
        """List the last messages that went both ways, oldest first."""
        return list(self._charger.link.log.copy())

    def sent(self, action: str) -> list[Json]:
        """List the payloads of the calls of one action that were sent, oldest first."""
        return [frame.payload for frame in self.log if frame.sent and _is_call(frame, action)]

    def received(self, action: str) -> list[Json]:
        """List the payloads of the calls of one action that came, oldest first."""
        return [frame.payload for frame in self.log if not frame.sent and _is_call(frame, action)]

    # What is so

    @property
    def identity(self) -> str:
        """Return the name of the charger."""
        return self._charger.config.identity

    @property
    def connected(self) -> bool:
        """Whether it is connected, and accepted by BootNotification."""
        return self._charger.link.is_online

    @property
    def quiet(self) -> bool:
        """Whether no call waits to be sent or answered."""
        return not self._charger.link.has_any

    @property
    def public_key(self) -> str:
        """Return the key of the meter, as DER in hex."""
        return self._charger.core.signer.public_key

    def register_wh(self, outlet: int = 1) -> Decimal:
        """Return what the meter shows now."""

        def read() -> Decimal:
            place = self._charger.outlet(outlet)
            self._charger.core.settle(place)
            return place.shown_wh

        return self._do(read)

    def power_w(self, outlet: int = 1) -> Decimal:
        """Return the power that flows now."""
        return self._do(lambda: self._charger.outlet(outlet).power_w())

    def transaction(self, outlet: int = 1) -> str | None:
        """Return the id of the transaction: in 1.6 the number that the CSMS gave it.

        None: there is none, or in 1.6 the CSMS has not answered yet.
        """
        transaction = self._charger.outlet(outlet).transaction
        if transaction is None:
            return None
        if self._charger.config.ocpp != "1.6":
            return transaction.id
        return None if transaction.number is None else str(transaction.number)

    def status(self, outlet: int = 1) -> str:
        """Return the status of an outlet, in the words of its version."""
        return self._charger.status(self._charger.outlet(outlet))

    def wait_for(
        self, predicate: Callable[["Handle"], T], timeout: float = 10.0, what: str = ""
    ) -> T:
        """Wait until the predicate is true of this charger; return what it returned.

        Raises:
            TimeoutError: it was not within so many seconds; the text tells `what`.

        """
        return self._changes.wait_for(lambda: predicate(self), timeout, what)

    def _do(self, work: Callable[[], T]) -> T:
        async def run() -> T:
            return work()

        return self._wait(run(), _CALL_TIMEOUT)

    def _wait(self, work: Coroutine[Any, Any, T], timeout: float) -> T:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(timeout)
        except TimeoutError:
            future.cancel()
            raise


def _is_call(frame: Frame, action: str) -> bool:
    return frame.kind == 2 and frame.action == action
