"""Location groups in bulk: which locations they hold, as ids that a file can say."""

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from cpo_platform.bulk.finding import Cells
from cpo_platform.common.admin import visible
from cpo_platform.common.formfields import LinesField
from locations import operations
from locations.admin import GroupForm, LocationGroupAdmin
from locations.models import Location, LocationGroup

_AT_ONCE = 500
_SHOWN = 5


class IdsField(LinesField):
    """Ids, one a line; a cell may have semicolons or commas between them."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(read=str, write=str, **kwargs)

    def clean(self, value: Any) -> Any:
        return super().clean(re.sub(r"[;,]", "\n", str(value or "")))


class GroupFileForm(GroupForm):
    """A group as files say it: what it holds, or what comes and goes."""

    locations = IdsField(
        label=_("locations"),
        help_text=_("Exactly these: ids such as DE*ABC*LOC1, one per line."),
    )
    add_locations = IdsField(
        label=_("add locations"),
        help_text=_("These as well: ids such as DE*ABC*LOC1, one per line."),
    )
    remove_locations = IdsField(
        label=_("remove locations"),
        help_text=_("Not these any more: ids such as DE*ABC*LOC1, one per line."),
    )

    class Meta:
        model = LocationGroup
        fields = ("name",)

    def values_of(self, row: LocationGroup) -> dict[str, Any]:
        return {"locations": _ids_of(row)}

    def clean_locations(self) -> list[Location]:
        return self._found("locations")

    def clean_add_locations(self) -> list[Location]:
        return self._found("add_locations")

    def clean_remove_locations(self) -> list[Location]:
        return self._found("remove_locations")

    def _found(self, name: str) -> list[Location]:
        """Return the locations of a field, of those that this person may see."""
        assert self.request is not None  # noqa: S101  its pages make no form without one
        rows, unknown = _named(self.request, self.cleaned_data[name])
        if unknown:
            raise ValidationError(
                gettext("No location has this id, or several have it: %(ids)s. Write DE*ABC*LOC1.")
                % {"ids": ", ".join(unknown[:_SHOWN])}
            )
        return rows

    def chosen(self) -> list[int]:
        """Return the keys of what the group is to hold."""
        data = self.cleaned_data
        gone = {row.pk for row in data["remove_locations"]}
        rows = [*data["locations"], *data["add_locations"]]
        return [row.pk for row in rows if row.pk not in gone]


class GroupPages(LocationGroupAdmin):
    """What a bulk change of groups goes through: no pages of their own."""

    form = GroupFileForm
    fields: ClassVar[Any] = ("name", "locations", "add_locations", "remove_locations")
    autocomplete_fields: ClassVar[Any] = ()

    def put(self, form: Any, now: datetime) -> LocationGroup:
        return operations.put_group(group=form.shape, location_ids=form.chosen(), now=now)


def _ids_of(group: LocationGroup) -> list[str]:
    rows = group.locations.order_by("country_code", "party_id", "ocpi_id")
    return ["*".join(one) for one in rows.values_list("country_code", "party_id", "ocpi_id")]


def _named(request: HttpRequest, ids: Iterable[str]) -> tuple[list[Location], list[str]]:
    """Return the locations with these ids, and the ids that are none: some queries for hundreds."""
    wanted = list(dict.fromkeys(ids))
    found: dict[str, list[Location]] = {}
    for start in range(0, len(wanted), _AT_ONCE):
        some = wanted[start : start + _AT_ONCE]
        named = {part for one in some for part in (one, _own_part(one))}
        rows = visible(request, Location.objects.filter(ocpi_id__in=named))
        for row in rows.only("country_code", "party_id", "ocpi_id"):
            for name in (f"{row.party}*{row.ocpi_id}", row.ocpi_id):
                found.setdefault(name.lower(), []).append(row)
    unknown = [one for one in wanted if len(found.get(one.lower(), ())) != 1]
    return [row for one in wanted for row in found.get(one.lower(), ())], unknown


def _own_part(name: str) -> str:
    """Return the id of a location without its party, `DE*ABC*LOC1` or `LOC1`."""
    parts = name.split("*", 2)
    return parts[2] if len(parts) > 2 else name


def find_group(request: HttpRequest, cells: Cells) -> LocationGroup | None:
    """Return the group that a row names."""
    return visible(request, LocationGroup.objects.filter(name=cells["name"])).first()


def group_name(_request: HttpRequest, cells: Cells) -> str:
    """Return the name of a row."""
    return cells["name"]


def lock_group(object_id: int) -> None:
    """Lock a group; it has no moment of its last change."""
    LocationGroup.objects.select_for_update().filter(pk=object_id).first()
