"""The pages of location groups: what some partners see instead of every location."""

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import Count, Exists, OuterRef, Q
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from cpo_platform.common import clock
from cpo_platform.common.admin import OperationAdmin, OperationForm, Scope, Way
from locations import operations
from locations.admin.location_pages import LOCATIONS
from locations.models import Location, LocationGroup


class GroupForm(OperationForm):
    """A group and its locations."""

    class Meta:
        model = LocationGroup
        fields = ("name", "locations")
        help_texts = {
            "locations": _("Type a part of a name, an address, a city or an id to find one."),
        }

    def content_of(self, row: LocationGroup) -> str:
        return repr((row.name, sorted(row.locations.values_list("pk", flat=True))))

    def build(self) -> LocationGroup:
        self.instance.name = self.cleaned_data["name"]
        group: LocationGroup = self.instance
        return group


def of_visible_locations(scope: Scope) -> Q:
    """Return the groups that hold locations of a scope, and none besides: to edit one is to list
    all of it."""
    rows = LocationGroup.locations.through.objects.filter(locationgroup_id=OuterRef("pk"))
    inside = Q(location__in=Location.objects.filter(LOCATIONS.condition(scope)))
    return Q(Exists(rows.filter(inside))) & ~Q(Exists(rows.exclude(inside)))


@admin.register(LocationGroup)
class LocationGroupAdmin(OperationAdmin):
    """Groups of locations; which partner sees which group is set at the partner."""

    form = GroupForm
    scope = Way(where=of_visible_locations)
    list_display = ("name", "size")
    search_fields = ("name",)
    search_help_text = _("Search by name")
    ordering = ("name",)
    fields = ("name", "locations")
    autocomplete_fields = ("locations",)
    empty_text = _(
        "A group holds the locations that some partners see. Make one, then choose it at the "
        "partners that are not to see every location."
    )

    def formfield_for_manytomany(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        """Fetch of the locations, of which there may be thousands, what names them."""
        field = super().formfield_for_manytomany(db_field, request, **kwargs)
        field.queryset = field.queryset.only("country_code", "party_id", "ocpi_id")
        return field

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).annotate(location_total=Count("locations"))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("locations.delete_locationgroup")

    def put(self, form: GroupForm, now: datetime) -> LocationGroup:
        chosen = [location.pk for location in form.cleaned_data["locations"]]
        return operations.put_group(group=form.shape, location_ids=chosen, now=now)

    def delete_model(self, request: HttpRequest, obj: LocationGroup) -> None:
        operations.delete_group(group_id=obj.pk, now=clock.now())

    @admin.display(description=_("locations"), ordering="location_total")
    def size(self, row: Any) -> int:
        return int(row.location_total)
