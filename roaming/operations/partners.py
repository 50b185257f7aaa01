"""Everything that writes partners: their invitation, registration, update and end."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Max, Q

from cpo_platform.common.secrets import digest, encrypt, new_token
from cpo_platform.common.shapes import BusinessDetails, plain
from roaming import wake
from roaming.models import (
    Change,
    ClientInfo,
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

# A token that we offer is good for so long, should we die before we know whether it was taken.
OFFERED_FOR = timedelta(days=1)
# How long a partner is left alone after a handshake, before its tokens are exchanged by themselves.
RENEWAL_PAUSE = timedelta(hours=12)
MOST_RENEWALS = 100


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
    # Country code and party id of a hub, in one word (OCPI 2.3.0); "" for who is none.
    hub_party_id: str = ""


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
    *,
    name: str,
    role: str,
    country_code: str,
    party_id: str,
    now: datetime,
    auto_grant: bool = False,
) -> Invitation:
    """Create a partner that will register with us, and its CREDENTIALS_TOKEN_A (shown once).

    Inviting a partner that is not registered again replaces its token. `auto_grant`: the parties
    that it will name are granted, unless another partner speaks for them.

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
        partner.auto_grant = partner.auto_grant or auto_grant
        partner.save(update_fields=["status", "auto_grant"])
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
    """Add a token to the one that a registered partner has; both are valid until it is accepted.

    Raises:
        NotRegistered: there is no registration.

    """
    token = new_token()
    with transaction.atomic():
        partner = Partner.objects.select_for_update().get(pk=partner_id)
        if partner.status != PartnerStatus.REGISTERED:
            raise NotRegistered(f"{partner.name} is not registered")
        _add_token(
            partner, token, purpose=TokenPurpose.OPERATION, now=now, valid_until=now + OFFERED_FOR
        )
    return token


def is_valid(*, partner_id: int, token: str, now: datetime) -> bool:
    """Tell whether this is a token of the partner's, and not past its time."""
    return (
        PartnerToken.objects.filter(partner_id=partner_id, digest=digest(token))
        .filter(still_valid(now))
        .exists()
    )


def still_valid(now: datetime) -> Q:
    """Return the condition that a `PartnerToken` is good at a moment."""
    return Q(valid_until__isnull=True) | Q(valid_until__gt=now)


def withdraw_token(*, partner_id: int, token: str) -> None:
    """Take back a token that was offered and not accepted."""
    PartnerToken.objects.filter(partner_id=partner_id, digest=digest(token)).delete()


def keep_both_tokens(*, partner_id: int, token: str) -> None:
    """Let an offered token stand beside the present one: nobody knows which the partner uses."""
    PartnerToken.objects.filter(partner_id=partner_id, digest=digest(token)).update(
        valid_until=None
    )


def end_grace(*, partner_id: int, token_id: int) -> None:
    """End the tokens that were replaced: the partner has shown that it has the newer one."""
    PartnerToken.objects.filter(
        partner_id=partner_id, pk__lt=token_id, valid_until__isnull=False
    ).delete()


def forget_expired_tokens(*, now: datetime) -> None:
    """Delete tokens past their time, ours and theirs; they open nothing any more."""
    PartnerToken.objects.filter(valid_until__lte=now).delete()
    Partner.objects.filter(previous_token_until__lte=now).update(
        previous_token_encrypted="", previous_token_until=None
    )


def due_for_renewal(*, now: datetime) -> list[int]:
    """Return the ids of registered partners whose tokens are old, and not tried lately."""
    if settings.TOKEN_RENEWAL_DAYS == 0:
        return []
    old = now - timedelta(days=settings.TOKEN_RENEWAL_DAYS)
    rows = (
        Partner.objects.filter(status=PartnerStatus.REGISTERED)
        .annotate(newest=Max("tokens__created_at"))
        .filter(newest__lte=old)
        .order_by("newest")
    )
    # `handshake` is what the last one did, whoever began it.
    tried = now - RENEWAL_PAUSE
    return [
        partner.pk
        for partner in rows[:MOST_RENEWALS]
        if not partner.handshake or datetime.fromisoformat(partner.handshake[-1]["at"]) <= tried
    ]


def grace() -> timedelta:
    """Return how long the tokens before an exchange stay good."""
    return timedelta(minutes=settings.TOKEN_GRACE_MINUTES)


def _add_token(
    partner: Partner,
    token: str,
    *,
    purpose: str,
    now: datetime,
    valid_until: datetime | None = None,
) -> None:
    PartnerToken.objects.create(
        partner=partner,
        digest=digest(token),
        purpose=purpose,
        created_at=now,
        valid_until=valid_until,
    )


