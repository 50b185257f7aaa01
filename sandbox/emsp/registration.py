"""The credentials handshake in both directions (OCPI 2.2.1, credentials)."""

import asyncio
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from sandbox.emsp.client import Client, PeerError
from sandbox.emsp.config import Settings
from sandbox.emsp.peer import Peer, Violations, missing_endpoints
from sandbox.emsp.validation import check, fatal
from sandbox.emsp.wire import VERSION, Answer, Json, new_token

logger = logging.getLogger("sandbox.emsp")
_FIRST_PAUSE = 0.25
_LONGEST_PAUSE = 5.0


class RegistrationError(Exception):
    """Report why the handshake stopped; `code` is the OCPI status a server answers with."""

    def __init__(self, text: str, code: int = 3001) -> None:
        super().__init__(text)
        self.code = code


class Registration:
    """Register with the CPO, or let the CPO register; one handshake at a time."""

    def __init__(
        self,
        *,
        settings: Settings,
        peer: Peer,
        client: Client,
        violations: Violations,
        public_url: str,
        on_registered: Callable[[], None],
    ) -> None:
        self._on_registered = on_registered
        self._settings = settings
        self._peer = peer
        self._client = client
        self._violations = violations
        self._public_url = public_url
        self._busy = asyncio.Lock()

    def credentials(self, token: str) -> Json:
        """Render our Credentials object; `token` is the one the CPO will use here."""
        return {
            "token": token,
            "url": f"{self._public_url}/ocpi/versions",
            "roles": [
                {
                    "role": "EMSP",
                    "business_details": {"name": self._settings.name},
                    "party_id": self._settings.party_id,
                    "country_code": self._settings.country_code,
                }
            ],
        }

    # We start

    async def register(self, versions_url: str, token_a: str) -> None:
        """Register as the initiating party; raise PeerError or RegistrationError.

        Token B is valid here before it is sent: the CPO calls back while our POST is open.
        """
        async with self._busy:
            if self._peer.registered:
                return
            endpoints = await self._discover(versions_url, token_a)
            await self._exchange("POST", token_a, versions_url, endpoints)
        self._on_registered()

    async def renew(self) -> None:
        """Replace both tokens (PUT credentials) and read the endpoints again."""
        self._require_registered()
        async with self._busy:
            token = self._peer.outbound_token
            versions_url = str(self._peer.registration["versions_url"])
            endpoints = await self._discover(versions_url, token)
            await self._exchange("PUT", token, versions_url, endpoints)

    async def unregister(self) -> None:
        """End the registration on both sides (DELETE credentials)."""
        self._require_registered()
        async with self._busy:
            url = self._peer.endpoint("credentials", "")
            await self._client.call("DELETE", url, module="credentials")
            self._peer.drop()

    def _require_registered(self) -> None:
        if not self._peer.registered:
            raise RegistrationError("not registered")

    async def _exchange(
        self, method: str, token: str, versions_url: str, endpoints: list[Json]
    ) -> None:
        url = next(str(e["url"]) for e in endpoints if e["identifier"] == "credentials")
        token_b = new_token()
        self._peer.expect(token_b)
        try:
            reply = await self._client.call(
                method, url, module="credentials", token=token, body=self.credentials(token_b)
            )
            answer = self._checked("Credentials", reply.data)
        except (PeerError, RegistrationError):
            self._peer.expect("")
            raise
        self._peer.save(
            inbound_token=token_b,
            outbound_token=answer["token"],
            versions_url=answer["url"],
            endpoints=endpoints,
            roles=answer["roles"],
            initiated_by="emsp" if method == "POST" else self._peer.registration["initiated_by"],
        )
        logger.info("registered with %s", versions_url)

    async def _discover(self, versions_url: str, token: str) -> list[Json]:
        """Read the CPO's versions and the endpoints of 2.2.1; check that we can use them."""
        reply = await self._client.call("GET", versions_url, module="versions", token=token)
        offered = reply.data if isinstance(reply.data, list) else []
        for entry in offered:
            self._checked("Version", entry)
        urls = [str(entry["url"]) for entry in offered if entry["version"] == VERSION]
        if not urls:
            raise RegistrationError(f"{versions_url} does not offer OCPI {VERSION}", 3002)
        reply = await self._client.call("GET", urls[0], module="versions", token=token)
        details = self._checked("VersionDetails", reply.data)
        if missing := missing_endpoints(details["endpoints"]):
            raise RegistrationError(f"missing endpoints: {missing}", 3003)
        return list(details["endpoints"])

    def _checked(self, shape: str, value: Any) -> Json:
        problems = check(shape, value)
        self._violations.report("credentials", shape, problems)
        if text := fatal(problems):
            raise RegistrationError(f"invalid {shape}: {text}")
        return dict(value)

    async def register_when_possible(self) -> None:
        """Retry the registration of the settings until it works or the deadline has passed."""
        deadline = time.monotonic() + self._settings.deadline
        pause = _FIRST_PAUSE
        while not self._peer.registered:
            try:
                versions_url, token_a = self._invitation()
                await self.register(versions_url, token_a)
            except (PeerError, RegistrationError) as error:
                if time.monotonic() + pause > deadline:
                    logger.exception("registration given up")
                    return
                logger.info("not registered yet, next attempt in %.1f s: %s", pause, error)
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)

    def _invitation(self) -> tuple[str, str]:
        if not self._settings.token_a_file:
            return self._settings.versions_url, self._settings.token_a
        try:
            content = orjson.loads(Path(self._settings.token_a_file).read_bytes())
            return str(content["versions_url"]), str(content["token_a"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RegistrationError(f"waiting for {self._settings.token_a_file}") from error

    # The CPO starts

    async def serve(self, method: str, body: Any, *, token: str, standing: str) -> Answer:
        """Answer GET, POST, PUT and DELETE of /credentials; `standing` is that of the token."""
        registered = self._peer.registered
        if method == "GET":
            return Answer(data=self.credentials(token))
        if method not in {"POST", "PUT", "DELETE"} or registered == (method == "POST"):
            return Answer(http=405, code=2000, message=f"{method} while registered={registered}")
        if standing == "pending" or self._busy.locked():
            return Answer(http=405, code=2000, message="another registration is under way")
        if method == "DELETE":
            self._peer.drop()
            return Answer()
        return await self._accept(body)

    async def _accept(self, body: Any) -> Answer:
        if text := fatal(check("Credentials", body)):
            return Answer(code=2001, message=text)
        async with self._busy:
            try:
                endpoints = await self._discover(body["url"], body["token"])
            except PeerError as error:
                return Answer(code=3001, message=str(error))
            except RegistrationError as error:
                return Answer(code=error.code, message=str(error))
            token = new_token()
            self._peer.save(
                inbound_token=token,
                outbound_token=body["token"],
                versions_url=body["url"],
                endpoints=endpoints,
                roles=body["roles"],
                initiated_by=self._peer.registration.get("initiated_by", "cpo"),
            )
        logger.info("registered by %s", body["url"])
        self._on_registered()
        return Answer(data=self.credentials(token))
