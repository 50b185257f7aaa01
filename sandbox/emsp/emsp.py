"""Run the eMSP beside a synchronous program (a test) in a thread of its own."""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Self, TypeVar

from sandbox.emsp.config import Settings
from sandbox.emsp.peer import HELD_MODULES
from sandbox.emsp.service import Service
from sandbox.emsp.store import Store, object_key
from sandbox.emsp.wire import Json

T = TypeVar("T")
_CALL_TIMEOUT = 60.0
_START_TIMEOUT = 10.0


class Emsp:
    """Hold a running eMSP; every method may be called from any thread.

    Errors of the CPO surface as `client.PeerError`, of the handshake as
    `registration.RegistrationError`.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._store = Store(settings.database)
        self._service = Service(settings, self._store)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="sandbox-emsp")

    def start(self) -> Self:
        """Start listening; return self."""
        self._thread.start()
        try:
            self._run(self._service.start(), timeout=_START_TIMEOUT)
        except BaseException:
            self._end()
            raise
        return self

    def stop(self) -> None:
        """Stop and close everything."""
        try:
            self._run(self._service.stop())
        finally:
            self._end()

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._store.close()

    def _run(self, work: Coroutine[Any, Any, T], timeout: float = _CALL_TIMEOUT) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout)

    # What it is and holds

    @property
    def url(self) -> str:
        """Return the address of the pages, without a trailing slash."""
        return self._service.url

    @property
    def versions_url(self) -> str:
        """Return the OCPI versions URL: with `own_token_a`, what a CPO needs to register here."""
        return f"{self.url}/ocpi/versions"

    @property
    def own_token_a(self) -> str:
        """Return the token A with which a CPO may register here."""
        return self._service.peer.own_token_a

    @property
    def registered(self) -> bool:
        """Answer whether the handshake is done."""
        return self._service.peer.registered

    @property
    def state(self) -> Json:
        """Summarise party, registration and active faults."""
        return self._service.ocpi.state()

    @property
    def version(self) -> str:
        """Return the version of the registration ("" when not registered)."""
        return self._service.peer.version

    @property
    def inbound_token(self) -> str:
        """Return the token the CPO uses here ("" when not registered)."""
        return str(self._service.peer.registration.get("inbound_token", ""))

    @property
    def outbound_token(self) -> str:
        """Return the token this eMSP uses at the CPO ("" when not registered)."""
        return self._service.peer.outbound_token

    def objects(self, module: str) -> list[Json]:
        """List what is held of locations, tariffs, sessions, cdrs, tokens or commands."""
        return self._store.objects(module)

    def read(self, module: str, body: Json) -> Json:
        """Return a received object in the form of OCPI 2.2.1, whatever its version: see `reading`.

        Prices are `excl_vat` and `incl_vat`, whoever pays is in `cdr_token`.
        """
        return self._service.peer.read(module, body)

    def get(self, module: str, country_code: str, party_id: str, object_id: str) -> Json | None:
        """Return one object by its owner and id, or None."""
        return self._store.get(module, object_key(country_code, party_id, object_id))

    def profile_request(self, request_id: str) -> Json | None:
        """Return one request about a charging profile with its `response` and `result`."""
        return self._store.get("profiles", object_key(request_id))

    def active_profile(self, session_id: str) -> Json | None:
        """Return the last ActiveChargingProfile of a session: `profile`, `how` (told or result)."""
        return self._store.get("active_profiles", object_key(session_id))

    def command(self, command_id: str) -> Json | None:
        """Return one command with its `response` and, later, its `result`."""
        return self._store.get("commands", object_key(command_id))

    def violations(self, rule: str = "", *, severity: str = "") -> list[Json]:
        """List broken rules, oldest first; `severity` is "refused" or "noted"."""
        return [
            entry
            for entry in reversed(self._store.records("violations"))
            if rule in {"", entry["rule"]} and severity in {"", entry["severity"]}
        ]

    def messages(self, *, direction: str = "", module: str = "", method: str = "") -> list[Json]:
        """List logged messages, oldest first; `direction` is "in" or "out"."""
        return [
            entry
            for entry in reversed(self._store.records("messages"))
            if direction in {"", entry["direction"]}
            and module in {"", entry["module"]}
            and method in {"", entry["method"]}
        ]

    # What it does

    def register(self, versions_url: str, token_a: str, version: str = "") -> None:
        """Perform the handshake as the initiating party; the version is that of the settings."""
        self._run(self._service.registration.register(versions_url, token_a, version))

    def renew(self) -> None:
        """Replace both tokens (PUT credentials)."""
        self._run(self._service.registration.renew())

    def offer(self, version: str) -> None:
        """Add a version to those a CPO finds at our versions URL."""
        self._service.peer.offer(version)

    def switch_version(self, version: str) -> None:
        """Move the registration to another version (PUT to its credentials endpoint).

        What was received in the old version is dropped: `pull`, or wait for what is pushed.
        """
        self._run(self._service.registration.renew(version))

    def unregister(self) -> None:
        """End the registration (DELETE credentials)."""
        self._run(self._service.registration.unregister())

    def assume_registered(
        self,
        *,
        inbound_token: str,
        outbound_token: str,
        versions_url: str,
        endpoints: list[Json],
        roles: list[Json],
        version: str = "",
    ) -> None:
        """Take a registration as given, without a handshake: for tests that are not about it."""
        self._service.peer.save(
            inbound_token=inbound_token,
            outbound_token=outbound_token,
            versions_url=versions_url,
            endpoints=endpoints,
            roles=roles,
            initiated_by="emsp",
            version=version or self._service.settings.offered[-1],
        )

    def pull(self, *modules: str) -> dict[str, int]:
        """Pull whole lists (all modules by default); return the number of objects of each."""
        if modules:
            return self._run(self._service.client.pull(modules))
        return self._run(self._service.client.pull())

    def push_tokens(self) -> int:
        """PUT all our tokens to the CPO; return how many."""
        return self._run(self._service.client.put_tokens())

    def add_token(self, token: Json, *, push: bool = True) -> None:
        """Add or replace one of our tokens, and PUT it to the CPO."""
        self._service.tokens.save(token)
        if push:
            self._run(self._service.client.put_token(token))

    def start_session(
        self, *, location_id: str, token_uid: str, evse_uid: str = "", connector_id: str = ""
    ) -> Json:
        """Send START_SESSION; return the command (`id`, `response`)."""
        return self._run(
            self._service.orders.start_session(
                location_id=location_id,
                evse_uid=evse_uid,
                connector_id=connector_id,
                token_uid=token_uid,
            )
        )

    def stop_session(self, session_id: str) -> Json:
        """Send STOP_SESSION; return the command."""
        return self._run(self._service.orders.stop_session(session_id))

    def reserve_now(
        self,
        *,
        location_id: str,
        token_uid: str,
        evse_uid: str = "",
        reservation_id: str = "",
        expiry_date: datetime | None = None,
    ) -> Json:
        """Send RESERVE_NOW (for 15 minutes by default); return the command."""
        return self._run(
            self._service.orders.reserve_now(
                location_id=location_id,
                evse_uid=evse_uid,
                token_uid=token_uid,
                reservation_id=reservation_id,
                expiry_date=expiry_date,
            )
        )

    def cancel_reservation(self, reservation_id: str) -> Json:
        """Send CANCEL_RESERVATION (not in 2.1.1); return the command."""
        return self._run(self._service.orders.cancel_reservation(reservation_id))

    def unlock_connector(self, *, location_id: str, evse_uid: str, connector_id: str) -> Json:
        """Send UNLOCK_CONNECTOR; return the command."""
        return self._run(
            self._service.orders.unlock_connector(
                location_id=location_id, evse_uid=evse_uid, connector_id=connector_id
            )
        )

    def set_preferences(self, session_id: str, **preferences: Any) -> str:
        """PUT ChargingPreferences (`profile_type`, ...); return the answer, such as ACCEPTED."""
        return self._run(self._service.orders.set_preferences(session_id, preferences))

    def set_profile(self, session_id: str, profile: Json) -> Json:
        """PUT a ChargingProfile; return the request (`id`, `response`, later `result`)."""
        return self._run(self._service.orders.set_profile(session_id, profile))

    def get_profile(self, session_id: str, *, duration: int = 900, encoded: bool = True) -> Json:
        """Ask for the ActiveChargingProfile; return the request.

        `encoded` False: the response_url is put into the query as it is.
        """
        return self._run(
            self._service.orders.get_profile(session_id, duration=duration, encoded=encoded)
        )

    def clear_profile(self, session_id: str) -> Json:
        """DELETE our ChargingProfile of a session; return the request."""
        return self._run(self._service.orders.clear_profile(session_id))

    def client_info(self, party: str, status: str) -> Json:
        """As a hub: change the status of a party behind us (`NL*EM1`) and tell the CPO."""
        return self._run(self._service.hub.set_status(party, status))

    def answer_authorization(self, token_uid: str, allowed: str, **options: Any) -> None:
        """Set the real-time answer for a token: see `sender.Tokens.configure`."""
        self._service.tokens.configure({"token_uid": token_uid, "allowed": allowed, **options})

    def misbehave(self, kind: str, **values: Any) -> None:
        """Switch a fault on: see `faults.Fault` (`module`, `count`, `stage`, `seconds`, ...)."""
        self._service.faults.add({"kind": kind, **values})

    def behave(self) -> None:
        """Switch all faults off."""
        self._service.faults.clear()

    def forget(self) -> None:
        """Drop received objects, commands, messages and violations; stay registered."""
        self._store.forget((*HELD_MODULES, "commands", "profiles", "active_profiles"))

    def wait_for(
        self, predicate: Callable[["Emsp"], T], timeout: float = 10.0, what: str = ""
    ) -> T:
        """Wait until `predicate(self)` is true and return its value.

        It is asked again after every write. Raise TimeoutError, naming what is held, after
        `timeout` seconds.
        """
        deadline = time.monotonic() + timeout
        while True:
            seen = self._store.changes
            if value := predicate(self):
                return value
            if not self._store.wait_for_change(seen, max(0.0, deadline - time.monotonic())):
                raise TimeoutError(self._missed(what or "the condition", timeout))

    def _missed(self, what: str, timeout: float) -> str:
        held = {name: self._store.count(name) for name in ("locations", "sessions", "cdrs")}
        last = [
            f"{m['direction']} {m['method']} {m['url']} -> {m['status']}/{m['status_code']}"
            f" {m['error']}"
            for m in self.messages()[-8:]
        ]
        broken = [f"{v['rule']}: {v['detail']}" for v in self.violations()[-5:]]
        report = {"held": held, "last messages": last, "last violations": broken}
        return f"{what} did not come true in {timeout} s; {json.dumps(report, indent=1)}"


@contextmanager
def running_emsp(**settings: Any) -> Iterator[Emsp]:
    """Run an eMSP on a free port for the length of a with block; keywords as in Settings.

    The database is in memory and tokens are not pushed on their own, unless asked for.
    """
    chosen = {"port": 0, "database": ":memory:", "push_tokens": False, **settings}
    emsp = Emsp(Settings(**chosen)).start()
    try:
        yield emsp
    finally:
        emsp.stop()
