"""Message ids and routing headers (OCPI 2.2.1 and later, transport_and_format)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import uuid4

from roaming.models import Partner, PartnerRole
from roaming.ocpi.common.errors import NotFound
from tariffs.models import Party

MAX_ID = 64


@dataclass(frozen=True)
class Route:
    """The parties of a functional request, as its headers name them; both may be absent."""

    receiver: tuple[str, str] | None
    sender: tuple[str, str] | None

    @property
    def answer_headers(self) -> dict[str, str]:
        """The answer goes the other way round: TO is who asked, FROM is who was asked."""
        headers = {}
        if self.sender:
            headers["OCPI-to-country-code"], headers["OCPI-to-party-id"] = self.sender
        if self.receiver:
            headers["OCPI-from-country-code"], headers["OCPI-from-party-id"] = self.receiver
        return headers


def message_ids(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the ids to echo; missing ones are made up, so that every exchange has them."""
    return {
        name: (headers.get(name) or str(uuid4()))[:MAX_ID]
        for name in ("X-Request-ID", "X-Correlation-ID")
    }


def read_route(headers: Mapping[str, str]) -> Route:
    return Route(receiver=_party(headers, "to"), sender=_party(headers, "from"))


def check_route(route: Route, partner: Partner) -> None:
    """Check that the request is for a party of ours, and from one of the partner's.

    The parties behind a hub are its roles as well; what a hub sends to everybody is from itself.

    Raises:
        NotFound: one of them is not. (4001 is for hubs only.)

    """
    if route.receiver is not None:
        country_code, party_id = route.receiver
        if not Party.objects.filter(country_code=country_code, party_id=party_id).exists():
            raise NotFound(f"OCPI-to: {country_code}*{party_id} is not a party of this platform")
    if route.sender is not None:
        country_code, party_id = route.sender
        is_hub = f"{country_code}{party_id}".lower() == partner.hub_party_id.lower()
        if not is_hub and not speaks_for(partner.roles.all(), country_code, party_id):
            raise NotFound(f"OCPI-from: {country_code}*{party_id} is not one of your roles")


def speaks_for(roles: Iterable[PartnerRole], country_code: str, party_id: str) -> bool:
    """Tell whether one of the roles is of this party."""
    wanted = (country_code.lower(), party_id.lower())
    return any((role.country_code.lower(), role.party_id.lower()) == wanted for role in roles)


def _party(headers: Mapping[str, str], direction: str) -> tuple[str, str] | None:
    country_code = headers.get(f"OCPI-{direction}-country-code")
    party_id = headers.get(f"OCPI-{direction}-party-id")
    if not country_code or not party_id:
        return None
    return country_code[:2], party_id[:3]
