"""Stations that send as fast as they are answered, or at a pace; a process of its own.

    python -m bench.ocpp_load --url ws://127.0.0.1:9000/ocpp --ocpp 1.6 --stations 50 --seconds 10
        [--rate 500] [--password X] [--hold]

Every station connects, boots and begins a transaction. Then it sends readings of it, each after
the answer to the one before; with `--rate` so many a second over all stations. What came of it is
one line of JSON. With `--hold` it connects and boots only, says so, and stays until its input ends;
with `--again` it waits for the end of all connections first, comes back at once, and says how long
that took.
"""

import argparse
import asyncio
import base64
import sys
import time
from datetime import UTC, datetime
from typing import Any

import orjson
import uvloop
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

CONNECTING = 100
START = datetime(2026, 1, 1, tzinfo=UTC)


class Station:
    """One station: `number` tells it from the others."""

    def __init__(self, options: argparse.Namespace, number: int) -> None:
        self.identity = f"BENCH-{number}"
        self._options = options
        self._is_1_6 = options.ocpp == "1.6"
        self._count = 0
        self._register = 1000.0
        self._transaction: Any = f"T{number}-{time.time_ns()}"
        self._socket: ClientConnection | None = None
        self.seconds: list[float] = []

    async def arrive(self) -> None:
        """Connect, again and again until somebody is there, and boot."""
        headers = {}
        if self._options.password:
            shown = f"{self.identity}:{self._options.password}".encode()
            headers["Authorization"] = f"Basic {base64.b64encode(shown).decode()}"
        while True:
            try:
                self._socket = await connect(
                    f"{self._options.url}/{self.identity}",
                    subprotocols=[Subprotocol(f"ocpp{self._options.ocpp}")],
                    additional_headers=headers,
                    compression=None,
                    ping_interval=None,
                    open_timeout=60,
                    max_queue=None,
                )
                await self.call("BootNotification", self._boot())
            except (OSError, WebSocketException, TimeoutError):
                await asyncio.sleep(0.2)
            else:
                return

    def _boot(self) -> dict[str, Any]:
        if self._is_1_6:
            return {"chargePointVendor": "Bench", "chargePointModel": "One"}
        return {
            "reason": "PowerUp",
            "chargingStation": {"vendorName": "Bench", "model": "One"},
        }

    async def call(self, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        assert self._socket is not None
        self._count += 1
        unique_id = f"{self.identity}-{self._count}"
        began = time.perf_counter()
        await self._socket.send(orjson.dumps([2, unique_id, action, payload]).decode())
        answer = orjson.loads(await self._socket.recv())
        self.seconds.append(time.perf_counter() - began)
        if answer[0] != 3 or answer[1] != unique_id:
            raise RuntimeError(f"{action} was answered with {answer}")
        return dict(answer[2])

    async def begin(self) -> None:
        if self._is_1_6:
            answer = await self.call(
                "StartTransaction",
                {
                    "connectorId": 1,
                    "idTag": "BENCH",
                    "meterStart": 1000,
                    "timestamp": _text(datetime.now(tz=UTC)),
                },
            )
            self._transaction = answer.get("transactionId", 1)
        else:
            await self.call("TransactionEvent", self._event("Started", "Authorized"))
        self.seconds.clear()

    async def tell(self) -> None:
        self._register += 12.5
        if self._is_1_6:
            await self.call(
                "MeterValues",
                {
                    "connectorId": 1,
                    "transactionId": self._transaction,
                    "meterValue": [self._meter_value(str)],
                },
            )
        else:
            await self.call("TransactionEvent", self._event("Updated", "MeterValuePeriodic"))

    def _event(self, event: str, reason: str) -> dict[str, Any]:
        told = {
            "eventType": event,
            "timestamp": _text(datetime.now(tz=UTC)),
            "triggerReason": reason,
            "seqNo": self._count,
            "transactionInfo": {
                "transactionId": self._transaction,
                "chargingState": "Charging",
            },
            "evse": {"id": 1, "connectorId": 1},
            "meterValue": [self._meter_value(float)],
        }
        if event == "Started":
            told["idToken"] = {"idToken": "BENCH", "type": "ISO14443"}
        return told

    def _meter_value(self, number: Any) -> dict[str, Any]:
        values = [
            ("Energy.Active.Import.Register", self._register, None, "Wh"),
            ("Power.Active.Import", 11040.5, None, "W"),
            *(("Current.Import", 16.1, phase, "A") for phase in ("L1", "L2", "L3")),
        ]
        sampled = []
        for measurand, value, phase, unit in values:
            one: dict[str, Any] = {
                "value": number(value),
                "context": "Sample.Periodic",
                "measurand": measurand,
                "location": "Outlet",
            }
            one |= {"phase": phase} if phase else {}
            one |= {"unit": unit} if self._is_1_6 else {"unitOfMeasure": {"unit": unit}}
            sampled.append(one)
        return {"timestamp": _text(datetime.now(tz=UTC)), "sampledValue": sampled}

    async def lost(self) -> None:
        """Wait until the connection is lost."""
        if self._socket is not None:
            await self._socket.wait_closed()

    async def leave(self) -> None:
        if self._socket is not None:
            await self._socket.close()


def _text(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z"


async def run(options: argparse.Namespace) -> None:
    stations = [Station(options, number) for number in range(options.stations)]
    gate = asyncio.Semaphore(CONNECTING)

    async def arrive(station: Station) -> None:
        async with gate:
            await station.arrive()

    began = time.perf_counter()
    await asyncio.gather(*(arrive(station) for station in stations))
    arrived = time.perf_counter() - began
    if options.hold:
        print(orjson.dumps({"arrived": arrived}).decode(), flush=True)
        if options.again:
            await _come_back(stations)
        await asyncio.to_thread(sys.stdin.read)
        return
    for station in stations:
        await station.begin()
    began = time.perf_counter()
    until = began + options.seconds
    await asyncio.gather(
        *(_drive(station, number, options, began, until) for number, station in enumerate(stations))
    )
    took = time.perf_counter() - began
    seconds = sorted(second for station in stations for second in station.seconds)
    report = {
        "messages": len(seconds),
        "rate": len(seconds) / took,
        "p50": seconds[len(seconds) // 2],
        "p99": seconds[int(len(seconds) * 0.99)],
        "arrived": arrived,
    }
    print(orjson.dumps(report).decode(), flush=True)
    await asyncio.gather(*(station.leave() for station in stations))


async def _come_back(stations: list[Station]) -> None:
    """Wait until all are cut off; then all connect at once, and each is answered."""
    await asyncio.gather(*(station.lost() for station in stations))
    began = time.perf_counter()
    await asyncio.gather(*(station.arrive() for station in stations))
    await asyncio.gather(*(station.call("Heartbeat", {}) for station in stations))
    print(orjson.dumps({"again": time.perf_counter() - began}).decode(), flush=True)


async def _drive(
    station: Station, number: int, options: argparse.Namespace, began: float, until: float
) -> None:
    if not options.rate:
        while time.perf_counter() < until:
            await station.tell()
        return
    every = options.stations / options.rate
    due = began + number / options.rate
    while due < until:
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        await station.tell()
        due += every


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--ocpp", choices=("1.6", "2.0.1"), default="1.6")
    parser.add_argument("--stations", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--rate", type=float, default=0)
    parser.add_argument("--password", default="")
    parser.add_argument("--hold", action="store_true")
    parser.add_argument("--again", action="store_true")
    uvloop.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
