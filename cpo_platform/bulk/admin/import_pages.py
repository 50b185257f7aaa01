"""The page that takes a file, and the templates for it."""

from collections.abc import Iterator
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import UploadedFile
from django.db.models import prefetch_related_objects
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.text import capfirst
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminFileFieldWidget  # type: ignore[import-untyped]

from cpo_platform.bulk import columns, describing, operations, reading
from cpo_platform.bulk.admin.persons import may_start, person_of
from cpo_platform.bulk.lists import BulkList
from cpo_platform.bulk.reading import MOST_BYTES, UnreadableFile
from cpo_platform.bulk.tasks import run_soon
from cpo_platform.common import clock
from cpo_platform.common.admin import change_url, exporting
from cpo_platform.common.admin.export_pages import CSV, TYPES, XLSX

AT_ONCE = 200


class FileForm(forms.Form):
    """The file."""

    file = forms.FileField(
        label=_("File"),
        widget=UnfoldAdminFileFieldWidget(attrs={"accept": ".csv,.xlsx,text/csv"}),
        help_text=_(
            "CSV (UTF-8 or Shift_JIS; comma, semicolon or tab) or Excel (.xlsx), at most 5 MB."
        ),
    )

    def __init__(self, *args: Any, listed: BulkList, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._listed = listed
        self.heads: list[str] = []
        self.content = b""

    def clean_file(self) -> "UploadedFile[Any]":
        """Refuse what is no table of this list; its rows are read later."""
        file: UploadedFile[Any] = self.cleaned_data["file"]
        if (file.size or 0) > MOST_BYTES:
            raise forms.ValidationError(gettext("The file is larger than 5 MB: split it."))
        self.content = file.read()
        try:
            self.heads = reading.read(self.content).heads
            columns.heads_of(self._listed, self.heads)
        except UnreadableFile as error:
            raise forms.ValidationError(str(error)) from error
        return file


def url_of(listed: BulkList, request: HttpRequest, page: str = "import") -> str:
    """Return the address of a page, which knows how the list is filtered."""
    name = listed.label.replace(".", "_")
    query = request.GET.urlencode()
    url = reverse(f"admin:{name}_bulk_{page}")
    return f"{url}?{query}" if query else url


def import_view(listed: BulkList, request: HttpRequest) -> HttpResponse:
    """Ask for a file; have what it would change found out."""
    if not may_start(request, listed):
        raise PermissionDenied
    form = FileForm(request.POST or None, request.FILES or None, listed=listed)
    if request.method == "POST" and form.is_valid():
        job = operations.start_import(
            label=listed.label,
            file_name=form.cleaned_data["file"].name or "",
            file=form.content,
            columns=form.heads,
            person=person_of(request),
            now=clock.now(),
        )
        run_soon(job.pk)
        return HttpResponseRedirect(change_url(job))
    importing = columns.importing_of(listed)
    described = describing.described(listed)
    pages = listed.model_admin
    response: HttpResponse = pages.page(
        request,
        "admin/bulk/import.html",
        title=gettext("Import: %(names)s") % {"names": capfirst(listed.names)},
        form=form,
        keys=importing.keys,
        columns=described,
        needed=[column for column in described if column.is_needed],
        has_example=bool(importing.example),
        part=listed.part,
        notes=importing.notes,
        template_url=url_of(listed, request, "template"),
        most=f"{columns.MOST_FILLED:,}",
        may_add=listed.pages.has_add_permission(request),
        ocpi_url=_ocpi_url(listed, request),
    )
    return response


def _ocpi_url(listed: BulkList, request: HttpRequest) -> str:
    """Return the address of the other import of locations: OCPI as JSON, with their EVSEs."""
    if listed.label != "locations.location" or not request.user.has_perm("locations.add_location"):
        return ""
    return reverse("admin:locations_import")


def template_view(listed: BulkList, request: HttpRequest) -> HttpResponseBase:
    """Send a template: empty, or with what the list has in it."""
    if not may_start(request, listed):
        raise PermissionDenied
    if "example" in request.POST:
        return _example(listed)
    kind = XLSX if request.POST.get("format") == XLSX else CSV
    rows = _listed_rows(listed, request) if "filled" in request.POST else []
    if rows is None:
        messages.error(
            request,
            gettext("These are more than %(most)s rows: filter the list first.")
            % {"most": f"{columns.MOST_FILLED:,}"},
        )
        return HttpResponseRedirect(url_of(listed, request))
    heads = columns.own_columns(listed, max(columns.most_parts(listed, rows), 1))
    values = columns.filled(listed, request, rows)
    if rows:
        listed.model_admin.note_of_list(request, f"took {len(rows)} rows as a template")
    name = f"{listed.model._meta.model_name}-import.{kind}"  # noqa: SLF001  Django's own public name
    if kind == XLSX:
        file = exporting.as_xlsx(heads, values)
        return FileResponse(file, as_attachment=True, filename=name, content_type=TYPES[XLSX])
    return HttpResponse(
        "".join(exporting.as_csv(heads, values)),
        content_type=TYPES[CSV],
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _example(listed: BulkList) -> HttpResponse:
    """Return a file with one row that would be new, which shows how cells are written."""
    example = columns.importing_of(listed).example
    name = f"{listed.model._meta.model_name}-example.csv"  # noqa: SLF001  Django's own public name
    return HttpResponse(
        "".join(exporting.as_csv(list(example), [list(example.values())])),
        content_type=TYPES[CSV],
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _listed_rows(listed: BulkList, request: HttpRequest) -> list[Any] | None:
    """Return the rows that the list shows, of those that may be changed; None: too many."""
    try:
        rows = listed.model_admin.rows_of_list(request)
    except IncorrectLookupParameters:
        return []
    keys = list(rows.values_list("pk", flat=True)[: columns.MOST_FILLED + 1])
    if len(keys) > columns.MOST_FILLED:
        return None
    return list(_changeable(listed, request, keys))


def _changeable(listed: BulkList, request: HttpRequest, keys: list[int]) -> Iterator[Any]:
    pages = listed.pages
    for start in range(0, len(keys), AT_ONCE):
        found = pages.get_queryset(request).in_bulk(keys[start : start + AT_ONCE])
        prefetch_related_objects(list(found.values()), *listed.fetched)
        for key in keys[start : start + AT_ONCE]:
            if key in found and pages.has_change_permission(request, found[key]):
                yield found[key]
