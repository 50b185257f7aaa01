"""The columns of a file: which are read, and what the list has in them now.

A column has the name of its form's field. Those of parts are numbered: `connector_1_standard`. What
an export of the list has beside these is passed over; a column that nobody knows is refused, since
it is a mistake in one that somebody does.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib.admin.utils import flatten_fieldsets
from django.http import HttpRequest
from django.utils.translation import gettext

from cpo_platform.bulk import filling
from cpo_platform.bulk.lists import MOST_PARTS, BulkList, Importing
from cpo_platform.bulk.reading import UnreadableFile
from cpo_platform.common.admin import exporting

# Written into files by us, beside what is read again.
REASON, ROW = "reason", "row"
MOST_FILLED = 2000


@dataclass(frozen=True)
class Heads:
    """The columns of a file: those that are read, by their place, and those that are not."""

    read: Mapping[int, str]
    passed: Sequence[str]


def importing_of(listed: BulkList) -> Importing:
    """Return how a list is imported; only asked of those that can be."""
    assert listed.importing is not None  # noqa: S101  others have no page that asks
    return listed.importing


def own_columns(listed: BulkList, parts: int = 1) -> list[str]:
    """Return the columns of a template: what names a row, then what can be changed."""
    importing = importing_of(listed)
    known = (*importing.keys, *importing.beside)
    fields = [name for name in fields_of(listed) if name not in known and name != "seen"]
    return [*_naming(importing), *fields, *_part_columns(listed, parts)]


def _naming(importing: Importing) -> list[str]:
    # `country_code` and `party_id` are read, as exports have them; a template needs one of both.
    beside = [name for name in importing.beside if name not in {"country_code", "party_id"}]
    return [*beside, *importing.keys]


def _part_columns(listed: BulkList, parts: int) -> list[str]:
    if listed.part is None:
        return []
    _formset, column, form, _title = listed.part
    return [
        f"{column}_{number}_{name}" for number in range(1, parts + 1) for name in form.base_fields
    ]


def html_name(listed: BulkList, column: str) -> str:
    """Return the HTML field that a column is for: `connectors-0-standard`."""
    if listed.part is not None:
        formset, word, _form, _title = listed.part
        found = re.fullmatch(rf"{word}_(\d{{1,2}})_(\w+)", column, re.ASCII)
        if found:
            return f"{formset}-{int(found[1]) - 1}-{found[2]}"
    return column


def heads_of(listed: BulkList, heads: Sequence[str]) -> Heads:
    """Return which columns of a file are read.

    Raises:
        UnreadableFile: a column is there twice, is none, or is missing; it is named.

    """
    twice = sorted({head for head in heads if heads.count(head) > 1})
    if twice:
        raise UnreadableFile(gettext("Columns that are there twice: %s.") % _named(twice))
    importing = importing_of(listed)
    known = known_columns(listed)
    passed = [head for head in heads if head not in known]
    unknown = [head for head in passed if head not in _exported(listed)]
    if unknown:
        raise UnreadableFile(
            gettext("Columns that are not known: %s. Those of the template are.") % _named(unknown)
        )
    missing = [name for name in importing.keys if name not in heads]
    if missing:
        raise UnreadableFile(gettext("Columns that are missing: %s.") % _named(missing))
    read = {place: head for place, head in enumerate(heads) if head in known}
    if not set(read.values()) - {*importing.keys, *importing.beside}:
        raise UnreadableFile(gettext("There is no column that could change anything."))
    return Heads(read, passed)


def known_columns(listed: BulkList) -> set[str]:
    """Return all columns that are read."""
    importing = importing_of(listed)
    return {*own_columns(listed, MOST_PARTS), *importing.beside, *importing.keys}


def _named(names: Iterable[str]) -> str:
    return ", ".join(name[:50] or "?" for name in list(names)[:10])


def _exported(listed: BulkList) -> set[str]:
    """Return what exports of the list have, and what we write beside a refused row."""
    pages = listed.model_admin
    related = pages.list_select_related if isinstance(pages.list_select_related, tuple) else ()
    listed_columns = [*pages.list_display, *pages.columns_added()]
    columns = exporting.columns_of(pages, listed_columns, related)
    return {*columns, REASON, ROW}


def most_parts(listed: BulkList, rows: Any) -> int:
    """Return how many parts the row with the most of them has."""
    if listed.part is None:
        return 0
    formset = listed.part[0]
    return max((len(getattr(row, formset).all()) for row in rows), default=1) or 1


def filled(listed: BulkList, request: HttpRequest, rows: Sequence[Any]) -> Iterator[list[Any]]:
    """Yield for each object what it has in the columns of a template."""
    columns = own_columns(listed, most_parts(listed, rows))
    pages = listed.pages
    # Forms with the same fields are of one class: to make one takes longer than to fill it in.
    classes: dict[tuple[str, ...], Any] = {}
    for row in rows:
        names = tuple(flatten_fieldsets(pages.get_fieldsets(request, row)))
        if names not in classes:
            classes[names] = pages.get_form(request, row, change=True)
        form = classes[names](instance=row)
        yield [_cell(listed, form, column) for column in columns]


def _cell(listed: BulkList, form: Any, column: str) -> Any:
    beside = _beside(form.instance, column)
    if beside is not None:
        return beside
    name = html_name(listed, column)
    bound = _bound(listed, form, name)
    if bound is None:
        return ""
    sent = filling.sent(bound)
    return _numeric(bound.field, filling.cell_of(bound.field, sent))


def _numeric(field: forms.Field, text: str) -> Any:
    """Return a number as such: a text that begins with a minus would be marked."""
    number = isinstance(field, forms.IntegerField | forms.DecimalField)
    return field.to_python(text) if number and text else exporting.defused(text)


def _beside(row: Any, column: str) -> str | None:
    """Return what names a row or its location, which no field of the form has."""
    if column.startswith("location__"):
        location = row.location
        return str(location.party if column.endswith("party") else location.ocpi_id)
    return None


def _bound(listed: BulkList, form: Any, name: str) -> Any:
    if listed.part is not None and name.startswith(f"{listed.part[0]}-"):
        _formset, index, field = name.split("-", 2)
        parts = form.parts.forms
        return parts[int(index)][field] if int(index) < len(parts) else None
    return form[name] if name in form.fields else None


def fields_of(listed: BulkList) -> dict[str, forms.Field]:
    """Return the fields of a list's form by name, without an object: their labels and choices."""
    form = listed.pages.form
    fields = forms.fields_for_model(listed.model, fields=form.Meta.fields)
    return {name: field for name, field in fields.items() if field} | dict(form.base_fields)


def is_box(field: forms.Field) -> bool:
    """Tell whether a field is a box to tick."""
    return isinstance(field, forms.BooleanField) and not isinstance(field, forms.NullBooleanField)
