"""The credentials handshake in both directions, in every version (OCPI, credentials)."""

import asyncio
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from sandbox.emsp.client import Client, PeerError
from sandbox.emsp.config import NEWEST, Settings
from sandbox.emsp.peer import Peer, Violations, missing_endpoints, roles_of
from sandbox.emsp.validation import check, fatal
from sandbox.emsp.wire import VERSIONS, Answer, Json, new_token, version_key

logger = logging.getLogger("sandbox.emsp")
# The list of versions belongs to no version: it is checked by the newest table.
_VERSION_TABLE = VERSIONS[-1]
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

    def credentials(self, token: str, version: str) -> Json:
        """Render our Credentials object; `token` is the one the CPO will use here."""
        url = f"{self._public_url}/ocpi/versions"
        details = {"name": self._settings.name}
        if version == "2.1.1":
            owner = {
                "party_id": self._settings.party_id,
                "country_code": self._settings.country_code,
            }
            return {"token": token, "url": url, "business_details": details, **owner}
        found = {"token": token, "url": url, "roles": self._roles(version)}
        if self._settings.is_hub and version != "2.2.1":
            found["hub_party_id"] = f"{self._settings.country_code}{self._settings.party_id}"
        return found

    def _roles(self, version: str) -> list[Json]:
        """List our roles; a hub of 2.2.1 has the one role HUB, a later one lists who is behind."""
        parties, role = self._settings.emsps, "EMSP"
        if self._settings.is_hub and version == "2.2.1":
            parties, role = (self._settings.party,), "HUB"
        return [
            {
                "role": role,
                "business_details": {"name": self._settings.name},
                "party_id": party.party_id,
                "country_code": party.country_code,
            }
            for party in parties
        ]

    async def settled(self) -> None:
        """Wait until no handshake is under way."""
        async with self._busy:
            return

    # We start

    async def register(self, versions_url: str, token_a: str, version: str = "") -> None:
        """Register as the initiating party; raise PeerError or RegistrationError.

        `version` defaults to the one of the settings. Token B is valid here before it is sent: the
        CPO calls back while our POST is open.
        """
        wanted = version or self._settings.ocpi_version
        async with self._busy:
            if self._peer.registered:
                return
            chosen, endpoints = await self._discover(versions_url, token_a, wanted)
            await self._exchange("POST", token_a, versions_url, endpoints, chosen)
        self._on_registered()

    async def renew(self, version: str = "") -> None:
        """Replace both tokens (PUT credentials) and read the endpoints again.

        `version`: switch to it, by a PUT to the credentials endpoint of that version.
        """
        self._require_registered()
        wanted = version or self._peer.version
        async with self._busy:
            token = self._peer.outbound_token
            versions_url = str(self._peer.registration["versions_url"])
            chosen, endpoints = await self._discover(versions_url, token, wanted)
            await self._exchange("PUT", token, versions_url, endpoints, chosen)

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
        self,
        method: str,
        token: str,
        versions_url: str,
        endpoints: list[Json],
        version: str,
    ) -> None:
        url = next(str(e["url"]) for e in endpoints if e["identifier"] == "credentials")
        token_b = new_token()
        # Both before the request: the CPO looks for this version, with this token.
        self._peer.offer(version)
        self._peer.expect(token_b)
        try:
            reply = await self._client.call(
                method,
                url,
                module="credentials",
                token=token,
                body=self.credentials(token_b, version),
                version=version,
            )
            answer = self._checked("Credentials", reply.data, version)
        except (PeerError, RegistrationError):
            self._peer.expect("")
            raise
        self._peer.save(
            inbound_token=token_b,
            outbound_token=answer["token"],
            versions_url=answer["url"],
            endpoints=endpoints,
            roles=roles_of(answer),
            initiated_by="emsp" if method == "POST" else self._peer.registration["initiated_by"],
            version=version,
        )
        logger.info("registered with %s, OCPI %s", versions_url, version)

    async def _discover(self, versions_url: str, token: str, wanted: str) -> tuple[str, list[Json]]:
        """Read the CPO's versions and the endpoints of the wanted one; check that we can use them.

        Return the version (the newest that both speak for "newest") and its endpoints.
        """
        reply = await self._client.call(
            "GET", versions_url, module="versions", token=token, version=_encoding(wanted)
        )
        offered = reply.data if isinstance(reply.data, list) else []
        for entry in offered:
            self._checked("Version", entry, _VERSION_TABLE)
        urls = {str(entry["version"]): str(entry["url"]) for entry in offered}
        version = self._choice(wanted, urls)
        if version not in urls:
            raise RegistrationError(f"{versions_url} does not offer OCPI {wanted}", 3002)
        reply = await self._client.call(
            "GET", urls[version], module="versions", token=token, version=version
        )
        details = self._checked("VersionDetails", reply.data, version)
        if details["version"] != version:
            self._violations.note("versions", "versions", version, f"it says {details['version']}")
        if missing := missing_endpoints(details["endpoints"]):
            raise RegistrationError(f"missing endpoints: {missing}", 3003)
        return version, list(details["endpoints"])

    def _choice(self, wanted: str, offered: dict[str, str]) -> str:
        if wanted == "2.1.1" and self._settings.is_hub:
            raise RegistrationError("OCPI 2.1.1 knows no hubs", 3002)
        if wanted != NEWEST:
            return wanted
        ours = set(self._settings.offered)
        return max(ours & offered.keys(), key=version_key, default="")

    def _checked(self, shape: str, value: Any, version: str) -> Json:
        problems = check(version, shape, value)
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

    async def serve(
        self, method: str, body: Any, *, token: str, standing: str, version: str
    ) -> Answer:
        """Answer GET, POST, PUT and DELETE of /credentials; `standing` is that of the token."""
        registered = self._peer.registered
        if method == "GET":
            return Answer(data=self.credentials(token, version))
        if method not in {"POST", "PUT", "DELETE"} or registered == (method == "POST"):
            return Answer(http=405, code=2000, message=f"{method} while registered={registered}")
        if standing == "pending" or self._busy.locked():
            return Answer(http=405, code=2000, message="another registration is under way")
        if method == "DELETE":
            self._peer.drop()
            return Answer()
        return await self._accept(body, version)

    async def _accept(self, body: Any, version: str) -> Answer:
        problems = check(version, "Credentials", body)
        self._violations.report("credentials", "Credentials", problems)
        if text := fatal(problems):
            return Answer(code=2001, message=text)
        async with self._busy:
            try:
                _, endpoints = await self._discover(body["url"], body["token"], version)
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
                roles=roles_of(body),
                initiated_by=self._peer.registration.get("initiated_by", "cpo"),
                version=version,
            )
        logger.info("registered by %s, OCPI %s", body["url"], version)
        self._on_registered()
        return Answer(data=self.credentials(token, version))


def _encoding(wanted: str) -> str:
    """Say whose way of writing the token goes to the versions URL, which has no version itself."""
    return _VERSION_TABLE if wanted == NEWEST else wanted
