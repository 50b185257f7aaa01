"""Commands from partners (OCPI 2.2.1, mod_commands, Receiver interface)."""

from collections.abc import Callable
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from roaming.ocpi.common.errors import UnknownLocation
from roaming.ocpi.views.base import OcpiView
from roaming.operations import commands


class CommandView(OcpiView):
    """Take a command and say whether it was understood; its result follows to `response_url`."""

    def post(self, request: Request, command: str, **_kwargs: Any) -> Response:
        handlers: dict[str, Callable[[Any], commands.Reception]] = {
            "START_SESSION": self._start_session,
            "STOP_SESSION": self._stop_session,
        }
        handler = handlers.get(command)
        if handler is None:
            return self._respond(
                commands.Reception("NOT_SUPPORTED", f"{command} is not supported here")
            )
        return self._respond(handler(request.data))

    def _start_session(self, body: Any) -> commands.Reception:
        return commands.receive_start_session(
            partner=self.caller.partner,
            request=self.spec.shapes.read_start_session(body, self.token_owner),
            now=self.now,
            receiver=self.route.receiver,
        )

    def _stop_session(self, body: Any) -> commands.Reception:
        return commands.receive_stop_session(
            partner=self.caller.partner,
            request=self.spec.shapes.read_stop_session(body),
            now=self.now,
            receiver=self.route.receiver,
        )

    def _respond(self, reception: commands.Reception) -> Response:
        document = self.spec.shapes.command_response(
            reception.result, commands.TIMEOUT_SECONDS, reception.message
        )
        if reception.unknown_location:
            raise UnknownLocation(reception.message, data=document)
        return self.done(document)
