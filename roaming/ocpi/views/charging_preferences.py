"""What a driver wants of a session (OCPI 2.2.1, mod_sessions, PUT charging_preferences)."""

from typing import Any

from roaming import visibility
from roaming.ocpi.common.envelope import Request, Response
from roaming.ocpi.common.errors import NotFound
from roaming.ocpi.views.base import OcpiView
from roaming.operations.places import of_party
from sessions_app.operations import preferences


class ChargingPreferencesView(OcpiView):
    """Take what the driver wants; the answer is one word, as a string.

    An EVSE that knows no preferences is HTTP 404 with 2001, as is a session that is not there, or
    not of the caller's own tokens (OCPI 2.2.1, mod_sessions, PUT method).
    """

    def put(self, request: Request, session_id: str, **_kwargs: Any) -> Response:
        shapes = self.spec.shapes.charging_profiles
        assert shapes is not None  # noqa: S101  only versions that have them route here
        wanted = shapes.read_preferences(request.data)
        rows = visibility.sessions_for(self.caller.partner, now=self.now).filter(
            of_party(self.route.receiver), ocpi_id=session_id
        )
        session = rows.order_by("id").first()
        if session is None:
            raise NotFound(f"session {session_id} is not known")
        try:
            answer = preferences.set_charging_preferences(
                session_id=session.pk, preferences=wanted, now=self.now
            )
        except preferences.NotCapable as error:
            raise NotFound(str(error)) from error
        return self.done(answer.value)
