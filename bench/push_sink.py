"""The sink as seen from the benchmarks: start it, ask it, and read what it has written down."""

import contextlib
import http.client
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from bench.sink import RECORD
from bench.stack import ROOT, NotInTime
from cpo_platform.runner import processes


@dataclass(frozen=True)
class Request:
    """One request as the sink got it: `at` in nanoseconds, `status` as it was answered."""

    at: int
    status: int
    head: bytes
    body: bytes

    @cached_property
    def line(self) -> tuple[str, str]:
        """Return method and path."""
        method, path = self.head[: self.head.index(b"\r\n")].decode().split(" ")[:2]
        return method, path

    @property
    def method(self) -> str:
        return self.line[0]

    @property
    def path(self) -> str:
        return self.line[1]

    @property
    def partner(self) -> str:
        return self.path.split("/", 2)[1]

    @property
    def taken(self) -> bool:
        return self.status in {200, 201}

    @property
    def headers(self) -> dict[str, str]:
        lines = self.head.decode("latin-1").split("\r\n")[1:]
        return {name: value.strip() for name, _colon, value in (x.partition(":") for x in lines)}

    def moments(self) -> Iterator[tuple[str, datetime]]:
        """Yield the EVSEs whose state it tells, by uid, and their `last_updated`."""
        if "/locations/" not in self.path or not self.body:
            return
        place = self.path.partition("/locations/")[2].split("/")
        document: dict[str, Any] = json.loads(self.body)
        if len(place) > 3:
            yield place[3], datetime.fromisoformat(document["last_updated"])
        for evse in document.get("evses", ()):
            yield evse["uid"], datetime.fromisoformat(evse["last_updated"])


class Sink:
    """A sink that runs; every method asks it anew."""

    def __init__(self, port: int) -> None:
        self.port = port

    def url(self, partner: str) -> str:
        return f"http://127.0.0.1:{self.port}/{partner}/ocpi"

    def clear(self) -> None:
        self._ask("POST", "clear")

    def misbehave(self, partner: str, kind: str) -> None:
        self._ask("POST", f"fault/{partner}?kind={kind}")

    def behave(self, partner: str) -> None:
        self._ask("POST", f"fault/{partner}")

    def counts(self) -> dict[str, tuple[int, int]]:
        """Return by partner: requests, and those that were answered well."""
        return {name: (got, well) for name, (got, well) in self._json("counts").items()}

    def taken(self) -> int:
        """Return how many requests were answered well, of all partners."""
        return sum(well for _got, well in self.counts().values())

    def requests(self) -> list[Request]:
        """Return all that was recorded, in order."""
        data, place, found = self._ask("GET", "records?from=0"), 0, []
        while place < len(data):
            at, status, head_length, body_length = RECORD.unpack_from(data, place)
            place += RECORD.size
            head = data[place : place + head_length]
            place += head_length
            found.append(Request(at, status, head, data[place : place + body_length]))
            place += body_length
        return found

    def wait_for(self, number: int, *, seconds: float, what: str) -> None:
        """Wait until so many requests were taken; give up where none comes for `seconds`.

        Raises:
            NotInTime: with the number that came.

        """
        before, since = -1, time.monotonic()
        while (taken := self.taken()) < number:
            if taken != before:
                before, since = taken, time.monotonic()
            if time.monotonic() - since > seconds:
                raise NotInTime(f"{what}: {taken} of {number} requests, then none for {seconds} s")
            time.sleep(0.05)

    def wait_for_quiet(self, *, seconds: float = 1.5) -> None:
        """Wait until nothing has come for some seconds."""
        before, since = self.taken(), time.monotonic()
        while time.monotonic() - since < seconds:
            time.sleep(0.1)
            if (taken := self.taken()) != before:
                before, since = taken, time.monotonic()

    def _json(self, path: str) -> Any:
        return json.loads(self._ask("GET", path))

    def _ask(self, method: str, path: str) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, f"/control/{path}")
            return connection.getresponse().read()
        finally:
            connection.close()


@contextlib.contextmanager
def running_sink() -> Iterator[Sink]:
    """Run a sink in a process of its own."""
    process = processes.spawn(
        [sys.executable, "-m", "bench.sink"],
        death_signal=signal.SIGKILL,
        output=subprocess.PIPE,
        cwd=ROOT,
    )
    assert process.stdout is not None
    try:
        yield Sink(int(process.stdout.readline()))
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def rate(requests: list[Request]) -> float:
    """Return requests a second between the first and the last."""
    lasted = (requests[-1].at - requests[0].at) / 1e9
    return (len(requests) - 1) / lasted if lasted else 0.0
