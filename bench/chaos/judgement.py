"""What the partners have found wrong with us: what has a reason here, and what is a mistake."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from bench.chaos.sandboxes import Sandbox

Json = dict[str, Any]

# Where the answer to a POST was lost it is posted again (docs/adr/0003-change-feed.md): a CDR,
# which is refused as known and must be the same, and the result of a command.
POSTED_AGAIN = {
    ("cdr-already-exists", "sent again"): "CDRs posted again",
    ("duplicate-result", "a second result"): "results posted again",
}
# What a request can lead to whose sender was killed, or gave up, before the partner read it.
LATE = frozenset(
    {"order", "older-part", "in-flight", "status-order", "kwh-decreased", "late-result"}
)


class Judgement:
    """Counts violations once each, by rule; `mistakes` are those without an excuse."""

    def __init__(self) -> None:
        self.excused: Counter[str] = Counter()
        self.mistakes: list[str] = []
        self._seen: set[tuple[str, int]] = set()

    def read(self, sandboxes: Sequence[Sandbox]) -> None:
        """Take in what is new."""
        for sandbox in sandboxes:
            for violation in reversed(sandbox.violations()):
                number = (sandbox.name, int(violation["number"]))
                if number not in self._seen:
                    self._seen.add(number)
                    self._judge(sandbox, violation)

    def _judge(self, sandbox: Sandbox, violation: Json) -> None:
        rule = violation["rule"]
        at = datetime.fromisoformat(violation["at"])
        late = any(begin <= at <= end for begin, end in sandbox.disturbed)
        if again := POSTED_AGAIN.get((rule, violation["detail"])):
            self.excused[again] += 1
        elif rule in LATE and late:
            self.excused[f"{rule}, of a request that was read late"] += 1
        else:
            place = f"{violation['module']} {violation['object_id']}"
            self.mistakes.append(
                f"{sandbox.name} {violation['at']} {rule}: {place}: {violation['detail']}"
            )
