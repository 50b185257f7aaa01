"""What a person may see: the answer to `cpo_platform.common.admin.scopes`."""

import hashlib
from collections.abc import Iterable

from django.contrib.auth.models import AnonymousUser, User
from django.http import HttpRequest

from cpo_platform.common.admin import Scope
from cpo_platform.staff.models import StaffScope
from locations.models import Location, LocationGroup

_NOBODY: frozenset[tuple[str, str]] = frozenset()


def _key(parties: Iterable[tuple[str, str]], groups: Iterable[int]) -> str:
    said = repr((sorted(parties), sorted(groups)))
    return hashlib.blake2b(said.encode(), digest_size=16).hexdigest()


NOTHING = Scope(parties=_NOBODY, key=_key(_NOBODY, ()))


def scope_of(request: HttpRequest) -> Scope:
    """Return what the person behind a request may see: three queries at most, none for most."""
    return scope_of_user(request.user)


def scope_of_user(user: User | AnonymousUser) -> Scope:
    """Return what a person may see."""
    if not isinstance(user, User) or not user.is_authenticated:
        return NOTHING
    row: StaffScope | None = getattr(user, "staff_scope", None)
    if row is None or row.everything:
        return Scope()
    parties = frozenset(row.parties.values_list("country_code", "party_id"))
    groups = list(row.location_groups.values_list("pk", flat=True))
    if not groups:
        return Scope(parties=parties, key=_key(parties, ()))
    held = LocationGroup.locations.through.objects.filter(locationgroup_id__in=groups)
    locations = held.values("location_id")
    if not parties:
        of_groups = Location.objects.filter(pk__in=locations)
        parties = frozenset(of_groups.values_list("country_code", "party_id").distinct())
    return Scope(parties, locations, _key(parties, groups))
