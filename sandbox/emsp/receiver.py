"""The Receiver interfaces: locations, tariffs, sessions, CDRs; results of commands and profiles."""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from sandbox.emsp import judging
from sandbox.emsp.config import Settings
from sandbox.emsp.message import NOT_ALLOWED, Message, Module, refused, unknown
from sandbox.emsp.peer import Peer, Violations
from sandbox.emsp.places import connectors_in, put_back, tariff_names, walk
from sandbox.emsp.results import Results
from sandbox.emsp.store import Store, object_key
from sandbox.emsp.validation import Problem, check, fatal, newer
from sandbox.emsp.wire import Answer, Json, Party

_SHAPES = {"locations": "Location", "tariffs": "Tariff", "sessions": "Session", "cdrs": "CDR"}


class Receiver(Module):
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
        super().__init__(store=store, violations=violations)
        self._results = Results(store=store, violations=violations)
        self._settings = settings
        self._peer = peer
        self._public_url = public_url

    def answer(self, message: Message) -> Answer:
        """Route one message to its module; the module exists."""
        handlers: dict[str, Callable[[Message], Answer]] = {
            "locations": self._locations,
            "tariffs": self._tariffs,
            "sessions": self._sessions,
            "cdrs": self._cdrs,
            "commands": self._results.commands,
            "chargingprofiles": self._results.charging_profiles,
        }
        return handlers[message.module](message)

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
        stamped = isinstance(message.body, dict) and message.body.get("last_updated")
        if partial and isinstance(message.body, dict) and not stamped and _needs_stamp(message):
            problem = Problem("missing-last-updated", "PATCH needs last_updated")
            return self._reject(message, [problem])
        problems = check(message.version, shape, message.body, partial=partial)
        if not fatal(problems):
            problems += self._identity(message, shape)
            problems += self._semantics(shape, message.body, message.version, partial=partial)
        return self._reject(message, problems)

    @staticmethod
    def _semantics(shape: str, body: Json, version: str, *, partial: bool = False) -> list[Problem]:
        """Check what the fields of a whole object say of each other."""
        if partial:
            return []
        if shape == "Location":
            return list(judging.location(body))
        if shape == "Tariff":
            return list(judging.tariff(body))
        if shape in {"Session", "CDR"} and version == "2.1.1":
            return list(judging.embedded_location(body["location"]))
        return []

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
        chain = walk(location, message.path[3:])
        if message.method == "GET":
            return Answer(data=chain[-1]) if chain[-1] is not None else unknown(2003, shape)
        if message.method == "PATCH" and chain[-1] is None:
            return self._unknown_object(message, 2003, shape)
        if depth > 3 and chain[-2] is None:
            return self._unknown_object(message, 2003, "parent")
        return self._store_location(message, chain)

    def _store_location(self, message: Message, chain: list[Json | None]) -> Answer:
        stored, body = chain[-1], message.body
        problems = judging.ordering(stored, body, message.version) + self._nested(message)
        problems += judging.older_parts(stored, body)
        problems += self._unknown_tariffs(message)
        self._reject(message, problems)
        if any(problem.rule == "order" for problem in problems):
            return Answer(message="ignored: older than the stored copy")
        merged = {**stored, **body} if message.method == "PATCH" and stored else body
        location = put_back(chain, merged)
        self._store.put("locations", object_key(*message.path[:3]), location)
        return _written(message, created=stored is None)

    @staticmethod
    def _nested(message: Message) -> list[Problem]:
        if message.method != "PATCH":
            return []
        return [
            Problem("nested-array-patch", f"PATCH of {name} is undefined", noted=True)
            for name in ("evses", "connectors", "charging_periods", "elements")
            if name in message.body
        ]

    def _unknown_tariffs(self, message: Message) -> list[Problem]:
        names = {name for entry in connectors_in(message.body) for name in tariff_names(entry)}
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
        if answer := self._object_message(message, "Tariff", _tariff_methods(message)):
            return answer
        key = object_key(*message.path)
        stored = self._store.get("tariffs", key)
        if message.method in {"PUT", "PATCH"}:
            return self._store_tariff(message, key, stored)
        if stored is None:
            return unknown(2001, "tariff")
        if message.method == "GET":
            return Answer(data=stored)
        return self._delete_tariff(message, key)

    def _store_tariff(self, message: Message, key: str, stored: Json | None) -> Answer:
        patch = message.method == "PATCH"
        if stored is None and patch:
            return self._unknown_object(message, 2001, "tariff")
        problems = judging.ordering(stored, message.body, message.version) + self._nested(message)
        self._reject(message, problems)
        if not any(problem.rule == "order" for problem in problems):
            merged = {**(stored or {}), **message.body} if patch else message.body
            self._store.put("tariffs", key, merged)
        return _written(message, created=stored is None)

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
            *judging.ownership(body, self._settings.emsps),
            *self._misaddressed(message, body if not patch else {**(stored or {}), **body}),
            *judging.ordering(stored, body if periods or not patch else content, message.version),
            *judging.session_change(stored, content),
            *judging.session_periods(known if patch else [], periods),
            *self._unknown_token(body),
            *self._lost_reference(body),
        ]
        if message.version == "2.1.1":
            # What a PATCH with periods means is not said before 2.2: PUT leaves no doubt.
            problems += self._nested(message)
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

    def _misaddressed(self, message: Message, body: Json) -> list[Problem]:
        """What a hub gets of one party's drivers is for that party, never for everybody.

        OCPI 2.2.1, transport_and_format, Broadcast Push.
        """
        token = body.get("cdr_token")
        if not self._settings.is_hub or token is None:
            return []
        if message.to and message.to.matches(token["country_code"], token["party_id"]):
            return []
        owner = f"{token['country_code']}*{token['party_id']}"
        return [Problem("routing", f"for {owner}, but sent to {message.to}", noted=True)]

    def _unknown_token(self, body: Json) -> list[Problem]:
        """Check that the token is ours, whichever way this version names it."""
        if auth_id := body.get("auth_id"):
            known = [token["contract_id"] for token in self._store.objects("tokens")]
            name, found = f"auth_id {auth_id}", auth_id in known
        elif token := body.get("cdr_token"):
            owner = (token["country_code"], token["party_id"])
            key = object_key(*owner, token["uid"], token["type"])
            name = f"{token['type']} {token['uid']}"
            found = self._store.get("tokens", key) is not None
        else:
            return []
        if found:
            return []
        return [Problem("unknown-token", f"{name} is not one of our tokens", noted=True)]

    def _lost_reference(self, body: Json) -> list[Problem]:
        """What our command or our real-time answer started must carry our reference."""
        if "auth_id" in body or body.get("auth_method") not in {"COMMAND", "AUTH_REQUEST"}:
            return []
        reference = body.get("authorization_reference")
        if reference and self._store.get("references", object_key(reference)):
            return []
        if not reference and self._asked_without(body.get("cdr_token") or {}):
            return []
        detail = f"authorization_reference {reference!r} is not one we gave"
        return [Problem("authorization-reference", detail, noted=True)]

    def _asked_without(self, token: Json) -> bool:
        """Tell whether we asked for a session of a token in OCPI 2.1.1, which has no reference."""
        return any(
            command["request"].get("token", {}).get("uid") == token.get("uid")
            and "authorization_reference" not in command["request"]
            for command in self._store.objects("commands")
            if command["command"] in {"START_SESSION", "RESERVE_NOW"}
        )

    # CDRs

    def _cdrs(self, message: Message) -> Answer:
        if message.method == "POST" and not message.path:
            return self._post_cdr(message)
        if message.method == "GET" and len(message.path) == 3:
            stored = self._store.get("cdrs", object_key(*message.path))
            return Answer(data=stored) if stored else unknown(2001, "CDR")
        return NOT_ALLOWED

    def _post_cdr(self, message: Message) -> Answer:
        problems = check(message.version, "CDR", message.body)
        if not fatal(problems):
            problems += self._semantics("CDR", message.body, message.version)
            problems += self._cdr_problems(message)
        if answer := self._reject(message, problems):
            return answer
        body = message.body
        path = self._owner_path(body)
        if not self._peer.owns(path[0], path[1]):
            return refused([Problem("foreign-owner", f"{path[0]}*{path[1]} is not your role")])
        if stored := self._store.get("cdrs", object_key(*path)):
            return self._known_cdr(body, stored)
        self._store.put("cdrs", object_key(*path), body)
        place = "/".join(quote(part, safe="") for part in path)
        url = f"{self._public_url}/ocpi/{message.version}/cdrs/{place}"
        return Answer(http=201, headers={"Location": url})

    def _owner_path(self, body: Json) -> tuple[str, str, str]:
        """Return owner and id of an object; that of OCPI 2.1.1 belongs to the only party."""
        party = self._peer.parties[0]
        return (
            body.get("country_code", party.country_code),
            body.get("party_id", party.party_id),
            body["id"],
        )

    def _cdr_problems(self, message: Message) -> list[Problem]:
        body = message.body
        return [
            *judging.ownership(body, self._settings.emsps),
            *self._misaddressed(message, body),
            *judging.cdr_totals(self._peer.read("cdrs", body), message.version),
            *self._unknown_token(body),
            *self._lost_reference(body),
            *self._unknown_credit(body),
        ]

    def _unknown_credit(self, body: Json) -> list[Problem]:
        reference = body.get("credit_reference_id")
        if not reference:
            return []
        key = object_key(body["country_code"], body["party_id"], reference)
        if self._store.get("cdrs", key):
            return []
        return [Problem("credit", f"the credited CDR {reference} is unknown", noted=True)]

    def _known_cdr(self, body: Json, stored: Json) -> Answer:
        same = stored == body
        detail = "sent again" if same else "sent again with other content"
        self._violations.refuse("cdr-already-exists", "cdrs", body["id"], detail)
        return Answer(code=2001, message=f"CDR {body['id']} already exists")

    def pulled(self, module: str, body: Any, owner: Party) -> str:
        """Take in one object of a list pulled from `owner`; return its key, or "" if invalid."""
        version = self._peer.version
        problems = check(version, _SHAPES[module], body)
        if not fatal(problems):
            problems += self._semantics(_SHAPES[module], body, version)
            problems += self._pulled_problems(module, body, owner)
        name = str(body.get("id", "?")) if isinstance(body, dict) else "?"
        self._violations.report(module, f"pulled {name}", problems)
        if fatal(problems):
            return ""
        key = object_key(*self._owner_path(body))
        stored = self._store.get(module, key)
        # A push may overtake a page that is on its way: the newer copy stays.
        if stored is None or (module != "cdrs" and not newer(stored, body)):
            self._store.put(module, key, body)
        elif module == "cdrs" and stored != body:
            self._violations.note("cdr-changed", "cdrs", name, "differs from the copy we hold")
        return key

    def _pulled_problems(self, module: str, body: Json, owner: Party) -> list[Problem]:
        country_code, party_id, _ = self._owner_path(body)
        if not owner.matches(country_code, party_id):
            detail = f"{country_code}*{party_id}, though {owner} was asked"
            return [Problem("foreign-owner", detail)]
        problems = judging.ownership(body, self._settings.emsps)
        if module == "cdrs":
            found = self._peer.read("cdrs", body)
            problems += judging.cdr_totals(found, self._peer.version)
        return problems


def _needs_stamp(message: Message) -> bool:
    """OCPI 2.2 and later: a PATCH carries last_updated; 2.1.1 does not say so."""
    return message.version != "2.1.1"


def _tariff_methods(message: Message) -> str:
    return "GET PUT PATCH DELETE" if message.version == "2.1.1" else "GET PUT DELETE"


def _written(message: Message, *, created: bool) -> Answer:
    return Answer(http=201 if created and message.method == "PUT" else 200)
