"""A message of the CPO, and what every module does with one."""

from dataclasses import dataclass
from typing import Any

from sandbox.emsp.peer import Violations
from sandbox.emsp.store import Store
from sandbox.emsp.validation import Problem, fatal
from sandbox.emsp.wire import Answer, Party

NOT_ALLOWED = Answer(http=405, code=2000, message="method not allowed")


@dataclass(frozen=True, kw_only=True)
class Message:
    """Hold one authenticated request: `path` are the decoded segments behind the module.

    `to` is the party its routing headers address, None without them.
    """

    version: str
    method: str
    module: str
    path: tuple[str, ...]
    query: dict[str, str]
    body: Any = None
    to: Party | None = None


def refused(problems: list[Problem]) -> Answer:
    """Answer 2001 with the reasons (HTTP 200: the message reached the OCPI layer)."""
    return Answer(code=2001, message=fatal(problems)[:1000])


def unknown(code: int, what: str) -> Answer:
    """Answer HTTP 404 for an object that is not here."""
    return Answer(http=404, code=code, message=f"unknown {what}")


class Module:
    """What the modules share: they judge a message, and refuse it or note what is odd."""

    def __init__(self, *, store: Store, violations: Violations) -> None:
        self._store = store
        self._violations = violations

    def _reject(self, message: Message, problems: list[Problem]) -> Answer | None:
        """Record problems; return a refusal when one of them is fatal."""
        name = "/".join(message.path)
        if not name and isinstance(message.body, dict):
            name = str(message.body.get("id", ""))[:100]
        self._violations.report(message.module, name, problems)
        return refused(problems) if fatal(problems) else None

    def _unknown_object(self, message: Message, code: int, what: str) -> Answer:
        self._violations.refuse(
            "unknown-object",
            message.module,
            "/".join(message.path),
            f"{message.method} of an unknown {what}",
        )
        return unknown(code, what)
