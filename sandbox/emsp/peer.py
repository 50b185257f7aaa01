"""The CPO as this eMSP knows it: tokens, endpoints, roles; and the log of its violations."""

from collections.abc import Iterable

from sandbox.emsp import reading
from sandbox.emsp.store import Store
from sandbox.emsp.validation import Problem
from sandbox.emsp.wire import (
    Json,
    Party,
    date_time,
    new_token,
    same_token,
    utc_now,
    version_key,
)

HELD_MODULES = ("locations", "tariffs", "sessions", "cdrs")
REQUIRED_ENDPOINTS = (("credentials", ""), ("locations", "SENDER"))


def missing_endpoints(endpoints: Iterable[Json]) -> str:
    """Name the endpoints this eMSP cannot do without, or return "".

    Endpoints of OCPI 2.1.1 have no role: one is as good as the other.
    """
    offered = {(entry["identifier"], entry.get("role", "")) for entry in endpoints}
    names = {identifier for identifier, _ in offered}
    missing = [
        f"{identifier} {role}".strip()
        for identifier, role in REQUIRED_ENDPOINTS
        if identifier not in names
        or (role and not offered & {(identifier, role), (identifier, "")})
    ]
    return ", ".join(missing)


def roles_of(credentials: Json) -> list[Json]:
    """Return the roles of a Credentials object; that of OCPI 2.1.1 is the one of its CPO."""
    if "roles" in credentials:
        return list(credentials["roles"])
    names = ("business_details", "party_id", "country_code")
    return [{"role": "CPO"} | {name: credentials[name] for name in names}]


class Peer:
    """Read and write the registration; only one CPO at a time."""

    def __init__(self, store: Store, own_token_a: str, offered: Iterable[str]) -> None:
        self._store = store
        self._fixed_token_a = own_token_a
        self._offered = set(store.state("offered") or []) | set(offered)
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
    def version(self) -> str:
        """Return the version of the registration, or "" when there is none."""
        # A registration that was stored before there was a choice is of 2.2.1.
        return str(self._registration.get("version", "2.2.1")) if self.registered else ""

    @property
    def offered(self) -> list[str]:
        """List the versions at our versions URL, oldest first."""
        return sorted(self._offered, key=version_key)

    def offer(self, version: str) -> None:
        """Add a version to those at our versions URL."""
        self._offered.add(version)
        self._store.set_state("offered", self.offered)

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
            offered = entry.get("role", "")
            if entry["identifier"] == identifier and (offered == role or not (offered and role)):
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
        version: str,
    ) -> None:
        """Keep a completed registration; a pending token and token A end here."""
        self._registration = {
            "version": version,
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
        self._hold(version, roles)

    def _hold(self, version: str, roles: list[Json]) -> None:
        """Note which version the received objects are of; those of another one are dropped.

        OCPI 2.2.1, credentials: what came in one version need not be available in another.
        """
        if version != self.held_version:
            self._store.drop(HELD_MODULES)
        owner = next((role for role in roles if role["role"] == "CPO"), None)
        self._store.set_state("held", {"version": version, "owner": owner})

    @property
    def held_version(self) -> str:
        """Return the version of the objects that were received."""
        return str((self._store.state("held") or {}).get("version", ""))

    def read(self, module: str, body: Json) -> Json:
        """Return an object that was received in the one form of `reading`."""
        held = self._store.state("held") or {}
        owner = held.get("owner")
        party = owner and Party(country_code=owner["country_code"], party_id=owner["party_id"])
        return reading.read(module, body, held.get("version") or "2.2.1", party or None)

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
