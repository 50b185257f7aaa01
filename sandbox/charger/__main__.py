"""The command line: `python -m sandbox.charger`, until SIGTERM or SIGINT."""

import argparse
import asyncio
import logging
import signal
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import orjson

from sandbox.charger.config import VERSIONS, BadConfig, Config, StationConfig, read
from sandbox.charger.fleet import Fleet


def parse(arguments: Sequence[str] | None = None) -> tuple[Config, str]:
    """Read the flags; return the fleet and the URL it connects to.

    Exits with a message where they, or the file, make no fleet.
    """
    parser = argparse.ArgumentParser(prog="python -m sandbox.charger", description=__doc__)
    parser.add_argument("--url", required=True, help="of the CSMS, without the identity")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--file", type=Path, help="JSON: stations, cards, drivers")
    which.add_argument("--count", type=int, help="make so many chargers")
    parser.add_argument("--ocpp", choices=VERSIONS, default="1.6", help="version, with --count")
    parser.add_argument("--prefix", default="SIM-", help="of the identities, with --count")
    parser.add_argument("--password", default="", help="of all, with --count")
    parser.add_argument("--faults", action="store_true", help="let things go wrong at random")
    parser.add_argument("--drivers", type=int, help="about so many cars come and go")
    parser.add_argument("--cards", help="what they present: A,B")
    parser.add_argument("--meter-seconds", type=float, help="between two meter values")
    parser.add_argument("--seed", type=int, help="of all that is random")
    options = parser.parse_args(arguments)
    try:
        return _config(options), options.url
    except (ValueError, OSError) as error:
        parser.error(str(error))


def _config(options: argparse.Namespace) -> Config:
    config = _from_file(options.file) if options.file else _counted(options)
    if options.meter_seconds is not None:
        stations = (replace(one, meter_seconds=options.meter_seconds) for one in config.stations)
        config = replace(config, stations=tuple(stations))
    given = {"drivers": options.drivers, "seed": options.seed}
    config = replace(config, **{name: one for name, one in given.items() if one is not None})
    if options.cards:
        cards = tuple(card.strip() for card in options.cards.split(",") if card.strip())
        config = replace(config, cards=cards)
    return replace(config, faults=config.faults or options.faults)


def _from_file(path: Path) -> Config:
    try:
        return read(orjson.loads(path.read_bytes()))
    except orjson.JSONDecodeError as error:
        raise BadConfig(f"{path}: is not JSON: {error}") from error


def _counted(options: argparse.Namespace) -> Config:
    return Config(
        stations=tuple(
            StationConfig(
                identity=f"{options.prefix}{number}",
                password=options.password,
                ocpp=options.ocpp,
            )
            for number in range(1, options.count + 1)
        )
    )


async def run(config: Config, url: str) -> None:
    """Let the chargers live until a signal comes."""
    task = asyncio.ensure_future(Fleet(config, url).run())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    with suppress(asyncio.CancelledError):
        await task


def main() -> None:
    """Run the command."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("websockets").setLevel(logging.WARNING)
    config, url = parse()
    asyncio.run(run(config, url))


if __name__ == "__main__":
    main()
