"""Long logs that are searched by a form: a span of time first, the newest rows only."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from django import forms
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (  # type: ignore[import-untyped]
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from cpo_platform.common import clock
from cpo_platform.common.admin.pages import RecordAdmin

if TYPE_CHECKING:
    from django.contrib.admin.views.main import ChangeList
else:
    from unfold.views import ChangeList

# What is shown where nobody says since when.
USUAL_SPAN = timedelta(hours=24)
# Rows behind one search, at most: what is older is behind a link.
MOST_FOUND = 1000


def choice_of(label: Any, choices: Any = ()) -> forms.ChoiceField:
    """Return a choice that may be left open."""
    return forms.ChoiceField(
        label=label, required=False, choices=choices, widget=UnfoldAdminSelectWidget
    )


def text_of(label: Any, example: str, *, longest: int = 100) -> forms.CharField:
    """Return a text to look for."""
    widget = UnfoldAdminTextInputWidget(attrs={"placeholder": example})
    return forms.CharField(label=label, required=False, max_length=longest, widget=widget)


def moment_of(label: Any) -> forms.DateTimeField:
    """Return an end of the span of time."""
    widget = UnfoldAdminTextInputWidget(attrs={"type": "datetime-local", "step": "any"})
    return forms.DateTimeField(label=label, required=False, widget=widget)


class SpanSearch(forms.Form):
    """The fields above a log, with `since` and `until`. All are optional, all must be met.

    `whole_by` are fields that an index answers by itself: they are looked for in all that is kept.
    """

    whole_by: tuple[str, ...] = ()

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        since, until = data.get("since"), data.get("until")
        if since and until and since > until:
            self.add_error("until", _("This is before “since”."))
        return data

    @cached_property
    def is_used(self) -> bool:
        return any(self.data.get(name) for name in self.fields)

    @cached_property
    def begin(self) -> datetime | None:
        """From when on is looked; None: in all that is kept."""
        data = self.cleaned_data
        if data["since"] or any(data[name] for name in self.whole_by):
            since: datetime | None = data["since"]
            return since
        return (data["until"] or clock.now()) - USUAL_SPAN

    @property
    def span_text(self) -> str:
        """Say in a sentence which span of time is shown, unless somebody chose it."""
        if not self.is_valid() or self.begin is None or self.data.get("since"):
            return ""
        return gettext("Shown are 24 hours. To look further back, say since when.")

    def apply(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Return the rows that are looked for; none where the form is wrong."""
        if not self.is_valid():
            return rows.none()
        if self.begin:
            rows = rows.filter(at__gte=self.begin)
        if self.cleaned_data["until"]:
            rows = rows.filter(at__lte=self.cleaned_data["until"])
        return self.narrow(rows)

    def narrow(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Return what is left by the other fields; the form is valid."""
        raise NotImplementedError


class NewestPaginator(Paginator[Any]):
    """Pages of the newest `MOST_FOUND`: to count more would read more than anybody looks at."""

    @cached_property
    def _moments(self) -> list[datetime]:
        rows: Any = self.object_list
        return list(rows.values_list("at", flat=True)[: MOST_FOUND + 1])

    @cached_property
    def count(self) -> int:
        return min(len(self._moments), MOST_FOUND)

    @property
    def older_than(self) -> str:
        """Return where what is older begins, for `until`; "" where there is nothing older."""
        if len(self._moments) <= MOST_FOUND:
            return ""
        moment = self._moments[MOST_FOUND].astimezone(UTC)
        return moment.replace(tzinfo=None).isoformat(timespec="microseconds")


class _SearchedList(ChangeList):
    """A list that is searched by a form of its own."""

    form: SpanSearch

    def get_filters_params(self, params: Any = None) -> dict[str, Any]:
        lookups: dict[str, Any] = super().get_filters_params(params)
        own = cast("SearchedAdmin", self.model_admin).search_form.base_fields
        return {name: value for name, value in lookups.items() if name not in own}

    def get_queryset(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        self.form = cast("SearchedAdmin", self.model_admin).search_form(request.GET)
        rows = super().get_queryset(request, *args, **kwargs)
        # What is said where nothing was found.
        self.has_active_filters = self.form.is_used
        return self.form.apply(rows)

    @property
    def most_found(self) -> int:
        return MOST_FOUND

    @property
    def older_url(self) -> str:
        """Return where the list goes on, where there is more than it shows."""
        until = cast("NewestPaginator", self.paginator).older_than
        if not until:
            return ""
        return str(self.get_query_string({"until": until, "since": self._since}))

    @property
    def _since(self) -> str | None:
        begin = self.form.begin
        return f"{begin:%Y-%m-%dT%H:%M:%S}" if begin else None


class SearchedAdmin(RecordAdmin):
    """A log with a column `at`, partitioned by it, that is searched by `search_form`."""

    search_form: type[SpanSearch] = SpanSearch
    # Any other order would sort all that was found.
    sortable_by = ()
    ordering = ("-at", "-id")
    paginator = NewestPaginator
    list_max_show_all = 0
    change_list_template = "admin/cpo/searched_list.html"

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return _SearchedList
