"""What we ask of the CPO: commands, charging preferences, charging profiles.

Every request is stored before it is sent, since its result may overtake the answer.
"""

import uuid
import zlib
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

from sandbox.emsp.client import Client, PeerError, Reply
from sandbox.emsp.config import Settings
from sandbox.emsp.peer import Peer, Violations
from sandbox.emsp.sender import rendered
from sandbox.emsp.store import Store, object_key
from sandbox.emsp.validation import check, check_enum, fatal
from sandbox.emsp.wire import Json, Party, date_time, utc_now

PROFILE_METHODS = {"get": "GET", "set": "PUT", "clear": "DELETE"}
RESERVED_FOR = timedelta(minutes=15)


class Orders:
    """Send commands and the like in the registered version's form."""

    def __init__(
        self,
        *,
        store: Store,
        settings: Settings,
        peer: Peer,
        client: Client,
        violations: Violations,
        public_url: str,
    ) -> None:
        self._store = store
        self._settings = settings
        self._peer = peer
        self._client = client
        self._violations = violations
        self._public_url = public_url

    @property
    def _old(self) -> bool:
        return self._peer.version == "2.1.1"

    # Commands

    async def start_session(
        self,
        *,
        location_id: str,
        token_uid: str,
        evse_uid: str = "",
        connector_id: str = "",
    ) -> Json:
        """Send START_SESSION; return the stored command (`id`, `response`, later `result`)."""
        token = self._token(token_uid)
        body = {
            "token": self._command_token(token),
            "location_id": location_id,
            "evse_uid": evse_uid,
            "connector_id": "" if self._old else connector_id,
            "authorization_reference": self._reference(),
        }
        return await self._command(
            "START_SESSION", body, to=self._owner("locations", location_id), party=_owner_of(token)
        )

    async def stop_session(self, session_id: str) -> Json:
        """Send STOP_SESSION; return the stored command."""
        return await self._command(
            "STOP_SESSION",
            {"session_id": session_id},
            to=self._owner("sessions", session_id),
            party=self._driver(session_id),
        )

    async def reserve_now(
        self,
        *,
        location_id: str,
        token_uid: str,
        evse_uid: str = "",
        reservation_id: str = "",
        expiry_date: datetime | None = None,
    ) -> Json:
        """Send RESERVE_NOW; the same `reservation_id` replaces a reservation.

        A reservation's id is a number in OCPI 2.1.1.
        """
        token = self._token(token_uid)
        expires = date_time(expiry_date or utc_now() + RESERVED_FOR)
        name = reservation_id or uuid.uuid4().hex[:12]
        body: Json = {
            "token": self._command_token(token),
            "expiry_date": expires,
            "reservation_id": name,
            "location_id": location_id,
            "evse_uid": evse_uid,
            "authorization_reference": self._reference(),
        }
        if self._old:
            body["expiry_date"] = f"{expires.partition('.')[0]}Z"
            body["reservation_id"] = int(name) if name.isdigit() else zlib.crc32(name.encode())
        return await self._command(
            "RESERVE_NOW", body, to=self._owner("locations", location_id), party=_owner_of(token)
        )

    async def cancel_reservation(self, reservation_id: str) -> Json:
        """Send CANCEL_RESERVATION; raise PeerError in OCPI 2.1.1, which has no such command."""
        if self._old:
            raise PeerError("OCPI 2.1.1 has no CANCEL_RESERVATION")
        made = self._reservation(reservation_id)
        to = made and self._owner("locations", made["request"]["location_id"])
        party = Party.named(made["party"]) if made else self._settings.emsps[0]
        return await self._command(
            "CANCEL_RESERVATION",
            {"reservation_id": reservation_id},
            to=to or self._client.any_party(),
            party=party,
        )

    async def unlock_connector(self, *, location_id: str, evse_uid: str, connector_id: str) -> Json:
        """Send UNLOCK_CONNECTOR; return the stored command."""
        body = {"location_id": location_id, "evse_uid": evse_uid, "connector_id": connector_id}
        return await self._command(
            "UNLOCK_CONNECTOR",
            body,
            to=self._owner("locations", location_id),
            party=self._settings.emsps[0],
        )

    async def _command(self, name: str, body: Json, *, to: Party | None, party: Party) -> Json:
        command_id = uuid.uuid4().hex
        url = f"{self._public_url}/ocpi/{self._peer.version}/commands/{name}/{command_id}"
        sent = {"response_url": url} | {key: value for key, value in body.items() if value != ""}
        command = {
            "id": command_id,
            "command": name,
            "party": str(party),
            "sent_at": date_time(utc_now()),
            "request": sent,
            "response": None,
            "result": None,
            "error": "",
        }
        self._store.add_command(command)
        outcome: Json = {}
        try:
            target = f"{self._client.url('commands', 'RECEIVER')}/{name}"
            reply = await self._client.call(
                "POST", target, module="commands", body=sent, to=to, sender=party
            )
            outcome = {"response": self._answer("CommandResponse", name, "commands", reply)}
        except PeerError as error:
            outcome = {"error": str(error)}
            raise
        finally:
            latest = self._store.get("commands", object_key(command_id)) or command
            self._store.add_command({**latest, **outcome})
        return {**latest, **outcome}

    def _answer(self, shape: str, what: str, module: str, reply: Reply) -> Json | None:
        problems = check(self._peer.version, shape, reply.data)
        self._violations.report(module, f"answer to {what}", problems)
        return None if fatal(problems) else reply.data

    def _token(self, uid: str) -> Json:
        for token in self._store.objects("tokens"):
            if token["uid"].lower() == uid.lower():
                return token
        raise PeerError(f"token {uid} is not one of ours")

    def _command_token(self, token: Json) -> Json:
        return rendered(token, self._peer.version)

    def _reference(self) -> str:
        """Make an authorization_reference; "" in OCPI 2.1.1, which has none."""
        if self._old:
            return ""
        reference = uuid.uuid4().hex[:20]
        self._store.add_reference(reference)
        return reference

    def _reservation(self, reservation_id: str) -> Json | None:
        made = [
            command
            for command in self._store.objects("commands", newest_first=True)
            if command["command"] == "RESERVE_NOW"
            and str(command["request"]["reservation_id"]) == reservation_id
        ]
        return made[0] if made else None

    def _owner(self, module: str, object_id: str) -> Party | None:
        for party in self._peer.parties:
            key = object_key(party.country_code, party.party_id, object_id)
            if self._store.get(module, key):
                return party
        return self._client.any_party()

    def _driver(self, session_id: str) -> Party:
        """Return the party of ours whose driver charges in a session."""
        for party in self._peer.parties:
            key = object_key(party.country_code, party.party_id, session_id)
            token = (self._store.get("sessions", key) or {}).get("cdr_token")
            if token:
                return _owner_of(token)
        return self._settings.emsps[0]

    # Charging preferences

    async def set_preferences(self, session_id: str, preferences: Json) -> str:
        """PUT ChargingPreferences for a session; return the CPO's answer, such as ACCEPTED."""
        url = self._client.url("sessions", "SENDER")
        path = f"{quote(session_id, safe='')}/charging_preferences"
        reply = await self._client.call(
            "PUT",
            f"{url}/{path}",
            module="sessions",
            body=preferences,
            to=self._owner("sessions", session_id),
            sender=self._driver(session_id),
        )
        problems = check_enum(self._peer.version, "ChargingPreferencesResponse", reply.data, "data")
        self._violations.report("sessions", "answer to charging_preferences", problems)
        self._store.put(
            "preferences",
            object_key(session_id),
            {"session_id": session_id, "sent": preferences, "answer": str(reply.data)},
        )
        return str(reply.data)

    # Charging profiles

    async def set_profile(self, session_id: str, profile: Json) -> Json:
        """PUT a ChargingProfile for a session; return the stored request."""
        return await self._profile("set", session_id, {"charging_profile": profile}, {})

    async def get_profile(
        self, session_id: str, *, duration: int = 900, encoded: bool = True
    ) -> Json:
        """Ask for the ActiveChargingProfile of the next `duration` seconds.

        `encoded` False: the response_url stands in the query as it is, as in OCPI's own example.
        """
        query = {"duration": str(duration)}
        return await self._profile("get", session_id, None, query, encoded=encoded)

    async def clear_profile(self, session_id: str) -> Json:
        """DELETE our ChargingProfile of a session."""
        return await self._profile("clear", session_id, None, {})

    async def _profile(
        self,
        kind: str,
        session_id: str,
        body: Json | None,
        query: dict[str, str],
        *,
        encoded: bool = True,
    ) -> Json:
        request_id = uuid.uuid4().hex
        party = self._driver(session_id)
        version = self._peer.version
        url = f"{self._public_url}/ocpi/{version}/chargingprofiles/{kind}/{request_id}"
        request: dict[str, Any] = {
            "id": request_id,
            "kind": kind,
            "party": str(party),
            "session_id": session_id,
            "sent_at": date_time(utc_now()),
            "request": body and body["charging_profile"],
            "response": None,
            "result": None,
            "error": "",
        }
        self._store.add_profile_request(request)
        outcome: Json = {}
        try:
            target = (
                f"{self._client.url('chargingprofiles', 'RECEIVER')}/{quote(session_id, safe='')}"
            )
            if body is None:
                safe = "" if encoded else ":/?="
                target += "?" + urlencode({**query, "response_url": url}, safe=safe)
            reply = await self._client.call(
                PROFILE_METHODS[kind],
                target,
                module="chargingprofiles",
                body=None if body is None else {**body, "response_url": url},
                to=self._owner("sessions", session_id),
                sender=party,
            )
            answer = self._answer("ChargingProfileResponse", kind, "chargingprofiles", reply)
            outcome = {"response": answer}
        except PeerError as error:
            outcome = {"error": str(error)}
            raise
        finally:
            latest = self._store.get("profiles", object_key(request_id)) or request
            self._store.add_profile_request({**latest, **outcome})
        return {**latest, **outcome}


def _owner_of(token: Json) -> Party:
    return Party(country_code=token["country_code"], party_id=token["party_id"])
