"""`python -m cpo_platform.runner run|reset|start|units`.

`run` and `reset` are what the Makefile calls once `.venv` is there; `start` and `units` are for
deployments, which take the processes from the Procfile, too.
"""

import argparse
import errno
import shutil
import sys
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from cpo_platform import environment as env
from cpo_platform.runner import deployment, run, servers
from cpo_platform.runner.errors import RunnerError


def main() -> int:
    """Parse the command line and turn what goes wrong into one sentence."""
    options = _parser().parse_args()
    try:
        env.load_dotenv()
        return _do(options)
    except (RunnerError, ImproperlyConfigured) as error:
        return _fail(str(error))
    except OSError as error:
        if error.errno == errno.ENOSPC:
            return _fail(f"The disk of {env.var_dir()} is full.")
        return _fail(f"{error.strerror}: {error.filename or env.var_dir()}.")
    except run.StopRequested:
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="runner", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run_command = commands.add_parser("run", help="run the platform until Ctrl-C")
    run_command.add_argument(
        "--die-with-parent", action="store_true", help="stop when the calling process ends"
    )
    commands.add_parser("reset", help="wipe the data of the embedded servers")
    start_command = commands.add_parser("start", help="become one process of the Procfile")
    start_command.add_argument("name", help="its name there: web, worker, push, beat, ocpp")
    units_command = commands.add_parser("units", help="write systemd units for the Procfile")
    units_command.add_argument("directory", type=Path)
    units_command.add_argument("--user", default="cpo", help="who runs the processes")
    units_command.add_argument(
        "--env-file", type=Path, default=Path("/etc/cpo-platform.env"), help="their settings"
    )
    return parser


def _do(options: argparse.Namespace) -> int:
    match options.command:
        case "reset":
            return reset()
        case "start":
            deployment.become(options.name)
        case "units":
            for path in deployment.write_units(
                options.directory, user=options.user, env_file=options.env_file
            ):
                sys.stdout.write(f"{path}\n")
            return 0
    return run.run(die_with_parent=options.die_with_parent)


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
