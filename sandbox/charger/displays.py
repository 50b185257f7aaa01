"""Messages on the display of a charger of OCPP 2.0.1: part 2, block O."""

from sandbox.charger.commands import Handler, integer, text
from sandbox.charger.core import Core
from sandbox.charger.link import Outgoing
from sandbox.charger.wire import Json


class Displays:
    """Answer SetDisplayMessage, GetDisplayMessages and ClearDisplayMessage."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._shown: dict[int, Json] = {}

    def handlers(self) -> dict[str, Handler]:
        """Return the handlers by action."""
        return {
            "ClearDisplayMessage": self._clear,
            "GetDisplayMessages": self._get,
            "SetDisplayMessage": self._set,
        }

    def _set(self, payload: Json) -> Json:
        message = payload["message"]
        text(message["message"], "content")
        number = integer(message, "id")
        ids = {transaction.id for _, transaction in self._core.transactions()}
        if message.get("transactionId", "") not in ids | {""}:
            return {"status": "UnknownTransaction"}
        self._shown[number] = message
        return {"status": "Accepted"}

    def _get(self, payload: Json) -> Json:
        request_id, ids = integer(payload, "requestId"), payload.get("id")
        found = [
            message
            for number, message in self._shown.items()
            if (ids is None or number in ids)
            and payload.get("priority") in {None, message["priority"]}
            and payload.get("state") in {None, message.get("state")}
        ]
        if not found:
            return {"status": "Unknown"}
        body = {"requestId": request_id, "messageInfo": found, "tbc": False}
        self._core.promise(
            lambda: self._core.link.put(Outgoing("NotifyDisplayMessages", lambda: body))
        )
        return {"status": "Accepted"}

    def _clear(self, payload: Json) -> Json:
        is_found = self._shown.pop(integer(payload, "id"), None) is not None
        return {"status": "Accepted" if is_found else "Unknown"}
