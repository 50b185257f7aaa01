"""The score of each location in the list of locations, as it was found when last looked at."""

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from cpo_platform.common.admin import NONE, ListColumn, change_url, pill
from cpo_platform.sites.display import FAIR_SCORE, GOOD_SCORE, score_tone
from locations.models import Location

_BOUNDS: Mapping[str, Mapping[str, Any]] = {
    "work": {"quality__score__lt": GOOD_SCORE},
    "much": {"quality__score__lt": FAIR_SCORE},
    "good": {"quality__score__gte": GOOD_SCORE},
    "unknown": {"quality__isnull": True},
}


class QualityFilter(admin.SimpleListFilter):
    """Locations by how good what we say of them is."""

    title = _("data quality")
    parameter_name = "quality"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("work", _("Needs work")),
            ("much", _("Needs much work")),
            ("good", _("Good")),
            ("unknown", _("Not looked at yet")),
        ]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        bounds = _BOUNDS.get(self.value() or "")
        return queryset.filter(**bounds) if bounds else queryset


@admin.display(description=_("score"), ordering="quality__score")
def score(row: Location) -> object:
    """Return the score of a location, with a link to what is to be done there."""
    found = getattr(row, "quality", None)
    if found is None:
        return NONE
    return format_html(
        '<a class="cpo-link" href="{}#quality">{}</a>',
        *(change_url(row), pill(found.score, score_tone(found.score))),
    )


SCORE_COLUMN = ListColumn(shown=score, related="quality", filter=QualityFilter)
