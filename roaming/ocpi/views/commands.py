"""Commands from partners (OCPI mod_commands, Receiver interface)."""

from collections.abc import Callable
from typing import Any

from roaming.ocpi.common.envelope import Request, Response
from roaming.ocpi.common.errors import InvalidParameters, UnknownLocation
from roaming.ocpi.views.base import OcpiView
from roaming.operations import commands, places
from roaming.operations.command_requests import Reception


class CommandView(OcpiView):
    """Take a command and say whether it was understood; its result follows to `response_url`."""

    def post(self, request: Request, command: str, **_kwargs: Any) -> Response:
        # By their exact names: they are an enumeration's, not a CiString.
        handlers: dict[str, Callable[[Any], Reception]] = {
            "START_SESSION": self._start_session,
            "STOP_SESSION": self._stop_session,
            "RESERVE_NOW": self._reserve_now,
            "CANCEL_RESERVATION": self._cancel_reservation,
            "UNLOCK_CONNECTOR": self._unlock_connector,
        }
        handler = handlers.get(command)
        if handler is None:
            return self._respond(_not_supported(command))
        try:
            return self._respond(handler(request.data))
        except places.ConnectorRequired as error:
            raise InvalidParameters(str(error)) from error

    def _start_session(self, body: Any) -> Reception:
        return commands.receive_start_session(
            partner=self.caller.partner,
            request=self.spec.shapes.read_start_session(body, self.token_owner),
            now=self.now,
            receiver=self.route.receiver,
        )

    def _stop_session(self, body: Any) -> Reception:
        return commands.receive_stop_session(
            partner=self.caller.partner,
            request=self.spec.shapes.read_stop_session(body),
            now=self.now,
            receiver=self.route.receiver,
        )

    def _reserve_now(self, body: Any) -> Reception:
        return commands.receive_reserve_now(
            partner=self.caller.partner,
            request=self.spec.shapes.read_reserve_now(body, self.token_owner),
            now=self.now,
            receiver=self.route.receiver,
        )

    def _cancel_reservation(self, body: Any) -> Reception:
        read = self.spec.shapes.read_cancel_reservation
        if read is None:
            return _not_supported("CANCEL_RESERVATION")
        return commands.receive_cancel_reservation(
            partner=self.caller.partner,
            request=read(body),
            now=self.now,
            receiver=self.route.receiver,
            sender=self.route.sender,
        )

    def _unlock_connector(self, body: Any) -> Reception:
        return commands.receive_unlock_connector(
            partner=self.caller.partner,
            request=self.spec.shapes.read_unlock_connector(body),
            now=self.now,
            receiver=self.route.receiver,
        )

    def _respond(self, reception: Reception) -> Response:
        document = self.spec.shapes.command_response(
            reception.result, commands.TIMEOUT_SECONDS, reception.message
        )
        if reception.unknown_location:
            raise UnknownLocation(reception.message, data=document)
        return self.done(document)


def _not_supported(command: str) -> Reception:
    return Reception("NOT_SUPPORTED", f"{command} is not supported here")
