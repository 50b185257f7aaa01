"""The credentials handshake, in both directions, told step by step (OCPI credentials).

Every network call is outside a transaction. What a failed handshake leaves behind is the list of
its steps, for staff to read. No token of a failed registration works afterwards; a failed exchange
leaves the tokens before it, and where nobody can know whether it failed, both pairs.
See docs/adr/0007-credentials-that-lock-nobody-out.md.
"""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from django.conf import settings

from cpo_platform.common import http, json
from cpo_platform.common.secrets import new_token
from cpo_platform.common.shapes import OpenEnum, Problem, Shape, ShapeError, Url, listed, parse
from roaming import visibility
from roaming.client import HTTP_SUCCESS, Credential, Reply, Request, endpoint_url, send_once
from roaming.locks import HANDSHAKE, partner_lock
from roaming.models import Partner, PartnerStatus, Role
from roaming.ocpi.common.shapes import OurRole
from roaming.ocpi.versions import RECEIVER, SENDER, VERSIONS, Version, version_key, versions_url
from roaming.operations import partners
from roaming.operations.partners import Step, TheirCredentials, TheirEndpoint
from roaming.visibility import ONE_PARTY
from tariffs.models import Party

UNUSABLE_API = 3001
UNSUPPORTED_VERSION = 3002
NO_MATCHING_ENDPOINTS = 3003
OUR_FAULT = 3000
INVALID = 2001
GENERIC = 2000
MAX_DETAIL = 1000
# The partner waits for our answer while we call it: longer than this, and it has hung up.
DEADLINE_SECONDS = 25.0
# What an eMSP is in a module, for versions whose endpoints do not say (OCPI 2.1.1, versions).
EMSP_INTERFACES = {
    "credentials": SENDER,
    "cdrs": RECEIVER,
    "commands": SENDER,
    "locations": RECEIVER,
    "sessions": RECEIVER,
    "tariffs": RECEIVER,
    "tokens": SENDER,
}
LOST = (
    "Whether the partner took the new token is not known: both stay valid. Exchange tokens again; "
    "should the partner refuse us, register anew."
)
LOST_FIRST = (
    "Whether the partner registered us is not known, and the token we gave it is void. Ask it to "
    "end the registration, and register anew."
)
# Modules that exchange nothing by themselves.
CONFIGURATION_MODULES = frozenset(["credentials", "hubclientinfo", "versions"])


class HandshakeFailed(Exception):
    """The handshake did not come about; `steps` tells how far it got."""

    def __init__(self, message: str, *, status_code: int, steps: list[Step]) -> None:
        self.status_code = status_code
        self.steps = steps
        super().__init__(message[:MAX_DETAIL])


class _Unanswered(HandshakeFailed):
    """A request was sent, and nothing came back that says what became of it."""


class _AnswerLost(HandshakeFailed):
    """The partner may have taken our credentials, but its own did not reach us."""

    @classmethod
    def of(cls, failure: HandshakeFailed) -> "_AnswerLost":
        return cls(str(failure), status_code=failure.status_code, steps=failure.steps)


class _VersionEntry(Shape):
    version: OpenEnum
    url: Url


class _Endpoint211(Shape):
    """OCPI 2.1.1, version_information_endpoint: without a role."""

    identifier: OpenEnum
    url: Url

    @property
    def interface(self) -> str:
        # A module that OCPI does not know has no interface that we could use.
        return EMSP_INTERFACES.get(self.identifier, "")


class _Endpoint(Shape):
    identifier: OpenEnum
    role: Literal["SENDER", "RECEIVER"]
    url: Url

    @property
    def interface(self) -> str:
        return self.role


class _CredentialsEndpoint(Shape):
    """It is listed once, and its role is not to be looked at (OCPI 2.2.1, versions)."""

    identifier: Literal["credentials"]
    url: Url

    @property
    def interface(self) -> str:
        return SENDER


_AnyEndpoint = _CredentialsEndpoint | _Endpoint | _Endpoint211


