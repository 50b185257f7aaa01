"""Whose sites a page is about: those of a party, of a location group, or all that one may see."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest

from cpo_platform.admin_site import may_see
from cpo_platform.common.admin import visible
from locations.models import LocationGroup
from tariffs.admin import party_choices

MOST_GROUPS = 500


@dataclass(frozen=True)
class Chosen:
    """A party such as `DE*ABC` and the number of a location group; "" for all."""

    party: str = ""
    group: str = ""

    @property
    def query(self) -> str:
        """Return the part of an address that chooses the same."""
        values = {"party": self.party, "group": self.group}
        return urlencode({name: value for name, value in values.items() if value})


def needs_locations(request: HttpRequest) -> None:
    """Let only those in who may see locations.

    Raises:
        PermissionDenied: the person may not.

    """
    if not may_see(request, "locations.location"):
        raise PermissionDenied


def chosen(request: HttpRequest) -> Chosen:
    """Return what the address chooses; what is no choice of this person is left out."""
    party, group = request.GET.get("party", ""), request.GET.get("group", "")
    if party not in {key for key, _name in party_choices(request)}:
        party = ""
    is_number = group.isascii() and group.isdecimal() and len(group) < 19
    return Chosen(party, group if is_number else "")


def groups(request: HttpRequest) -> QuerySet[LocationGroup]:
    """Return the groups that this person may choose."""
    rows = visible(request, LocationGroup.objects.order_by("name"))
    if not may_see(request, "locations.locationgroup"):
        rows = rows.none()
    return rows[:MOST_GROUPS]


def narrowed(
    request: HttpRequest, choice: Chosen, rows: QuerySet[Any], place: str = "location"
) -> QuerySet[Any]:
    """Return the rows that this person may see, of what is chosen; `place` leads to a location."""
    rows = visible(request, rows)
    if choice.party:
        country_code, _star, party_id = choice.party.partition("*")
        rows = rows.filter(
            **{f"{place}__country_code": country_code, f"{place}__party_id": party_id}
        )
    if choice.group and may_see(request, "locations.locationgroup"):
        wanted = visible(request, LocationGroup.objects.filter(pk=choice.group))
        members = LocationGroup.locations.through.objects.filter(locationgroup__in=wanted)
        rows = rows.filter(**{f"{place}__in": members.values("location_id")})
    return rows
