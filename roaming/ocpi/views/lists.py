"""The lists that partners pull: locations, tariffs, sessions, CDRs (Sender interface)."""

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from roaming import visibility
from roaming.ocpi.common.envelope import ready
from roaming.ocpi.common.pagination import read_page
from roaming.ocpi.documents import Rows, page
from roaming.ocpi.views.base import OcpiView


class ListView(OcpiView):
    """One page of what the caller may see of a module, oldest object first."""

    module = ""
    date_from_required = False

    def visible(self) -> Rows:
        raise NotImplementedError

    def get(self, request: Request, **_kwargs: Any) -> Response:
        asked = read_page(request.query_params, date_from_required=self.date_from_required)
        rows = self.visible()
        if self.route.receiver is not None:
            # A request to one of our parties is answered with that party's objects.
            country_code, party_id = self.route.receiver
            rows = rows.filter(country_code=country_code, party_id=party_id)
        bodies, total = page(
            rows, module=self.module, version=self.spec, audience=self.audience, request=asked
        )
        headers = asked.headers(url=self.spec.module_url(self.module), total=total)
        return self.done([ready(body) for body in bodies], headers=headers)


class LocationsView(ListView):
    module = "locations"

    def visible(self) -> Rows:
        return visibility.locations_for(self.caller.partner)


class TariffsView(ListView):
    module = "tariffs"

    def visible(self) -> Rows:
        return visibility.tariffs_for(self.caller.partner)


class SessionsView(ListView):
    module = "sessions"
    date_from_required = True

    def visible(self) -> Rows:
        return visibility.sessions_for(self.caller.partner)


class CdrsView(ListView):
    module = "cdrs"

    def visible(self) -> Rows:
        return visibility.cdrs_for(self.caller.partner)
