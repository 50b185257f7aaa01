"""Parties behind a hub (OCPI 2.2.1, mod_hub_client_info, Receiver interface).

A configuration module: without routing headers. The hub owns what it says, and nothing is deleted.
"""

from typing import Any

from cpo_platform.common.operations import Outcome
from roaming.models import ClientInfo, PartnerStatus
from roaming.ocpi.common import errors
from roaming.ocpi.common.envelope import Request, Response
from roaming.ocpi.views.base import OcpiView
from roaming.operations import hubs


class ClientInfoView(OcpiView):
    """GET and PUT of one party. The URL has no role: of several, GET shows the newest."""

    functional = False

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        partner = self.caller.partner
        if self.caller.is_registering or partner.status != PartnerStatus.REGISTERED:
            raise errors.Unauthorized("this token is for the credentials handshake only")
        if not hubs.is_hub(partner):
            raise errors.MethodNotAllowed("only a hub tells of other parties, and you are none")

    def get(self, request: Request, country_code: str, party_id: str, **_kwargs: Any) -> Response:
        row = (
            ClientInfo.objects.filter(
                partner=self.caller.partner, country_code=country_code, party_id=party_id
            )
            .order_by("-last_updated", "role")
            .first()
        )
        if row is None or self.spec.shapes.client_info is None:
            raise errors.NotFound(f"you have told us nothing of {country_code}*{party_id}")
        return self.done(self.spec.shapes.client_info(row))

    def put(self, request: Request, country_code: str, party_id: str, **_kwargs: Any) -> Response:
        if self.spec.shapes.read_client_info is None:
            raise errors.NotFound("there is nothing here")
        info = self.spec.shapes.read_client_info(request.data)
        for name, body, url in (
            ("country_code", info.country_code, country_code),
            ("party_id", info.party_id, party_id),
        ):
            if body.lower() != url.lower():
                raise errors.InvalidParameters(f"{name}: the body says {body}, the URL says {url}")
        try:
            _row, outcome = hubs.put_client_info(partner_id=self.caller.partner.pk, info=info)
        except hubs.TooManyParties as error:
            raise errors.ClientError(str(error)) from error
        return self.done(http_status=201 if outcome is Outcome.CREATED else 200)
