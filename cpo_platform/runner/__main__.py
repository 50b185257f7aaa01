"""`python -m cpo_platform.runner run|reset`: what the Makefile calls once `.venv` is there."""

import argparse
import errno
import shutil
import sys

from django.core.exceptions import ImproperlyConfigured

from cpo_platform import environment as env
from cpo_platform.runner import run, servers
from cpo_platform.runner.errors import RunnerError


def main() -> int:
    """Parse the command line and turn what goes wrong into one sentence."""
    parser = argparse.ArgumentParser(prog="runner", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run_command = commands.add_parser("run", help="run the platform until Ctrl-C")
    run_command.add_argument(
        "--die-with-parent", action="store_true", help="stop when the calling process ends"
    )
    commands.add_parser("reset", help="wipe the data of the embedded servers")
    options = parser.parse_args()
    try:
        env.load_dotenv()
        if options.command == "reset":
            return reset()
        return run.run(die_with_parent=options.die_with_parent)
    except (RunnerError, ImproperlyConfigured) as error:
        return _fail(str(error))
    except OSError as error:
        if error.errno == errno.ENOSPC:
            return _fail(f"The disk of {env.var_dir()} is full.")
        return _fail(f"{error.strerror}: {error.filename or env.var_dir()}.")
    except run.StopRequested:
        return 0


def reset() -> int:
    """Remove everything under var/, unless something still runs there.

    Raises:
        RunnerError: something does.
    """
    var = env.var_dir()
    if names := servers.running(var):
        raise RunnerError(f"{' and '.join(names)} still run on {var}: stop `make run` first.")
    if var.exists():
        shutil.rmtree(var)
    sys.stdout.write(f"{var} is wiped: the next `make run` starts anew.\n")
    return 0


def _fail(sentence: str) -> int:
    sys.stderr.write(f"{sentence}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
