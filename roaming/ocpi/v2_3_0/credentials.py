"""OCPI 2.3.0, credentials: a hub says so by `hub_party_id`, and lists whom it can reach."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from cpo_platform.common.shapes import Shape, Url, parse
from roaming.ocpi.v2_2_1.credentials import (
    CredentialsRole,
    CredentialsToken,
    refuse_doubles,
    their_roles,
)
from roaming.operations.partners import TheirCredentials

# A hub lists every party that it can reach.
MOST_ROLES = 5000


class _Role(CredentialsRole):
    role: Literal["CPO", "EMSP", "NAP", "NSP", "OTHER", "SCSP"]


class _Credentials(Shape):
    token: CredentialsToken
    url: Url
    # Country code and party id in one word.
    hub_party_id: (
        Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2}[A-Za-z0-9]{3}$")] | None
    ) = None
    roles: Annotated[list[_Role], Field(min_length=1, max_length=MOST_ROLES)]

    @model_validator(mode="after")
    def _roles_differ(self) -> "_Credentials":
        refuse_doubles([(role.role, role.country_code, role.party_id) for role in self.roles])
        return self


def read_credentials(document: object) -> TheirCredentials:
    credentials = parse(_Credentials, document)
    return TheirCredentials(
        token=credentials.token,
        versions_url=credentials.url,
        roles=their_roles(credentials.roles),
        hub_party_id=credentials.hub_party_id or "",
    )
