"""The partner that something is sent to, or asked of: in its version, its dialect, its hub."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from roaming import visibility
from roaming.client import Party
from roaming.dialect import Dialect
from roaming.models import ClientInfo, Partner, Role
from roaming.ocpi.common.audience import Audience
from roaming.ocpi.dialects import dialect_of
from roaming.ocpi.pushing import Manner
from roaming.ocpi.versions import VERSIONS, Version
from roaming.operations import hubs

# Whose objects are for everybody: through a hub they go to the hub itself, which passes them on.
BROADCAST = frozenset(["locations", "tariffs"])


@dataclass(frozen=True)
class Target:
    """`untold` are parties of ours that the partner does not know: nothing of theirs goes to it.

    `client_infos` is what a hub says of the parties behind it.
    """

    partner: Partner
    version: Version
    dialect: Dialect
    untold: frozenset[str]
    client_infos: tuple[ClientInfo, ...]
    audience: Audience

    @classmethod
    def of(cls, partner: Partner, *, untold: Iterable[str], now: datetime) -> "Target":
        """Return who it is: with two queries. Its roles and endpoints are prefetched."""
        return cls(
            partner,
            VERSIONS[partner.version],
            dialect_of(partner),
            frozenset(party.lower() for party in untold),
            tuple(hubs.client_infos(partner)),
            Audience(now, visibility.own_tariffs(partner)),
        )

    @property
    def manner(self) -> Manner:
        return Manner.of(self.dialect, self.version.number)

    def knows(self, owner: Party) -> bool:
        """Whether one of our parties was introduced to the partner."""
        return str(owner).lower() not in self.untold

    def is_away(self, emsp: Party | None) -> bool:
        """Whether the partner is a hub that cannot reach this party."""
        return emsp is not None and hubs.is_away(
            self.client_infos, emsp.country_code, emsp.party_id
        )

    def broadcast_to(self) -> Party | None:
        """Return whom locations and tariffs are for: the hub, or the first party of a partner.

        OCPI 2.2.1: a hub has the role HUB; 2.3.0: hub_party_id.
        """
        if self.partner.hub_party_id:
            return Party(self.partner.hub_party_id[:2], self.partner.hub_party_id[2:])
        roles = sorted(
            self.partner.roles.all(),
            key=lambda role: (role.role != Role.HUB, role.role != Role.EMSP, role.pk),
        )
        return Party(roles[0].country_code, roles[0].party_id) if roles else None


@dataclass(frozen=True)
class Row:
    """What a row says that its document need not: whose it is, and whom it is for.

    `chain`: what must go one after the other has the same: the CDRs of a session.
    """

    last_updated: datetime
    owner: Party
    ocpi_id: str
    emsp: Party | None = None
    chain: str = ""

    @property
    def path(self) -> tuple[str, ...]:
        return (self.owner.country_code, self.owner.party_id, self.ocpi_id)


def rows_of(found: QuerySet[Any], module: str) -> dict[int, Row]:
    """Return rows of one module by their ids: one query."""
    names = ["id", "last_updated", "country_code", "party_id", "ocpi_id"]
    if module not in BROADCAST:
        names += ["token_country_code", "token_party_id"]
    if module == "cdrs":
        names += ["session_ocpi_id"]
    return {
        object_id: Row(
            last_updated,
            Party(country_code, party_id),
            ocpi_id,
            Party(*more[:2]) if more else None,
            "".join(more[2:]),
        )
        for object_id, last_updated, country_code, party_id, ocpi_id, *more in found.values_list(
            *names
        )
    }
