"""Whether a card may charge: asked of the CSMS, or of what is known here.

OCPP 1.6, 3.5; OCPP 2.0.1, C10 to C14.
"""

from collections.abc import Iterable

from sandbox.charger.core import Core
from sandbox.charger.messages import Info, Messages
from sandbox.charger.outlet import Card
from sandbox.charger.wire import CallFailed, NotConnected

ACCEPTED = "Accepted"


class Authorizing:
    """The local list and the cache of a charger."""

    def __init__(self, core: Core, messages: Messages) -> None:
        self._core = core
        self._messages = messages
        self._listed: dict[str, Info] = {}
        self._cached: dict[str, Info] = {}
        self.list_version = 0

    async def check(self, card: Card) -> Info:
        """Say whether a card may charge; one that nobody can be asked about may, if so set."""
        variables, known = self._core.variables, self._known(card)
        if known and known.status == ACCEPTED and variables.flag("LocalPreAuthorize"):
            return known
        try:
            payload = self._messages.authorize_payload(card)
            answer = await self._core.link.call("Authorize", payload)
        except NotConnected:
            if known and variables.flag("LocalAuthorizeOffline"):
                return known
            return Info(ACCEPTED if variables.flag("AllowOfflineTxForUnknownId") else "Invalid")
        except (CallFailed, TimeoutError):
            return Info("Invalid")
        info = self._messages.info(answer) or Info("Invalid")
        self.learn(card, info)
        return info

    def learn(self, card: Card, info: Info) -> None:
        """Remember what the CSMS said."""
        if self._core.variables.flag("AuthorizationCacheEnabled"):
            self._cached[card.uid.lower()] = info

    def forget(self) -> None:
        """Clear the cache."""
        self._cached.clear()

    def update(
        self, version: int, entries: Iterable[tuple[str, Info | None]], *, is_full: bool
    ) -> str:
        """Take a local list; None as an entry drops it. Return UpdateStatus of both versions."""
        if not self._core.variables.flag("LocalAuthListEnabled"):
            return "Failed"
        if not is_full and version <= self.list_version:
            return "VersionMismatch"
        listed = {} if is_full else dict(self._listed)
        for uid, info in entries:
            if info is None:
                listed.pop(uid.lower(), None)
            else:
                listed[uid.lower()] = info
        self._listed, self.list_version = listed, version
        return ACCEPTED

    def _known(self, card: Card) -> Info | None:
        uid = card.uid.lower()
        listed = self._core.variables.flag("LocalAuthListEnabled") and self._listed.get(uid)
        if listed:
            return listed
        cached = self._core.variables.flag("AuthorizationCacheEnabled")
        return self._cached.get(uid) if cached else None
