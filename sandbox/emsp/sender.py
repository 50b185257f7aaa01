"""The Sender interface of tokens: the paginated list and real-time authorization."""

import uuid
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from sandbox.emsp.config import Settings
from sandbox.emsp.peer import Violations
from sandbox.emsp.receiver import NOT_ALLOWED, Message
from sandbox.emsp.store import Store, object_key
from sandbox.emsp.validation import check, fatal
from sandbox.emsp.wire import Answer, Json, date_time, parse_date_time, utc_now

ALLOWED_TYPES = ("ALLOWED", "BLOCKED", "EXPIRED", "NO_CREDIT", "NOT_ALLOWED")


@dataclass(frozen=True)
class _Page:
    offset: int
    limit: int


def demo_tokens(settings: Settings) -> list[Json]:
    """Make the first tokens: a card, an app user, a card asked in real time, a blocked card."""
    rows = (
        ("04A1B2C3D4E5F6", "RFID", "C10000001", "ALLOWED", True, "Anna, charge card"),
        ("app-anna", "APP_USER", "C10000001", "NEVER", True, "Anna, app"),
        ("04B0B0B0B0B0B0", "RFID", "C10000002", "NEVER", True, "Bram, card asked in real time"),
        ("04C4C4C4C4C4C4", "RFID", "C10000003", "ALLOWED", False, "Chris, blocked card"),
    )
    return [
        {
            "country_code": settings.country_code,
            "party_id": settings.party_id,
            "uid": uid,
            "type": kind,
            "contract_id": f"{settings.country_code}-{settings.party_id}-{contract}",
            "visual_number": label,
            "issuer": settings.name,
            "valid": valid,
            "whitelist": whitelist,
            "language": "nl",
            "last_updated": date_time(utc_now()),
        }
        for uid, kind, contract, whitelist, valid, label in rows
    ]


class Tokens:
    """Serve our tokens and decide whether they may charge."""

    def __init__(
        self, store: Store, settings: Settings, violations: Violations, public_url: str
    ) -> None:
        self._store = store
        self._settings = settings
        self._violations = violations
        self._url = f"{public_url}/ocpi/2.2.1/tokens"
        if not store.count("tokens"):
            for token in demo_tokens(settings):
                self.save(token)

    def key(self, uid: str, kind: str) -> str:
        """Return the key of one of our tokens: owner, uid and type."""
        return object_key(self._settings.country_code, self._settings.party_id, uid, kind)

    def save(self, token: Json) -> None:
        """Add or replace one of our tokens."""
        self._store.put("tokens", self.key(token["uid"], token["type"]), token)

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
        key = self.key(str(values["token_uid"]), str(values.get("type", "RFID")))
        answers[key] = {str(name): value for name, value in values.items() if value}
        self._store.set_state("answers", answers)

    def answers(self) -> dict[str, Json]:
        """Return the configured answers by token key."""
        return dict(self._store.state("answers") or {})

    def answer(self, message: Message) -> Answer:
        """Answer GET of the list and POST {uid}/authorize."""
        if message.method == "GET" and not message.path:
            return self._list(message.query)
        if message.method == "POST" and message.path[1:] == ("authorize",):
            return self._authorize(message)
        return NOT_ALLOWED

    def _list(self, query: dict[str, str]) -> Answer:
        try:
            page = self._page(query)
            tokens = [t for t in self._store.objects("tokens") if _within(t, query)]
        except ValueError as error:
            return Answer(code=2001, message=str(error))
        headers = {"X-Total-Count": str(len(tokens)), "X-Limit": str(self._settings.page_size)}
        end = page.offset + page.limit
        if end < len(tokens):
            following = {"offset": str(end), "limit": str(page.limit)}
            following |= {n: query[n] for n in ("date_from", "date_to") if n in query}
            headers["Link"] = f'<{self._url}?{urlencode(following)}>; rel="next"'
        return Answer(data=tokens[page.offset : end], headers=headers)

    def _page(self, query: dict[str, str]) -> _Page:
        offset = _whole(query, "offset", 0)
        limit = _whole(query, "limit", self._settings.page_size)
        return _Page(offset, max(1, min(limit, self._settings.page_size)))

    def _authorize(self, message: Message) -> Answer:
        kind = message.query.get("type", "RFID")
        token = self._store.get("tokens", self.key(message.path[0], kind))
        if token is None:
            return Answer(http=404, code=2004, message="unknown token")
        if message.body is not None:
            problems = check("LocationReferences", message.body)
            self._violations.report("tokens", message.path[0], problems)
            if text := fatal(problems):
                return Answer(code=2001, message=text)
        configured = self.answers().get(self.key(message.path[0], kind), {})
        if configured.get("needs_location") and message.body is None:
            return Answer(code=2002, message="a location is needed to decide")
        return Answer(data=self._decision(token, configured, message.body))

    def _decision(self, token: Json, configured: Json, place: Json | None) -> Json:
        allowed = configured.get("allowed") or ("ALLOWED" if token["valid"] else "BLOCKED")
        info: Json = {"allowed": allowed, "token": token}
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
