"""The Sender interface of tokens: the paginated list and real-time authorization."""

import uuid
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from sandbox.emsp.config import Settings
from sandbox.emsp.message import NOT_ALLOWED, Message
from sandbox.emsp.peer import Peer, Violations
from sandbox.emsp.store import Store, object_key
from sandbox.emsp.validation import check, fatal
from sandbox.emsp.wire import Answer, Json, Party, date_time, parse_date_time, utc_now

ALLOWED_TYPES = ("ALLOWED", "BLOCKED", "EXPIRED", "NO_CREDIT", "NOT_ALLOWED")


@dataclass(frozen=True)
class _Page:
    offset: int
    limit: int


def demo_tokens(settings: Settings) -> list[Json]:
    """Make the first tokens of every party that has drivers here."""
    return [token for party in settings.emsps for token in _tokens_of(party, settings)]


def _tokens_of(party: Party, settings: Settings) -> list[Json]:
    """A card, an app user, a card asked in real time, a blocked card."""
    rows = (
        ("04A1B2C3D4E5F6", "RFID", "C10000001", "ALLOWED", True, "Anna, charge card"),
        ("app-anna", "APP_USER", "C10000001", "NEVER", True, "Anna, app"),
        ("04B0B0B0B0B0B0", "RFID", "C10000002", "NEVER", True, "Bram, card asked in real time"),
        ("04C4C4C4C4C4C4", "RFID", "C10000003", "ALLOWED", False, "Chris, blocked card"),
    )
    # Two parties behind one hub: their cards are not the same ones.
    tail = f"-{party.party_id}" if settings.is_hub else ""
    return [
        {
            "country_code": party.country_code,
            "party_id": party.party_id,
            "uid": f"{uid}{tail}",
            "type": kind,
            "contract_id": f"{party.country_code}-{party.party_id}-{contract}",
            "visual_number": f"{label}{tail}",
            "issuer": settings.name,
            "valid": valid,
            "whitelist": whitelist,
            "language": "nl",
            "last_updated": date_time(utc_now()),
        }
        for uid, kind, contract, whitelist, valid, label in rows
    ]


