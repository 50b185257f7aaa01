"""`manage.py ocpp`: the process that chargers connect to."""

import asyncio
import signal
from typing import Any

import uvloop
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from ocpp_gateway.server import database
from ocpp_gateway.server.serving import Gateway


class Command(BaseCommand):
    """Serve chargers until SIGTERM or Ctrl-C."""

    help = "Serve chargers: OCPP 1.6J and 2.0.1 over WebSocket."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default=settings.OCPP_HOST)
        parser.add_argument("--port", type=int, default=settings.OCPP_PORT)

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            uvloop.run(self._serve(options["host"], options["port"]))
        except OSError as error:
            raise CommandError(
                f"Cannot serve at {options['host']}:{options['port']}: {error}"
            ) from error

    async def _serve(self, host: str, port: int) -> None:
        stopped = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
        async with database.pool() as pool, Gateway(pool).serving(host, port):
            self.stdout.write(f"Chargers connect to ws://{host}:{port}/ocpp/ and their identity.")
            await stopped.wait()
        self.stdout.write("Stopped.")
