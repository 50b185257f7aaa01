"""The credentials handshake, in both directions, told step by step (OCPI credentials).

Every network call is outside a transaction. What a failed handshake leaves behind is the list of
its steps, for staff to read. No token of a failed registration works afterwards; a failed exchange
leaves the tokens before it, and where nobody can know whether it failed, both pairs.
See docs/adr/0007-credentials-that-lock-nobody-out.md.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from cpo_platform.common.saying import say
from cpo_platform.common.secrets import new_token
from cpo_platform.common.shapes import ShapeError
from roaming import visibility
from roaming.client import Credential, endpoint_url
from roaming.failures import THEIR_TOKEN_REFUSED, TOKEN_A_REFUSED
from roaming.locks import HANDSHAKE, partner_lock
from roaming.models import Partner, PartnerStatus, Role
from roaming.ocpi.common.shapes import OurRole
from roaming.ocpi.partner_endpoints import (
    check_endpoints,
    choose_version,
    read_endpoints,
    read_versions,
)
from roaming.ocpi.talk import UNUSABLE_API, AnswerLost, HandshakeFailed, Talk, Unanswered, in_base64
from roaming.ocpi.versions import RECEIVER, SENDER, VERSIONS, Version, versions_url
from roaming.operations import partner_tokens, partners, registering
from roaming.operations.partners import Step, TheirCredentials, TheirEndpoint
from roaming.visibility import ONE_PARTY
from tariffs.models import Party

__all__ = [
    "HandshakeFailed",
    "accept_credentials",
    "our_credentials",
    "read_endpoints_again",
    "register_with_partner",
    "told_parties",
    "unknown_parties",
    "unregister",
    "update_registration",
]

OUR_FAULT = 3000
INVALID = 2001
GENERIC = 2000
LOST = say(
    "Whether the partner took the new token is not known: both stay valid. Exchange tokens again; "
    "should the partner refuse us, register anew."
)
LOST_FIRST = say(
    "Whether the partner registered us is not known, and the token we gave it is void. Ask it to "
    "end the registration, and register anew."
)


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
        if not partner_tokens.is_valid(partner_id=partner_id, token=presented, now=now):
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
    talk = Talk(
        partner_id,
        Credential(credentials.token, in_base64(version)),
        refused=THEIR_TOKEN_REFUSED,
    )
    token = new_token()
    try:
        entries = read_versions(talk, credentials.versions_url)
        endpoints = read_endpoints(talk, entries, version)
        is_emsp = any(role.role == Role.EMSP for role in credentials.roles)
        check_endpoints(talk, endpoints, is_emsp=is_emsp)
        ours = our_credentials(partner, version, token)
        other = partners.other_party(partner, credentials.roles)
        try:
            registering.complete_registration(
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
            raise talk.fail(say("Store the registration"), str(error), INVALID) from error
        talk.steps += [other] if other else []
        talk.steps.append(Step(say("Gave the partner its new token"), ok=True))
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
    talk = Talk(partner.pk, Credential(token_a), refused=TOKEN_A_REFUSED)
    try:
        return _introduce(talk, partner, versions_url, token_b, version=version, now=now)
    except HandshakeFailed as error:
        partners.abandon_partner(partner_id=partner.pk)
        if isinstance(error, AnswerLost):
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
    token_b = registering.offer_token(partner_id=partner_id, now=now)
    talk = Talk(partner_id, Credential.of(partner, now=now))
    try:
        return _introduce(talk, partner, partner.versions_url, token_b, version=version, now=now)
    except AnswerLost:
        partner_tokens.keep_both_tokens(partner_id=partner_id, token=token_b)
        talk.steps.append(Step(LOST, ok=False))
        raise
    except HandshakeFailed:
        partner_tokens.withdraw_token(partner_id=partner_id, token=token_b)
        raise
    finally:
        partners.record_handshake(partner_id=partner_id, steps=talk.steps, now=now)


def read_endpoints_again(*, partner_id: int, now: datetime) -> bool:
    """Read where a registered partner has its modules, and tell whether that has changed.

    For when nobody is at home at one of them. What cannot be read changes nothing.
    """
    partner = Partner.objects.prefetch_related("endpoints").get(pk=partner_id)
    talk = Talk(partner_id, Credential.of(partner, now=now), form_is_known=True)
    version = VERSIONS[partner.version]
    try:
        entries = read_versions(talk, partner.versions_url)
        endpoints = read_endpoints(talk, entries, version)
        is_emsp = partner.roles.filter(role=Role.EMSP).exists()
        check_endpoints(talk, endpoints, is_emsp=is_emsp)
    except HandshakeFailed:
        return False
    return registering.replace_endpoints(
        partner_id=partner_id, version=version.number, endpoints=endpoints
    )


def unregister(*, partner_id: int, now: datetime) -> list[Step]:
    """End a registration: tell the partner (DELETE), and forget it whatever it answers.

    Raises:
        roaming.operations.partners.NotRegistered: there is none.

    """
    partner = Partner.objects.prefetch_related("endpoints").get(pk=partner_id)
    url = _credentials_url(partner)
    credential = Credential.of(partner, now=now) if partner.token_encrypted else None
    talk = Talk(partner_id, credential) if credential is not None else None
    if talk is not None and url is not None:
        try:
            talk.send("credentials", "DELETE", url)
        except HandshakeFailed:
            talk.steps.append(Step(say("Ended the registration all the same"), ok=True))
    partners.forget_partner(partner_id=partner_id)
    steps = talk.steps if talk else []
    partners.record_handshake(partner_id=partner_id, steps=steps, now=now)
    return steps


def _introduce(
    talk: Talk, partner: Partner, url: str, token_b: str, *, version: str, now: datetime
) -> Partner:
    """Read the partner's endpoints, and exchange credentials: POST at first, PUT after that."""
    first_time = partner.status != PartnerStatus.REGISTERED
    entries = read_versions(talk, url)
    chosen = choose_version(talk, entries, version, "" if first_time else partner.version)
    if chosen.number != partner.version or first_time:
        talk.prefer(chosen)
    endpoints = read_endpoints(talk, entries, chosen)
    # Before anything is sent: who we register with is an eMSP until it says otherwise.
    is_emsp = first_time or partner.roles.filter(role=Role.EMSP).exists()
    check_endpoints(talk, endpoints, is_emsp=is_emsp)
    ours = our_credentials(partner, chosen, token_b)
    told = told_parties(partner, chosen)
    theirs = _exchange(talk, "POST" if first_time else "PUT", endpoints, chosen, ours)
    try:
        registered = registering.complete_registration(
            partner_id=partner.pk,
            credentials=theirs,
            endpoints=endpoints,
            version=chosen.number,
            token_base64=talk.credential.base64,
            our_token=token_b,
            our_parties=told,
            # Staff gave us this partner's address: what it says it is, it is.
            grant_roles=first_time,
            is_accepted=True,
            now=now,
        )
    except partners.PartyTaken as error:
        raise talk.fail(say("Store the registration"), str(error), INVALID) from error
    done = say("Registered, OCPI %(version)s", version=chosen.number)
    talk.steps.append(Step(done, ok=True))
    return registered


def _exchange(
    talk: Talk,
    method: str,
    endpoints: Iterable[TheirEndpoint],
    version: Version,
    ours: dict[str, Any],
) -> TheirCredentials:
    """Send our credentials and return the partner's.

    Raises:
        HandshakeFailed: the partner refused them.
        AnswerLost: it may have taken them, but we do not have its token.

    """
    url = next(one.url for one in endpoints if one.identifier == "credentials")
    try:
        reply = talk.send("credentials", method, url, ours)
        return version.shapes.read_credentials(reply.data)
    except ShapeError as error:
        failure = talk.fail(say("Read the partner's credentials"), str(error), UNUSABLE_API)
        raise AnswerLost.of(failure) from error
    except Unanswered as error:
        raise AnswerLost.of(error) from error


def _credentials_url(partner: Partner) -> str | None:
    # Registrations made before its role was left out of account may have it as RECEIVER.
    return endpoint_url(partner, "credentials", SENDER) or endpoint_url(
        partner, "credentials", RECEIVER
    )
