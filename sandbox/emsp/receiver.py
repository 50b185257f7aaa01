"""The Receiver interfaces: locations, tariffs, sessions, CDRs; and the results of commands."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from sandbox.emsp import judging
from sandbox.emsp.config import Settings
from sandbox.emsp.peer import Peer, Violations
from sandbox.emsp.store import Store, object_key
from sandbox.emsp.validation import Problem, check, fatal, newer
from sandbox.emsp.wire import Answer, Json, date_time, parse_date_time, utc_now

NOT_ALLOWED = Answer(http=405, code=2000, message="method not allowed")


@dataclass(frozen=True, kw_only=True)
class Message:
    """Hold one authenticated request: `path` are the decoded segments behind the module."""

    method: str
    module: str
    path: tuple[str, ...]
    query: dict[str, str]
    body: Any = None


def refused(problems: list[Problem]) -> Answer:
    """Answer 2001 with the reasons (HTTP 200: the message reached the OCPI layer)."""
    return Answer(code=2001, message=fatal(problems)[:1000])


def unknown(code: int, what: str) -> Answer:
    """Answer HTTP 404 for an object that is not here."""
    return Answer(http=404, code=code, message=f"unknown {what}")


class Receiver:
    """Apply what the CPO pushes to the store, strictly."""

    def __init__(
        self,
        *,
        store: Store,
        settings: Settings,
        peer: Peer,
        violations: Violations,
        public_url: str,
    ) -> None:
        self._store = store
        self._settings = settings
        self._peer = peer
        self._violations = violations
        self._public_url = public_url

    def answer(self, message: Message) -> Answer:
        """Route one message to its module; the module exists."""
        handlers: dict[str, Callable[[Message], Answer]] = {
            "locations": self._locations,
            "tariffs": self._tariffs,
            "sessions": self._sessions,
            "cdrs": self._cdrs,
            "commands": self._commands,
        }
        return handlers[message.module](message)

    def _reject(self, message: Message, problems: list[Problem]) -> Answer | None:
        """Record problems; return a refusal when one of them is fatal."""
        name = "/".join(message.path)
        if not name and isinstance(message.body, dict):
            name = str(message.body.get("id", ""))[:100]
        self._violations.report(message.module, name, problems)
        return refused(problems) if fatal(problems) else None

    def _foreign_owner(self, message: Message) -> Answer | None:
        country_code, party_id = message.path[0], message.path[1]
        if self._peer.owns(country_code, party_id):
            return None
        self._violations.refuse(
            "foreign-owner",
            message.module,
            "/".join(message.path),
            f"{country_code}*{party_id} is not a role of this platform",
        )
        return unknown(2001, f"owner {country_code}*{party_id}")

    def _object_message(self, message: Message, shape: str, allowed: str) -> Answer | None:
        """Check what all client-owned objects share: path, owner, method, shape, identity."""
        if message.method not in allowed.split():
            return NOT_ALLOWED
        if answer := self._foreign_owner(message):
            return answer
        if message.method not in {"PUT", "PATCH"}:
            return None
        return self._body_problems(message, shape)

    def _body_problems(self, message: Message, shape: str) -> Answer | None:
        partial = message.method == "PATCH"
        if partial and isinstance(message.body, dict) and not message.body.get("last_updated"):
            problem = Problem("missing-last-updated", "PATCH needs last_updated")
            return self._reject(message, [problem])
        problems = check(shape, message.body, partial=partial)
        if not fatal(problems):
            problems += self._identity(message, shape)
        return self._reject(message, problems)

    @staticmethod
    def _identity(message: Message, shape: str) -> list[Problem]:
        country_code, party_id = message.path[0], message.path[1]
        id_field = "uid" if shape == "EVSE" else "id"
        return judging.identity(
            message.body, url=(country_code, party_id, message.path[-1]), id_field=id_field
        )

    # Locations, at three levels

    def _locations(self, message: Message) -> Answer:
        depth = len(message.path)
        if depth not in {3, 4, 5}:
            return unknown(2001, "path")
        shape = ("Location", "EVSE", "Connector")[depth - 3]
        if answer := self._object_message(message, shape, "GET PUT PATCH"):
            return answer
        location = self._store.get("locations", object_key(*message.path[:3]))
        chain = _chain(location, message.path[3:])
        if message.method == "GET":
            return Answer(data=chain[-1]) if chain[-1] is not None else unknown(2003, shape)
        if message.method == "PATCH" and chain[-1] is None:
            return self._unknown_object(message, 2003, shape)
        if depth > 3 and chain[-2] is None:
            return self._unknown_object(message, 2003, "parent")
        return self._store_location(message, chain)

    def _unknown_object(self, message: Message, code: int, what: str) -> Answer:
        self._violations.refuse(
            "unknown-object",
            message.module,
            "/".join(message.path),
            f"{message.method} of an unknown {what}",
        )
        return unknown(code, what)

    def _store_location(self, message: Message, chain: list[Json | None]) -> Answer:
        stored, body = chain[-1], message.body
        problems = judging.ordering(stored, body) + self._nested(message)
        problems += self._unknown_tariffs(message)
        self._reject(message, problems)
        if any(problem.rule == "order" for problem in problems):
            return Answer(message="ignored: older than the stored copy")
        merged = {**stored, **body} if message.method == "PATCH" and stored else body
        location = _replace(chain, merged)
        self._store.put("locations", object_key(*message.path[:3]), location)
        return _written(message, created=stored is None)

    @staticmethod
    def _nested(message: Message) -> list[Problem]:
        if message.method != "PATCH":
            return []
        return [
            Problem("nested-array-patch", f"PATCH of {name} is undefined", noted=True)
            for name in ("evses", "connectors")
            if name in message.body
        ]

    def _unknown_tariffs(self, message: Message) -> list[Problem]:
        names = {
            name for entry in _connectors(message.body) for name in entry.get("tariff_ids") or []
        }
        owner = message.path[:2]
        return [
            Problem("unknown-tariff", f"tariff {name} was not received before", noted=True)
            for name in sorted(names)
            if self._store.get("tariffs", object_key(*owner, name)) is None
        ]

    # Tariffs

    def _tariffs(self, message: Message) -> Answer:
        if len(message.path) != 3:
            return unknown(2001, "path")
        if answer := self._object_message(message, "Tariff", "GET PUT DELETE"):
            return answer
        key = object_key(*message.path)
        stored = self._store.get("tariffs", key)
        if message.method == "PUT":
            problems = judging.ordering(stored, message.body)
            self._reject(message, problems)
            if not any(problem.rule == "order" for problem in problems):
                self._store.put("tariffs", key, message.body)
            return _written(message, created=stored is None)
        if stored is None:
            return unknown(2001, "tariff")
        if message.method == "GET":
            return Answer(data=stored)
        return self._delete_tariff(message, key)

    def _delete_tariff(self, message: Message, key: str) -> Answer:
        if self._store.mentions("locations", message.path[2]):
            detail = "deleted while a connector still refers to it"
            self._violations.note("tariff-in-use", "tariffs", message.path[2], detail)
        self._store.delete("tariffs", key)
        return Answer()

    # Sessions

    def _sessions(self, message: Message) -> Answer:
        if len(message.path) != 3:
            return unknown(2001, "path")
        if answer := self._object_message(message, "Session", "GET PUT PATCH"):
            return answer
        stored = self._store.get("sessions", object_key(*message.path))
        if message.method == "GET":
            return Answer(data=stored) if stored else unknown(2001, "session")
        if message.method == "PATCH" and stored is None:
            return self._unknown_object(message, 2001, "session")
        return self._store_session(message, stored)

    def _store_session(self, message: Message, stored: Json | None) -> Answer:
        body, patch = message.body, message.method == "PATCH"
        periods = body.get("charging_periods") or []
        known = (stored or {}).get("charging_periods") or []
        content = {name: value for name, value in body.items() if name != "charging_periods"}
        problems = [
            *judging.ownership(body, self._settings.party),
            *judging.ordering(stored, body if periods or not patch else content),
            *judging.session_change(stored, content),
            *judging.session_periods(known if patch else [], periods),
            *self._unknown_token(body),
            *self._lost_reference(body),
        ]
        if answer := self._reject(message, problems):
            return answer
        if any(problem.rule == "order" for problem in problems):
            return Answer(message="ignored: older than the stored copy")
        if patch and stored:
            body = {**stored, **content}
            if known or periods:
                body["charging_periods"] = known + periods
        self._store.put("sessions", object_key(*message.path), body)
        return _written(message, created=stored is None)

    def _unknown_token(self, body: Json) -> list[Problem]:
        token = body.get("cdr_token")
        if token is None:
            return []
        party = self._settings.party
        key = object_key(party.country_code, party.party_id, token["uid"], token["type"])
        if self._store.get("tokens", key):
            return []
        detail = f"{token['type']} {token['uid']} is not one of our tokens"
        return [Problem("unknown-token", detail, noted=True)]

    def _lost_reference(self, body: Json) -> list[Problem]:
        """What our command or our real-time answer started must carry our reference."""
        if body.get("auth_method") not in {"COMMAND", "AUTH_REQUEST"}:
            return []
        reference = body.get("authorization_reference")
        if reference and self._store.get("references", object_key(reference)):
            return []
        detail = f"authorization_reference {reference!r} is not one we gave"
        return [Problem("authorization-reference", detail, noted=True)]

    # CDRs

    def _cdrs(self, message: Message) -> Answer:
        if message.method == "POST" and not message.path:
            return self._post_cdr(message)
        if message.method == "GET" and len(message.path) == 3:
            stored = self._store.get("cdrs", object_key(*message.path))
            return Answer(data=stored) if stored else unknown(2001, "CDR")
        return NOT_ALLOWED

    def _post_cdr(self, message: Message) -> Answer:
        problems = check("CDR", message.body)
        if not fatal(problems):
            problems += self._cdr_problems(message.body)
        if answer := self._reject(message, problems):
            return answer
        body = message.body
        path = (body["country_code"], body["party_id"], body["id"])
        if not self._peer.owns(path[0], path[1]):
            return refused([Problem("foreign-owner", f"{path[0]}*{path[1]} is not your role")])
        if stored := self._store.get("cdrs", object_key(*path)):
            return self._known_cdr(body, stored)
        self._store.put("cdrs", object_key(*path), body)
        place = "/".join(quote(part, safe="") for part in path)
        url = f"{self._public_url}/ocpi/2.2.1/cdrs/{place}"
        return Answer(http=201, headers={"Location": url})

    def _cdr_problems(self, body: Json) -> list[Problem]:
        return [
            *judging.ownership(body, self._settings.party),
            *judging.cdr_totals(body),
            *self._unknown_token(body),
            *self._lost_reference(body),
            *self._unknown_credit(body),
        ]

    def _unknown_credit(self, body: Json) -> list[Problem]:
        reference = body.get("credit_reference_id")
        key = object_key(body["country_code"], body["party_id"], reference or "")
        if not reference or self._store.get("cdrs", key):
            return []
        return [Problem("credit", f"the credited CDR {reference} is unknown", noted=True)]

    def _known_cdr(self, body: Json, stored: Json) -> Answer:
        same = stored == body
        detail = "sent again" if same else "sent again with other content"
        self._violations.refuse("cdr-already-exists", "cdrs", body["id"], detail)
        return Answer(code=2001, message=f"CDR {body['id']} already exists")

    def pulled(self, module: str, body: Any) -> str:
        """Take in one object of a pulled list; return its key, or "" when it is not valid."""
        shape = {"locations": "Location", "tariffs": "Tariff", "sessions": "Session", "cdrs": "CDR"}
        problems = check(shape[module], body)
        if not fatal(problems):
            problems += self._pulled_problems(module, body)
        name = str(body.get("id", "?")) if isinstance(body, dict) else "?"
        self._violations.report(module, f"pulled {name}", problems)
        if fatal(problems):
            return ""
        key = object_key(body["country_code"], body["party_id"], body["id"])
        stored = self._store.get(module, key)
        # A push may overtake a page that is on its way: the newer copy stays.
        if stored is None or (module != "cdrs" and not newer(stored, body)):
            self._store.put(module, key, body)
        elif module == "cdrs" and stored != body:
            self._violations.note("cdr-changed", "cdrs", name, "differs from the copy we hold")
        return key

    def _pulled_problems(self, module: str, body: Json) -> list[Problem]:
        if not self._peer.owns(body["country_code"], body["party_id"]):
            owner = f"{body['country_code']}*{body['party_id']}"
            return [Problem("foreign-owner", f"{owner} is not a role of this platform")]
        problems = judging.ownership(body, self._settings.party)
        return problems + judging.cdr_totals(body) if module == "cdrs" else problems

    # Results of commands

    def _commands(self, message: Message) -> Answer:
        if message.method != "POST" or len(message.path) != 2:
            return NOT_ALLOWED
        command = self._store.get("commands", object_key(message.path[1]))
        if command is None or command["command"] != message.path[0]:
            return self._unknown_object(message, 2001, "command")
        if answer := self._reject(message, check("CommandResult", message.body)):
            return answer
        self._reject(message, _result_problems(command))
        command["result"] = message.body
        command["result_at"] = date_time(utc_now())
        self._store.add_command(command)
        return Answer()


def _result_problems(command: Json) -> list[Problem]:
    problems = []
    response = command.get("response") or {}
    if command.get("result"):
        problems.append(Problem("duplicate-result", "a second result", noted=True))
    if response.get("result", "ACCEPTED") != "ACCEPTED":
        detail = f"a result although the answer was {response['result']}"
        problems.append(Problem("result-not-expected", detail, noted=True))
    limit = timedelta(seconds=response.get("timeout", 0))
    if limit and utc_now() > parse_date_time(command["sent_at"]) + limit:
        problems.append(Problem("late-result", f"after the timeout of {limit}", noted=True))
    return problems


def _chain(location: Json | None, path: tuple[str, ...]) -> list[Json | None]:
    """Walk from a Location to its EVSE and Connector; None where a level is unknown."""
    chain: list[Json | None] = [location]
    for (children, id_field), name in zip(
        (("evses", "uid"), ("connectors", "id")), path, strict=False
    ):
        parent = chain[-1] or {}
        found = [e for e in parent.get(children) or [] if e[id_field].lower() == name.lower()]
        chain.append(found[0] if found else None)
    return chain


def _replace(chain: list[Json | None], leaf: Json) -> Json:
    """Put a new leaf into its parents; `last_updated` of the parents follows (cascade)."""
    node = leaf
    for depth in range(len(chain) - 2, -1, -1):
        parent = chain[depth] or {}
        children, id_field = (("evses", "uid"), ("connectors", "id"))[depth]
        siblings = list(parent.get(children) or [])
        name = node[id_field].lower()
        places = [i for i, entry in enumerate(siblings) if entry[id_field].lower() == name]
        if places:
            siblings[places[0]] = node
        else:
            siblings.append(node)
        stamp = node if newer(node, parent) else parent
        node = {**parent, children: siblings, "last_updated": stamp["last_updated"]}
    return node


def _connectors(body: Json) -> list[Json]:
    evses = body.get("evses") or [body]
    return [entry for evse in evses for entry in evse.get("connectors") or [evse]]


def _written(message: Message, *, created: bool) -> Answer:
    return Answer(http=201 if created and message.method == "PUT" else 200)
