"""Stations that say what no station should, until so many frames were sent; a process of its own.

    python -m bench.ocpp_hostile --url ws://127.0.0.1:9000/ocpp --frames 50000 --seed 1
        --password X --stations 1.6:BENCH-2:2:NOBODYS 2.0.1:STRANGER-1:3:NOBODYS

A station is its version, identity, number and the cards that it shows. Each sends a frame after the
answer to the one before, where there is to be one, and connects anew when it is cut off. After each
10 000 frames of all together a line says so; what came of it is the last line, in JSON.
"""

import argparse
import asyncio
import base64
import json
import sys
from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import uvloop
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.typing import Subprotocol

from bench.ocpp_frames import Frame, Frames, NotText
from ocpp_gateway import frames as ocpp

MARK = 10_000
MOST_BYTES = 262_144
STRANGERS_SHARE = 20
# Any frame of a call is answered in this time, or the promise is broken.
ANSWER_SECONDS = 10.0
HANDSHAKES = (
    b"GET /ocpp/BENCH-2 HTTP/1.1\r\n\r\n",
    b"GET //[ HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST /ocpp/BENCH-2 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
    b"GET /ocpp/%ff%00 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /ocpp/" + b"x" * 20_000 + b" HTTP/1.1\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 200,
    b"OPTIONS * HTTP/2\r\n\r\n",
    b"\x00" * 5000,
    b"GET /ocpp/BENCH-2 HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 500 + b"\r\n",
    b"GET /ocpp/BENCH-2 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: nonsense\r\nSec-WebSocket-Version: 7\r\n\r\n",
    b"GET /ocpp/BENCH-2 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    b"Authorization: Basic \xff\xfe\xfd\r\n\r\n",
    b"GET /ocpp/BENCH-2 HTTP/1.1\r\nHo",
)


@dataclass
class Report:
    """What was sent and what came of it, by kind; `wrong` is what should not have been."""

    sent: "Counter[str]" = field(default_factory=Counter)
    came: "Counter[str]" = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    count: int = 0

    def add(self, kind: str) -> None:
        self.sent[kind] += 1
        self.count += 1
        if self.count % MARK == 0:
            print(json.dumps({"sent": self.count}), flush=True)

    def line(self) -> str:
        return json.dumps({"frames": self.sent, "answers": self.came, "wrong": self.wrong})


class Hostile:
    """One hostile station."""

    def __init__(self, url: str, told: str, password: str, seed: str, report: Report) -> None:
        version, self.identity, number, cards = told.split(":")
        self._version, self._url, self._password = version, url, password
        self._frames = Frames(version, int(number), cards.split(","), seed, MOST_BYTES)
        self._report = report
        self._count = 0

    async def run(self, most: int) -> None:
        """Send until all together have sent so many; a stranger, who is answered at once, fewer."""
        own = most // STRANGERS_SHARE if self.identity.startswith("STRANGER") else most
        while self._goes_on(most, own):
            try:
                async with self._connected() as socket:
                    await socket.send(self._frames.boot())
                    await socket.recv()
                    while self._goes_on(most, own):
                        await self._one(socket)
            except ConnectionClosed as error:
                self._report.came[f"closed {error.rcvd.code if error.rcvd else 'abruptly'}"] += 1
            except (OSError, WebSocketException, TimeoutError) as error:
                self._report.wrong.append(f"{self.identity}: {error!r:.200}")
                return

    def _goes_on(self, most: int, own: int) -> bool:
        return self._report.count < most and self._count < own

    def _connected(self) -> connect:
        secret = base64.b64encode(f"{self.identity}:{self._password}".encode()).decode()
        return connect(
            f"{self._url}/{self.identity}",
            subprotocols=[Subprotocol(f"ocpp{self._version}")],
            additional_headers={"Authorization": f"Basic {secret}"},
            compression=None,
            max_size=None,
            ping_interval=None,
        )

    async def _one(self, socket: ClientConnection) -> None:
        kind, frame = self._frames.next()
        self._report.add(kind)
        self._count += 1
        await socket.send(frame, text=isinstance(frame, (str, NotText)))
        if not _is_answered(frame):
            return
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                answer = json.loads(await socket.recv())
        except TimeoutError:
            self._report.wrong.append(f"{self.identity}: no answer to {kind}: {frame[:200]!r}")
            return
        self._report.came["result" if answer[0] == 3 else str(answer[2])] += 1
        if answer[0] == 3 and "transactionId" in answer[2]:
            self._learn(answer[2]["transactionId"])

    def _learn(self, number: int) -> None:
        if number not in self._frames.transactions:
            self._frames.transactions.append(number)


def _is_answered(frame: Frame) -> bool:
    try:
        return isinstance(ocpp.parse(bytes_of(frame), most_bytes=MOST_BYTES), ocpp.Call)
    except ocpp.BadFrame as error:
        return error.message_type in {ocpp.CALL, None}


def bytes_of(frame: Frame) -> bytes:
    return frame.encode() if isinstance(frame, str) else frame


async def knock(url: str, report: Report, most: int) -> None:
    """Knock at the door in all wrong ways, as long as frames are sent."""
    place = urlsplit(url)
    while report.count < most:
        for said in HANDSHAKES:
            reader, writer = await asyncio.open_connection(place.hostname, place.port)
            writer.write(said)
            answer = b""
            try:
                async with asyncio.timeout(0.5):
                    answer = await reader.read(64)
            except (TimeoutError, OSError):
                pass
            words = answer.split(b" ")
            report.came[f"HTTP {words[1].decode()}" if len(words) > 1 else "HTTP: cut off"] += 1
            writer.close()
        await asyncio.sleep(1)


async def run(options: argparse.Namespace) -> None:
    report = Report()
    stations = [
        Hostile(options.url, told, options.password, f"{options.seed} {number}", report)
        for number, told in enumerate(options.stations)
    ]
    async with asyncio.TaskGroup() as group:
        group.create_task(knock(options.url, report, options.frames))
        for station in stations:
            group.create_task(station.run(options.frames))
    print(report.line(), flush=True)


def command(**values: Any) -> list[str]:
    """Return the command line for these options."""
    line = [sys.executable, "-m", "bench.ocpp_hostile"]
    for name, value in values.items():
        line += [f"--{name}", *(value if isinstance(value, list) else [str(value)])]
    return line


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--frames", type=int, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--password", default="")
    parser.add_argument("--stations", nargs="+", required=True)
    uvloop.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
