"""Serve the pages and their buttons."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from sandbox.emsp import pages_bills, pages_charging, pages_home, pages_network
from sandbox.emsp.client import PeerError
from sandbox.emsp.config import Settings
from sandbox.emsp.faults import Faults
from sandbox.emsp.html import Html, html
from sandbox.emsp.inspection import Inspection
from sandbox.emsp.layout import PAGES, frame
from sandbox.emsp.ocpi import OcpiServer
from sandbox.emsp.peer import Peer
from sandbox.emsp.registration import RegistrationError
from sandbox.emsp.sender import Tokens
from sandbox.emsp.store import Store, object_key

_STATIC = Path(__file__).parent / "static"
_TYPES = {"style.css": "text/css", "refresh.js": "text/javascript"}
_NUMBERS = {
    "count": int,
    "seconds": float,
    "status": int,
    "retry_after": int,
    "limit": float,
    "minutes": float,
    "duration": int,
    "energy_need": float,
}
_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:;"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_DONE = {
    "start": "START_SESSION sent: see the last commands.",
    "stop": "STOP_SESSION sent: see the last commands.",
    "reserve": "RESERVE_NOW sent: see the last commands.",
    "cancel": "CANCEL_RESERVATION sent: see the last commands.",
    "unlock": "UNLOCK_CONNECTOR sent: see the last commands.",
    "set_profile": "Profile sent: see the charging profiles.",
    "get_profile": "Asked for the profile: see the charging profiles.",
    "clear_profile": "Asked to clear the profile: see the charging profiles.",
    "switch": "Switched, and everything was pulled in the new version.",
}


class Pages:
    """Render HTML for people; the buttons post to /actions/{name} and come back."""

    def __init__(
        self,
        *,
        store: Store,
        settings: Settings,
        peer: Peer,
        server: OcpiServer,
        tokens: Tokens,
        faults: Faults,
        inspection: Inspection,
    ) -> None:
        self._store = store
        self._settings = settings
        self._peer = peer
        self._server = server
        self._tokens = tokens
        self._faults = faults
        self._inspection = inspection
        # What was typed to register and did not work: so that it need not be typed again.
        self._tried: dict[str, Any] = {}
        self._static = {name: (_STATIC / name).read_bytes() for name in _TYPES}

    async def static(self, request: web.Request) -> web.Response:
        """Serve the style sheet and the script."""
        name = request.match_info["name"]
        if name not in self._static:
            raise web.HTTPNotFound
        return web.Response(body=self._static[name], content_type=_TYPES[name])

    async def page(self, request: web.Request) -> web.Response:
        """Serve one of the pages of the menu."""
        titles = dict(PAGES)
        if request.path not in titles:
            raise web.HTTPNotFound
        return self._framed(request, titles[request.path], request.path, self._content(request))

    def _content(self, request: web.Request) -> Html:
        text = request.query.get("page", "1")
        number = max(1, int(text)) if text.isdigit() and len(text) < 7 else 1
        search = request.query.get("q", "")[:100]
        contents: dict[str, Callable[[], Html]] = {
            "/": lambda: pages_home.home(
                self._store, self._peer, self._server.state(), self._tried
            ),
            "/locations": lambda: pages_network.locations(self._store, self._peer, number, search),
            "/tariffs": lambda: pages_network.tariffs(self._store, self._peer),
            "/tokens": lambda: pages_network.tokens(self._store, self._tokens.answers()),
            "/sessions": lambda: pages_charging.sessions(self._store, self._peer, number),
            "/cdrs": lambda: pages_bills.cdrs(self._store, self._peer, number),
            "/messages": lambda: pages_home.messages(self._store),
            "/violations": lambda: pages_home.violations(self._store),
            "/misbehave": lambda: pages_home.misbehave(self._faults.listing()),
        }
        return contents[request.path]()

    async def cdr(self, request: web.Request) -> web.Response:
        """Serve the page of one CDR."""
        names = ("country_code", "party_id", "id")
        found = self._store.get("cdrs", object_key(*(request.match_info[n] for n in names)))
        if found is None:
            raise web.HTTPNotFound
        content = pages_bills.cdr(self._store, self._peer, found)
        return self._framed(request, f"CDR {found['id']}", "/cdrs", content)

    def _framed(self, request: web.Request, title: str, path: str, content: Html) -> web.Response:
        notice = Html("")
        for name, style in (("notice", ""), ("error", "bad")):
            if text := request.query.get(name, "")[:1000]:
                notice = html('<p class="notice {}" role="status">{}</p>', style, text)
        return web.Response(
            text=frame(
                title, path, self._settings.name, content, notice=notice, version=self._version()
            ),
            content_type="text/html",
            headers={"Content-Security-Policy": _POLICY, "X-Content-Type-Options": "nosniff"},
        )

    def _version(self) -> str:
        return str(self._server.state()["version"])

    async def action(self, request: web.Request) -> web.Response:
        """Do what a button says, then go back to its page with a notice."""
        name = request.match_info["name"]
        action = self._inspection.actions().get(name)
        if action is None:
            raise web.HTTPNotFound
        form = {key: value for key, value in (await request.post()).items() if value != ""}
        back = str(form.pop("back", "/"))
        back = back if back in dict(PAGES) else "/"
        try:
            done = await action(_typed(form))
        except (PeerError, RegistrationError, ValueError, KeyError, TypeError) as error:
            if name == "register":
                self._tried = form
            raise web.HTTPSeeOther(f"{back}?{urlencode({'error': str(error)})}") from error
        if name == "register":
            self._tried = {}
        notice = _DONE.get(name) or _summary(name, done)
        raise web.HTTPSeeOther(f"{back}?{urlencode({'notice': notice})}")


def _typed(form: dict[str, Any]) -> dict[str, Any]:
    return {key: _NUMBERS.get(key, str)(value) for key, value in form.items()}


def _summary(name: str, done: Any) -> str:
    if isinstance(done, dict) and list(done) == ["answer"]:
        return f"{name}: the CPO answers {done['answer']}"
    if isinstance(done, dict) and all(isinstance(value, int) for value in done.values()):
        return f"{name}: " + ", ".join(f"{count} {what}" for what, count in done.items())
    return f"{name}: done"
