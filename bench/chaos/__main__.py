"""`make chaos`: kill, wipe, stop and break things at random, and compare what partners have.

    python -m bench.chaos [--minutes 20] [--seed 7] [--round 60]

The platform runs as the Procfile has it, on servers of its own in an empty directory, with a real
partner for each version of OCPI. The same seed makes the same decisions; when each of them happens
depends on the machine. Ends with 1 if a partner has something else than we have.
"""

import argparse
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from bench.chaos import logs
from bench.chaos.sandboxes import Sandbox
from bench.chaos.servers import Servers
from bench.stack import Stack, environment, free_port

if TYPE_CHECKING:
    from bench.chaos.story import Story

PARTNERS = {"2.2.1": "EM1", "2.3.0": "EM2", "2.1.1": "EM3"}
MOST_SHOWN = 40


def main() -> int:
    options = _options()
    signal.signal(signal.SIGTERM, _end)
    with tempfile.TemporaryDirectory(prefix="cpo-chaos-") as directory:
        var = Path(directory)
        var.chmod(0o755)  # PostgreSQL may have to run as another user
        servers = Servers(var)
        try:
            servers.start()
            return _with_servers(options, var, servers)
        finally:
            servers.close()


def _with_servers(options: argparse.Namespace, var: Path, servers: Servers) -> int:
    port = free_port()
    more = {
        "PORT": str(port),
        "PUBLIC_URL": f"http://localhost:{port}",
        "FEED_LEASE_SECONDS": "6",
        # What happens at chargers is the load's to say; `bench.ocpp_kill` has real ones.
        "STATION_CONTROL": "sessions_app.simulator.SimulatedStations",
        **servers.urls,
    }
    environ = environment(var, more)
    os.environ.clear()
    os.environ.update(environ)
    # The settings read the environment, and the story needs the models: only now is it there.
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", interactive=False, verbosity=0)
    from bench.chaos.story import Story

    stack = Stack(environ, var / "log")
    sandboxes = [Sandbox(version, party_id) for version, party_id in PARTNERS.items()]
    story = Story(stack, servers, sandboxes, options.seed)
    try:
        story.begin(var)
        _run(story, options)
    except BaseException:
        for name in stack.platform:
            print(f"--- {name}\n{stack.last_lines(name)}", file=sys.stderr)
        raise
    finally:
        stack.close()
        story.end()
    return _report(story, _errors(stack))


def _errors(stack: Stack) -> "Counter[str]":
    found: Counter[str] = Counter()
    for name in stack.platform:
        found += logs.errors(stack.lines(name))
    return found


def _run(story: "Story", options: argparse.Namespace) -> None:
    until = time.monotonic() + options.minutes * 60
    while (left := until - time.monotonic()) > 0:
        print(story.round(min(options.round, max(left, 5))), flush=True)


def _report(story: "Story", errors: "Counter[str]") -> int:
    totals, judgement = story.totals, story.judgement
    unexpected = [f"in the logs: {name}, {n} times" for name, n in logs.unexpected(errors).items()]
    wrong = [*totals.differences, *judgement.mistakes, *unexpected]
    print(
        f"\n{totals.rounds} rounds, {totals.compared} objects compared, "
        f"{len(totals.differences)} differences, {len(judgement.mistakes)} mistakes; "
        f"calm after {totals.slowest:.0f} s at the most\n"
        f"Load:  {_counted(story.steps)}\n"
        f"Havoc: {_counted(story.havoc.done)}\n"
        f"Noticed by the partners, with a reason: {_counted(judgement.excused) or 'nothing'}\n"
        f"Errors in the logs: {_counted(errors) or 'none'}"
    )
    for line in wrong[:MOST_SHOWN]:
        print(f"  {line}")
    return 1 if wrong else 0


def _counted(counts: "Counter[str]") -> str:
    return ", ".join(f"{name} {number}" for name, number in sorted(counts.items()))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--round", type=float, default=60, help="seconds of load in a round")
    return parser.parse_args()


def _end(_number: int, _frame: object) -> NoReturn:
    raise SystemExit(1)


if __name__ == "__main__":
    sys.exit(main())
