"""What the platform's processes have written: which errors nobody had expected."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator

# Of a process whose database or broker was killed, or is on its way up again.
OUTAGES = frozenset(
    [
        "AdminShutdown",
        "CannotConnectNow",
        "ConnectionError",
        "ConnectionRefusedError",
        "ConnectionResetError",
        "CrashShutdown",
        "InterfaceError",
        "OperationalError",
        "TimeoutError",
    ]
)
TRACEBACK = "Traceback (most recent call last)"
GROUP = "+ Exception Group Traceback (most recent call last)"
CHAINED = ("During handling of the above", "The above exception was the direct cause")
_EXCEPTION = re.compile(r"(?:[a-z_]\w*\.)*([A-Z]\w*)(?::|$)")


def errors(lines: Iterable[str]) -> Counter[str]:
    """Count the errors that ended in a traceback, by the name of the one that was raised last."""
    return Counter(_raised(lines))


def unexpected(found: Counter[str]) -> Counter[str]:
    """Leave out what killing the database or the broker explains."""
    return Counter({name: number for name, number in found.items() if name not in OUTAGES})


def _raised(lines: Iterable[str]) -> Iterator[str]:
    within, last = False, ""
    for line in [*lines, TRACEBACK]:
        if line.startswith(TRACEBACK):
            if last:
                yield last
            within, last = True, ""
        elif GROUP in line:
            yield "ExceptionGroup"
        elif line.startswith(CHAINED):
            # What was raised then is what counts.
            last = ""
        elif within and line and not line[0].isspace():
            found = _EXCEPTION.match(line)
            within, last = False, found[1] if found else ""
