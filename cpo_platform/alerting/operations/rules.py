"""Rules are written by staff; a new platform begins with some."""

from collections.abc import Iterable
from typing import Any

from django.db import transaction

from cpo_platform.alerting.kinds import DEFAULTS, OF_NO_PLACE
from cpo_platform.alerting.models import Rule


class HasNoPlace(ValueError):
    """A rule of partners or of the platform looks at all of it."""


@transaction.atomic
def put_rule(*, rule: Rule, party_ids: Iterable[int] = (), group_ids: Iterable[int] = ()) -> Rule:
    """Write a rule, new or changed; it is looked at anew at once.

    Raises:
        HasNoPlace: parties or groups for a kind that belongs to no place.

    """
    parties, groups = list(party_ids), list(group_ids)
    if rule.kind in OF_NO_PLACE and (parties or groups):
        raise HasNoPlace("parties: this kind of rule looks at all of the platform")
    rule.looked_at = None
    rule.save()
    rule.parties.set(parties)
    rule.location_groups.set(groups)
    return rule


@transaction.atomic
def delete_rule(*, rule_id: int) -> None:
    """Delete a rule, with its alerts; its incidents stay, and are over."""
    Rule.objects.filter(pk=rule_id).delete()


def make_defaults(model: Any) -> None:
    """Make the rules of a new platform. `model` is `Rule`, as a migration has it."""
    model.objects.bulk_create(
        model(
            kind=one.kind.value,
            severity=one.severity.value,
            delay_minutes=one.delay,
            clear_minutes=one.clear,
            choices=list(one.choices),
            limit=one.limit,
            upper=one.upper,
            is_on=one.is_on,
        )
        for one in DEFAULTS
    )
