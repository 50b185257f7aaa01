"""What a handshake agreed, written down: a registration, and each exchange of tokens after it."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db import transaction

from cpo_platform.common.secrets import encrypt, new_token
from roaming import wake
from roaming.models import (
    Delivery,
    Endpoint,
    Partner,
    PartnerStatus,
    Role,
    TokenPurpose,
    WalkReason,
)
from roaming.operations import feed, partner_tokens, partners, walks
from roaming.operations.partners import NotRegistered, TheirCredentials, TheirEndpoint


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
        partner_tokens.add_token(
            partner,
            token,
            purpose=TokenPurpose.OPERATION,
            now=now,
            valid_until=now + partner_tokens.OFFERED_FOR,
        )
    return token


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
    is_accepted: bool = False,
) -> Partner:
    """Store what a handshake agreed; from here on the partner is served and pushed to.

    `our_token` is the one that it calls us with from now on. In an exchange the tokens before it
    stay good for a while (`partner_tokens.grace`); in a first registration every other is void.
    `our_parties` are those that our credentials named. An eMSP role that staff has not granted
    shows the partner nothing, unless `grant_roles`: then staff has chosen this partner itself.

    Raises:
        PartyTaken: another partner speaks for one of the parties already. Not where the partner
            has accepted our credentials already (`is_accepted`: it would be locked out), not for
            hubs, and not for a party that it claimed before: such a party is kept as a claim, for
            staff to see.

    """
    with transaction.atomic():
        partner = Partner.objects.select_for_update().get(pk=partner_id)
        first_time = partner.status != PartnerStatus.REGISTERED
        other_version = not first_time and partner.version != version
        news = set(our_parties) - set(partner.told_parties)
        partner.hub_party_id = _hub_party_id(credentials)
        partners.replace_roles(
            partner,
            credentials.roles,
            is_hub=bool(partner.hub_party_id),
            grant_all=grant_roles,
            is_accepted=is_accepted,
        )
        _store_endpoints(partner, endpoints)
        partner.status = PartnerStatus.REGISTERED
        partner.version = version
        partner.versions_url = credentials.versions_url
        _take_their_token(partner, credentials.token, first_time=first_time, now=now)
        partner.token_base64 = token_base64
        partner.told_parties = sorted(our_parties)
        partner.registered_at = partner.registered_at or now
        if first_time:
            partner.token_pull = {}
        partner.save()
        if first_time:
            partner_tokens.give_token(partner, our_token, purpose=TokenPurpose.OPERATION, now=now)
        else:
            partner_tokens.exchange_token(partner, our_token, now=now)
        feed.open_feeds(partner, now=now)
        wake.pull(partner.pk)
        if first_time:
            # What it had before is not ours to know. (A worker that was sending while the old
            # registration ended may have noted something after that.)
            Delivery.objects.filter(partner=partner).exclude(module="cdrs").delete()
            walks.announce_everything(partner_id=partner.pk, now=now)
        elif other_version:
            # What it has, it has in the other version's words.
            walks.send_everything_again(partner_id=partner.pk, now=now, reason=WalkReason.VERSION)
        elif news:
            # Their objects may have waited for this.
            walks.announce_parties(partner_id=partner.pk, parties=news, now=now)
    return partner


def replace_endpoints(*, partner_id: int, version: str, endpoints: Iterable[TheirEndpoint]) -> bool:
    """Store where a registered partner has the modules of its version now; tell if that is news.

    Not where it has changed its version since they were read.
    """
    offered = {(one.identifier, one.role, one.url) for one in endpoints}
    with transaction.atomic():
        partner = Partner.objects.select_for_update(of=("self",)).get(pk=partner_id)
        known = set(partner.endpoints.values_list("identifier", "role", "url"))
        is_theirs = partner.status == PartnerStatus.REGISTERED and partner.version == version
        if not is_theirs or offered == known:
            return False
        _store_endpoints(partner, (TheirEndpoint(*one) for one in sorted(offered)))
    return True


def _store_endpoints(partner: Partner, endpoints: Iterable[TheirEndpoint]) -> None:
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


def _take_their_token(partner: Partner, token: str, *, first_time: bool, now: datetime) -> None:
    """Keep the token to call the partner with, and the one before it for a while."""
    if first_time or not partner.token_encrypted:
        partner.previous_token_encrypted, partner.previous_token_until = "", None
    else:
        partner.previous_token_encrypted = partner.token_encrypted
        partner.previous_token_until = now + partner_tokens.grace()
    partner.token_encrypted = encrypt(token)


def _hub_party_id(credentials: TheirCredentials) -> str:
    """Return who stands for the parties behind a hub: 2.3.0 says so, 2.2.1 by the role HUB."""
    hub = next((role for role in credentials.roles if role.role == Role.HUB), None)
    return credentials.hub_party_id or (f"{hub.country_code}{hub.party_id}" if hub else "")