class _Details(Shape):
    version: OpenEnum
    endpoints: listed(dict[str, Any])  # type: ignore[valid-type]


@dataclass
class _Talk:
    """One conversation with a partner: what we call it with, and the steps so far."""

    credential: Credential
    steps: list[Step] = field(default_factory=list)
    # Whether the partner has shown which form of the token it takes.
    form_is_known: bool = False
    ends_at: float = field(default_factory=lambda: time.monotonic() + DEADLINE_SECONDS)

    def get(self, what: str, url: str) -> Reply:
        return self._note(f"GET {what} ({url})", self._send_either_way(Request("GET", url)))

    def send(self, what: str, method: str, url: str, body: object = None) -> Reply:
        request = Request(method, url, body=None if body is None else json.dumps(body))
        return self._note(f"{method} {what} ({url})", self._send_either_way(request))

    def prefer(self, version: Version) -> None:
        """Write the token as the version says, until the partner shows that it wants otherwise."""
        if not self.form_is_known:
            self.credential = replace(self.credential, base64=_in_base64(version))

    def _send_either_way(self, request: Request) -> Reply:
        """Send, and once more with the token written the other way on a 401 (Base64 or plain)."""
        reply = self._send(request)
        if reply.http_status == 401 and not self.form_is_known:
            other = replace(self.credential, base64=not self.credential.base64)
            second = self._send(request, other)
            if second.http_status != 401:
                self.credential, self.form_is_known = other, True
                return second
        return reply

    def _send(self, request: Request, credential: Credential | None = None) -> Reply:
        left = self.ends_at - time.monotonic()
        if left <= 0:
            raise self.fail(
                f"{request.method} {request.url}",
                f"not sent: the handshake took longer than {DEADLINE_SECONDS:g} s",
                UNUSABLE_API,
            )
        return send_once(
            request,
            credential or self.credential,
            timeout_seconds=min(http.TIMEOUT_SECONDS, left),
        )

    def _note(self, text: str, reply: Reply) -> Reply:
        self.steps.append(Step(text, reply.ok, "" if reply.ok else reply.reason))
        if reply.ok:
            return reply
        failure = self.failed(f"{text}: {reply.reason}", UNUSABLE_API)
        if _is_unanswered(reply):
            raise _Unanswered(str(failure), status_code=UNUSABLE_API, steps=self.steps)
        raise failure

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


def _is_unanswered(reply: Reply) -> bool:
    """Tell a request that was refused from one of which nobody knows what became.

    What stands between us and the partner answers 5xx as well, and without an envelope.
    """
    if reply.http_status is None:
        return True
    if reply.http_status == 401 and reply.request.method == "PUT":
        # The same token was good a moment ago: our request came twice, or the partner changed its
        # token before it failed.
        return True
    told = reply.status_code is not None
    return not told and (reply.http_status >= 500 or reply.http_status in HTTP_SUCCESS)


def our_credentials(partner: Partner, version: Version, token: str) -> dict[str, Any]:
    """Return our Credentials object, with the token that the partner calls us with.

    In 2.1.1 it is of one party: the partner's `our_party`, or our oldest. It never claims to be a
    hub's: we are none.

    Raises:
        HandshakeFailed: there is no party of ours yet (3000).

    """
    roles = [
        OurRole(
            party.country_code,
            party.party_id,
            {"name": party.name}
            | ({"website": party.website} if party.website else {})
            | ({"logo": party.logo} if party.logo else {}),
        )
        for party in _our_parties(partner, version)
    ]
    if not roles:
        raise HandshakeFailed(
            "this platform has no party of its own yet", status_code=OUR_FAULT, steps=[]
        )
    return version.shapes.credentials(token, versions_url(), roles)


def told_parties(partner: Partner, version: Version) -> list[str]:
    """Return our parties that our credentials name to a partner, such as `NL*ABC`."""
    return sorted(
        f"{party.country_code}*{party.party_id}" for party in _our_parties(partner, version)
    )


