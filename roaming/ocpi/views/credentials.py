"""The credentials handshake, seen from the partner that calls us (OCPI 2.2.1, credentials)."""

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from roaming.models import PartnerStatus
from roaming.ocpi import handshake
from roaming.ocpi.common import errors
from roaming.ocpi.views.base import OcpiView
from roaming.operations import partners

_ERRORS: dict[int, type[errors.OcpiError]] = {
    2001: errors.InvalidParameters,
    3001: errors.UnusableClientApi,
    3002: errors.UnsupportedVersion,
    3003: errors.NoMatchingEndpoints,
}


class CredentialsView(OcpiView):
    functional = False

    def get(self, request: Request, **_kwargs: Any) -> Response:
        # We keep a digest only; the caller has just shown us the token itself.
        return self.done(handshake.our_credentials(self.spec, self.caller.token))

    def post(self, request: Request, **_kwargs: Any) -> Response:
        if self.caller.partner.status == PartnerStatus.REGISTERED:
            raise errors.MethodNotAllowed("you are registered already: use PUT to update")
        return self._exchange(request)

    def put(self, request: Request, **_kwargs: Any) -> Response:
        self._require_registration()
        return self._exchange(request)

    def delete(self, request: Request, **_kwargs: Any) -> Response:
        self._require_registration()
        partners.forget_partner(partner_id=self.caller.partner.pk)
        return self.done()

    def _require_registration(self) -> None:
        if self.caller.partner.status != PartnerStatus.REGISTERED:
            raise errors.MethodNotAllowed("you are not registered: use POST to register")

    def _exchange(self, request: Request) -> Response:
        credentials = self.spec.shapes.read_credentials(request.data)
        try:
            token = handshake.accept_credentials(
                partner_id=self.caller.partner.pk,
                presented=self.caller.token,
                credentials=credentials,
                version=self.spec,
                now=self.now,
            )
        except handshake.HandshakeFailed as error:
            raise _ERRORS.get(error.status_code, errors.ClientError)(str(error)) from error
        return self.done(handshake.our_credentials(self.spec, token))
