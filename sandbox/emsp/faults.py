"""Deliberate misbehaviour, to show how the CPO copes with a broken partner."""

import asyncio
from dataclasses import asdict, dataclass, replace
from typing import Any

from aiohttp import web

from sandbox.emsp.wire import Json

KINDS = ("down", "hang", "status", "truncated", "html", "huge", "redirect")
HUGE_BYTES = 64 * 1024 * 1024
_CHUNK = b" " * (64 * 1024)
_MAX_HANG = 600.0


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Describe one fault.

    `kind`: one of KINDS. `module`: an OCPI module, "versions" or "*". `count`: how many requests,
    0 for all until cleared. `stage`: "before" the message is processed, or "after" (the message is
    stored, only its answer goes wrong). `seconds` belongs to hang, `status` and `retry_after` to
    status, `location` to redirect.
    """

    kind: str
    module: str = "*"
    count: int = 0
    stage: str = "before"
    seconds: float = 30.0
    status: int = 500
    retry_after: int = 5
    location: str = "http://127.0.0.1:9/elsewhere"


class Faults:
    """Hold the active faults; in memory only, a restart behaves again."""

    def __init__(self) -> None:
        self._active: list[Fault] = []

    def add(self, values: dict[str, Any]) -> Fault:
        """Switch a fault on; raise ValueError when it makes no sense."""
        try:
            fault = Fault(**values)
        except TypeError as error:
            raise ValueError(f"misbehave: {error}") from error
        if fault.kind not in KINDS or fault.stage not in {"before", "after"}:
            raise ValueError(f"misbehave: kind is one of {', '.join(KINDS)}; stage before or after")
        if not (
            0 <= fault.seconds <= _MAX_HANG and 200 <= fault.status <= 599 and fault.count >= 0
        ):
            raise ValueError("misbehave: seconds 0-600, status 200-599, count from 0")
        self._active.append(fault)
        return fault

    def clear(self) -> None:
        """Behave again."""
        self._active = []

    def listing(self) -> list[Json]:
        """List the active faults."""
        return [asdict(fault) for fault in self._active]

    def take(self, module: str, stage: str) -> Fault | None:
        """Return the fault this request meets, if any, and count it."""
        for index, fault in enumerate(self._active):
            if fault.stage == stage and fault.module in {"*", module}:
                self._count(index, fault)
                return fault
        return None

    def _count(self, index: int, fault: Fault) -> None:
        if fault.count == 1:
            del self._active[index]
        elif fault.count > 1:
            self._active[index] = replace(fault, count=fault.count - 1)


async def misbehave(fault: Fault, request: web.Request, honest: web.Response) -> web.StreamResponse:
    """Spoil an honest answer."""
    if fault.kind == "hang":
        await asyncio.sleep(fault.seconds)
        return honest
    if fault.kind == "huge":
        return await _huge(request)
    if fault.kind == "truncated":
        body = honest.body if isinstance(honest.body, bytes) else b"{}"
        return _reply(200, body[: max(1, len(body) // 2)], "application/json")
    return _plain(fault)


def _plain(fault: Fault) -> web.Response:
    if fault.kind == "down":
        return _reply(503, b"", "text/plain")
    if fault.kind == "html":
        return _reply(200, b"<!doctype html><h1>It works!</h1>", "text/html")
    if fault.kind == "redirect":
        return web.Response(status=301, headers={"Location": fault.location})
    headers = {"Retry-After": str(fault.retry_after)} if fault.status in {429, 503} else {}
    return web.Response(status=fault.status, headers=headers)


def _reply(status: int, body: bytes, content_type: str) -> web.Response:
    return web.Response(status=status, body=body, content_type=content_type)


async def _huge(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    transport = request.transport
    await response.prepare(request)
    try:
        await response.write(b'{"status_code": 1000, "data": "')
        for _ in range(HUGE_BYTES // len(_CHUNK)):
            await response.write(_CHUNK)
        await response.write(b'"}')
        await response.write_eof()
    except BaseException:
        # A reader that stopped reading must not hold up our own end: drop what is buffered.
        if transport:
            transport.abort()
        raise
    return response
