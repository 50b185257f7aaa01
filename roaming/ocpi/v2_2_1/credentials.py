"""OCPI 2.2.1, credentials: the Credentials object, ours and theirs."""

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, model_validator

from cpo_platform.common.shapes import (
    BusinessDetails,
    CountryCode,
    PartyId,
    Shape,
    Url,
    parse,
)
from roaming.ocpi.common.shapes import OurRole
from roaming.operations.partners import TheirCredentials, TheirRole


class _Role(Shape):
    role: Literal["CPO", "EMSP", "HUB", "NAP", "NSP", "OTHER", "SCSP"]
    business_details: BusinessDetails
    party_id: PartyId
    country_code: CountryCode


class _Credentials(Shape):
    # Printable ASCII without blanks: it travels in a header.
    token: Annotated[str, StringConstraints(max_length=64, pattern=r"^[\x21-\x7e]+$")]
    url: Url
    roles: Annotated[list[_Role], Field(min_length=1, max_length=500)]

    @model_validator(mode="after")
    def _roles_differ(self) -> "_Credentials":
        keys = [
            (role.role, role.country_code.lower(), role.party_id.lower()) for role in self.roles
        ]
        if len(keys) != len(set(keys)):
            raise ValueError("roles has one party twice in the same role")
        return self


def render_credentials(token: str, versions_url: str, roles: list[OurRole]) -> dict[str, Any]:
    return {
        "token": token,
        "url": versions_url,
        "roles": [
            {
                "role": "CPO",
                "party_id": role.party_id,
                "country_code": role.country_code,
                "business_details": role.business_details,
            }
            for role in roles
        ],
    }


def read_credentials(document: object) -> TheirCredentials:
    credentials = parse(_Credentials, document)
    return TheirCredentials(
        token=credentials.token,
        versions_url=credentials.url,
        roles=tuple(
            TheirRole(role.role, role.country_code, role.party_id, role.business_details)
            for role in credentials.roles
        ),
    )
