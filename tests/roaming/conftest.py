"""Partners that are registered already, and a client that calls us as one of them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from cpo_platform.common import json
from cpo_platform.common.secrets import encrypt, new_token
from roaming.models import (
    Endpoint,
    Partner,
    PartnerRole,
    PartnerStatus,
    TokenPurpose,
)
from roaming.operations.partner_tokens import give_token
from tests.factories import NOW
from tests.roaming.lanes import open_lanes

Json = dict[str, Any]


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    body: Json

    @property
    def data(self) -> Any:
        return self.body.get("data")

    @property
    def code(self) -> int:
        return int(self.body["status_code"])


@dataclass
class Caller:
    """Calls the platform as a partner does; `headers` go with every request."""

    token: str
    headers: dict[str, str] = field(default_factory=dict)
    # One for all its calls: each new one would put the middleware together again.
    _client: Client = field(default_factory=Client, repr=False, compare=False)

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        from base64 import b64encode

        sent = {
            "Authorization": "Token " + b64encode(self.token.encode()).decode(),
            "X-Request-ID": str(uuid4()),
            "X-Correlation-ID": str(uuid4()),
            **self.headers,
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        raw = body if isinstance(body, bytes) else None if body is None else json.dumps(body)
        response = self._client.generic(
            method,
            path if path.startswith("/") else f"/ocpi/2.2.1/{path}",
            data=raw or b"",
            content_type="application/json",
            headers={name: value for name, value in sent.items() if value},
        )
        content = json.loads(response.content) if response.content else {}
        return Reply(response.status_code, dict(response.headers), content)

    def get(self, path: str, **headers: str) -> Reply:
        return self("GET", path, **headers)


@dataclass
class Registered:
    partner: Partner
    call: Caller


def make_partner(
    name: str = "First eMSP",
    party_id: str = "EMS",
    *,
    status: str = PartnerStatus.REGISTERED,
    endpoints: dict[str, str] | None = None,
) -> Registered:
    """Return a registered partner NL*<party_id>, and who calls us with its token."""
    partner = Partner.objects.create(
        name=name,
        status=status,
        version="2.2.1",
        versions_url="https://emsp.example/versions",
        token_encrypted=encrypt("their-token"),
        told_parties=["NL*TST"],
    )
    PartnerRole.objects.create(partner=partner, role="EMSP", country_code="NL", party_id=party_id)
    for identifier, url in (endpoints or {}).items():
        role = "SENDER" if identifier in {"tokens", "commands", "credentials"} else "RECEIVER"
        Endpoint.objects.create(partner=partner, identifier=identifier, role=role, url=url)
    open_lanes(partner)
    token = new_token()
    purpose = (
        TokenPurpose.OPERATION if status == PartnerStatus.REGISTERED else TokenPurpose.REGISTRATION
    )
    give_token(partner, token, purpose=purpose, now=NOW)
    return Registered(partner, Caller(token))


@pytest.fixture
def first(db: None) -> Registered:
    """NL*EMS, registered."""
    return make_partner()


@pytest.fixture
def stranger(db: None) -> Registered:
    """NL*FOE, registered as well, and with no business in the first one's data."""
    return make_partner("Other eMSP", "FOE")


@pytest.fixture
def call(first: Registered) -> Caller:
    return first.call


PartnerMaker = Callable[..., Registered]
