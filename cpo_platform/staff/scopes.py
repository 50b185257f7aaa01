"""What a person may see: the answer to `cpo_platform.common.admin.scopes`."""

from django.contrib.auth.models import AnonymousUser, User
from django.http import HttpRequest

from cpo_platform.common.admin import Scope
from cpo_platform.staff.models import StaffScope
from locations.models import Location, LocationGroup

NOTHING = Scope(parties=frozenset())


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
        return Scope(parties=parties)
    held = LocationGroup.locations.through.objects.filter(locationgroup_id__in=groups)
    locations = held.values("location_id")
    if not parties:
        of_groups = Location.objects.filter(pk__in=locations)
        parties = frozenset(of_groups.values_list("country_code", "party_id").distinct())
    return Scope(parties, locations)
