"""OCPI 2.2.1, credentials: the Credentials object, ours and theirs."""

from collections.abc import Iterable
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


class CredentialsRole(Shape):
    role: str
    business_details: BusinessDetails
    party_id: PartyId
    country_code: CountryCode


class _Role(CredentialsRole):
    role: Literal["CPO", "EMSP", "HUB", "NAP", "NSP", "OTHER", "SCSP"]


# Printable ASCII without blanks: it travels in a header.
CredentialsToken = Annotated[str, StringConstraints(max_length=64, pattern=r"^[\x21-\x7e]+$")]


class _Credentials(Shape):
    token: CredentialsToken
    url: Url
    roles: Annotated[list[_Role], Field(min_length=1, max_length=500)]

    @model_validator(mode="after")
    def _roles_differ(self) -> "_Credentials":
        refuse_doubles([(role.role, role.country_code, role.party_id) for role in self.roles])
        return self


def their_roles(roles: Iterable[CredentialsRole]) -> tuple[TheirRole, ...]:
    """Return the roles of a partner as the operations take them."""
    return tuple(
        TheirRole(role.role, role.country_code, role.party_id, role.business_details)
        for role in roles
    )


def refuse_doubles(roles: Iterable[tuple[str, str, str]]) -> None:
    """Refuse a party that is named twice in one role, whatever the case of its letters.

    Raises:
        ValueError: one is.

    """
    keys = [
        (role, country_code.lower(), party_id.lower()) for role, country_code, party_id in roles
    ]
    if len(keys) != len(set(keys)):
        raise ValueError("roles has one party twice in the same role")


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
        roles=their_roles(credentials.roles),
    )
