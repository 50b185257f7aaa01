"""Everything that writes partners: their invitation, registration, update and end."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction

from cpo_platform.common.secrets import digest, encrypt, new_token
from cpo_platform.common.shapes import BusinessDetails, plain
from roaming.models import (
    Change,
    Delivery,
    Endpoint,
    Feed,
    Partner,
    PartnerRole,
    PartnerStatus,
    PartnerToken,
    Role,
    TokenPurpose,
)
from roaming.operations import feed


class PartyTaken(ValueError):
    """Another partner speaks for one of the parties already."""


class NotRegistered(ValueError):
    """There is no registration to end."""


@dataclass(frozen=True)
class TheirRole:
    """A party behind a partner, as its credentials say."""

    role: str
    country_code: str
    party_id: str
    business_details: BusinessDetails | None = None


@dataclass(frozen=True)
class TheirCredentials:
    """What a partner's Credentials object says, whatever its version."""

    token: str
    versions_url: str
    roles: tuple[TheirRole, ...]


@dataclass(frozen=True)
class TheirEndpoint:
    identifier: str
    role: str
    url: str


@dataclass(frozen=True)
class Step:
    """One step of a handshake, in words: what we did, whether it worked, what came back."""

    text: str
    ok: bool
    detail: str = ""


@dataclass(frozen=True)
class Invitation:
    partner: Partner
    token_a: str


def invite_partner(
    *, name: str, role: str, country_code: str, party_id: str, now: datetime
) -> Invitation:
    """Create a partner that will register with us, and its CREDENTIALS_TOKEN_A (shown once).

    Inviting a partner that is not registered again replaces its token.

    Raises:
        PartyTaken: the party, or the name, belongs to another partner.
        django.core.exceptions.ValidationError: a field breaks a rule.

    """
    token = new_token()
    with transaction.atomic():
        partner = Partner.objects.select_for_update().filter(name=name).first()
        if partner is None:
            partner = Partner(name=name)
            partner.full_clean()
            partner.save()
        elif partner.status == PartnerStatus.REGISTERED:
            raise PartyTaken(f"name: {name} is registered already")
        partner.status = PartnerStatus.INVITED
        partner.save(update_fields=["status"])
        grant(partner, TheirRole(role, country_code, party_id))
        give_token(partner, token, purpose=TokenPurpose.REGISTRATION, now=now)
    return Invitation(partner, token)


def prepare_partner(*, name: str, now: datetime) -> tuple[Partner, str]:
    """Create the partner that we are about to register with, and the token it will call us with.

    Committed before we call: the partner uses the token while our request is still open.

    Raises:
        PartyTaken: the name belongs to a registered partner.
        django.core.exceptions.ValidationError: a field breaks a rule.

    """
    token = new_token()
    with transaction.atomic():
        partner = Partner.objects.select_for_update().filter(name=name).first()
        if partner is not None and partner.status == PartnerStatus.REGISTERED:
            raise PartyTaken(f"name: {name} is registered already")
        if partner is None:
            partner = Partner(name=name)
            partner.full_clean()
            partner.save()
        give_token(partner, token, purpose=TokenPurpose.OPERATION, now=now)
    return partner, token


def give_token(partner: Partner, token: str, *, purpose: str, now: datetime) -> None:
    """Make `token` the only one that the partner calls us with."""
    partner.tokens.all().delete()
    _add_token(partner, token, purpose=purpose, now=now)


def offer_token(*, partner_id: int, now: datetime) -> str:
    """Add a token to the one that a registered partner has; both are valid until it is accepted."""
    token = new_token()
    with transaction.atomic():
        partner = Partner.objects.select_for_update().get(pk=partner_id)
        if partner.status != PartnerStatus.REGISTERED:
            raise NotRegistered(f"{partner.name} is not registered")
        _add_token(partner, token, purpose=TokenPurpose.OPERATION, now=now)
    return token


def is_valid(*, partner_id: int, token: str) -> bool:
    """Tell whether this is a token of the partner's."""
    return PartnerToken.objects.filter(partner_id=partner_id, digest=digest(token)).exists()


def withdraw_token(*, partner_id: int, token: str) -> None:
    """Take back a token that was offered and not accepted."""
    PartnerToken.objects.filter(partner_id=partner_id, digest=digest(token)).delete()


def _add_token(partner: Partner, token: str, *, purpose: str, now: datetime) -> None:
    PartnerToken.objects.create(
        partner=partner, digest=digest(token), purpose=purpose, created_at=now
    )