def rendered(token: Json, version: str) -> Json:
    """Return a token as a version has it.

    OCPI 2.1.1, mod_tokens: `auth_id`, types RFID and OTHER only, no owner, no fractions of seconds.
    """
    if version != "2.1.1":
        return token
    names = ("uid", "visual_number", "issuer", "valid", "whitelist", "language")
    moment = parse_date_time(token["last_updated"])
    return {
        **{name: token[name] for name in names if name in token},
        "type": wire_type(token, version),
        "auth_id": token["contract_id"],
        "last_updated": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def wire_type(token: Json, version: str) -> str:
    """Return the type of a token as a version knows it."""
    kind = str(token["type"])
    return kind if version != "2.1.1" or kind == "RFID" else "OTHER"


class Tokens:
    """Serve our tokens and decide whether they may charge."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        violations: Violations,
        peer: Peer,
        public_url: str,
    ) -> None:
        self._store = store
        self._settings = settings
        self._violations = violations
        self._peer = peer
        self._root = f"{public_url}/ocpi"
        if not store.count("tokens"):
            for token in demo_tokens(settings):
                self.save(token)

    def key(self, token: Json) -> str:
        """Return the key of one of our tokens: owner, uid and type."""
        return object_key(*(token[n] for n in ("country_code", "party_id", "uid", "type")))

    def save(self, token: Json) -> None:
        """Add or replace one of our tokens."""
        self._store.put("tokens", self.key(token), token)

    def find(self, uid: str, kind: str = "", *, to: Party | None = None) -> Json | None:
        """Find a token by uid, and by its type as the registered version names it.

        `to` narrows to one of the parties behind the hub; "" stands for any type.
        """
        for token in self._store.objects("tokens"):
            right = token["uid"].lower() == uid.lower()
            typed = kind in {"", token["type"], wire_type(token, self._peer.version)}
            owned = to is None or to.matches(token["country_code"], token["party_id"])
            if right and typed and owned:
                return token
        return None

    def configure(self, values: dict[str, Any]) -> None:
        """Set the answer for a token: `token_uid`, `type` (RFID), `allowed` and options.

        Options: `info` (text), `reference`, `evse_uids` (only these), `needs_location` (2002
        without a body). `allowed` "" goes back to the default: ALLOWED when valid, else BLOCKED.
        Raise ValueError for another `allowed`.
        """
        allowed = str(values.get("allowed", ""))
        if allowed and allowed not in ALLOWED_TYPES:
            raise ValueError(f"allowed is one of {', '.join(ALLOWED_TYPES)}")
        answers = self.answers()
        uid, kind = str(values["token_uid"]), str(values.get("type", "RFID"))
        token = self.find(uid, kind) or {
            "country_code": self._settings.country_code,
            "party_id": self._settings.party_id,
            "uid": uid,
            "type": kind,
        }
        key = self.key(token)
        answers[key] = {str(name): value for name, value in values.items() if value}
        self._store.set_state("answers", answers)

    def answers(self) -> dict[str, Json]:
        """Return the configured answers by token key."""
        return dict(self._store.state("answers") or {})

    def answer(self, message: Message) -> Answer:
        """Answer GET of the list and POST {uid}/authorize."""
        if message.method == "GET" and not message.path:
            return self._list(message)
        if message.method == "POST" and message.path[1:] == ("authorize",):
            return self._authorize(message)
        return NOT_ALLOWED

    def _list(self, message: Message) -> Answer:
        tokens = [
            token for token in self._store.objects("tokens") if self._asked_for(token, message.to)
        ]
        address = f"{self._root}/{message.version}/tokens"
        answer = page_of(tokens, message.query, address, self._settings.page_size)
        if isinstance(answer.data, list):
            answer.data = [rendered(token, message.version) for token in answer.data]
        return answer

    def _asked_for(self, token: Json, to: Party | None) -> bool:
        """A hub that is asked itself answers for everybody behind it (GET-all via hub)."""
        if to is None or to.matches(self._settings.country_code, self._settings.party_id):
            return True
        return to.matches(token["country_code"], token["party_id"])

    def _authorize(self, message: Message) -> Answer:
        kind = message.query.get("type") or message.query.get("token_type") or "RFID"
        to = message.to if self._settings.is_hub else None
        token = self.find(message.path[0], kind, to=to)
        if token is None:
            return Answer(http=404, code=2004, message="unknown token")
        if message.body is not None:
            problems = check(message.version, "LocationReferences", message.body)
            self._violations.report("tokens", message.path[0], problems)
            if text := fatal(problems):
                return Answer(code=2001, message=text)
        configured = self.answers().get(self.key(token), {})
        if configured.get("needs_location") and message.body is None:
            return Answer(code=2002, message="a location is needed to decide")
        info = self._decision(token, configured, message.body)
        if message.version == "2.1.1":
            info = {name: info[name] for name in ("allowed", "location", "info") if name in info}
        return Answer(data=info)

    def _decision(self, token: Json, configured: Json, place: Json | None) -> Json:
        allowed = configured.get("allowed") or ("ALLOWED" if token["valid"] else "BLOCKED")
        info: Json = {"allowed": allowed, "token": dict(token)}
        if configured.get("info"):
            info["info"] = {"language": "en", "text": str(configured["info"])}
        if allowed != "ALLOWED":
            return info
        if place:
            info["location"] = _allowed_place(place, configured.get("evse_uids"))
        reference = str(configured.get("reference") or uuid.uuid4().hex[:20])
        self._store.add_reference(reference)
        info["authorization_reference"] = reference
        return info


def _allowed_place(place: Json, only: list[str] | None) -> Json:
    uids = place.get("evse_uids") or []
    return {**place, "evse_uids": [uid for uid in uids if uid in only] if only else uids}


def page_of(objects: list[Json], query: dict[str, str], address: str, most: int) -> Answer:
    """Answer GET of a list: one page, the headers of pagination, and `date_from`/`date_to`."""
    try:
        page = _page(query, most)
        found = [entry for entry in objects if _within(entry, query)]
    except ValueError as error:
        return Answer(code=2001, message=str(error))
    headers = {"X-Total-Count": str(len(found)), "X-Limit": str(most)}
    end = page.offset + page.limit
    if end < len(found):
        following = {"offset": str(end), "limit": str(page.limit)}
        following |= {name: query[name] for name in ("date_from", "date_to") if name in query}
        headers["Link"] = f'<{address}?{urlencode(following)}>; rel="next"'
    return Answer(data=found[page.offset : end], headers=headers)


def _page(query: dict[str, str], most: int) -> _Page:
    offset = _whole(query, "offset", 0)
    limit = _whole(query, "limit", most)
    return _Page(offset, max(1, min(limit, most)))


def _whole(query: dict[str, str], name: str, default: int) -> int:
    text = query.get(name, str(default))
    if not text.isdigit() or len(text) > 9:
        raise ValueError(f"{name} must be a number from 0")
    return int(text)


def _within(token: Json, query: dict[str, str]) -> bool:
    moment = parse_date_time(token["last_updated"])
    if "date_from" in query and moment < parse_date_time(query["date_from"]):
        return False
    return "date_to" not in query or moment < parse_date_time(query["date_to"])
