"""`manage.py simulate_chargers`: real OCPP clients at our own EVSEs, with cars and people."""

import asyncio
import logging
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from cpo_platform.common import clock
from ocpp_gateway import simulated
from sandbox.charger.config import Config, read
from sandbox.charger.fleet import Fleet


class Command(BaseCommand):
    """Place what stations are missing, then let their chargers live until SIGTERM or Ctrl-C.

    `sandbox.charger` knows us over the wire only, and can also be run by itself, elsewhere.
    """

    help = "Simulate chargers: they connect by OCPP, and cars come, charge and leave."

    def add_arguments(self, parser: CommandParser) -> None:
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--count", type=int, default=4, help="so many stations (4)")
        which.add_argument("--all", action="store_true", help="one for every two EVSEs")
        parser.add_argument("--ocpp", choices=simulated.VERSIONS, help="default: both, in turns")
        parser.add_argument("--faults", action="store_true", help="let things go wrong at random")
        parser.add_argument("--drivers", type=int, default=2, help="so many cars come and go (2)")
        parser.add_argument("--cards", default="", help="what they present: A,B")
        parser.add_argument("--meter-seconds", type=float, default=10.0)
        parser.add_argument("--seed", type=int, default=1)
        parser.add_argument("--url", default=f"ws://127.0.0.1:{settings.OCPP_PORT}/ocpp")
        parser.add_argument("--write", type=Path, help="write the fleet to this file and end")

    def handle(self, *_args: Any, **options: Any) -> None:
        if not options["all"] and options["count"] < 1:
            raise CommandError("--count must be at least 1.")
        document = simulated.fleet(
            count=None if options["all"] else options["count"],
            versions=[options["ocpp"]] if options["ocpp"] else simulated.VERSIONS,
            now=clock.now(),
        )
        if not document["stations"]:
            raise CommandError("There is no EVSE in service without a station: make a location.")
        document |= {
            "drivers": options["drivers"],
            "faults": options["faults"],
            "seed": options["seed"],
            "defaults": {"meter_seconds": options["meter_seconds"]},
        }
        if options["cards"]:
            document["cards"] = options["cards"].split(",")
        if options["write"]:
            # It holds passwords.
            options["write"].touch(mode=0o600)
            options["write"].write_bytes(orjson.dumps(document))
            return
        self.stdout.write(f"{len(document['stations'])} chargers connect to {options['url']}.")
        logging.getLogger("websockets").setLevel(logging.WARNING)
        asyncio.run(_live(read(document), options["url"]))


async def _live(config: Config, url: str) -> None:
    task = asyncio.ensure_future(Fleet(config, url).run())
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    with suppress(asyncio.CancelledError):
        await task
