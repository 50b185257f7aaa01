"""Why a form was refused: which field, by its label and by its column, and the sentence."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.text import capfirst
from django.utils.translation import gettext

from cpo_platform.bulk.lists import BulkList

Reasons = list[tuple[str, str]]


class RowRefused(Exception):
    """A row cannot be written; the reasons are for the person: (field, sentence).

    A field is one of the form, by its label, or a column of a file. `blamed` has the HTML field of
    each reason, "" where it is none.
    """

    def __init__(self, reasons: Reasons, blamed: Sequence[str] = ()) -> None:
        super().__init__(str(reasons))
        self.reasons = reasons
        self.blamed = blamed or [""] * len(reasons)


def refused(sentence: str, field: str = "") -> RowRefused:
    """Return a refusal for one reason."""
    return RowRefused([(field, sentence)])


@dataclass(frozen=True)
class Blame:
    """One thing that is wrong. `name` is the HTML field; all three are "" where it is none."""

    name: str
    label: str
    column: str
    text: str


def blames_of(form: Any, listed: BulkList) -> list[Blame]:
    """Return all that is wrong with a form and its parts; never nothing."""
    found = [*_of_fields(form), *_of_parts(form, listed)]
    return found or [Blame("", "", "", gettext("It was refused."))]


def _of_fields(form: Any) -> Iterator[Blame]:
    for name, texts in form.errors.items():
        known = name in form.fields
        label = str(form.fields[name].label) if known else ""
        for text in texts:
            # What only points to the parts says nothing to who reads a list.
            if text != str(getattr(form, "parts_are_wrong", "")):
                yield Blame(name, label, name, text) if known else Blame("", "", "", text)


def _of_parts(form: Any, listed: BulkList) -> Iterator[Blame]:
    if listed.part is None:
        return
    formset, word, _kind, title = listed.part
    for index, part in enumerate(form.parts.forms):
        place = f"{capfirst(title)} {index + 1}"
        for name, texts in part.errors.items():
            known = name in part.fields
            for text in texts:
                if known:
                    label = f"{place}: {part.fields[name].label}"
                    column = f"{word}_{index + 1}_{name}"
                    yield Blame(f"{formset}-{index}-{name}", label, column, text)
                else:
                    yield Blame("", place, f"{word}_{index + 1}", text)
    for text in form.parts.non_form_errors():
        yield Blame("", "", "", text)
