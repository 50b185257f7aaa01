"""A sink: any number of eMSPs that take whatever they are sent, and write down when.

    python -m bench.sink [--port 0]

One process, one thread, plain asyncio; it prints the port it listens on. The first segment of a
path is the partner (`/p7/ocpi/...`). Every request is kept as it came, with the moment of its last
byte; `bench.push_sink` reads them over the control paths:

* GET  /control/counts             {"p7": [requests, requests that were answered well], ...}
* GET  /control/records?from=N     the records from number N on, binary: see `RECORD`
* POST /control/clear              forget all records
* POST /control/fault/p7?kind=K    misbehave towards one partner; no kind: behave again

A fault is what its name says; `FAULTS` lists them.
"""

import argparse
import asyncio
import struct
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import formatdate
from urllib.parse import parse_qs, urlsplit

# Of each record: the moment (time.time_ns), HTTP status (0: no answer), length of the head and of
# the body, which follow.
RECORD = struct.Struct("!QHII")

HEAD_END = b"\r\n\r\n"
SLOW_SECONDS = 3.0
RETRY_AFTER = 2
ENDLESS_BYTES = 1_000_000_000
CHUNK = b" " * 65536

FAULTS = (
    "gone",  # the connection is closed without a word
    "503",
    "hang",
    "slow",
    "429",
    "500",
    "truncated",
    "html",
    "endless",
    "redirect",
    "401",
)

Record = tuple[int, int, bytes, bytes]


