"""Lists of tables of any size: counted up to a limit, searched by fragments through indexes."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from django.contrib.admin import SimpleListFilter
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property

# Rows that a list counts and can be paged through; what is behind them is found by filters.
MOST_COUNTED = 10_000
# Rows that a search looks at: who gets more has to be more precise.
MOST_FOUND = 1_000


class CappedPaginator(Paginator[Any]):
    """Pages of at most `MOST_COUNTED` rows: to count a million takes longer than to show fifty."""

    template_name = "admin/cpo/pagination.html"

    @cached_property
    def count(self) -> int:
        rows = self.object_list
        if not isinstance(rows, QuerySet):
            return len(rows)
        return rows.order_by()[: MOST_COUNTED + 1].count() if _is_plain(rows) else rows.count()

    @property
    def is_capped(self) -> bool:
        """Whether there is more than was counted."""
        return self.count > MOST_COUNTED


def _is_plain(rows: "QuerySet[Any]") -> bool:
    return not (rows.query.is_sliced or rows.query.combinator)


def known_filter(
    field: str, title: Any, values: Callable[[], Iterable[tuple[str, Any]]]
) -> type[SimpleListFilter]:
    """Return a filter by the values that a column may have: to look which it has reads all rows."""

    class KnownFilter(SimpleListFilter):
        parameter_name = field

        def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
            return [*values()]

        def queryset(self, request: HttpRequest, queryset: Any) -> Any:
            return queryset.filter(**{field: self.value()}) if self.value() else queryset

    KnownFilter.title = title
    return KnownFilter


def found_by(
    rows: "QuerySet[Any]", fields: Sequence[str], text: str
) -> "tuple[QuerySet[Any], bool]":
    """Return the rows that hold every word of a text in some field, and whether there are more.

    One question for each field, so that each uses the index of its own table: all of them in one,
    over several tables, would look at every row there is.
    """
    words = sorted(text.split(), key=len, reverse=True)
    if not words:
        return rows, False
    longest, *others = words
    among = rows.order_by()
    for word in others:
        among = among.filter(_any_holds(fields, word))
    parts = [
        among.filter(**{f"{field}__icontains": longest}).values("pk")[: MOST_FOUND + 1]
        for field in fields
    ]
    first, *rest = parts
    keys = {row["pk"] for row in (first.union(*rest) if rest else first)}
    return rows.filter(pk__in=sorted(keys, reverse=True)[:MOST_FOUND]), len(keys) > MOST_FOUND


def _any_holds(fields: Sequence[str], word: str) -> Q:
    some = Q()
    for field in fields:
        some |= Q(**{f"{field}__icontains": word})
    return some
