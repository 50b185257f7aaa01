"""Everything that writes partners: their invitation, registration, update and end."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction

from cpo_platform.common.saying import Saying, say
from cpo_platform.common.secrets import new_token
from cpo_platform.common.shapes import BusinessDetails, plain
from cpo_platform.common.telling import tell
from roaming import wake
from roaming.failures import in_words
from roaming.locks import HANDSHAKE, partner_lock
from roaming.models import (
    Change,
    ClientInfo,
    Delivery,
    Feed,
    Partner,
    PartnerRole,
    PartnerStatus,
    Role,
    TokenPurpose,
)
from roaming.operations import feed, partner_tokens, walks
from tariffs.models import Party

# A suspended partner is still registered: it waits for staff, not for another registration.
HAS_A_REGISTRATION = frozenset([PartnerStatus.REGISTERED.value, PartnerStatus.SUSPENDED.value])


class PartyTaken(ValueError):
    """Another partner speaks for one of the parties already."""


class NotRegistered(ValueError):
    """There is no registration to end."""


class NotSuspended(ValueError):
    """There is no suspension to end."""


class HandshakeUnderWay(ValueError):
    """The partner's tokens are being exchanged at this moment."""


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

    saying: Saying
    ok: bool
    detail: str = ""

    @property
    def told(self) -> str:
        """What was done, in the present language."""
        return tell(self.saying)

    @property
    def told_detail(self) -> str:
        """What came back, in the present language."""
        return in_words(self.detail)


# The partner's page tells of it as long as this is in the last handshake.
OTHER_PARTY = say("It registered as %(named)s, and not as %(granted)s, which you granted it.").text


def other_party(partner: Partner, roles: Sequence[TheirRole]) -> Step | None:
    """Return the step that says that a partner names none of the eMSPs that it was granted."""
    granted = [row for row in partner.roles.all() if row.granted and row.role == Role.EMSP]
    named = [role for role in roles if role.role == Role.EMSP]
    if not granted or not named or {_key(row) for row in granted} & {_key(one) for one in named}:
        return None
    said = Saying(OTHER_PARTY, (("named", _listed(named)), ("granted", _listed(granted))))
    return Step(said, ok=True)


