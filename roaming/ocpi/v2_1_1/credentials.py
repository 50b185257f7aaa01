"""OCPI 2.1.1, credentials: one party on each side, without roles."""

from typing import Annotated, Any

from pydantic import StringConstraints

from cpo_platform.common.shapes import BusinessDetails, CountryCode, PartyId, Shape, Url, parse
from roaming.ocpi.common.shapes import OurRole
from roaming.operations.partners import TheirCredentials, TheirRole


class _Credentials(Shape):
    token: Annotated[str, StringConstraints(max_length=64, pattern=r"^[\x21-\x7e]+$")]
    url: Url
    business_details: BusinessDetails
    party_id: PartyId
    country_code: CountryCode


def render_credentials(token: str, versions_url: str, roles: list[OurRole]) -> dict[str, Any]:
    """Return our Credentials: of the first role, since 2.1.1 has room for one."""
    ours = roles[0]
    return {
        "token": token,
        "url": versions_url,
        "business_details": ours.business_details,
        "party_id": ours.party_id,
        "country_code": ours.country_code,
    }


def read_credentials(document: object) -> TheirCredentials:
    """Return the partner's credentials; who calls a CPO in 2.1.1 is an eMSP."""
    credentials = parse(_Credentials, document)
    role = TheirRole(
        "EMSP", credentials.country_code, credentials.party_id, credentials.business_details
    )
    return TheirCredentials(token=credentials.token, versions_url=credentials.url, roles=(role,))
