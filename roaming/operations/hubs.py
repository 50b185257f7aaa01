"""The parties behind hubs: what a hub says of them, and whether they may be called now.

OCPI 2.2.1, mod_hub_client_info. A 2.2.1 hub names its parties by client info only; a 2.3.0 hub
names them in its credentials too, and client info tells whether they are there.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, transaction

from cpo_platform.common.clock import truncate
from cpo_platform.common.models import changed_fields
from cpo_platform.common.operations import Outcome
from roaming.models import ClientInfo, ConnectionStatus, Partner, PartnerRole, Role
from roaming.operations import partners, walks
from roaming.operations.partners import TheirRole

# More parties than any hub has: a hub must not fill our tables, which its every request reads.
MOST_PARTIES = 5000


class NotAHub(ValueError):
    """Only a hub tells of other parties."""


class TooManyParties(ValueError):
    """The hub has told us of as many parties as we keep."""


@dataclass(frozen=True)
class TheirClientInfo:
    """One party behind a hub, as the hub says (OCPI ClientInfo)."""

    country_code: str
    party_id: str
    role: str
    status: str
    last_updated: datetime


def is_hub(partner: Partner) -> bool:
    """Tell whether other parties are reached through this partner."""
    return bool(partner.hub_party_id)


def put_client_info(*, partner_id: int, info: TheirClientInfo) -> tuple[ClientInfo, Outcome]:
    """Store what a hub says of a party now. What is older than what we have is left alone.

    Raises:
        NotAHub: the partner is none.
        TooManyParties: it is one more than we keep of a hub.

    """
    try:
        return _put_client_info(partner_id, info)
    except (IntegrityError, partners.PartyTaken):
        # The same party came twice at once, or by another partner: now it is there to be seen.
        return _put_client_info(partner_id, info)


def _put_client_info(partner_id: int, info: TheirClientInfo) -> tuple[ClientInfo, Outcome]:
    with transaction.atomic():
        partner = Partner.objects.select_for_update().get(pk=partner_id)
        if not is_hub(partner):
            raise NotAHub(f"{partner.name} is not a hub")
        row = ClientInfo.objects.filter(
            partner=partner,
            country_code=info.country_code,
            party_id=info.party_id,
            role=info.role,
        ).first()
        outcome = Outcome.CHANGED
        if row is None:
            if ClientInfo.objects.filter(partner=partner).count() >= MOST_PARTIES:
                raise TooManyParties(f"we keep no more than {MOST_PARTIES} parties of a hub")
            outcome = Outcome.CREATED
            row = ClientInfo(
                partner=partner,
                country_code=info.country_code,
                party_id=info.party_id,
                role=info.role,
            )
        elif truncate(info.last_updated) < row.last_updated:
            return row, Outcome.UNCHANGED
        was_away = outcome is Outcome.CHANGED and row.status != ConnectionStatus.CONNECTED
        columns = {"status": info.status, "last_updated": truncate(info.last_updated)}
        if not changed_fields(row, columns):
            return row, Outcome.UNCHANGED
        row.full_clean(validate_unique=False, validate_constraints=False)
        row.save()
        if names_parties_by_client_info(partner):
            role = TheirRole(info.role, info.country_code, info.party_id)
            partners.add_party_behind_hub(partner, role)
        if was_away and row.status == ConnectionStatus.CONNECTED:
            walks.announce_missed(
                partner_id=partner.pk,
                country_code=row.country_code,
                party_id=row.party_id,
                now=row.last_updated,
            )
    return row, outcome


def names_parties_by_client_info(partner: Partner) -> bool:
    """Tell whether a hub's parties are not in its credentials: it has the role HUB (2.2.1)."""
    return partner.roles.filter(role=Role.HUB).exists()


def reachable(partner: Partner, country_code: str, party_id: str, *, role: str = Role.EMSP) -> bool:
    """Tell whether a party may be sent requests now, by what its hub says. One query for a hub.

    A party that is not behind a hub, or of which the hub has said nothing, may.
    """
    if not is_hub(partner):
        return True
    return not is_away(client_infos(partner), country_code, party_id, role=role)


def client_infos(partner: Partner) -> list[ClientInfo]:
    """Return all that a hub has said, for `is_away`: for those who ask of many parties."""
    return list(ClientInfo.objects.filter(partner=partner)) if is_hub(partner) else []


def is_away(
    infos: Iterable[ClientInfo], country_code: str, party_id: str, *, role: str = Role.EMSP
) -> bool:
    """Tell whether a party is OFFLINE, PLANNED or SUSPENDED: no requests, and none in reserve."""
    wanted = (country_code.lower(), party_id.lower())
    of_party = [
        info for info in infos if (info.country_code.lower(), info.party_id.lower()) == wanted
    ]
    # The one in this role, or where the hub has said nothing of that, in any.
    telling = [info for info in of_party if info.role == role] or of_party
    return bool(telling) and all(info.status != ConnectionStatus.CONNECTED for info in telling)


def status_of(partner: Partner, country_code: str, party_id: str) -> str:
    """Return what a hub says of an eMSP's connection; "" where nothing is said. One query."""
    row = ClientInfo.objects.filter(
        partner=partner, role=Role.EMSP, country_code=country_code, party_id=party_id
    ).first()
    return row.status if row else ""


def claims(partner: Partner) -> list[PartnerRole]:
    """Return the parties that a partner names and that staff has not granted."""
    return [role for role in partner.roles.all() if not role.granted]
