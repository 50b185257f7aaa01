"""The credentials handshake, in both directions, told step by step (OCPI 2.2.1, credentials).

Every network call is outside a transaction. What a failed handshake leaves behind is the list of
its steps, for staff to read; no token of it works afterwards.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from django.db import connection

from cpo_platform.common import json
from cpo_platform.common.secrets import new_token
from cpo_platform.common.shapes import OpenEnum, Shape, ShapeError, Url, listed, parse
from roaming.client import Credential, Reply, Request, endpoint_url, send_once
from roaming.models import Partner
from roaming.ocpi.common.shapes import OurRole
from roaming.ocpi.versions import VERSIONS, Version, version_key, versions_url
from roaming.operations import partners
from roaming.operations.partners import Step, TheirCredentials, TheirEndpoint
from tariffs.models import Party

UNUSABLE_API = 3001
UNSUPPORTED_VERSION = 3002
NO_MATCHING_ENDPOINTS = 3003
INVALID = 2001
GENERIC = 2000
MAX_DETAIL = 1000
# The first of the two numbers of our advisory locks here; the second is the partner.
HANDSHAKE_LOCK = 731_024_503


class HandshakeFailed(Exception):
    """The handshake did not come about; `steps` tells how far it got."""

    def __init__(self, message: str, *, status_code: int, steps: list[Step]) -> None:
        self.status_code = status_code
        self.steps = steps
        super().__init__(message[:MAX_DETAIL])


class _VersionEntry(Shape):
    version: OpenEnum
    url: Url


class _EndpointEntry(Shape):
    identifier: OpenEnum
    role: Literal["SENDER", "RECEIVER"] = "SENDER"
    url: Url


class _Details(Shape):
    version: OpenEnum
    endpoints: listed(_EndpointEntry)  # type: ignore[valid-type]


@dataclass
class _Talk:
    """One conversation with a partner: what we call it with, and the steps so far."""

    credential: Credential
    steps: list[Step] = field(default_factory=list)

    def get(self, what: str, url: str) -> Reply:
        """GET, and once more with the token written the other way on a 401 (Base64 or plain)."""
        reply = send_once(Request("GET", url), self.credential)
        if reply.http_status == 401:
            other = Credential(self.credential.token, not self.credential.base64)
            second = send_once(Request("GET", url), other)
            if second.ok:
                self.credential, reply = other, second
        return self._note(f"GET {what} ({url})", reply)

    def send(self, what: str, method: str, url: str, body: object = None) -> Reply:
        request = Request(method, url, body=None if body is None else json.dumps(body))
        return self._note(f"{method} {what} ({url})", send_once(request, self.credential))

    def _note(self, text: str, reply: Reply) -> Reply:
        self.steps.append(Step(text, reply.ok, "" if reply.ok else reply.reason))
        if not reply.ok:
            raise self.failed(f"{text}: {reply.reason}", UNUSABLE_API)
        return reply

    def read(self, shape: Any, reply: Reply, what: str) -> Any:
        try:
            return parse(shape, reply.data)
        except ShapeError as error:
            raise self.fail(f"read {what}", str(error), UNUSABLE_API) from error

    def fail(self, text: str, detail: str, status_code: int) -> HandshakeFailed:
        detail = detail[:MAX_DETAIL]
        self.steps.append(Step(text, ok=False, detail=detail))
        return self.failed(f"{text}: {detail}", status_code)

    def failed(self, message: str, status_code: int) -> HandshakeFailed:
        return HandshakeFailed(message, status_code=status_code, steps=self.steps)


def our_credentials(version: Version, token: str) -> dict[str, Any]:
    """Return our Credentials object, with the token that the partner calls us with."""
    roles = [
        OurRole(
            party.country_code,
            party.party_id,
            {"name": party.name}
            | ({"website": party.website} if party.website else {})
            | ({"logo": party.logo} if party.logo else {}),
        )
        for party in Party.objects.order_by("id")
    ]
    return version.shapes.credentials(token, versions_url(), roles)


def our_parties() -> list[str]:
    """Return our CPO parties as they are told apart: `NL*ABC`."""
    return sorted(
        f"{country_code}*{party_id}"
        for country_code, party_id in Party.objects.values_list("country_code", "party_id")
    )


def unknown_parties(partner: Partner) -> set[str]:
    """Return our parties that the partner has not been told of.

    Every party whose objects we push must be listed (OCPI 2.2.1, credentials, CredentialsRole).
    """
    return set(our_parties()) - set(partner.told_parties)


def accept_credentials(
    *,
    partner_id: int,
    presented: str,
    credentials: TheirCredentials,
    version: Version,
    now: datetime,
) -> str:
    """Take a partner's credentials: call its API with them, and return its new token.

    `presented` is the token that the request came with.

    Raises:
        HandshakeFailed: its API cannot be used (3001), does not have this version (3002), lacks
            endpoints (3003), its roles belong to another partner (2001), or another of its
            handshakes is under way (2000).

    """
    with _alone(partner_id):
        if not partners.is_valid(partner_id=partner_id, token=presented):
            raise HandshakeFailed(
                "your token was replaced meanwhile", status_code=GENERIC, steps=[]
            )
        return _accept(partner_id, credentials, version, now)


@contextmanager
def _alone(partner_id: int) -> Iterator[None]:
    """Let a partner have one handshake at a time: each keeps a thread of ours waiting for it.

    Also, of two at once the second would void the token that the first was just given.
    """
    lock = [HANDSHAKE_LOCK, partner_id % 2**31]
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", lock)
        (taken,) = cursor.fetchone()
    if not taken:
        raise HandshakeFailed(
            "another credentials request of yours is under way", status_code=GENERIC, steps=[]
        )
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s, %s)", lock)


def _accept(partner_id: int, credentials: TheirCredentials, version: Version, now: datetime) -> str:
    talk = _Talk(Credential(credentials.token))
    token = new_token()
    try:
        endpoints = _explore(talk, credentials.versions_url, version.number)
        try:
            partners.complete_registration(
                partner_id=partner_id,
                credentials=credentials,
                endpoints=endpoints,
                version=version.number,
                token_base64=talk.credential.base64,
                our_token=token,
                our_parties=our_parties(),
                now=now,
            )
        except partners.PartyTaken as error:
            raise talk.fail("Store the registration", str(error), INVALID) from error
        talk.steps.append(Step("Gave the partner its new token", ok=True))
    finally:
        partners.record_handshake(partner_id=partner_id, steps=talk.steps, now=now)
    return token


def register_with_partner(*, name: str, versions_url: str, token_a: str, now: datetime) -> Partner:
    """Register with a partner that gave us its versions URL and CREDENTIALS_TOKEN_A.

    Raises:
        HandshakeFailed: with the steps; nothing of the attempt stays valid.
        roaming.operations.partners.PartyTaken: the name is registered already.
        django.core.exceptions.ValidationError: the name breaks a rule.

    """
    partner, token_b = partners.prepare_partner(name=name, now=now)
    talk = _Talk(Credential(token_a))
    try:
        return _introduce(
            talk,
            partner_id=partner.pk,
            url=versions_url,
            token_b=token_b,
            method="POST",
            now=now,
        )
    except HandshakeFailed:
        partners.abandon_partner(partner_id=partner.pk)
        raise
    finally:
        partners.record_handshake(partner_id=partner.pk, steps=talk.steps, now=now)


def update_registration(*, partner_id: int, now: datetime) -> Partner:
    """Exchange new tokens with a registered partner, and read its endpoints anew (PUT).

    Raises:
        HandshakeFailed: with the steps; the old tokens stay valid.
        roaming.operations.partners.NotRegistered: there is no registration.

    """
    with _alone(partner_id):
        return _update(partner_id, now)


def _update(partner_id: int, now: datetime) -> Partner:
    partner = Partner.objects.get(pk=partner_id)
    token_b = partners.offer_token(partner_id=partner_id, now=now)
    talk = _Talk(Credential.of(partner))
    try:
        return _introduce(
            talk,
            partner_id=partner_id,
            url=partner.versions_url,
            token_b=token_b,
            method="PUT",
            now=now,
        )
    except HandshakeFailed:
        partners.withdraw_token(partner_id=partner_id, token=token_b)
        raise
    finally:
        partners.record_handshake(partner_id=partner_id, steps=talk.steps, now=now)


def unregister(*, partner_id: int, now: datetime) -> list[Step]:
    """End a registration: tell the partner (DELETE), and forget it whatever it answers.

    Raises:
        roaming.operations.partners.NotRegistered: there is none.

    """
    partner = Partner.objects.prefetch_related("endpoints").get(pk=partner_id)
    url = _credentials_url(partner)
    talk = _Talk(Credential.of(partner)) if partner.token_encrypted else None
    if talk is not None and url is not None:
        try:
            talk.send("credentials", "DELETE", url)
        except HandshakeFailed:
            talk.steps.append(Step("Ended the registration all the same", ok=True))
    partners.forget_partner(partner_id=partner_id)
    steps = talk.steps if talk else []
    partners.record_handshake(partner_id=partner_id, steps=steps, now=now)
    return steps


def _introduce(
    talk: _Talk, *, partner_id: int, url: str, token_b: str, method: str, now: datetime
) -> Partner:
    version = _latest_mutual(talk, url)
    endpoints = _explore(talk, url, version.number)
    credentials_url = next(
        endpoint.url for endpoint in endpoints if endpoint.identifier == "credentials"
    )
    reply = talk.send("credentials", method, credentials_url, our_credentials(version, token_b))
    try:
        theirs = version.shapes.read_credentials(reply.data)
    except ShapeError as error:
        raise talk.fail("Read the partner's credentials", str(error), UNUSABLE_API) from error
    try:
        partner = partners.complete_registration(
            partner_id=partner_id,
            credentials=theirs,
            endpoints=endpoints,
            version=version.number,
            token_base64=talk.credential.base64,
            our_token=token_b,
            our_parties=our_parties(),
            # Staff gave us this partner's address: what it says it is, it is.
            grant_roles=method == "POST",
            now=now,
        )
    except partners.PartyTaken as error:
        raise talk.fail("Store the registration", str(error), INVALID) from error
    talk.steps.append(Step(f"Registered, OCPI {version.number}", ok=True))
    return partner


def _latest_mutual(talk: _Talk, url: str) -> Version:
    entries = _versions(talk, url)
    mutual = [VERSIONS[entry.version] for entry in entries if entry.version in VERSIONS]
    if not mutual:
        offered = ", ".join(sorted({entry.version for entry in entries}, key=version_key))
        raise talk.fail(
            "Choose a version",
            f"the partner offers {offered or 'none'}, we speak {', '.join(VERSIONS)}",
            UNSUPPORTED_VERSION,
        )
    return max(mutual, key=lambda version: version.key)


def _versions(talk: _Talk, url: str) -> list[_VersionEntry]:
    reply = talk.get("versions", url)
    entries: list[_VersionEntry] = talk.read(listed(_VersionEntry), reply, "the versions")
    return entries


def _explore(talk: _Talk, url: str, number: str) -> list[TheirEndpoint]:
    """Return the partner's endpoints in a version, by its versions and details."""
    entry = next((entry for entry in _versions(talk, url) if entry.version == number), None)
    if entry is None:
        raise talk.fail(
            "Find the version", f"the partner does not offer {number}", UNSUPPORTED_VERSION
        )
    details: _Details = talk.read(
        _Details, talk.get(f"details of {number}", entry.url), "the version's details"
    )
    endpoints = _unique(details.endpoints)
    if not any(endpoint.identifier == "credentials" for endpoint in endpoints):
        raise talk.fail(
            "Check the endpoints", "the partner has no credentials endpoint", NO_MATCHING_ENDPOINTS
        )
    if all(endpoint.identifier == "credentials" for endpoint in endpoints):
        raise talk.fail(
            "Check the endpoints",
            "the partner offers no module besides credentials",
            NO_MATCHING_ENDPOINTS,
        )
    return endpoints


def _unique(entries: Iterable[_EndpointEntry]) -> list[TheirEndpoint]:
    unique = {
        (entry.identifier, entry.role): TheirEndpoint(entry.identifier, entry.role, entry.url)
        for entry in entries
    }
    return list(unique.values())


def _credentials_url(partner: Partner) -> str | None:
    # It is listed once; its role is not to be looked at (OCPI 2.2.1, versions).
    return endpoint_url(partner, "credentials", "SENDER") or endpoint_url(
        partner, "credentials", "RECEIVER"
    )
