"""The JSON interface for demonstrations and tests: what the eMSP holds, and what to do next."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import orjson
from aiohttp import web

from sandbox.emsp.client import Client, PeerError
from sandbox.emsp.faults import Faults
from sandbox.emsp.hub import Hub
from sandbox.emsp.ocpi import OcpiServer
from sandbox.emsp.orders import Orders
from sandbox.emsp.registration import Registration, RegistrationError
from sandbox.emsp.sender import Tokens
from sandbox.emsp.store import Store
from sandbox.emsp.wire import VERSIONS, utc_now

OBJECT_LISTS = (
    "locations",
    "tariffs",
    "sessions",
    "cdrs",
    "tokens",
    "commands",
    "profiles",
    "active_profiles",
    "preferences",
    "clients",
)
_KEPT = frozenset({"tokens", "clients"})
LOGS = ("messages", "violations")
_PREFERENCES = ("profile_type", "departure_time", "energy_need", "discharge_allowed")
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
        orders: Orders,
        hub: Hub,
        registration: Registration,
        tokens: Tokens,
        faults: Faults,
    ) -> None:
        self._store = store
        self._server = server
        self._client = client
        self._orders = orders
        self._hub = hub
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
            "reserve": self._reserve,
            "cancel": self._cancel,
            "unlock": self._unlock,
            "preferences": self._preferences,
            "set_profile": self._set_profile,
            "get_profile": self._get_profile,
            "clear_profile": self._clear_profile,
            "switch": self._switch,
            "client_info": self._client_info,
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
        return await self._orders.start_session(
            location_id=str(values["location_id"]),
            evse_uid=str(values.get("evse_uid") or ""),
            connector_id=str(values.get("connector_id") or ""),
            token_uid=str(values["token_uid"]),
        )

    async def _stop(self, values: dict[str, Any]) -> Any:
        return await self._orders.stop_session(str(values["session_id"]))

    async def _reserve(self, values: dict[str, Any]) -> Any:
        minutes = float(values.get("minutes") or 15)
        return await self._orders.reserve_now(
            location_id=str(values["location_id"]),
            evse_uid=str(values.get("evse_uid") or ""),
            token_uid=str(values["token_uid"]),
            reservation_id=str(values.get("reservation_id") or ""),
            expiry_date=utc_now() + timedelta(minutes=minutes),
        )

    async def _cancel(self, values: dict[str, Any]) -> Any:
        return await self._orders.cancel_reservation(str(values["reservation_id"]))

    async def _unlock(self, values: dict[str, Any]) -> Any:
        names = ("location_id", "evse_uid", "connector_id")
        return await self._orders.unlock_connector(**{name: str(values[name]) for name in names})

    async def _preferences(self, values: dict[str, Any]) -> Any:
        """`profile_type`, and `departure_time`, `energy_need`, `discharge_allowed` if given."""
        session_id = str(values["session_id"])
        preferences = {name: values[name] for name in _PREFERENCES if values.get(name)}
        return {"answer": await self._orders.set_preferences(session_id, preferences)}

    async def _set_profile(self, values: dict[str, Any]) -> Any:
        """`charging_profile` as OCPI has it, or `limit` and `unit` for one that is flat."""
        profile = values.get("charging_profile") or {
            "charging_rate_unit": str(values.get("unit") or "W"),
            "charging_profile_period": [{"start_period": 0, "limit": float(values["limit"])}],
        }
        return await self._orders.set_profile(str(values["session_id"]), profile)

    async def _get_profile(self, values: dict[str, Any]) -> Any:
        duration = int(values.get("duration") or 900)
        return await self._orders.get_profile(str(values["session_id"]), duration=duration)

    async def _clear_profile(self, values: dict[str, Any]) -> Any:
        return await self._orders.clear_profile(str(values["session_id"]))

    async def _switch(self, values: dict[str, Any]) -> Any:
        """Move the registration to `version`, then read everything again in its form."""
        version = str(values["version"])
        if version not in VERSIONS:
            raise ValueError(f"version is one of {', '.join(VERSIONS)}")
        await self._registration.renew(version)
        await self._client.pull()
        return self._server.state()

    async def _client_info(self, values: dict[str, Any]) -> Any:
        return await self._hub.set_status(str(values["party"]), str(values["connection"]))

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
            str(values["versions_url"]).strip(),
            str(values["token_a"]).strip(),
            str(values.get("version") or ""),
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
        self._store.forget(name for name in OBJECT_LISTS if name not in _KEPT)
        return self._server.state()


def _json(value: Any, status: int = 200) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(value), content_type="application/json")