def complete_registration(
    *,
    partner_id: int,
    credentials: TheirCredentials,
    endpoints: Iterable[TheirEndpoint],
    version: str,
    token_base64: bool,
    our_token: str,
    our_parties: Sequence[str],
    now: datetime,
    grant_roles: bool = False,
) -> Partner:
    """Store what a handshake agreed; from here on the partner is served and pushed to.

    `our_token` is the one that it calls us with from now on; every other is void.
    `our_parties` are those that our credentials named. An eMSP role that staff has not granted
    shows the partner nothing, unless `grant_roles`: then staff has chosen this partner itself.

    Raises:
        PartyTaken: another partner speaks for one of the parties already.

    """
    with transaction.atomic():
        partner = Partner.objects.select_for_update().get(pk=partner_id)
        first_time = partner.status != PartnerStatus.REGISTERED
        news = set(our_parties) - set(partner.told_parties)
        _replace_roles(partner, credentials.roles, grant_all=grant_roles)
        partner.endpoints.all().delete()
        Endpoint.objects.bulk_create(
            Endpoint(
                partner=partner,
                identifier=endpoint.identifier,
                role=endpoint.role,
                url=endpoint.url,
            )
            for endpoint in endpoints
        )
        partner.status = PartnerStatus.REGISTERED
        partner.version = version
        partner.versions_url = credentials.versions_url
        partner.token_encrypted = encrypt(credentials.token)
        partner.token_base64 = token_base64
        partner.told_parties = sorted(our_parties)
        partner.registered_at = partner.registered_at or now
        partner.save()
        give_token(partner, our_token, purpose=TokenPurpose.OPERATION, now=now)
        feed.open_feed(partner, now=now)
        if first_time:
            # What it had before is not ours to know. (A worker that was sending while the old
            # registration ended may have noted something after that.)
            Delivery.objects.filter(partner=partner).exclude(module="cdrs").delete()
            feed.announce_everything(partner_id=partner.pk)
        elif news:
            # Their objects may have waited for this.
            feed.announce_parties(partner_id=partner.pk, parties=news)
    return partner


def forget_partner(*, partner_id: int) -> None:
    """End a registration (DELETE credentials): its tokens are void, nothing is pushed any more.

    Raises:
        NotRegistered: there is none.

    """
    with transaction.atomic():
        partner = Partner.objects.select_for_update().get(pk=partner_id)
        if partner.status != PartnerStatus.REGISTERED:
            raise NotRegistered(f"{partner.name} is not registered")
        partner.status = PartnerStatus.UNREGISTERED
        partner.token_encrypted = ""
        partner.registered_at = None
        partner.save()
        partner.tokens.all().delete()
        partner.endpoints.all().delete()
        # Its parties may come back by another partner; an invitation grants them anew.
        partner.roles.update(granted=False)
        # What a former partner has is not ours to know; when it comes back, it is told anew.
        Delivery.objects.filter(partner=partner).delete()
        Change.objects.filter(partner=partner).delete()
        Feed.objects.filter(partner=partner).delete()


def abandon_partner(*, partner_id: int) -> None:
    """Undo `prepare_partner` after a failed handshake: the token it was given is void."""
    with transaction.atomic():
        partner = Partner.objects.select_for_update().get(pk=partner_id)
        if partner.status != PartnerStatus.REGISTERED:
            partner.tokens.filter(purpose=TokenPurpose.OPERATION).delete()


def record_handshake(*, partner_id: int, steps: Sequence[Step], now: datetime) -> None:
    """Keep the steps of the last handshake for staff to read."""
    Partner.objects.filter(pk=partner_id).update(
        handshake=[
            {"text": step.text, "ok": step.ok, "detail": step.detail, "at": now.isoformat()}
            for step in steps
        ]
    )


def grant(partner: Partner, role: TheirRole) -> None:
    """Let a partner speak for a party, whether it has claimed it yet or not.

    Raises:
        PartyTaken: another partner speaks for it.
        django.core.exceptions.ValidationError: a field breaks a rule.

    """
    row = partner.roles.filter(
        role=role.role, country_code=role.country_code, party_id=role.party_id
    ).first() or PartnerRole(
        partner=partner,
        role=role.role,
        country_code=role.country_code,
        party_id=role.party_id,
    )
    row.granted = True
    row.full_clean(validate_constraints=False)
    _save_roles([row])


def grant_claim(*, role_id: int) -> None:
    """Grant a party that a partner has claimed.

    Raises:
        PartyTaken: another partner speaks for it.

    """
    with transaction.atomic():
        row = PartnerRole.objects.select_for_update().get(pk=role_id)
        row.granted = True
        _save_roles([row])


def _replace_roles(partner: Partner, roles: Sequence[TheirRole], *, grant_all: bool) -> None:
    """Make the partner's roles those that it names now, and keep what staff granted of them."""
    granted = {_key(row) for row in partner.roles.all() if row.granted}
    partner.roles.all().delete()
    rows = [
        PartnerRole(
            partner=partner,
            role=role.role,
            country_code=role.country_code,
            party_id=role.party_id,
            business_details=_plain(role.business_details),
            granted=grant_all or role.role != Role.EMSP or _key(role) in granted,
        )
        for role in roles
    ]
    for row in rows:
        row.full_clean(validate_constraints=False)
    _save_roles(rows)


def _key(role: TheirRole | PartnerRole) -> tuple[str, str, str]:
    return (role.role, role.country_code.lower(), role.party_id.lower())


def _save_roles(rows: Sequence[PartnerRole]) -> None:
    taken = [
        row
        for row in rows
        if PartnerRole.objects.filter(
            role=row.role, country_code=row.country_code, party_id=row.party_id, granted=True
        )
        .exclude(partner=row.partner)
        .exists()
    ]
    try:
        with transaction.atomic():
            if not taken:
                for row in rows:
                    row.save()
                return
    except IntegrityError:
        # Somebody else was faster.
        taken = list(rows)
    names = ", ".join(f"{row.country_code}*{row.party_id}" for row in taken)
    raise PartyTaken(f"roles: another partner speaks for {names} already")


def _plain(details: BusinessDetails | None) -> Any:
    return None if details is None else plain(BusinessDetails, details)
