"""What a gateway is measured beside: an echo without a thought, and one with the `ocpp` library.

    python -m bench.ocpp_echo bare|library [--port 0]

It prints the port that it listens on. Neither keeps anything.
"""

import argparse
import contextlib
from datetime import UTC, datetime
from typing import Any

import orjson
import uvloop
from ocpp import v16, v201
from ocpp.routing import on
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

PROTOCOLS = [Subprotocol("ocpp2.0.1"), Subprotocol("ocpp1.6")]
NOW = datetime(2026, 1, 1, tzinfo=UTC).isoformat()


class Library16(v16.ChargePoint):
    @on("BootNotification")
    def on_boot(self, **_payload: Any) -> v16.call_result.BootNotification:
        return v16.call_result.BootNotification(NOW, 300, v16.enums.RegistrationStatus.accepted)

    @on("StartTransaction")
    def on_start(self, **_payload: Any) -> v16.call_result.StartTransaction:
        return v16.call_result.StartTransaction(1, {"status": "Accepted"})

    @on("MeterValues")
    def on_meter_values(self, **_payload: Any) -> v16.call_result.MeterValues:
        return v16.call_result.MeterValues()


class Library201(v201.ChargePoint):
    @on("BootNotification")
    def on_boot(self, **_payload: Any) -> v201.call_result.BootNotification:
        status = v201.enums.RegistrationStatusEnumType.accepted
        return v201.call_result.BootNotification(NOW, 300, status)

    @on("TransactionEvent")
    def on_event(self, **_payload: Any) -> v201.call_result.TransactionEvent:
        return v201.call_result.TransactionEvent()


async def library(socket: ServerConnection) -> None:
    """Check every message, both ways, and answer it."""
    kind = Library16 if socket.subprotocol == "ocpp1.6" else Library201
    with contextlib.suppress(ConnectionClosed):
        await kind("bench", socket).start()


async def bare(socket: ServerConnection) -> None:
    """Answer whatever comes."""
    async for text in socket:
        _type, unique_id, _action, _payload = orjson.loads(text)
        await socket.send(orjson.dumps([3, unique_id, {}]).decode())


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=("bare", "library"))
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    handler = bare if options.kind == "bare" else library
    async with serve(
        handler, "127.0.0.1", options.port, subprotocols=PROTOCOLS, compression=None
    ) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
