"""What goes wrong, and when: one misfortune every few seconds, and what puts it right again.

Everything happens in the main thread, by `tick`: processes die with the thread that started them.
Whatever is broken is put right within seconds, as a supervisor, a machine or a partner would.
"""

import contextlib
import http.client
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence

from bench.chaos.sandboxes import Sandbox
from bench.chaos.servers import Servers
from bench.stack import NotInTime, Stack, wait_until
from cpo_platform.common import clock

PAUSE = (1.5, 5.0)
BACK_SECONDS = 60.0
# Kinds of misbehaviour of a partner, as the sandbox knows them.
FAULTS: tuple[dict[str, object], ...] = (
    {"kind": "down"},
    {"kind": "status", "status": 500},
    {"kind": "status", "status": 500, "stage": "after"},
    {"kind": "status", "status": 429, "retry_after": 2},
    {"kind": "truncated", "stage": "after"},
    {"kind": "html"},
    {"kind": "html", "stage": "after"},
    {"kind": "hang", "seconds": 12, "stage": "after"},
    {"kind": "hang", "seconds": 0.05, "stage": "after"},
    {"kind": "huge", "stage": "after"},
    {"kind": "redirect"},
)


class Havoc:
    """Breaks things at random moments; `done` counts them by kind."""

    def __init__(
        self, stack: Stack, servers: Servers, sandboxes: Sequence[Sandbox], seed: int
    ) -> None:
        self.done: Counter[str] = Counter()
        self._stack, self._servers, self._sandboxes = stack, servers, sandboxes
        self._chance = random.Random(seed)
        self._next = 0.0
        # What is still to be put right: the moment, and how.
        self._later: list[tuple[float, Callable[[], None]]] = []
        self._down: set[str] = set()
        self._stopped: set[str] = set()
        self._kinds: list[tuple[int, Callable[[], None]]] = [
            (10, self._kill_process),
            (4, self._kill_leader),
            (4, self._kill_sandbox),
            (3, self._wipe_broker),
            (1, self._crash_postgres),
            (2, self._kill_client),
            (3, self._stop_sandbox),
            (6, self._misbehave),
        ]

    def tick(self) -> None:
        """Put right what is due, start again what has ended by itself, break the next thing."""
        now = time.monotonic()
        due = [entry for entry in self._later if entry[0] <= now]
        self._later = [entry for entry in self._later if entry[0] > now]
        for _moment, put_right in due:
            put_right()
        self.watch()
        if now >= self._next:
            self._next = now + self._chance.uniform(*PAUSE)
            weights, kinds = zip(*self._kinds, strict=True)
            self._chance.choices(kinds, weights)[0]()

    def watch(self) -> None:
        """Start again what ended though nobody killed it."""
        for name in (*self._stack.platform, *(sandbox.name for sandbox in self._sandboxes)):
            if name not in self._down and not self._stack.runs(name):
                self.done[f"{name} ended by itself"] += 1
                self._restart(name)

    def heal(self) -> None:
        """Put everything right; return once every partner answers."""
        for _moment, put_right in self._later:
            put_right()
        self._later.clear()
        self.watch()
        for sandbox in self._sandboxes:
            wait_until(lambda: sandbox.answers, seconds=BACK_SECONDS, what=sandbox.name)  # noqa: B023  called here only
            sandbox.behave()

    def _in(self, longest: float, put_right: Callable[[], None]) -> None:
        moment = time.monotonic() + self._chance.uniform(0, longest)
        self._later.append((moment, put_right))

    def _restart(self, name: str) -> None:
        self._stack.bury(name)
        self._stack.start(name)
        self._down.discard(name)

    def _kill(self, name: str, *, leader_only: bool = False) -> None:
        self.done[f"kill {name}{', not its children' if leader_only else ''}"] += 1
        if name == self._stack.pusher:
            self._sender_gone()
        self._down.add(name)
        self._stack.kill(name, leader_only=leader_only)
        self._in(3.0, lambda: self._restart(name))

    def _sender_gone(self) -> None:
        now = clock.now()
        for sandbox in self._sandboxes:
            sandbox.disturb(now, now)

    def _kill_process(self) -> None:
        names = [name for name in self._stack.platform if name not in self._down]
        # Whoever pushes is what this is about.
        names += [self._stack.pusher] * 2 if self._stack.pusher in names else []
        if names:
            self._kill(self._chance.choice(names))

    def _kill_leader(self) -> None:
        names = [n for n in self._stack.platform if n not in self._down and n != "beat"]
        if names:
            self._kill(self._chance.choice(names), leader_only=True)

    def _sandbox(self) -> Sandbox | None:
        able = [s for s in self._sandboxes if s.name not in self._down | self._stopped]
        return self._chance.choice(able) if able else None

    def _kill_sandbox(self) -> None:
        if sandbox := self._sandbox():
            self._kill(sandbox.name)

    def _wipe_broker(self) -> None:
        self.done["wipe the broker"] += 1
        self._servers.wipe_broker()

    def _crash_postgres(self) -> None:
        self.done["crash PostgreSQL"] += 1
        self._sender_gone()
        self._servers.crash_postgres()
        self._servers.start()

    def _kill_client(self) -> None:
        if self._servers.kill_client(self._chance):
            self._sender_gone()
            self.done["kill a process of PostgreSQL"] += 1

    def _stop_sandbox(self) -> None:
        if sandbox := self._sandbox():
            self.done["stop a partner for a while"] += 1
            pid, since = self._stack.pid(sandbox.name), clock.now()
            os.kill(pid, signal.SIGSTOP)
            self._stopped.add(sandbox.name)

            def go_on() -> None:
                os.kill(pid, signal.SIGCONT)
                self._stopped.discard(sandbox.name)
                sandbox.disturb(since, clock.now())

            self._in(15.0, go_on)

    def _misbehave(self) -> None:
        if sandbox := self._sandbox():
            fault = self._chance.choice(FAULTS)
            with contextlib.suppress(OSError, http.client.HTTPException):
                sandbox.misbehave(**fault)
                self.done[f"a partner's {fault['kind']}"] += 1
            self._in(8.0, lambda: self._behave(sandbox))

    def _behave(self, sandbox: Sandbox) -> None:
        # A request that hangs may meet the next one: its sender has given up by then.
        now = clock.now()
        sandbox.disturb(now, now)
        if sandbox.name not in self._stopped:
            with contextlib.suppress(OSError, http.client.HTTPException, NotInTime):
                sandbox.behave()
