"""The hub: which parties stand behind us, and how they are (OCPI, mod_hub_client_info)."""

from urllib.parse import quote

from sandbox.emsp.client import Client
from sandbox.emsp.config import Settings
from sandbox.emsp.message import NOT_ALLOWED, Message
from sandbox.emsp.sender import page_of
from sandbox.emsp.store import Store, object_key
from sandbox.emsp.wire import Answer, Json, Party, date_time, utc_now

STATUSES = ("CONNECTED", "OFFLINE", "PLANNED", "SUSPENDED")


class Hub:
    """Keep the ClientInfo of every party behind the hub; serve the list, push changes."""

    def __init__(
        self, *, store: Store, settings: Settings, client: Client, public_url: str
    ) -> None:
        self._store = store
        self._settings = settings
        self._client = client
        self._root = f"{public_url}/ocpi"
        for party in settings.behind:
            if store.get("clients", _key(party)) is None:
                self._save(party, "CONNECTED")

    def _save(self, party: Party, status: str) -> Json:
        info = {
            "country_code": party.country_code,
            "party_id": party.party_id,
            "role": "EMSP",
            "status": status,
            "last_updated": date_time(utc_now()),
        }
        self._store.put("clients", _key(party), info)
        return info

    async def set_status(self, name: str, status: str) -> Json:
        """Change the status of a party (`NL*EM1`) and PUT its ClientInfo to the CPO.

        A party that was not behind the hub before is added. Raise ValueError for another status.
        """
        if status not in STATUSES:
            raise ValueError(f"status is one of {', '.join(STATUSES)}")
        party = Party.named(name)
        info = self._save(party, status)
        path = f"{quote(party.country_code)}/{quote(party.party_id)}"
        url = f"{self._client.url('hubclientinfo', 'RECEIVER')}/{path}"
        # A configuration module: no routing headers.
        await self._client.call("PUT", url, module="hubclientinfo", body=info)
        return info

    def answer(self, message: Message) -> Answer:
        """Answer GET of the list, page by page."""
        if message.method != "GET" or message.path:
            return NOT_ALLOWED
        address = f"{self._root}/{message.version}/hubclientinfo"
        return page_of(
            self._store.objects("clients"), message.query, address, self._settings.page_size
        )


def _key(party: Party) -> str:
    return object_key(party.country_code, party.party_id)
