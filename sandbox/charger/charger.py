"""One simulated charger, put together of its parts."""

import random
from collections.abc import Callable

from sandbox.charger import v1_6, v2_0_1
from sandbox.charger.authorizing import Authorizing
from sandbox.charger.charging import Charging
from sandbox.charger.commands import Commands
from sandbox.charger.commands_1_6 import Commands1_6
from sandbox.charger.commands_2_0_1 import Commands2_0_1
from sandbox.charger.config import StationConfig
from sandbox.charger.core import Core
from sandbox.charger.link import Link
from sandbox.charger.messages import Messages
from sandbox.charger.orders import Orders
from sandbox.charger.outlet import Ending, Outlet
from sandbox.charger.v1_6 import Messages1_6
from sandbox.charger.v2_0_1 import Messages2_0_1
from sandbox.charger.wire import Json, NotConnected

_POWER_LOSSES = ("ends", "goes on", "is forgotten")


class Charger:
    """A charger; everything here runs in the event loop. `run` is its life.

    `changed` is called whenever something happens; the last `logged` messages are kept.
    """

    def __init__(
        self,
        config: StationConfig,
        url: str,
        *,
        rng: random.Random,
        changed: Callable[[], None] = lambda: None,
        logged: int = 0,
    ) -> None:
        is_1_6 = config.ocpp == "1.6"
        version = v1_6 if is_1_6 else v2_0_1
        self.config = config
        self.changed = changed
        self.link = Link(
            config,
            url,
            self,
            rng=rng,
            subprotocol=version.SUBPROTOCOL,
            malformed=version.MALFORMED,
            logged=logged,
        )
        self.core = Core(config, self.link, rng, changed)
        self._messages: Messages
        if is_1_6:
            self._messages, self.charging, self._commands = self._of_1_6()
        else:
            self._messages, self.charging, self._commands = self._of_2_0_1()

    def _of_1_6(self) -> tuple[Messages, Charging, Commands]:
        messages = Messages1_6(self.core)
        authorizing = Authorizing(self.core, messages)
        charging = Charging(self.core, messages, authorizing)
        orders = Orders(self.core, messages, charging, authorizing)
        commands = Commands1_6(self.core, messages, charging, orders, authorizing)
        return messages, charging, commands

    def _of_2_0_1(self) -> tuple[Messages, Charging, Commands]:
        messages = Messages2_0_1(self.core)
        authorizing = Authorizing(self.core, messages)
        charging = Charging(self.core, messages, authorizing)
        orders = Orders(self.core, messages, charging, authorizing)
        commands = Commands2_0_1(self.core, messages, charging, orders, authorizing)
        return messages, charging, commands

    async def run(self) -> None:
        """Live until cancelled."""
        try:
            await self.link.run()
        finally:
            await self.core.close()

    def outlet(self, number: int) -> Outlet:
        """Return an outlet.

        Raises:
            ValueError: there is none of that number.

        """
        outlet = self.core.outlet(number)
        if outlet is None:
            raise ValueError(f"{self.config.identity} has no outlet {number}")
        return outlet

    def status(self, outlet: Outlet) -> str:
        """Return the status of an outlet, in the words of its version."""
        return self._messages.status(outlet)

    def power_loss(self, seconds: float | None, transactions: str) -> None:
        """Lose the power for so long (None: until `resume`), and boot.

        A transaction `ends`, which is told after the boot; or it `goes on`; or it `is forgotten`
        and its end never told.

        Raises:
            ValueError: it is none of these.

        """
        if transactions not in _POWER_LOSSES:
            raise ValueError(f"transactions: must be one of {', '.join(_POWER_LOSSES)}")
        self.charging.power_off(reason="PowerUp", seconds=seconds)
        for outlet, _ in self.core.transactions():
            if transactions == "ends":
                self.charging.end(outlet, Ending.POWER_LOSS)
            elif transactions == "is forgotten":
                outlet.transaction = None

    def drop(self, seconds: float | None) -> None:
        """Cut the connection and stay away; a charger without power is away already."""
        if self.core.is_powered:
            self.link.drop(seconds)

    def resume(self) -> None:
        """Have power and a connection again."""
        if self.core.is_powered:
            self.link.resume()
        else:
            self.charging.power_on()

    async def repeat_last(self, action: str, *, new_id: bool) -> Json:
        """Send the last call of an action ("": of any) once more; return the answer.

        Raises:
            NotConnected: there was none yet, or there is no connection.
            CallFailed: the answer is an error.

        """
        if action not in self.link.last:
            raise NotConnected("nothing was sent yet")
        action, payload, unique_id = self.link.last[action]
        return await self.link.call(action, payload, "" if new_id else unique_id)

    # What the link asks for

    def boot_payload(self, reason: str) -> Json:
        """Return the payload of BootNotification."""
        return self._messages.boot_payload(reason)

    def answer(self, action: str, payload: Json) -> Json:
        """Answer a call of the CSMS."""
        return self._commands.answer(action, payload)

    def answered(self) -> None:
        """Do what an answer has promised."""
        self.core.keep_promises()

    def online(self, *, booted: bool) -> None:
        """Tell statuses: all after a boot, else those that are others now."""
        if booted:
            self._messages.tell_station()
        for outlet in self.core.outlets:
            self.charging.show(outlet, again=booted)
        self.changed()
