"""The data of a form as a row wants it: a change, the cells of a file, or what was there before.

`without` are HTML fields that stay as they are.
"""

import re
from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext

from cpo_platform.bulk import columns, filling
from cpo_platform.bulk.filling import Data, Unreadable
from cpo_platform.bulk.lists import BulkList
from cpo_platform.bulk.refusing import RowRefused, refused


def changed(data: Data, values: Mapping[str, Any], without: frozenset[str]) -> Data:
    """Return the data with the values of a change, in each part that has their fields.

    Raises:
        RowRefused: it has no such field.

    """
    wanted = dict(data)
    for name, value in values.items():
        names = filling.html_names(name, data)
        if not set(names) <= data.keys():
            raise refused(gettext("It has no such field."), name)
        for one in set(names) - without:
            wanted[one] = filling.changed_value(data[one], value["data"], value["how"])
    return wanted


def put_back(data: Data, values: Mapping[str, Any]) -> Data:
    """Return the data with what was there before a job; parts that it added go."""
    wanted: Data = data | values["data"]
    for name in values["added"]:
        part = re.match(r"\w+-\d+-", name)
        if part and not any(one.startswith(part[0]) for one in values["data"]):
            wanted[f"{part[0]}DELETE"] = ["on"]
        elif name not in values["data"]:
            wanted[name] = []
    return wanted


def with_cells(
    listed: BulkList,
    form: Any,
    data: Data,
    cells: Mapping[str, str],
    without: frozenset[str],
) -> Data:
    """Return the data with the cells of a row.

    Raises:
        RowRefused: some of them cannot be read; each is named by its column.

    """
    wanted: Data = _with_parts(listed, data, cells)
    problems: dict[str, tuple[str, str]] = {}
    for column, cell in cells.items():
        name = columns.html_name(listed, column)
        if not cell or name in without or _is_passed(listed, form, column):
            continue
        try:
            wanted[name] = _texts(_field_of(listed, form, column), cell)
        except Unreadable as error:
            problems[name] = (column, str(error))
    if problems:
        raise RowRefused(list(problems.values()), list(problems))
    return wanted


def _texts(field: Any, cell: str) -> list[str]:
    if field is None:
        raise Unreadable(gettext("It has no such field."))
    return filling.texts_of_cell(field, cell)


def _is_passed(listed: BulkList, form: Any, column: str) -> bool:
    """Tell whether a cell only names a row, or its place, or is read for new ones only."""
    importing = columns.importing_of(listed)
    if form.instance.pk is None:
        return column in importing.beside and column not in form.fields
    return column in {*importing.keys, *importing.beside, *importing.only_new}


def _with_parts(listed: BulkList, data: Data, cells: Mapping[str, str]) -> Data:
    """Return the data with as many parts as the cells name."""
    if listed.part is None:
        return dict(data)
    formset = listed.part[0]
    has = int(data[f"{formset}-TOTAL_FORMS"][0])
    named = [
        int(name.split("-")[1]) + 1
        for column, cell in cells.items()
        if cell and (name := columns.html_name(listed, column)).startswith(f"{formset}-")
    ]
    total = max([has, *named])
    added = {
        f"{formset}-{index}-{name}": [str(field.initial)]
        for index in range(has, total)
        for name, field in listed.part[2].base_fields.items()
        if field.initial is not None
    }
    return data | added | {f"{formset}-TOTAL_FORMS": [str(total)]}


def _field_of(listed: BulkList, form: Any, column: str) -> Any:
    name = columns.html_name(listed, column)
    if name == column:
        return form.fields.get(name)
    _formset, index, field = name.split("-", 2)
    parts = form.parts.forms
    part = parts[int(index)] if int(index) < len(parts) else form.parts.empty_form
    return part.fields.get(field)