class State:
    """What all connections share."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.counts: dict[str, list[int]] = {}
        self.faults: dict[str, str] = {}
        self._second = 0
        self._answers: dict[int, bytes] = {}

    def answer(self, status: int) -> bytes:
        """Return the answer that an eMSP gives to what it takes; made once a second."""
        second = int(time.time())
        if second != self._second:
            self._second = second
            moment = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            body = b'{"status_code":1000,"timestamp":"%s"}' % moment.encode()
            self._answers = {code: http(code, body) for code in (200, 201)}
        return self._answers[status]


def http(
    status: int, body: bytes, *, kind: str = "application/json", more: tuple[str, ...] = ()
) -> bytes:
    """Return an HTTP answer that keeps the connection."""
    lines = [
        f"HTTP/1.1 {status} X",
        f"Content-Type: {kind}",
        f"Content-Length: {len(body)}",
        f"Date: {formatdate(usegmt=True)}",
        *more,
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


class Connection(asyncio.Protocol):
    """One connection: requests one after the other."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._buffer = b""
        self._busy = False
        self._writable = asyncio.Event()
        self._writable.set()
        self._task: asyncio.Task[None] | None = None
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, _error: Exception | None) -> None:
        self._writable.set()
        if self._task is not None:
            self._task.cancel()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data
        while self._buffer and not self._busy:
            end = self._buffer.find(HEAD_END)
            if end < 0:
                return
            head = self._buffer[:end]
            length = _content_length(head)
            start = end + len(HEAD_END)
            if len(self._buffer) < start + length:
                return
            body = self._buffer[start : start + length]
            self._buffer = self._buffer[start + length :]
            self._take(head, body)

    def _take(self, head: bytes, body: bytes) -> None:
        moment = time.time_ns()
        method, path = head[: head.index(b"\r\n")].split(b" ", 2)[:2]
        partner = path[1 : path.index(b"/", 1)].decode()
        if partner == "control":
            self._transport.write(control(self._state, path.decode()))
            return
        count = self._state.counts.setdefault(partner, [0, 0])
        count[0] += 1
        kind = self._state.faults.get(partner)
        if kind is not None:
            self._state.records.append((moment, FAULTY[kind], head, body))
            self._misbehave(kind, path)
            return
        count[1] += 1
        status = 200 if method in {b"PATCH", b"DELETE"} else 201
        location = method == b"POST"
        self._state.records.append((moment, status, head, body))
        answer = self._state.answer(status)
        if location:
            place = b"Location: http://%s%s/%d\r\n" % (_host(head), path, count[1])
            answer = answer.replace(b"\r\n", b"\r\n" + place, 1)
        self._transport.write(answer)

    def _misbehave(self, kind: str, path: bytes) -> None:
        if kind == "gone":
            self._transport.abort()
        elif kind == "hang":
            self._busy = True
        elif kind == "slow":
            self._busy = True
            self._task = asyncio.get_running_loop().create_task(self._answer_late())
        elif kind == "endless":
            self._busy = True
            self._task = asyncio.get_running_loop().create_task(self._write_endlessly())
        elif kind == "redirect":
            # With one slash more each time: what follows it once is sent on again.
            self._transport.write(http(307, b"", more=(f"Location: {path.decode()}/",)))
        else:
            self._transport.write(BROKEN[kind])

    async def _answer_late(self) -> None:
        await asyncio.sleep(SLOW_SECONDS)
        self._transport.write(self._state.answer(200))
        self._busy = False
        self.data_received(b"")

    async def _write_endlessly(self) -> None:
        self._transport.write(
            b"HTTP/1.1 200 X\r\nContent-Type: application/json\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        for _ in range(ENDLESS_BYTES // len(CHUNK)):
            await self._writable.wait()
            if self._transport.is_closing():
                return
            self._transport.write(b"%x\r\n%s\r\n" % (len(CHUNK), CHUNK))
        self._transport.abort()


# What each fault answers, 0 where nothing that counts as an answer is sent; and the plain ones.
FAULTY = {
    "gone": 0,
    "503": 503,
    "hang": 0,
    "slow": 200,
    "429": 429,
    "500": 500,
    "truncated": 0,
    "html": 0,
    "endless": 0,
    "redirect": 307,
    "401": 401,
}
BROKEN = {
    "503": http(503, b"", kind="text/plain"),
    "429": http(429, b"", more=(f"Retry-After: {RETRY_AFTER}",)),
    "500": http(500, b'{"status_code":3000}'),
    "truncated": http(200, b'{"status_code":10'),
    "html": http(200, b"<!doctype html><h1>It works!</h1>", kind="text/html"),
    "401": http(401, b'{"status_code":2001}'),
}


def control(state: State, path: str) -> bytes:
    """Answer a control path."""
    parts = urlsplit(path)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    action = parts.path.removeprefix("/control/")
    name, _slash, partner = action.partition("/")
    actions: dict[str, Callable[[], bytes]] = {
        "counts": lambda: _counts(state),
        "records": lambda: _records(state, int(query.get("from", 0))),
        "clear": lambda: _clear(state),
        "fault": lambda: _fault(state, partner, query.get("kind", "")),
    }
    if name not in actions:
        return http(404, b"")
    return http(200, actions[name](), kind="application/octet-stream")


def _counts(state: State) -> bytes:
    pairs = (f'"{partner}":{numbers}' for partner, numbers in state.counts.items())
    return f"{{{','.join(pairs)}}}".encode()


def _records(state: State, first: int) -> bytes:
    parts = []
    for moment, status, head, body in state.records[first:]:
        parts += [RECORD.pack(moment, status, len(head), len(body)), head, body]
    return b"".join(parts)


def _clear(state: State) -> bytes:
    state.records.clear()
    state.counts.clear()
    return b""


def _fault(state: State, partner: str, kind: str) -> bytes:
    if kind:
        assert kind in FAULTS, f"{kind} is no fault"
        state.faults[partner] = kind
    else:
        state.faults.pop(partner, None)
    return b""


def _content_length(head: bytes) -> int:
    lower = head.lower()
    start = lower.find(b"\r\ncontent-length:")
    if start < 0:
        return 0
    start += len(b"\r\ncontent-length:")
    end = lower.find(b"\r\n", start)
    return int(lower[start : end if end >= 0 else len(lower)])


def _host(head: bytes) -> bytes:
    start = head.lower().find(b"\r\nhost:") + len(b"\r\nhost:")
    return head[start : head.find(b"\r\n", start)].strip()


async def serve(port: int) -> None:
    """Serve for ever; print the port once it listens."""
    state = State()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(state), "127.0.0.1", port, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.sink", description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    asyncio.run(serve(parser.parse_args().port))


if __name__ == "__main__":
    main()
