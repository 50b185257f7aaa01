"""One object as a person would write it on its page: the form filled in, checked, and saved.

The form, its fields and what is refused are the page's own (`OperationAdmin`): what a job can do is
what its person could do by hand, in the words of the page. An object is filled with what it has
now, and with what is to be changed.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from django.contrib.admin.utils import flatten_fieldsets
from django.db import transaction
from django.db.models import prefetch_related_objects
from django.http import HttpRequest
from django.utils.text import capfirst
from django.utils.translation import gettext

from cpo_platform.bulk import asking, columns, filling
from cpo_platform.bulk.filling import Data, Unreadable
from cpo_platform.bulk.lists import BulkList
from cpo_platform.bulk.models import Job, JobKind, JobRow, RowOutcome
from cpo_platform.bulk.operations import Found
from cpo_platform.common.admin import OperationAdmin, Refused

Reasons = list[tuple[str, str]]


class RowRefused(Exception):
    """A row cannot be written; the reasons are for the person: (field, sentence)."""

    def __init__(self, reasons: Reasons) -> None:
        super().__init__(str(reasons))
        self.reasons = reasons


def refused(sentence: str, field: str = "") -> RowRefused:
    """Return a refusal for one reason."""
    return RowRefused([(field, sentence)])


@dataclass
class Writer:
    """Writes the rows of one job. `request` is that of its person, looked up for each batch."""

    job: Job
    listed: BulkList
    request: HttpRequest
    # Objects that were read for the whole batch, and the classes of forms by their fields.
    _ahead: dict[int, Any] = field(default_factory=dict)
    _forms: dict[tuple[str, ...], Any] = field(default_factory=dict)

    @classmethod
    def of(cls, job: Job, listed: BulkList) -> "Writer":
        return cls(job, listed, asking.request_of(job.started_by_id))

    @property
    def pages(self) -> OperationAdmin:
        pages: OperationAdmin = self.listed.pages
        return pages

    def read_ahead(self, rows: Sequence[JobRow]) -> None:
        """Read the objects of a batch at once; what changes until its turn is read again then."""
        for row in rows:
            if row.outcome == RowOutcome.PENDING and self.job.kind == JobKind.IMPORT:
                with suppress(RowRefused):
                    row.object_id = self._find(row.values)
        keys = [row.object_id for row in rows if row.object_id is not None]
        found = self.pages.get_queryset(self.request).in_bulk(keys)
        prefetch_related_objects(list(found.values()), *self.listed.fetched)
        self._ahead = found

    def check(self, row: JobRow) -> Found:
        """Find out what would become of a row: it is written, looked at, and taken back."""
        try:
            with transaction.atomic():
                found = self._tried(row)
                transaction.set_rollback(True)
        except RowRefused as error:
            return Found(
                RowOutcome.REFUSED, row.name, row.object_id, reasons=error.reasons, seen=row.seen
            )
        return found

    def apply(self, row: JobRow) -> tuple[int, str]:
        """Write what the dry run of a row showed; return the object's key, and its fingerprint.

        Raises:
            RowRefused: it cannot be written, or is another than the dry run saw.

        """
        with transaction.atomic():
            obj = self._object(row)
            if (obj is None) != (row.outcome == RowOutcome.WOULD_CREATE):
                raise refused(gettext("It has come or gone since this was checked."))
            form, data = self._present(row, obj)
            if obj is not None and form.fingerprint(obj) != row.seen:
                raise refused(gettext("It has changed since this was checked: nothing is written."))
            key = self._save(obj, form, self._filled(row, form, data))
            # Read again, as the database has it: so it will be compared before it is put back.
            left = self.listed.model._base_manager.get(pk=key)  # noqa: SLF001  Django's own public name
            return key, form.fingerprint(left)

    def _tried(self, row: JobRow) -> Found:
        obj = self._object(row)
        form, data = self._present(row, obj)
        seen = form.fingerprint(obj) if obj is not None else ""
        if row.seen and row.seen != seen:
            raise refused(gettext("It has changed since: it is not put back."))
        name = row.name if obj is None else str(obj)
        filled = self._filled(row, form, data)
        if obj is not None and filled == data:
            return Found(RowOutcome.UNCHANGED, name, obj.pk, seen=seen)
        after = filling.data_of(self._again(self._save(obj, form, filled), obj))
        was, becomes = filling.differences({} if obj is None else data, after)
        if obj is None:
            return Found(RowOutcome.WOULD_CREATE, name, None, {}, becomes)
        outcome = RowOutcome.WOULD_CHANGE if was or becomes else RowOutcome.UNCHANGED
        return Found(outcome, name, obj.pk, was, becomes, seen)

    def _object(self, row: JobRow) -> Any:
        """Return the object of a row as this person sees it; None: there is none yet."""
        key = row.object_id
        if key is None and self.job.kind == JobKind.IMPORT:
            key = self._find(row.values)
            if key is None:
                return None
            row.object_id = key
        obj = self._locked(key or 0)
        if not self.pages.has_change_permission(self.request, obj):
            raise refused(gettext("You may not change it, or nobody may any more."))
        return obj

    def _locked(self, key: int) -> Any:
        """Lock an object, and return it as it is then."""
        moment = self.listed.lock(key)
        known = self._ahead.pop(key, None)
        if known is not None and moment is not None and known.last_updated == moment:
            return known
        return self._read(key)

    def _read(self, key: int, like: Any = None) -> Any:
        """Read an object with what its form asks for; what is `steady` is taken from `like`.

        Raises:
            RowRefused: it is not there, or not for this person.

        """
        obj = self.pages.get_object(self.request, str(key))
        if obj is None:
            raise refused(gettext("It is not there any more, or is not yours to see."))
        for name in self.listed.steady if like is not None else ():
            setattr(obj, name, getattr(like, name))
        prefetch_related_objects([obj], *self.listed.fetched)
        return obj

    def _find(self, cells: Mapping[str, str]) -> int | None:
        importing = columns.importing_of(self.listed)
        for name in importing.keys:
            if not cells.get(name):
                raise refused(gettext("The cell that names it is empty."), name)
        row = _asked(importing.find, self.request, cells)
        if row is not None and importing.check is not None:
            _asked(importing.check, row, cells)
        return None if row is None else int(row.pk)

    def _present(self, row: JobRow, obj: Any) -> tuple[Any, Data]:
        """Return the form of an object, unbound, and what it would send as it is."""
        if obj is None:
            if not self.pages.has_add_permission(self.request):
                raise refused(gettext("There is none yet, and you may not add any."))
            place = columns.importing_of(self.listed).place
            if place is not None:
                _asked(place, self.request, row.values)
        form = self._form_of(obj)
        return form, filling.data_of(form)

    def _form_of(self, obj: Any) -> Any:
        """Return the form of an object, unbound."""
        if obj is None:
            return self.pages.get_form(self.request, None, change=False)()
        # Forms with the same fields are of one class: to make one takes longer than to fill it in.
        names = tuple(flatten_fieldsets(self.pages.get_fieldsets(self.request, obj)))
        if names not in self._forms:
            self._forms[names] = self.pages.get_form(self.request, obj, change=True)
        return self._forms[names](instance=obj)

    def _save(self, obj: Any, form: Any, filled: Data) -> int:
        """Send the form of an object, and save it by its operation; return the object's key."""
        bound = type(form)(filling.as_sent(filled), instance=form.instance)
        if not bound.is_valid():
            raise RowRefused(reasons_of(bound, self.listed))
        written = bound.save(commit=False)
        try:
            with transaction.atomic():
                self.pages.save_model(self.request, written, bound, obj is not None)
        except Refused as error:
            bound.refusal = error
            bound.full_clean()
            raise RowRefused(reasons_of(bound, self.listed)) from error
        return int(written.pk)

    def _again(self, key: int, was: Any) -> Any:
        """Return the form of an object as it is now; `was` is what it was, None if it is new."""
        return self._form_of(self._read(key, like=was))

    def _filled(self, row: JobRow, form: Any, data: Data) -> Data:
        if self.job.kind == JobKind.IMPORT:
            return _with_cells(self.listed, form, data, row.values)
        if self.job.kind == JobKind.UNDO:
            return _put_back(data, row.values)
        return _changed(data, self.job.values)


