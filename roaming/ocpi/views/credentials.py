"""The credentials handshake, seen from the partner that calls us (OCPI credentials)."""

from collections.abc import Callable
from typing import Any

from roaming.models import PartnerStatus
from roaming.ocpi import handshake
from roaming.ocpi.common import errors
from roaming.ocpi.common.envelope import Request, Response
from roaming.ocpi.views.base import OcpiView
from roaming.operations import partners


class CredentialsView(OcpiView):
    functional = False

    def get(self, request: Request, **_kwargs: Any) -> Response:
        # We keep a digest only; the caller has just shown us the token itself.
        return self.done(
            self._or_refuse(
                lambda: handshake.our_credentials(self.caller.partner, self.spec, self.caller.token)
            )
        )

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
        return self.done(
            self._or_refuse(
                lambda: handshake.accept_credentials(
                    partner_id=self.caller.partner.pk,
                    presented=self.caller.token,
                    credentials=credentials,
                    version=self.spec,
                    now=self.now,
                )
            )
        )

    def _or_refuse(self, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        try:
            return make()
        except handshake.HandshakeFailed as error:
            refusal = errors.OcpiError(str(error))
            refusal.status_code = error.status_code
            raise refusal from error
