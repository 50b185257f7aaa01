"""Forms that build a shape, which one operation writes."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from cpo_platform.common.admin.reasons import reason_in_words
from cpo_platform.common.shapes import Problem, ShapeError

if TYPE_CHECKING:

    class _Form(forms.ModelForm[Any]): ...

    class FormSet(forms.BaseFormSet[Any]): ...

else:
    _Form = forms.ModelForm
    FormSet = forms.BaseFormSet

# Refusals by class: the form field that is to blame, and a sentence for the person.
Refusals = Mapping[type[Exception], tuple[str | None, Any]]


class Refused(Exception):
    """An operation refused what a form says; raised through the transaction, to undo it."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


class Findings:
    """Problems of a shape, found piece by piece while a form builds it, and said all at once."""

    def __init__(self) -> None:
        self._problems: list[Problem] = []

    def of(self, build: Callable[[], Any]) -> Any:
        """Return a piece; None where something is wrong with it."""
        try:
            return build()
        except ShapeError as error:
            self._problems += error.problems
            return None

    def whole(self, build: Callable[[], Any]) -> Any:
        """Return the whole.

        Raises:
            ShapeError: something is wrong with it, or was with one of its pieces.

        """
        found = self.of(build)
        if self._problems:
            raise ShapeError(self._problems)
        return found


class OperationForm(_Form):
    """A form that builds a shape; an operation writes it.

    `places` maps paths within the shape to form fields: the longest that matches is to blame.
    `fixed` fields cannot be changed once the object exists. A form with `stand_ins` says all that
    is wrong at once: where a field has an error, its value there stands in for it, so that the
    other fields can be held against the rules of the shape as well.
    """

    seen = forms.CharField(required=False, widget=forms.HiddenInput)
    refusal: Refused | None = None
    refusals: Refusals = {}
    places: Mapping[str, str] = {}
    fixed: tuple[str, ...] = ()
    stand_ins: Mapping[str, Any] | None = None
    volatile: frozenset[str] = frozenset({"last_updated", "status"})
    shape: Any = None
    # Who fills it in: choices are narrowed to what that person may see (`narrow` of a field).
    request: HttpRequest | None = None

    class Meta:
        model: Any = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is not None:
            for name, value in self.values_of(self.instance).items():
                self.initial.setdefault(name, value)
                if name in self.fields and value is not None:
                    self.initial[name] = value
            self.initial["seen"] = self.fingerprint(self.instance)
            for name in self.fixed:
                if name in self.fields:
                    self.fields[name].disabled = True
        for name, form_field in self.fields.items():
            self._prepare(form_field, self.initial.get(name))

    def _prepare(self, form_field: forms.Field, value: Any) -> None:
        """Have a field offer what this person may choose, and keep what it is now."""
        form_field.label = capfirst(form_field.label)
        narrow = getattr(form_field, "narrow", None)
        if narrow is not None and self.request is not None:
            narrow(self.request)
        keep = getattr(form_field, "keep", None)
        if keep is not None:
            keep(value)

    def values_of(self, row: Any) -> dict[str, Any]:
        """Return the values of the declared fields for a row that exists."""
        return {}

    def content_of(self, row: Any) -> str:
        """Return a text that differs when what the form writes has changed in the database.

        What stations change by themselves (`volatile`) is no reason to refuse a form.
        """
        columns = [
            column.attname
            for column in row._meta.concrete_fields  # noqa: SLF001  Django's own public name
            if column.name not in self.volatile
        ]
        return repr([(name, getattr(row, name)) for name in columns])

    def build(self) -> Any:
        """Return the shape that the form says.

        Raises:
            ShapeError: the form says something that OCPI does not allow.

        """
        raise NotImplementedError

    def fingerprint(self, row: Any) -> str:
        return hashlib.sha256(self.content_of(row).encode()).hexdigest()[:16]

    def clean(self) -> Any:
        super().clean()
        if self.refusal is not None:
            self._add_refusal(self.refusal.cause)
        elif not self.errors and self._is_stale():
            self.add_error(
                None,
                _(
                    "Somebody else changed this while you were editing. Nothing was saved: open "
                    "the page again and repeat your change."
                ),
            )
        if not self.errors:
            try:
                self.shape = self.build()
            except ShapeError as error:
                self.add_problems(error.problems)
        elif self.stand_ins is not None and self.refusal is None:
            self._add_problems_beside(self.stand_ins)
        return self.cleaned_data

    def _add_problems_beside(self, stand_ins: Mapping[str, Any]) -> None:
        """Show what is wrong with fields beside those that have errors already."""
        wrong = [name for name in self.errors if name in self.fields]
        if any(name not in stand_ins for name in wrong):
            return
        self.cleaned_data |= {name: stand_ins[name] for name in wrong}
        problems: Sequence[Problem] = ()
        try:
            self.build()
        except ShapeError as error:
            problems = error.problems
        for problem in problems:
            place = self.place_of(problem.path)
            # What is of no field may be about what stands in.
            if place is not None and place not in wrong:
                self.add_problem(problem)
        for name in wrong:
            self.cleaned_data.pop(name, None)

    def _is_stale(self) -> bool:
        seen = self.cleaned_data.get("seen")
        return bool(self.instance.pk and seen and seen != self.fingerprint(self.instance))

    def is_taken(self, rows: QuerySet[Any]) -> bool:
        """Tell whether what is new has the identity of one of the rows.

        That is its `party` and `ocpi_id`, as far as both can be read. What was refused already
        is not asked about again.
        """
        country_code, _star, party_id = str(self.cleaned_data.get("party", "")).partition("*")
        name = self.cleaned_data.get("ocpi_id")
        if self.instance.pk is not None or self.refusal is not None or not (name and party_id):
            return False
        same = rows.filter(country_code=country_code, party_id=party_id, ocpi_id=name)
        return bool(same.exists())

    def _add_refusal(self, cause: Exception) -> None:
        if isinstance(cause, ShapeError):
            self.add_problems(cause.problems)
        elif isinstance(cause, ValidationError):
            self._add_validation_error(cause)
        else:
            name, text = next(
                (found for kind, found in self.refusals.items() if isinstance(cause, kind)),
                (None, str(cause)),
            )
            self.add_error(name if name in self.fields else None, text)

    def _add_validation_error(self, cause: ValidationError) -> None:
        by_field = cause.message_dict if hasattr(cause, "error_dict") else {"": cause.messages}
        for name, texts in by_field.items():
            target = self.place_of(name)
            for text in texts:
                self.add_error(target, text)

    def add_problems(self, problems: Iterable[Problem]) -> None:
        """Show problems of the shape at the fields they come from."""
        for problem in problems:
            self.add_problem(problem)

    def add_problem(self, problem: Problem) -> None:
        target = self.place_of(problem.path)
        told = replace(problem, reason=reason_in_words(problem.reason))
        self.add_error(target, str(told) if target is None else told.reason)

    def place_of(self, path: str) -> str | None:
        """Return the form field behind a path within the shape."""
        matches = [
            prefix
            for prefix in self.places
            if path == prefix or path.startswith((f"{prefix}.", f"{prefix}["))
        ]
        if matches:
            return self.places[max(matches, key=len)]
        first = path.partition(".")[0].partition("[")[0]
        return first if first in self.fields else None

    def _post_clean(self) -> None:
        """Leave the row alone: the operation writes it, and checks it."""

    def save(self, commit: bool = True) -> Any:  # noqa: FBT001, FBT002  Django's signature
        return self.instance