def _asked(function: Callable[..., Any], *args: Any) -> Any:
    try:
        return function(*args)
    except Unreadable as error:
        raise refused(str(error)) from error


def _changed(data: Data, values: Mapping[str, Any]) -> Data:
    changed = dict(data)
    for name, value in values.items():
        names = filling.html_names(name, data)
        if not set(names) <= data.keys():
            raise refused(gettext("It has no such field."), name)
        for one in names:
            changed[one] = filling.changed_value(data[one], value["data"], value["how"])
    return changed


def _put_back(data: Data, values: Mapping[str, Any]) -> Data:
    changed: Data = data | values["data"]
    for name in values["added"]:
        part = re.match(r"\w+-\d+-", name)
        if part and not any(one.startswith(part[0]) for one in values["data"]):
            changed[f"{part[0]}DELETE"] = ["on"]
        elif name not in values["data"]:
            changed[name] = []
    return changed


def _with_cells(listed: BulkList, form: Any, data: Data, cells: Mapping[str, str]) -> Data:
    changed: Data = _with_parts(listed, data, cells)
    problems: Reasons = []
    for column, cell in cells.items():
        if not cell or _is_passed(listed, form, column):
            continue
        field = _field_of(listed, form, column)
        if field is None:
            problems.append((column, gettext("It has no such field.")))
            continue
        try:
            changed[columns.html_name(listed, column)] = filling.texts_of_cell(field, cell)
        except Unreadable as error:
            problems.append((column, str(error)))
    if problems:
        raise RowRefused(problems)
    return changed


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


def reasons_of(form: Any, listed: BulkList) -> Reasons:
    """Return why a form was refused, with the labels of its fields."""
    reasons = [
        (_label(form, name), text)
        for name, texts in form.errors.items()
        for text in texts
        if text != str(getattr(form, "parts_are_wrong", ""))
    ]
    if listed.part is not None:
        for number, part in enumerate(form.parts.forms, start=1):
            title = f"{capfirst(listed.part[3])} {number}"
            reasons += [
                (f"{title}: {_label(part, name)}".removesuffix(": "), text)
                for name, texts in part.errors.items()
                for text in texts
            ]
        reasons += [("", text) for text in form.parts.non_form_errors()]
    return reasons or [("", gettext("It was refused."))]


def _label(form: Any, name: str) -> str:
    return str(form.fields[name].label) if name in form.fields else ""