def _our_parties(partner: Partner, version: Version) -> list[Party]:
    if version.number != ONE_PARTY:
        return list(Party.objects.order_by("id"))
    party = visibility.our_party_of(partner)
    return [] if party is None else [party]


def unknown_parties(partner: Partner) -> set[str]:
    """Return our parties that the partner has not been told of, and has to be.

    Every party whose objects we push must be listed (OCPI 2.2.1, credentials, CredentialsRole).
    """
    return set(told_parties(partner, VERSIONS[partner.version])) - set(partner.told_parties)


def accept_credentials(
    *,
    partner_id: int,
    presented: str,
    credentials: TheirCredentials,
    version: Version,
    now: datetime,
) -> dict[str, Any]:
    """Take a partner's credentials: call its API with them, and return ours with its new token.

    `presented` is the token that the request came with.

    Raises:
        HandshakeFailed: its API cannot be used (3001), does not have this version (3002), lacks
            endpoints (3003), its roles belong to another partner (2001), or another of its
            handshakes is under way (2000).

    """
    with _alone(partner_id):
        if not partners.is_valid(partner_id=partner_id, token=presented, now=now):
            raise HandshakeFailed(
                "your token was replaced meanwhile", status_code=GENERIC, steps=[]
            )
        return _accept(partner_id, credentials, version, now)


@contextmanager
def _alone(partner_id: int) -> Iterator[None]:
    """Let a partner have one handshake at a time: each keeps a thread of ours waiting for it.

    Also, of two at once the second would void the token that the first was just given.
    """
    with partner_lock(HANDSHAKE, partner_id) as taken:
        if not taken:
            raise HandshakeFailed(
                "another credentials request of yours is under way", status_code=GENERIC, steps=[]
            )
        yield


def _accept(
    partner_id: int, credentials: TheirCredentials, version: Version, now: datetime
) -> dict[str, Any]:
    partner = Partner.objects.get(pk=partner_id)
    talk = _Talk(Credential(credentials.token, _in_base64(version)))
    token = new_token()
    try:
        entries = _versions(talk, credentials.versions_url)
        endpoints = _explore(talk, entries, version)
        is_emsp = any(role.role == Role.EMSP for role in credentials.roles)
        _check_endpoints(talk, endpoints, is_emsp=is_emsp)
        ours = our_credentials(partner, version, token)
        try:
            partners.complete_registration(
                partner_id=partner_id,
                credentials=credentials,
                endpoints=endpoints,
                version=version.number,
                token_base64=talk.credential.base64,
                our_token=token,
                our_parties=told_parties(partner, version),
                now=now,
            )
        except partners.PartyTaken as error:
            raise talk.fail("Store the registration", str(error), INVALID) from error
        talk.steps.append(Step("Gave the partner its new token", ok=True))
    finally:
        partners.record_handshake(partner_id=partner_id, steps=talk.steps, now=now)
    return ours


def register_with_partner(
    *, name: str, versions_url: str, token_a: str, now: datetime, version: str = ""
) -> Partner:
    """Register with a partner that gave us its versions URL and CREDENTIALS_TOKEN_A.

    `version` is the one to speak; "": the latest that both sides have.

    Raises:
        HandshakeFailed: with the steps; nothing of the attempt stays valid.
        roaming.operations.partners.PartyTaken: the name is registered already.
        django.core.exceptions.ValidationError: the name breaks a rule.

    """
    partner, token_b = partners.prepare_partner(name=name, now=now)
    talk = _Talk(Credential(token_a))
    try:
        return _introduce(talk, partner, versions_url, token_b, version=version, now=now)
    except HandshakeFailed as error:
        partners.abandon_partner(partner_id=partner.pk)
        if isinstance(error, _AnswerLost):
            talk.steps.append(Step(LOST_FIRST, ok=False))
        raise
    finally:
        partners.record_handshake(partner_id=partner.pk, steps=talk.steps, now=now)