class PartFormSet(FormSet):
    """The parts that an object consists of, such as the elements of a tariff."""

    def add_fields(self, form: Any, index: int | None) -> None:
        super().add_fields(form, index)
        form.fields["DELETE"].label = _("Remove")

    def readable(self) -> Iterator[tuple[int, Any]]:
        """Yield the forms of parts that stay and can be read, each with its place."""
        for place, form in enumerate(self.forms):
            if form.is_valid() and form.cleaned_data and not form.cleaned_data.get("DELETE"):
                yield place, form

    def documents(self) -> list[tuple[int, dict[str, Any]]]:
        """Return the parts that stay and can be read, each with the place of its form.

        They are as OCPI writes them.
        """
        raise NotImplementedError


class PartsForm(OperationForm):
    """A form with a formset for the parts of its object.

    `part_name` is the name of the formset here and of the parts within the shape; `part_title` what
    people call one. Where no part can be read, `stand_in_part` stands in for them, so that the
    other fields can be looked at as well.
    """

    part_name = ""
    part_title: Any = "%(number)s"
    parts_are_wrong: Any = ""
    parts_are_missing: Any = ""
    stand_in_part: Mapping[str, Any] = {}

    @property
    def parts(self) -> PartFormSet:
        formset: PartFormSet = getattr(self, self.part_name)
        return formset

    def is_valid(self) -> bool:
        parts_are_valid = self.parts.is_valid() if self.is_bound else True
        return super().is_valid() and parts_are_valid

    @property
    def changed_data(self) -> list[str]:
        return [name for name in super().changed_data if name != "seen"]

    def build(self) -> Any:
        """Return the shape that the form says.

        Parts that cannot be read are left out, so that the others and the fields beside them are
        held against the rules of the shape in the same round.
        """
        problems: list[Problem] = []
        documents = self.parts.documents()
        if not self.parts.is_valid():
            problems.append(Problem("", str(self.parts_are_wrong)))
        elif not documents:
            problems.append(Problem("", str(self.parts_are_missing)))
        parts = [document for _place, document in documents] or [dict(self.stand_in_part)]
        try:
            shape = self.build_with(parts)
        except ShapeError as error:
            beside = self._left_over(error.problems, documents)
            # Once: it may be that some parts cannot be read, and others break a rule.
            is_said = bool(problems or beside)
            problems += beside if is_said else [Problem("", str(self.parts_are_wrong))]
        if problems:
            raise ShapeError(problems)
        return shape

    def build_with(self, parts: list[dict[str, Any]]) -> Any:
        """Return the shape that the form says, with these parts.

        Raises:
            ShapeError: the form says something that OCPI does not allow.

        """
        raise NotImplementedError

    def part_place_of(self, path: str) -> str:
        """Return the name of the field behind a path within a part."""
        return path.removeprefix(".").partition("[")[0]

    def _left_over(
        self, problems: Sequence[Problem], documents: Sequence[tuple[int, dict[str, Any]]]
    ) -> list[Problem]:
        """Show problems of parts at their forms; return those of the fields beside them."""
        others = []
        for problem in problems:
            if not problem.path.startswith(f"{self.part_name}["):
                others.append(problem)
                continue
            index, _bracket, rest = problem.path.removeprefix(f"{self.part_name}[").partition("]")
            if int(index) >= len(documents):
                # Of what stands in for parts.
                continue
            form = self.parts.forms[documents[int(index)][0]]
            name = self.part_place_of(rest)
            form.add_error(name if name in form.fields else None, reason_in_words(problem.reason))
        return others