def _listed(roles: Sequence[TheirRole | PartnerRole]) -> str:
    return ", ".join(f"{role.country_code}*{role.party_id}" for role in roles[:3])


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
    auto_grant: bool | None = None,
    our_party: Party | None = None,
) -> Invitation:
    """Create a partner that will register with us, and its CREDENTIALS_TOKEN_A (shown once).

    Inviting a partner that is not registered again replaces its token. `auto_grant`: the parties
    that it will name are granted, unless another partner speaks for them. `our_party`: the one
    that an OCPI 2.1.1 connection is with. None leaves both as they are.

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
        elif partner.status in HAS_A_REGISTRATION:
            raise PartyTaken(f"name: {name} is registered already")
        partner.status = PartnerStatus.INVITED
        partner.auto_grant = partner.auto_grant if auto_grant is None else auto_grant
        partner.our_party = our_party or partner.our_party
        partner.save(update_fields=["status", "auto_grant", "our_party"])
        grant(partner, TheirRole(role, country_code, party_id))
        partner_tokens.give_token(partner, token, purpose=TokenPurpose.REGISTRATION, now=now)
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
        if partner is not None and partner.status in HAS_A_REGISTRATION:
            raise PartyTaken(f"name: {name} is registered already")
        if partner is None:
            partner = Partner(name=name)
            partner.full_clean()
            partner.save()
        partner_tokens.give_token(partner, token, purpose=TokenPurpose.OPERATION, now=now)
    return partner, token


def forget_partner(*, partner_id: int) -> None:
    """End a registration (DELETE credentials): its tokens are void, nothing is pushed any more.

    Raises:
        NotRegistered: there is none.

    """
    with transaction.atomic():
        partner = Partner.objects.select_for_update().get(pk=partner_id)
        if partner.status not in HAS_A_REGISTRATION:
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


def suspend_partner(*, partner_id: int) -> None:
    """Stop serving a registered partner, for a while: its tokens open nothing, nothing is sent.

    The registration, what it has, and what it is to be told stay, for `resume_partner`. A worker
    that is sending to it loses its feed; the request under way is its last.

    Raises:
        NotRegistered: it is not registered.
        HandshakeUnderWay: it would be registered again by that.

    """
    with partner_lock(HANDSHAKE, partner_id) as taken:
        if not taken:
            raise HandshakeUnderWay("a handshake with the partner is under way")
        with transaction.atomic():
            # Of nothing: what is locked is the partner, not the party that it may have none of.
            partner = Partner.objects.select_for_update(of=("self",)).get(pk=partner_id)
            if partner.status != PartnerStatus.REGISTERED:
                raise NotRegistered(f"{partner.name} is not registered")
            partner.status = PartnerStatus.SUSPENDED
            partner.save(update_fields=["status"])
            feed.take_away(partner_id=partner_id)


def resume_partner(*, partner_id: int, now: datetime) -> None:
    """Serve a suspended partner again, and announce to it all that it may see or has missed.

    Raises:
        NotSuspended: it is not suspended.

    """
    with transaction.atomic():
        partner = Partner.objects.select_for_update(of=("self",)).get(pk=partner_id)
        if partner.status != PartnerStatus.SUSPENDED:
            raise NotSuspended(f"{partner.name} is not suspended")
        partner.status = PartnerStatus.REGISTERED
        partner.save(update_fields=["status"])
        feed.open_feeds(partner, now=now)
        walks.announce_after_absence(partner_id=partner_id, now=now)
        wake.pull(partner_id)


def abandon_partner(*, partner_id: int) -> None:
    """Undo `prepare_partner` after a failed handshake: the token it was given is void."""
    with transaction.atomic():
        partner = Partner.objects.select_for_update().get(pk=partner_id)
        if partner.status not in HAS_A_REGISTRATION:
            partner.tokens.filter(purpose=TokenPurpose.OPERATION).delete()


def record_handshake(*, partner_id: int, steps: Sequence[Step], now: datetime) -> None:
    """Keep the steps of the last handshake for staff to read."""
    Partner.objects.filter(pk=partner_id).update(
        handshake=[
            {**step.saying.to_json(), "ok": step.ok, "detail": step.detail, "at": now.isoformat()}
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
        # Who is sending takes the party's sessions for those of nobody.
        feed.take_away(partner_id=row.partner_id)


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


def replace_roles(
    partner: Partner,
    roles: Sequence[TheirRole],
    *,
    is_hub: bool,
    grant_all: bool,
    is_accepted: bool,
) -> None:
    """Make the partner's roles those that it names now, and keep what staff granted of them.

    The parties behind a 2.2.1 hub are not in its credentials: they stay as they are. A step of
    `registering.complete_registration`.
    """
    granted = {_key(row) for row in partner.roles.all() if row.granted}
    claimed = {_key(row) for row in partner.roles.all() if not row.granted}
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
    checked = []
    for row in rows:
        row.full_clean(validate_constraints=False)
        # Whoever names a party in another role sees nothing by that, and keeps nobody out.
        gives_way = row.role != Role.EMSP or _key(row) in claimed
        if not (grant_all or is_hub or is_accepted or gives_way):
            checked.append(row)
        elif row.granted:
            row.granted = not _taken(row)
    _save_roles(rows, checked=checked)


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


def _save_roles(rows: Sequence[PartnerRole], *, checked: Collection[PartnerRole] = ()) -> None:
    """Save roles, unless another partner speaks for one that is granted, or `checked` all the same.

    Raises:
        PartyTaken: another partner speaks for one of them.

    """
    taken = [row for row in rows if (row.granted or row in checked) and _taken(row)]
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
