"""A balancer, as a proxy in front of several processes is one: TCP, each connection to the next.

One that does not take a connection is passed over; nothing else is known of it.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Sequence
from itertools import count

from bench.stack import free_port

READ_SIZE = 65_536


class Balancer:
    """Listens at `port` of the loopback until it is closed; it has a thread of its own."""

    def __init__(self, ports: Sequence[int]) -> None:
        self.port = free_port()
        self._ports = list(ports)
        self._turns = count()
        self._listens = threading.Event()
        self._close: Callable[[], object] = lambda: None
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._run()), name="balancer", daemon=True
        )

    def start(self) -> None:
        self._thread.start()
        self._listens.wait()

    def close(self) -> None:
        self._close()
        self._thread.join()

    async def _run(self) -> None:
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        self._close = lambda: loop.call_soon_threadsafe(ended.set)
        await asyncio.start_server(self._serve, "127.0.0.1", self.port, backlog=1000)
        self._listens.set()
        await ended.wait()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind = await self._connect()
        if behind is None:
            writer.close()
            return
        await asyncio.gather(
            _pass_on(reader, behind[1]), _pass_on(behind[0], writer), return_exceptions=True
        )

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        first = next(self._turns)
        for number in range(len(self._ports)):
            port = self._ports[(first + number) % len(self._ports)]
            with contextlib.suppress(OSError):
                return await asyncio.open_connection("127.0.0.1", port)
        return None


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass on what comes until one side is gone; then the other one is told."""
    with contextlib.suppress(OSError):
        while data := await reader.read(READ_SIZE):
            writer.write(data)
            await writer.drain()
    with contextlib.suppress(OSError):
        writer.close()
