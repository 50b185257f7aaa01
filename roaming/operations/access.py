"""What a partner may see, and how it is spoken to: set by staff, followed by what it is sent."""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from cpo_platform.common.shapes import parse, plain
from locations import operations as location_operations
from roaming import visibility
from roaming.dialect import Dialect
from roaming.models import Partner, PartnerStatus, WalkReason
from roaming.operations import feed, walks


@dataclass(frozen=True)
class Access:
    """What staff decides about a partner; groups, tariffs and our party by their ids."""

    all_locations: bool
    group_ids: frozenset[int]
    tariff_ids: frozenset[int]
    our_party_id: int | None
    auto_grant: bool
    dialect: Dialect

    @classmethod
    def of(cls, partner: Partner) -> "Access":
        """Return what holds for a partner now: two queries."""
        return cls(
            all_locations=partner.all_locations,
            group_ids=frozenset(partner.location_groups.values_list("pk", flat=True)),
            tariff_ids=frozenset(partner.tariffs.values_list("pk", flat=True)),
            our_party_id=partner.our_party_id,
            auto_grant=partner.auto_grant,
            dialect=parse(Dialect, partner.dialect),
        )


def set_access(*, partner_id: int, access: Access, now: datetime) -> bool:
    """Set what a partner may see and how it is spoken to; return whether that changed anything.

    It is told of what appears, and of what goes as far as OCPI lets us. Objects that look the same
    as before are not touched; connectors that show other tariffs now are.

    Raises:
        Partner.DoesNotExist: there is no such partner.

    """
    with transaction.atomic():
        # Of nothing: who is locked is the partner, not the party that it may have none of.
        partner = Partner.objects.select_for_update(of=("self",)).get(pk=partner_id)
        before = Access.of(partner)
        if before == access:
            return False
        saw = _seen(partner, now)
        partner.all_locations = access.all_locations
        partner.our_party_id = access.our_party_id
        partner.auto_grant = access.auto_grant
        partner.dialect = plain(Dialect, access.dialect)
        partner.save(update_fields=["all_locations", "our_party", "auto_grant", "dialect"])
        partner.location_groups.set(access.group_ids)
        partner.tariffs.set(access.tariff_ids)
        sees = _seen(partner, now)
        # Who is sending to it does so in the way of before.
        feed.take_away(partner_id=partner.pk)
        if partner.status == PartnerStatus.REGISTERED:
            if _needs_everything(before.dialect, access.dialect):
                walks.announce_everything(partner_id=partner.pk, now=now, reason=WalkReason.ACCESS)
            _announce_difference(partner, "tariffs", sees["tariffs"] - saw["tariffs"])
            _announce_difference(partner, "locations", saw["locations"] ^ sees["locations"])
        for tariff_id in sorted(before.tariff_ids ^ access.tariff_ids):
            location_operations.touch_connectors_of(tariff_id=tariff_id, now=now)
        if partner.status == PartnerStatus.REGISTERED:
            # After the locations that named them.
            _announce_difference(partner, "tariffs", saw["tariffs"] - sees["tariffs"])
    return True


def give_successor(*, tariff_id: int, successor_id: int) -> None:
    """Give the partners that a tariff was given to its successor, too.

    Nothing is announced: the successor is, as a tariff that was created, to all who may see it.
    """
    through = Partner.tariffs.through
    with transaction.atomic():
        partner_ids = Partner.objects.filter(tariffs=tariff_id).values_list("pk", flat=True)
        through.objects.bulk_create(
            (through(partner_id=pk, tariff_id=successor_id) for pk in partner_ids),
            ignore_conflicts=True,
        )


_Seen = dict[str, frozenset[int]]


def _seen(partner: Partner, now: datetime) -> _Seen:
    return {
        "tariffs": frozenset(visibility.tariffs_for(partner, now=now).values_list("pk", flat=True)),
        "locations": frozenset(
            visibility.locations_for(partner, now=now).values_list("pk", flat=True)
        ),
    }


def _announce_difference(partner: Partner, module: str, object_ids: frozenset[int]) -> None:
    feed.announce_many(module=module, object_ids=sorted(object_ids), partner_id=partner.pk)


def _needs_everything(before: Dialect, after: Dialect) -> bool:
    """Tell whether objects read otherwise now, or modules are pushed that were not."""
    return (
        before.omit != after.omit
        or before.ascii_only != after.ascii_only
        or bool(set(before.push_off) - set(after.push_off))
    )