def _exchange_token(partner: Partner, token: str, *, now: datetime) -> None:
    """Make `token` the partner's, and leave those before it for a while.

    Our answer may be lost on its way: then the partner goes on with what it has, and asks again.
    """
    until = now + grace()
    older = partner.tokens.exclude(digest=digest(token))
    older.filter(Q(purpose=TokenPurpose.REGISTRATION) | Q(valid_until__lte=now)).delete()
    older.filter(still_valid(until)).update(valid_until=until)
    offered = partner.tokens.filter(digest=digest(token)).update(valid_until=None)
    if not offered:
        _add_token(partner, token, purpose=TokenPurpose.OPERATION, now=now)


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

    `our_token` is the one that it calls us with from now on. In an exchange the tokens before it
    stay good for a while (`grace`); in a first registration every other is void.
    `our_parties` are those that our credentials named. An eMSP role that staff has not granted
    shows the partner nothing, unless `grant_roles`: then staff has chosen this partner itself.

    Raises:
        PartyTaken: another partner speaks for one of the parties already. Not where the partner
            has accepted us already (`grant_roles`), and not for hubs: such a party is kept as a
            claim, for staff to see.

    """
    with transaction.atomic():
        partner = Partner.objects.select_for_update().get(pk=partner_id)
        first_time = partner.status != PartnerStatus.REGISTERED
        other_version = not first_time and partner.version != version
        news = set(our_parties) - set(partner.told_parties)
        _replace_roles(partner, credentials, grant_all=grant_roles)
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
        partner.hub_party_id = _hub_party_id(credentials)
        _take_their_token(partner, credentials.token, first_time=first_time, now=now)
        partner.token_base64 = token_base64
        partner.told_parties = sorted(our_parties)
        partner.registered_at = partner.registered_at or now
        if first_time:
            partner.token_pull = {}
        partner.save()
        if first_time:
            give_token(partner, our_token, purpose=TokenPurpose.OPERATION, now=now)
        else:
            _exchange_token(partner, our_token, now=now)
        feed.open_feed(partner, now=now)
        wake.pull(partner.pk)
        if first_time:
            # What it had before is not ours to know. (A worker that was sending while the old
            # registration ended may have noted something after that.)
            Delivery.objects.filter(partner=partner).exclude(module="cdrs").delete()
            feed.announce_everything(partner_id=partner.pk, now=now)
        elif other_version:
            # What it has, it has in the other version's words.
            feed.send_everything_again(partner_id=partner.pk, now=now)
        elif news:
            # Their objects may have waited for this.
            feed.announce_parties(partner_id=partner.pk, parties=news, now=now)
    return partner


def _take_their_token(partner: Partner, token: str, *, first_time: bool, now: datetime) -> None:
    """Keep the token to call the partner with, and the one before it for a while."""
    if first_time or not partner.token_encrypted:
        partner.previous_token_encrypted, partner.previous_token_until = "", None
    else:
        partner.previous_token_encrypted = partner.token_encrypted
        partner.previous_token_until = now + grace()
    partner.token_encrypted = encrypt(token)


def _hub_party_id(credentials: TheirCredentials) -> str:
    """Return who stands for the parties behind a hub: 2.3.0 says so, 2.2.1 by the role HUB."""
    hub = next((role for role in credentials.roles if role.role == Role.HUB), None)
    return credentials.hub_party_id or (f"{hub.country_code}{hub.party_id}" if hub else "")


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
        partner.previous_token_encrypted, partner.previous_token_until = "", None
        partner.hub_party_id = ""
        partner.token_pull = {}
        partner.registered_at = None
        partner.save()
        partner.tokens.all().delete()
        partner.endpoints.all().delete()
        # Its parties may come back by another partner; an invitation grants them anew.
        partner.roles.filter(via_hub=True).delete()
        partner.roles.update(granted=False)
        ClientInfo.objects.filter(partner=partner).delete()
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


def add_party_behind_hub(partner: Partner, role: TheirRole) -> PartnerRole:
    """Note a party that a 2.2.1 hub has told us of; call it in a transaction.

    It is granted as `Partner.auto_grant` says, never where another partner speaks for it.
    """
    row = partner.roles.filter(
        role=role.role, country_code=role.country_code, party_id=role.party_id
    ).first()
    if row is None:
        row = PartnerRole(
            partner=partner,
            role=role.role,
            country_code=role.country_code,
            party_id=role.party_id,
            granted=False,
            via_hub=True,
        )
    if not row.granted and (partner.auto_grant or role.role != Role.EMSP):
        row.granted = not _taken(row)
    _save_roles([row])
    return row


def _replace_roles(partner: Partner, credentials: TheirCredentials, *, grant_all: bool) -> None:
    """Make the partner's roles those that it names now, and keep what staff granted of them.

    The parties behind a 2.2.1 hub are not in its credentials: they stay as they are.
    """
    roles, is_hub = credentials.roles, bool(_hub_party_id(credentials))
    granted = {_key(row) for row in partner.roles.all() if row.granted}
    named = {_key(role) for role in roles}
    for row in partner.roles.all():
        if not (row.via_hub and is_hub) or _key(row) in named:
            row.delete()
    # A hub names whom it likes: being called by us does not make it speak for them.
    grant_all = partner.auto_grant or (grant_all and not is_hub)
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
        if (grant_all or is_hub) and row.granted:
            row.granted = not _taken(row)
    _save_roles(rows, claims_too=not (grant_all or is_hub))


def _key(role: TheirRole | PartnerRole) -> tuple[str, str, str]:
    return (role.role, role.country_code.lower(), role.party_id.lower())


def _taken(row: PartnerRole) -> bool:
    """Tell whether another partner speaks for the party in this role."""
    return (
        PartnerRole.objects.filter(
            role=row.role, country_code=row.country_code, party_id=row.party_id, granted=True
        )
        .exclude(partner=row.partner)
        .exists()
    )


def _save_roles(rows: Sequence[PartnerRole], *, claims_too: bool = False) -> None:
    """Save roles, unless another partner speaks for one; `claims_too`: also for one not granted.

    Raises:
        PartyTaken: another partner speaks for one of them.

    """
    taken = [row for row in rows if (row.granted or claims_too) and _taken(row)]
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
