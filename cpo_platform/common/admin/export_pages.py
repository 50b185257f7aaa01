"""The export of a list: a page that asks for the format, and the file itself.

Every list has it (`Admin`). What is exported is what the list shows at the same address: its
search, filters and order, of the rows that this person may see.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from django.contrib.admin import ModelAdmin
from django.contrib.admin.options import IS_POPUP_VAR, IncorrectLookupParameters
from django.contrib.admin.views.main import ALL_VAR, ERROR_FLAG, PAGE_VAR
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import (
    FileResponse,
    HttpRequest,
    HttpResponseRedirect,
    StreamingHttpResponse,
)
from django.http.response import HttpResponseBase
from django.urls import path, reverse
from django.utils.text import capfirst
from django.utils.translation import gettext

from cpo_platform.common import clock, replica
from cpo_platform.common.admin import exporting
from cpo_platform.common.admin.exporting import MOST_ROWS_A_SHEET, Read
from cpo_platform.common.admin.lists import MOST_COUNTED

CSV, XLSX = "csv", "xlsx"
TYPES = {
    CSV: "text/csv; charset=utf-8",
    XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
# Which page of the list is open is nothing to an export.
_OF_PAGES = (PAGE_VAR, ALL_VAR, ERROR_FLAG)

if TYPE_CHECKING:

    class _Base(ModelAdmin[Any]):
        page: Any

        def list_url(self, query: str = "") -> str: ...
        def note_of_list(self, request: HttpRequest, sentence: str) -> None: ...

else:
    _Base = object


class WithExport(_Base):
    """Mixed into admin classes: their lists can be exported."""

    def get_urls(self) -> list[Any]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_export"
        own = path("export/", self.admin_site.admin_view(self.export_view), name=name)
        return [own, *super().get_urls()]

    def export_url(self, request: HttpRequest) -> str:
        """Return where the list is exported as it is shown; "" in a window that only chooses."""
        if IS_POPUP_VAR in request.GET:
            return ""
        url = reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_export")
        query = _query(request)
        return f"{url}?{query}" if query else url

    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        """Ask for the format, or send the file."""
        if not self.has_view_or_change_permission(request):
            raise PermissionDenied
        query = _query(request)
        try:
            rows, columns = self._exported(request)
        except IncorrectLookupParameters:
            return HttpResponseRedirect(self.list_url(f"{ERROR_FLAG}=1"))
        kind = request.POST.get("format", "") if request.method == "POST" else ""
        if kind == CSV or (kind == XLSX and not _is_more(rows, MOST_ROWS_A_SHEET)):
            return self._file(request, kind, rows, columns, query)
        return self._export_page(request, rows, columns, query, is_refused=kind == XLSX)

    def _exported(self, request: HttpRequest) -> "tuple[QuerySet[Any], dict[str, Read]]":
        """Return the rows that the list shows, on all its pages, and its columns."""
        rows = self.rows_of_list(request)
        columns = exporting.columns_of(
            self, self.get_list_display(request), _related(rows.query.select_related)
        )
        return replica.reading(rows), columns

    def rows_of_list(self, request: HttpRequest) -> "QuerySet[Any]":
        """Return the rows that the list shows, on all its pages.

        Raises:
            IncorrectLookupParameters: the address has a filter that is none.

        """
        values = request.GET.copy()
        for name in _OF_PAGES:
            values.pop(name, None)
        request.GET = values  # type: ignore[assignment]
        shown: Any = self.get_changelist_instance(request)
        rows: QuerySet[Any] = shown.queryset
        return rows

    def _export_page(
        self,
        request: HttpRequest,
        rows: "QuerySet[Any]",
        columns: dict[str, Read],
        query: str,
        *,
        is_refused: bool,
    ) -> HttpResponseBase:
        return self.page(  # type: ignore[no-any-return]
            request,
            "admin/cpo/export.html",
            title=gettext("Export: %(names)s") % {"names": self._names()},
            sentences=[_number_text(rows), *self._narrowed(query)],
            columns=list(columns),
            refusal=gettext(
                "An Excel sheet holds 1,048,575 rows, and these are more: filter the list, or "
                "take CSV."
            )
            if is_refused
            else "",
            list_url=self.list_url(query),
            status=400 if is_refused else 200,
        )

    def _narrowed(self, query: str) -> list[str]:
        if not query:
            return [gettext("Nothing is searched or filtered: it is the whole list.")]
        return [gettext("The search, the filters and the order of the list apply.")]

    def _names(self) -> str:
        return str(capfirst(self.opts.verbose_name_plural))

    def _file(
        self,
        request: HttpRequest,
        kind: str,
        rows: "QuerySet[Any]",
        columns: dict[str, Read],
        query: str,
    ) -> HttpResponseBase:
        values = exporting.counted(
            exporting.rows_of(columns, rows),
            lambda number: self._note_export(request, number, kind, query),
        )
        name = f"{self.opts.model_name}-{clock.now():%Y%m%dT%H%M%SZ}.{kind}"
        if kind == XLSX:
            file = exporting.as_xlsx(columns, values)
            return FileResponse(file, as_attachment=True, filename=name, content_type=TYPES[XLSX])
        return StreamingHttpResponse(
            exporting.as_csv(columns, values),
            content_type=TYPES[CSV],
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )

    def _note_export(self, request: HttpRequest, number: int, kind: str, query: str) -> None:
        sentence = f"exported {number} rows as {kind.upper()}"
        self.note_of_list(request, f"{sentence}: {query}" if query else sentence)


def _related(selected: Any, before: str = "") -> Iterator[str]:
    """Yield what a list reads with each row: to read more would take a query for each."""
    if isinstance(selected, Mapping):
        for name, further in selected.items():
            yield f"{before}{name}"
            yield from _related(further, f"{before}{name}__")


def _query(request: HttpRequest) -> str:
    values = request.GET.copy()
    for name in _OF_PAGES:
        values.pop(name, None)
    return values.urlencode()


def _is_more(rows: "QuerySet[Any]", than: int) -> bool:
    return rows.order_by()[: than + 1].count() > than


def _number_text(rows: "QuerySet[Any]") -> str:
    number = rows.order_by()[: MOST_COUNTED + 1].count()
    if number > MOST_COUNTED:
        return gettext("More than 10,000 rows.")
    return gettext("Rows: %(number)s.") % {"number": f"{number:,}"}
