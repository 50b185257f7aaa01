"""What the columns of a file mean: which a new row needs, and which words one may hold."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django import forms

from cpo_platform.bulk import columns
from cpo_platform.bulk.finding import PLACE
from cpo_platform.bulk.lists import BulkList

# What is chosen among rows of the database has no words of its own: `known` lists are short.
MOST_WORDS = 100


@dataclass(frozen=True)
class Column:
    """A column of a template; `words` are all that it may hold, or none: it holds free text.

    `usual` is what a new row has where the column is left out; empty: nothing.
    """

    name: str
    label: object
    note: object
    words: tuple[tuple[str, object], ...]
    usual: str
    is_needed: bool


def described(listed: BulkList) -> list[Column]:
    """Return the columns of a template, in its order."""
    return list(_described(listed))


def _described(listed: BulkList) -> Iterator[Column]:
    importing = columns.importing_of(listed)
    fields = columns.fields_of(listed)
    always = {*importing.keys, *(PLACE[:1] if importing.place else ())}
    for name in columns.own_columns(listed):
        field = fields.get(name) or _field_of_part(listed, name)
        needed = name in always or _is_needed(field, is_beside=name in importing.beside)
        yield Column(
            name,
            "" if field is None else field.label,
            "" if field is None else field.help_text,
            _words(field),
            _usual(field),
            needed,
        )


def _field_of_part(listed: BulkList, column: str) -> forms.Field | None:
    name = columns.html_name(listed, column)
    if listed.part is None or name == column:
        return None
    form: Any = listed.part[2]
    field: forms.Field | None = form.base_fields.get(name.split("-", 2)[2])
    return field


def _is_needed(field: forms.Field | None, *, is_beside: bool) -> bool:
    return field is not None and field.required and field.initial is None and not is_beside


def _usual(field: forms.Field | None) -> str:
    initial = None if field is None else field.initial
    if isinstance(initial, bool):
        return "true" if initial else "false"
    return str(initial) if isinstance(initial, str | int) else ""


def _words(field: forms.Field | None) -> tuple[tuple[str, object], ...]:
    if field is None:
        return ()
    if columns.is_box(field):
        return (("true", ""), ("false", ""))
    if not isinstance(field, forms.ChoiceField):
        return ()
    choices: Any = field.choices
    return tuple((str(word), label) for word, label in list(choices)[:MOST_WORDS] if word)
