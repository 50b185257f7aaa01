"""Charging profiles (OCPI 2.2.1, mod_charging_profiles, Receiver interface)."""

from typing import Any

from roaming.ocpi.common.envelope import Request, Response
from roaming.ocpi.common.shapes import ProfileShapes
from roaming.ocpi.views.base import OcpiView
from roaming.operations import charging_profiles
from roaming.operations.charging_profiles import ProfileCall


class ChargingProfileView(OcpiView):
    """Take a request on a session's limits; its result follows to `response_url`."""

    def get(self, request: Request, session_id: str, **_kwargs: Any) -> Response:
        return self._receive(session_id, self._shapes.read_get(_raw_query(request)))

    def put(self, request: Request, session_id: str, **_kwargs: Any) -> Response:
        return self._receive(session_id, self._shapes.read_set(request.data))

    def delete(self, request: Request, session_id: str, **_kwargs: Any) -> Response:
        return self._receive(session_id, self._shapes.read_clear(_raw_query(request)))

    @property
    def _shapes(self) -> ProfileShapes:
        shapes = self.spec.shapes.charging_profiles
        assert shapes is not None  # noqa: S101  only versions that have them route here
        return shapes

    def _receive(self, session_id: str, call: ProfileCall) -> Response:
        reception = charging_profiles.receive_profile_call(
            partner=self.caller.partner,
            session_id=session_id,
            call=call,
            now=self.now,
            receiver=self.route.receiver,
        )
        return self.done(self._shapes.response(reception.result, charging_profiles.TIMEOUT_SECONDS))


def _raw_query(request: Request) -> str:
    return str(request.META.get("QUERY_STRING", ""))
