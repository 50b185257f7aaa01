"""The CPO as this eMSP knows it: tokens, endpoints, roles; and the log of its violations."""

from collections.abc import Iterable

from sandbox.emsp.store import Store
from sandbox.emsp.validation import Problem
from sandbox.emsp.wire import Json, Party, date_time, new_token, same_token, utc_now

REQUIRED_ENDPOINTS = (("credentials", ""), ("locations", "SENDER"))


def missing_endpoints(endpoints: Iterable[Json]) -> str:
    """Name the endpoints this eMSP cannot do without, or return ""."""
    offered = {(entry["identifier"], entry["role"]) for entry in endpoints}
    names = {identifier for identifier, _ in offered}
    missing = [
        f"{identifier} {role}".strip()
        for identifier, role in REQUIRED_ENDPOINTS
        if (role and (identifier, role) not in offered) or identifier not in names
    ]
    return ", ".join(missing)


class Peer:
    """Read and write the registration; only one CPO at a time."""

    def __init__(self, store: Store, own_token_a: str) -> None:
        self._store = store
        self._fixed_token_a = own_token_a
        self._registration: Json = store.state("registration") or {}
        self._pending_token = ""
        if own_token_a or not store.state("own_token_a"):
            store.set_state("own_token_a", own_token_a or new_token())

    @property
    def registered(self) -> bool:
        """Answer whether both sides hold tokens."""
        return bool(self._registration)

    @property
    def registration(self) -> Json:
        """Return what is known of the CPO: url, endpoints, roles, tokens, at, initiated_by."""
        return self._registration

    @property
    def own_token_a(self) -> str:
        """Return the token with which a CPO may start the registration here."""
        return str(self._store.state("own_token_a"))

    @property
    def outbound_token(self) -> str:
        """Return the token this eMSP sends to the CPO ("" when not registered)."""
        return str(self._registration.get("outbound_token", ""))

    @property
    def parties(self) -> list[Party]:
        """List the CPO parties of the registered platform."""
        return [
            Party(country_code=role["country_code"], party_id=role["party_id"])
            for role in self._registration.get("roles", [])
            if role["role"] == "CPO"
        ]

    def secrets(self) -> list[str]:
        """List every token that must not appear in a log."""
        known = (
            self.own_token_a,
            self._pending_token,
            self.outbound_token,
            str(self._registration.get("inbound_token", "")),
        )
        return [token for token in known if token]

    def standing_of(self, token: str) -> str:
        """Say what an inbound token gives: "peer", "pending", "token_a" or "" (nothing)."""
        if same_token(token, str(self._registration.get("inbound_token", ""))):
            return "peer"
        if same_token(token, self._pending_token):
            return "pending"
        if not self.registered and same_token(token, self.own_token_a):
            return "token_a"
        return ""

    def owns(self, country_code: str, party_id: str) -> bool:
        """Answer whether a party is one of the CPO's registered roles."""
        roles = self._registration.get("roles", [])
        return any(
            Party(country_code=role["country_code"], party_id=role["party_id"]).matches(
                country_code, party_id
            )
            for role in roles
        )

    def endpoint(self, identifier: str, role: str) -> str:
        """Return the URL of one of the CPO's interfaces, or ""."""
        for entry in self._registration.get("endpoints", []):
            if entry["identifier"] == identifier and role in {"", entry["role"]}:
                return str(entry["url"]).rstrip("/")
        return ""

    def expect(self, token: str) -> None:
        """Make token B valid before it is sent; "" takes it back after a failure."""
        self._pending_token = token

    def save(
        self,
        *,
        inbound_token: str,
        outbound_token: str,
        versions_url: str,
        endpoints: list[Json],
        roles: list[Json],
        initiated_by: str,
    ) -> None:
        """Keep a completed registration; a pending token and token A end here."""
        self._registration = {
            "inbound_token": inbound_token,
            "outbound_token": outbound_token,
            "versions_url": versions_url,
            "endpoints": endpoints,
            "roles": roles,
            "initiated_by": initiated_by,
            "at": date_time(utc_now()),
        }
        self._pending_token = ""
        self._store.set_state("registration", self._registration)

    def drop(self) -> None:
        """End the registration; a fresh token A replaces the used one unless it is fixed."""
        self._registration = {}
        self._store.set_state("registration", {})
        self._store.set_state("own_token_a", self._fixed_token_a or new_token())


class Violations:
    """Keep the list of rules the CPO broke."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def report(self, module: str, object_id: str, problems: Iterable[Problem]) -> None:
        """Record problems; `severity` says whether the message was refused for it."""
        for problem in problems:
            self._store.record(
                "violations",
                {
                    "rule": problem.rule,
                    "severity": "noted" if problem.noted else "refused",
                    "module": module,
                    "object_id": object_id,
                    "detail": problem.detail,
                },
            )

    def note(self, rule: str, module: str, object_id: str, detail: str) -> None:
        """Record one problem that does not refuse the message."""
        self.report(module, object_id, [Problem(rule, detail, noted=True)])

    def refuse(self, rule: str, module: str, object_id: str, detail: str) -> None:
        """Record one problem for which the message is refused."""
        self.report(module, object_id, [Problem(rule, detail)])
