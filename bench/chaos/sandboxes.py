"""The partners: sandbox eMSPs in processes of their own, asked over their own HTTP interface."""

import http.client
import json
import sys
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from bench.stack import free_port

Json = dict[str, Any]

PAGE = 1000
MOST_VIOLATIONS = 5000
# How long a request may be under way after its sender is gone: what a partner reads late.
AFTERMATH = timedelta(seconds=15)


@dataclass
class Sandbox:
    """One partner; `disturbed` is when it was stopped, or its sender killed, and until when."""

    version: str
    party_id: str
    port: int = field(default_factory=free_port)
    disturbed: list[tuple[datetime, datetime]] = field(default_factory=list)

    @property
    def name(self) -> str:
        return f"sandbox-{self.version}"

    def command(self, var: Path, *, versions_url: str, token_a: str) -> list[str]:
        return [
            *(sys.executable, "-m", "sandbox.emsp", "--port", str(self.port)),
            *("--public-url", f"http://localhost:{self.port}"),
            *("--database", str(var / f"{self.name}.sqlite")),
            *("--ocpi-version", self.version, "--party-id", self.party_id),
            *("--name", self.name, "--versions-url", versions_url, "--token-a", token_a),
        ]

    @property
    def registered(self) -> bool:
        try:
            return bool(self.get("state")["registered"])
        except (OSError, http.client.HTTPException):
            return False

    @property
    def answers(self) -> bool:
        try:
            self.get("state")
        except (OSError, http.client.HTTPException):
            return False
        return True

    def objects(self, module: str) -> list[Json]:
        """Return all that it holds of a module."""
        found: list[Json] = []
        while page := self.get(f"{module}?limit={PAGE}&offset={len(found)}"):
            found += page
        return found

    def violations(self) -> list[Json]:
        """Return what it has found wrong with us, newest first."""
        found: list[Json] = self.get(f"violations?limit={MOST_VIOLATIONS}")
        return found

    def misbehave(self, **fault: Any) -> None:
        self.post("misbehave", fault)

    def behave(self) -> None:
        self.post("misbehave", {"clear": True})

    def disturb(self, begin: datetime, end: datetime) -> None:
        """Note that requests without a sender may have been read late."""
        self.disturbed.append((begin, end + AFTERMATH))

    def get(self, path: str) -> Any:
        """Read from its inspection interface.

        Raises:
            OSError, http.client.HTTPException: it does not answer.

        """
        return self._ask("GET", path, None)[1]

    def post(self, action: str, values: Json) -> tuple[int, Any]:
        """Do what one of its buttons does; raises as `get`."""
        return self._ask("POST", action, values)

    def _ask(self, method: str, path: str, values: Json | None) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=15)
        try:
            body = None if values is None else json.dumps(values)
            connection.request(method, f"/inspect/{path}", body=body)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()
