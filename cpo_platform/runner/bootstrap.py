"""Find a Python that is new enough and let it make the virtual environment.

The only module that must run on any Python 3: no newer syntax in here.
"""

import os
import shutil
import sys
from pathlib import Path

OLDEST = (3, 11)
CANDIDATES = ("python3.14", "python3.13", "python3.12", "python3.11")


def main() -> None:
    """Run `install` with this Python, or with a newer one from the path."""
    python = sys.executable
    if sys.version_info < OLDEST:
        found = [path for path in map(shutil.which, CANDIDATES) if path]
        if not found:
            sys.exit(
                "Python 3.11 or newer is needed, {} is {}.{}: install one and try again, "
                "or name it with `make PYTHON=/path/to/python3`.".format(
                    sys.executable, *sys.version_info[:2]
                )
            )
        python = found[0]
    os.chdir(str(Path(__file__).resolve().parents[2]))
    os.execv(python, [python, "-m", "cpo_platform.runner.install", *sys.argv[1:]])  # noqa: S606 - our own module, no shell


if __name__ == "__main__":
    main()
