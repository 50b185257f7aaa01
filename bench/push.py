"""`make bench`: what partners get, how fast, and what it takes.

    python -m bench.push [sustained latency returning first isolation writes] [--quick]

Every part has a platform and a sink of its own, on loopback, and is a process of its own. The
machine is noisy: what counts are ratios within one run. A part that misses a request fails.
"""

import argparse
import importlib
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NoReturn

from bench.push_sink import Sink, running_sink
from bench.stack import ROOT, Stack, environment
from cpo_platform.runner import servers

PARTS = ("sustained", "latency", "returning", "first", "isolation", "writes")


def main() -> int:
    options = _options()
    signal.signal(signal.SIGTERM, _end)
    parts = options.parts or list(PARTS)
    if options.alone:
        print(f"\n== {parts[0]}\n{_alone(parts[0], options)}", flush=True)
        return 0
    failed = [part for part in parts if _in_a_process(part)]
    if failed:
        print(f"\nFAILED: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _alone(name: str, options: argparse.Namespace) -> str:
    """Run one part on servers of its own, in an empty directory; return its table."""
    with tempfile.TemporaryDirectory(prefix="cpo-bench-") as directory:
        var = Path(directory)
        var.chmod(0o755)  # PostgreSQL may have to run as another user
        environ = environment(var, {})
        os.environ.clear()
        os.environ.update(environ)
        with servers.attached(os.environ, var), running_sink() as sink:
            stack = Stack(os.environ, var / "log")
            try:
                return _run(name, stack, sink, options)
            except BaseException:
                print(stack.last_lines(stack.pusher), file=sys.stderr)
                raise
            finally:
                stack.close()


def _run(name: str, stack: Stack, sink: Sink, options: argparse.Namespace) -> str:
    # The settings read the environment, and the parts need the models: only now is it there.
    import django
    from django.core.management import call_command
    from django.db import connection

    django.setup()
    call_command("migrate", interactive=False, verbosity=0)
    from bench.push_world import World

    part = importlib.import_module(f"bench.push_{name}")
    try:
        return str(part.run(World(stack, sink), options))
    finally:
        connection.close()


def _in_a_process(part: str) -> int:
    others = [argument for argument in sys.argv[1:] if argument not in PARTS]
    command = [sys.executable, "-m", "bench.push", part, "--alone", *others]
    process = subprocess.Popen(command, cwd=ROOT, start_new_session=True)
    try:
        return process.wait()
    except BaseException:
        # It has servers and workers to end: it is asked, and waited for.
        process.terminate()
        process.wait()
        raise


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.push", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=PARTS, metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--quick", action="store_true", help="small numbers, for a short look")
    parser.add_argument("--rounds", type=int, help="alternating rounds (sustained, isolation)")
    parser.add_argument("--number", type=int, help="changes that wait (sustained, returning)")
    parser.add_argument("--seconds", type=int, help="of changes (latency, isolation)")
    parser.add_argument("--evses", type=int, help="of the network (first)")
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def _end(_number: int, _frame: object) -> NoReturn:
    raise SystemExit(1)


if __name__ == "__main__":
    sys.exit(main())
