"""One object as a person would write it on its page: the form filled in, checked, and saved.

The form, its fields and what is refused are the page's own (`OperationAdmin`): what a job can do is
what its person could do by hand, in the words of the page. An object is filled with what it has
now, and with what is to be changed.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from django.contrib.admin.utils import flatten_fieldsets
from django.db import transaction
from django.db.models import prefetch_related_objects
from django.http import HttpRequest
from django.utils.translation import gettext

from cpo_platform.bulk import asking, columns, filling, refusing, wanting
from cpo_platform.bulk.filling import Data, Unreadable
from cpo_platform.bulk.lists import BulkList
from cpo_platform.bulk.models import Job, JobKind, JobRow, RowOutcome
from cpo_platform.bulk.operations import Found
from cpo_platform.bulk.refusing import Reasons, RowRefused, refused
from cpo_platform.common.admin import OperationAdmin, Refused


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
        try:
            filled = self._filled(row, form, data)
            if obj is not None and filled == data:
                return Found(RowOutcome.UNCHANGED, name, obj.pk, seen=seen)
            key = self._save(obj, form, filled)
        except RowRefused as error:
            raise RowRefused([*error.reasons, *self._further(row, obj, form, error)]) from error
        after = filling.data_of(self._again(key, obj))
        was, becomes = filling.differences({} if obj is None else data, after)
        if obj is None:
            return Found(RowOutcome.WOULD_CREATE, name, None, {}, becomes)
        outcome = RowOutcome.WOULD_CHANGE if was or becomes else RowOutcome.UNCHANGED
        return Found(outcome, name, obj.pk, was, becomes, seen)

    def _further(self, row: JobRow, obj: Any, form: Any, error: RowRefused) -> Reasons:
        """Return what else is wrong with a row: it is tried without what is known to be wrong.

        Who mends a file is told all at once, and not one thing with each import.
        """
        without = self._together(name for name in error.blamed if name)
        if not without or self.job.kind == JobKind.UNDO:
            return []
        unbound = type(form)(instance=form.instance)
        data = filling.data_of(unbound)
        try:
            with transaction.atomic():
                self._save(obj, unbound, self._filled(row, unbound, data, without))
                transaction.set_rollback(True)
        except RowRefused as again:
            return [
                reason
                for reason, name in zip(again.reasons, again.blamed, strict=True)
                if name not in without and reason not in error.reasons
            ]
        return []

    def _together(self, names: Iterable[str]) -> frozenset[str]:
        """Return HTML fields with those that they say something with, such as a day's hours."""
        groups = [choice.fields for choice in self.listed.choices]
        groups.append(("latitude", "longitude"))
        found = set(names)
        for group in groups:
            if found & set(group):
                found |= set(group)
        return frozenset(found)

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
            raise self._refusal(bound)
        written = bound.save(commit=False)
        try:
            with transaction.atomic():
                self.pages.save_model(self.request, written, bound, obj is not None)
        except Refused as error:
            bound.refusal = error
            bound.full_clean()
            raise self._refusal(bound) from error
        return int(written.pk)

    def _refusal(self, bound: Any) -> RowRefused:
        found = refusing.blames_of(bound, self.listed)
        by_column = self.job.kind == JobKind.IMPORT
        reasons = [(one.column if by_column else one.label, one.text) for one in found]
        return RowRefused(reasons, [one.name for one in found])

    def _again(self, key: int, was: Any) -> Any:
        """Return the form of an object as it is now; `was` is what it was, None if it is new."""
        return self._form_of(self._read(key, like=was))

    def _filled(
        self, row: JobRow, form: Any, data: Data, without: frozenset[str] = frozenset()
    ) -> Data:
        """Return the data of a form with what is to be changed, but for some of its fields."""
        if self.job.kind == JobKind.IMPORT:
            cells = self._cells(row, form)
            return wanting.with_cells(self.listed, form, data, cells, without)
        if self.job.kind == JobKind.UNDO:
            return wanting.put_back(data, row.values)
        return wanting.changed(data, self.job.values, without)

    def _cells(self, row: JobRow, form: Any) -> Mapping[str, str]:
        complete = columns.importing_of(self.listed).complete
        cells: Mapping[str, str] = row.values
        if complete is None or form.instance.pk is not None:
            return cells
        completed: Mapping[str, str] = _asked(complete, self.request, cells)
        return completed


def _asked(function: Callable[..., Any], *args: Any) -> Any:
    try:
        return function(*args)
    except Unreadable as error:
        raise refused(str(error), error.column) from error