def update_registration(*, partner_id: int, now: datetime, version: str = "") -> Partner:
    """Exchange new tokens with a registered partner, and read its endpoints anew (PUT).

    `version` is the one to speak from now on; "": the present one, or where the partner has given
    that up, the latest that both sides have.

    Raises:
        HandshakeFailed: with the steps; the tokens before it stay valid. Where the partner's
            answer was lost, the new one is valid as well: it may have been taken.
        roaming.operations.partners.NotRegistered: there is no registration.

    """
    with _alone(partner_id):
        return _update(partner_id, version, now)


def _update(partner_id: int, version: str, now: datetime) -> Partner:
    partner = Partner.objects.get(pk=partner_id)
    token_b = partners.offer_token(partner_id=partner_id, now=now)
    talk = _Talk(Credential.of(partner, now=now))
    try:
        return _introduce(talk, partner, partner.versions_url, token_b, version=version, now=now)
    except _AnswerLost:
        partners.keep_both_tokens(partner_id=partner_id, token=token_b)
        talk.steps.append(Step(LOST, ok=False))
        raise
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
    talk = _Talk(Credential.of(partner, now=now)) if partner.token_encrypted else None
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
    talk: _Talk, partner: Partner, url: str, token_b: str, *, version: str, now: datetime
) -> Partner:
    """Read the partner's endpoints, and exchange credentials: POST at first, PUT after that."""
    first_time = partner.status != PartnerStatus.REGISTERED
    entries = _versions(talk, url)
    chosen = _choose(talk, entries, version, "" if first_time else partner.version)
    if chosen.number != partner.version or first_time:
        talk.prefer(chosen)
    endpoints = _explore(talk, entries, chosen)
    # Before anything is sent: who we register with is an eMSP until it says otherwise.
    is_emsp = first_time or partner.roles.filter(role=Role.EMSP).exists()
    _check_endpoints(talk, endpoints, is_emsp=is_emsp)
    ours = our_credentials(partner, chosen, token_b)
    told = told_parties(partner, chosen)
    theirs = _exchange(talk, "POST" if first_time else "PUT", endpoints, chosen, ours)
    try:
        registered = partners.complete_registration(
            partner_id=partner.pk,
            credentials=theirs,
            endpoints=endpoints,
            version=chosen.number,
            token_base64=talk.credential.base64,
            our_token=token_b,
            our_parties=told,
            # Staff gave us this partner's address: what it says it is, it is.
            grant_roles=first_time,
            now=now,
        )
    except partners.PartyTaken as error:
        raise talk.fail("Store the registration", str(error), INVALID) from error
    talk.steps.append(Step(f"Registered, OCPI {chosen.number}", ok=True))
    return registered


def _exchange(
    talk: _Talk,
    method: str,
    endpoints: Iterable[TheirEndpoint],
    version: Version,
    ours: dict[str, Any],
) -> TheirCredentials:
    """Send our credentials and return the partner's.

    Raises:
        HandshakeFailed: the partner refused them.
        _AnswerLost: it may have taken them, but we do not have its token.

    """
    url = next(one.url for one in endpoints if one.identifier == "credentials")
    try:
        reply = talk.send("credentials", method, url, ours)
        return version.shapes.read_credentials(reply.data)
    except ShapeError as error:
        failure = talk.fail("Read the partner's credentials", str(error), UNUSABLE_API)
        raise _AnswerLost.of(failure) from error
    except _Unanswered as error:
        raise _AnswerLost.of(error) from error


def _choose(talk: _Talk, entries: Iterable[_VersionEntry], wanted: str, present: str) -> Version:
    """Return the version that is wanted, or the present one, or the latest mutual one."""
    mutual = {
        entry.version: VERSIONS[entry.version] for entry in entries if entry.version in VERSIONS
    }
    for number in (wanted, present):
        if number in mutual:
            return mutual[number]
    if not mutual or wanted:
        offered = ", ".join(sorted({entry.version for entry in entries}, key=version_key))
        ours = wanted or ", ".join(VERSIONS)
        raise talk.fail(
            "Choose a version",
            f"the partner offers {offered or 'none'}, we speak {ours}",
            UNSUPPORTED_VERSION,
        )
    return max(mutual.values(), key=lambda version: version.key)


