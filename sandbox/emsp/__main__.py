"""The command line: `python -m sandbox.emsp`, until SIGTERM or SIGINT."""

import argparse
import asyncio
import dataclasses
import logging
import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

from sandbox.emsp.config import Settings
from sandbox.emsp.service import Service
from sandbox.emsp.store import Store

_HELP = {
    "database": "SQLite file; the state survives a restart",
    "public_url": "how the CPO reaches us (default: the bound address)",
    "ocpi_version": "version to register with: 2.1.1, 2.2.1, 2.3.0 or newest",
    "offers": "further versions the CPO may choose from, such as 2.1.1,2.3.0",
    "hub_for": "be a hub for these eMSPs, such as NL*EM1,DE*EM2",
    "own_token_a": "fix the token with which the CPO may register here",
    "versions_url": "versions URL of the CPO to register with",
    "token_a": "token A handed out by the CPO",
    "token_a_file": 'wait for this JSON file: {"token_a": ..., "versions_url": ...}',
    "deadline": "seconds to keep trying to register",
    "timeout": "seconds every outgoing call may take",
    "push_tokens": "send our tokens after registration (true or false)",
}


def parse(arguments: Sequence[str] | None, environment: Mapping[str, str]) -> Settings:
    """Read flags; SANDBOX_PORT and so on give the defaults.

    The database stands in VAR_DIR, as all data of the platform beside it does.
    """
    parser = argparse.ArgumentParser(prog="python -m sandbox.emsp", description=__doc__)
    usual = {entry.name: str(entry.default) for entry in dataclasses.fields(Settings)}
    if environment.get("VAR_DIR"):
        usual["database"] = str(Path(environment["VAR_DIR"]) / Path(usual["database"]).name)
    for entry in dataclasses.fields(Settings):
        default = environment.get(f"SANDBOX_{entry.name.upper()}", usual[entry.name])
        parser.add_argument(
            f"--{entry.name.replace('_', '-')}",
            default=default,
            type=_truth if isinstance(entry.default, bool) else type(entry.default),
            help=_HELP.get(entry.name),
        )
    return Settings(**vars(parser.parse_args(arguments)))


def _truth(text: str) -> bool:
    return text.strip().lower() in {"1", "true", "yes", "on"}


async def run(settings: Settings) -> None:
    """Serve until a signal comes."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    store = Store(settings.database)
    service = Service(settings, store)
    await service.start()
    try:
        await ended.wait()
    finally:
        await service.stop()
        store.close()


def main() -> None:
    """Run the command."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    asyncio.run(run(parse(None, os.environ)))


if __name__ == "__main__":
    main()
