"""What one person may do to another: never more than that person may do."""

from django.contrib.auth.models import AnonymousUser, Group, Permission, User
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest

from cpo_platform.common.admin import Scope, scope_of, visible
from cpo_platform.staff.models import StaffScope
from locations.admin.groups import of_visible_locations
from locations.models import LocationGroup
from tariffs.models import Party


def may_act_on(request: HttpRequest, user: User) -> bool:
    """Tell whether somebody may change a person: who may do more than he does is not his to change.

    Otherwise a new password would be a way to all that the other one may do.
    """
    actor = request.user
    if actor.is_superuser or actor.pk == user.pk:
        return True
    return not user.is_superuser and user.get_all_permissions() <= actor.get_all_permissions()


def exceeds(actor: User | AnonymousUser, group: Group) -> bool:
    """Tell whether a group may do something that a person may not."""
    if actor.is_superuser:
        return False
    return not names_of(group.permissions.all()) <= actor.get_all_permissions()


def names_of(permissions: QuerySet[Permission]) -> set[str]:
    """Return permissions as Django names them: `tariffs.view_tariff`."""
    rows = permissions.values_list("content_type__app_label", "codename")
    return {f"{app}.{codename}" for app, codename in rows}


def is_within(
    request: HttpRequest, *, everything: bool, has_parties: bool, has_groups: bool
) -> bool:
    """Tell whether a scope is no wider than the one of whoever gives it.

    The parties and groups themselves are chosen from those that this person sees.
    """
    own = scope_of(request)
    if own.is_whole:
        return True
    if everything:
        return False
    return has_groups or own.locations is None or not has_parties


def people_of(scope: Scope) -> Q:
    """Return the people whose scope is within a scope."""
    parties = Party.objects.filter(_of_party(scope))
    groups = LocationGroup.objects.filter(of_visible_locations(scope))
    rows = StaffScope.objects.filter(user=OuterRef("pk"), everything=False)
    beyond = StaffScope.parties.through.objects.filter(
        ~Q(party__in=parties), staffscope__user=OuterRef("pk")
    )
    outside = StaffScope.location_groups.through.objects.filter(
        ~Q(locationgroup__in=groups), staffscope__user=OuterRef("pk")
    )
    within = Q(Exists(rows)) & ~Q(Exists(beyond)) & ~Q(Exists(outside))
    if scope.locations is None:
        return within
    some = StaffScope.location_groups.through.objects.filter(staffscope__user=OuterRef("pk"))
    return within & Q(Exists(some))


def _of_party(scope: Scope) -> Q:
    wanted = Q(pk__in=[])
    for country_code, party_id in sorted(scope.parties or ()):
        wanted |= Q(country_code=country_code, party_id=party_id)
    return wanted


def parties_offered(request: HttpRequest) -> QuerySet[Party]:
    """Return the parties that somebody may give to others."""
    return visible(request, Party.objects.order_by("country_code", "party_id"))


def groups_offered(request: HttpRequest) -> QuerySet[LocationGroup]:
    """Return the location groups that somebody may give to others."""
    return visible(request, LocationGroup.objects.order_by("name"))