def _versions(talk: _Talk, url: str) -> list[_VersionEntry]:
    reply = talk.get("versions", url)
    entries: list[_VersionEntry] = talk.read(listed(_VersionEntry), reply, "the versions")
    return entries


def _explore(
    talk: _Talk, entries: Iterable[_VersionEntry], version: Version
) -> list[TheirEndpoint]:
    """Return the partner's endpoints in a version."""
    number = version.number
    entry = next((entry for entry in entries if entry.version == number), None)
    if entry is None:
        raise talk.fail(
            "Find the version", f"the partner does not offer {number}", UNSUPPORTED_VERSION
        )
    what = "the version's details"
    details: _Details = talk.read(_Details, talk.get(f"details of {number}", entry.url), what)
    try:
        return _unique(_endpoints(details, version))
    except ShapeError as error:
        raise talk.fail(f"read {what}", str(error), UNUSABLE_API) from error


def _endpoints(details: _Details, version: Version) -> list[_AnyEndpoint]:
    problems: list[Problem] = []
    endpoints: list[_AnyEndpoint] = []
    for number, entry in enumerate(details.endpoints):
        shape: type[_AnyEndpoint] = _Endpoint
        if entry.get("identifier") == "credentials":
            shape = _CredentialsEndpoint
        elif version.number == ONE_PARTY:
            shape = _Endpoint211
        try:
            endpoints.append(parse(shape, entry))
        except ShapeError as error:
            problems += [
                Problem(f"endpoints[{number}].{problem.path}", problem.reason)
                for problem in error.problems
            ]
    if problems:
        raise ShapeError(problems)
    return endpoints


def _unique(entries: Iterable[_AnyEndpoint]) -> list[TheirEndpoint]:
    unique = {
        (entry.identifier, entry.interface): TheirEndpoint(
            entry.identifier, entry.interface, entry.url
        )
        for entry in entries
    }
    return list(unique.values())


def _check_endpoints(talk: _Talk, endpoints: Iterable[TheirEndpoint], *, is_emsp: bool) -> None:
    """Check that the partner offers what we need of it: a module, and in the interface we call.

    What an eMSP must offer is this business's decision (`REQUIRED_ENDPOINTS`), not OCPI's.
    """
    offered = {(endpoint.identifier, endpoint.role) for endpoint in endpoints}
    modules = {identifier for identifier, _role in offered}
    missing = []
    if is_emsp:
        missing = [text for text in settings.REQUIRED_ENDPOINTS if not _is_offered(text, offered)]
    if "credentials" not in modules:
        missing.insert(0, "credentials")
    if missing:
        raise talk.fail(
            "Check the endpoints",
            f"the partner has no endpoint {', '.join(missing)}",
            NO_MATCHING_ENDPOINTS,
        )
    if not modules - CONFIGURATION_MODULES:
        raise talk.fail(
            "Check the endpoints",
            "the partner offers no module besides credentials",
            NO_MATCHING_ENDPOINTS,
        )


def _is_offered(required: str, offered: Iterable[tuple[str, str]]) -> bool:
    """Tell whether `cdrs:RECEIVER`, or `cdrs` in whichever interface, is among the endpoints."""
    wanted, _colon, interface = required.partition(":")
    return any(identifier == wanted and interface in {"", role} for identifier, role in offered)


def _in_base64(version: Version) -> bool:
    """Tell how a version has the token in the Authorization header: 2.1.1 as it is."""
    return version.number != ONE_PARTY


def _credentials_url(partner: Partner) -> str | None:
    # Registrations made before its role was left out of account may have it as RECEIVER.
    return endpoint_url(partner, "credentials", SENDER) or endpoint_url(
        partner, "credentials", RECEIVER
    )
