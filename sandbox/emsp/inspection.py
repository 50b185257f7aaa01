"""The JSON interface for demonstrations and tests: what the eMSP holds, and what to do next."""

from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from aiohttp import web

from sandbox.emsp.client import Client, PeerError
from sandbox.emsp.faults import Faults
from sandbox.emsp.ocpi import OcpiServer
from sandbox.emsp.registration import Registration, RegistrationError
from sandbox.emsp.sender import Tokens
from sandbox.emsp.store import Store

OBJECT_LISTS = ("locations", "tariffs", "sessions", "cdrs", "tokens", "commands")
LOGS = ("messages", "violations")
_DEFAULT_LIMIT = 200
_MAX_LIMIT = 5000

Action = Callable[[dict[str, Any]], Awaitable[Any]]


class Inspection:
    """Serve /inspect/*; POST bodies are JSON objects, errors are `{"error": text}`."""

    def __init__(
        self,
        *,
        store: Store,
        server: OcpiServer,
        client: Client,
        registration: Registration,
        tokens: Tokens,
        faults: Faults,
    ) -> None:
        self._store = store
        self._server = server
        self._client = client
        self._registration = registration
        self._tokens = tokens
        self._faults = faults

    async def get(self, request: web.Request) -> web.Response:
        """Answer GET /inspect/{name}?limit=&offset= (lists newest last, logs newest first)."""
        name = request.match_info["name"]
        try:
            limit = min(int(request.query.get("limit", _DEFAULT_LIMIT)), _MAX_LIMIT)
            offset = int(request.query.get("offset", 0))
        except ValueError:
            return _json({"error": "limit and offset are numbers"}, 400)
        if name == "state":
            counts = {module: self._store.count(module) for module in OBJECT_LISTS}
            counts |= {log: self._store.count_records(log) for log in LOGS}
            return _json({**self._server.state(), "counts": counts})
        if name == "misbehave":
            return _json(self._faults.listing())
        if name in OBJECT_LISTS:
            return _json(self._store.objects(name, limit=limit, offset=offset))
        if name in LOGS:
            return _json(self._store.records(name, limit=limit))
        return _json({"error": f"unknown: {name}"}, 404)

    async def post(self, request: web.Request) -> web.Response:
        """Answer POST /inspect/{action}."""
        action = self.actions().get(request.match_info["name"])
        if action is None:
            return _json({"error": "unknown action"}, 404)
        try:
            content = await request.read()
            values = orjson.loads(content) if content else {}
            if not isinstance(values, dict):
                return _json({"error": "the body must be a JSON object"}, 400)
            return _json(await action(values))
        except (ValueError, KeyError, TypeError) as error:
            return _json({"error": f"{type(error).__name__}: {error}"}, 400)
        except (PeerError, RegistrationError) as error:
            return _json({"error": str(error)}, 502)

    def actions(self) -> dict[str, Action]:
        """Return what can be done, by name; the buttons of the pages do the same."""
        return {
            "start": self._start,
            "stop": self._stop,
            "pull": self._pull,
            "tokens": self._put_tokens,
            "authorize": self._authorize,
            "register": self._register,
            "renew": self._renew,
            "unregister": self._unregister,
            "misbehave": self._misbehave,
            "clear": self._clear,
        }

    async def _start(self, values: dict[str, Any]) -> Any:
        return await self._client.start_session(
            location_id=str(values["location_id"]),
            evse_uid=str(values["evse_uid"]),
            connector_id=str(values.get("connector_id") or ""),
            token_uid=str(values["token_uid"]),
        )

    async def _stop(self, values: dict[str, Any]) -> Any:
        return await self._client.stop_session(str(values["session_id"]))

    async def _pull(self, values: dict[str, Any]) -> Any:
        if modules := values.get("modules"):
            return await self._client.pull(tuple(modules))
        return await self._client.pull()

    async def _put_tokens(self, values: dict[str, Any]) -> Any:
        if values.get("uid"):
            self._tokens.save(values)
            await self._client.put_token(values)
            return {"put": 1}
        return {"put": await self._client.put_tokens()}

    async def _authorize(self, values: dict[str, Any]) -> Any:
        self._tokens.configure(values)
        return self._tokens.answers()

    async def _register(self, values: dict[str, Any]) -> Any:
        await self._registration.register(
            str(values["versions_url"]).strip(), str(values["token_a"]).strip()
        )
        return self._server.state()

    async def _renew(self, _values: dict[str, Any]) -> Any:
        await self._registration.renew()
        return self._server.state()

    async def _unregister(self, _values: dict[str, Any]) -> Any:
        await self._registration.unregister()
        return self._server.state()

    async def _misbehave(self, values: dict[str, Any]) -> Any:
        if values.get("clear"):
            self._faults.clear()
        else:
            self._faults.add(values)
        return self._faults.listing()

    async def _clear(self, _values: dict[str, Any]) -> Any:
        self._store.forget(name for name in OBJECT_LISTS if name != "tokens")
        return self._server.state()


def _json(value: Any, status: int = 200) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(value), content_type="application/json")
