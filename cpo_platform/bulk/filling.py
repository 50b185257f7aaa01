"""The data of a form: what a browser would send, as it is and with what is to be changed.

`Data` maps the names of HTML fields to lists of texts. Of the parts of an object (the connectors of
an EVSE) a field is named `connectors-0-standard`; in what is to be changed, `connectors.standard`
stands for the field of every part.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from django import forms
from django.forms.widgets import CheckboxInput, MultiWidget
from django.utils.datastructures import MultiValueDict
from django.utils.translation import gettext

from cpo_platform.common.formfields import LinesField

Data = dict[str, list[str]]
# What a cell holds to empty a field; an empty cell leaves it as it is.
CLEAR = "-"
SET, ADD, REMOVE = "set", "add", "remove"
_YES = frozenset({"true", "yes", "1", "on"})
_NO = frozenset({"false", "no", "0", "off"})
_SEPARATORS = re.compile(r"[;,\n]")
# A comma before three digits: of thousands, or of a decimal? Before a 0 there are no thousands.
_TWO_WAYS = re.compile(r"-?[1-9]\d{0,2},\d{3}", re.ASCII)
_WITH_COMMA = re.compile(r"-?\d+,\d+", re.ASCII)
_GROUPED_BY_DOTS = re.compile(r"-?\d{1,3}(\.\d{3})+,\d+|-?\d{1,3}(\.\d{3}){2,}", re.ASCII)
_GROUPED_BY_COMMAS = re.compile(r"-?\d{1,3}(,\d{3})+\.\d+|-?\d{1,3}(,\d{3}){2,}", re.ASCII)


class Unreadable(ValueError):
    """A cell does not say what it should; the message is for the person, as is its column."""

    def __init__(self, sentence: str, column: str = "") -> None:
        super().__init__(sentence)
        self.column = column


def data_of(form: Any) -> Data:
    """Return what an unbound form would send if nobody changed it, with its parts."""
    data = _fields_of(form)
    name = getattr(form, "part_name", "")
    if name:
        data |= parts_data(form.parts)
    return data


def parts_data(formset: Any) -> Data:
    """Return what a formset would send."""
    data = _fields_of(formset.management_form)
    for part in formset.forms:
        data |= _fields_of(part)
    return data


def _fields_of(form: Any) -> Data:
    data: Data = {}
    for bound in form:
        if not bound.field.disabled or bound.field.widget.is_hidden:
            data |= _sent(bound.html_name, bound.field.widget, bound.value())
    return data


def sent(bound: Any) -> list[str]:
    """Return what one field of an unbound form would send."""
    return _sent(bound.html_name, bound.field.widget, bound.value()).get(bound.html_name, [])


def _sent(name: str, widget: Any, value: Any) -> Data:
    if isinstance(widget, CheckboxInput):
        return {name: ["on"] if widget.check_test(value) else []}
    if isinstance(widget, MultiWidget):
        parts: Any = value if isinstance(value, list) else widget.decompress(value)
        all_parts: Data = {}
        for place, (part, one) in enumerate(zip(widget.widgets, parts, strict=False)):
            all_parts |= _sent(f"{name}_{place}", part, one)
        return all_parts
    shown = widget.format_value(value)
    if isinstance(shown, list | tuple):
        return {name: [str(item) for item in shown]}
    return {name: ["" if shown is None else str(shown)]}


def as_sent(data: Mapping[str, list[str]]) -> MultiValueDict[str, str]:
    """Return the data as a form takes it; an unticked box is not sent."""
    return MultiValueDict({name: list(texts) for name, texts in data.items() if texts})


def differences(before: Data, after: Data) -> tuple[Data, Data]:
    """Return those fields of both that differ. What only counts parts is left out."""
    names = [
        name
        for name in dict.fromkeys([*before, *after])
        if _tidy(before.get(name)) != _tidy(after.get(name)) and not _is_bookkeeping(name)
    ]
    return (
        {name: before[name] for name in names if name in before},
        {name: after[name] for name in names if name in after},
    )


def _tidy(texts: list[str] | None) -> list[str]:
    """Return texts as they are compared: an empty one says nothing."""
    return [text.strip().replace("\r\n", "\n") for text in texts or [] if text.strip()]


def _is_bookkeeping(name: str) -> bool:
    return name == "seen" or name.endswith(("_FORMS", "-DELETE"))


def html_names(name: str, data: Iterable[str]) -> list[str]:
    """Return the HTML fields of `data` behind a field's name: one, or one for every part."""
    part, dot, field = name.partition(".")
    if not dot:
        return [name]
    pattern = re.compile(rf"{re.escape(part)}-\d+-{re.escape(field)}")
    return [one for one in data if pattern.fullmatch(one)]


def changed_value(has: list[str], given: list[str], how: str) -> list[str]:
    """Return the texts of a field after a change: these, or these as well, or all but these."""
    if how == ADD:
        return [*has, *(text for text in given if text not in has)]
    if how == REMOVE:
        return [text for text in has if text not in given]
    return given


def texts_of_cell(field: forms.Field, cell: str) -> list[str]:
    """Return what a form is sent for a cell that is not empty.

    Raises:
        Unreadable: it is neither yes nor no, or a number that may be one of two.

    """
    if isinstance(field, forms.BooleanField) and not isinstance(field, forms.NullBooleanField):
        return _ticked(cell)
    text = "" if cell == CLEAR else cell
    if isinstance(field, forms.MultipleChoiceField):
        words = (word.strip() for word in _SEPARATORS.split(text))
        return [_choice(field, word) for word in words if word]
    if isinstance(field, forms.ChoiceField):
        return [_choice(field, text)]
    if isinstance(field, forms.IntegerField):
        return [_number(field, text)]
    return [text]


def _number(field: forms.IntegerField, cell: str) -> str:
    """Return a number with a decimal point, however a spreadsheet wrote it: `12,5`, `1.234,5`.

    What is no number is left for the form to refuse.
    """
    text = re.sub(r"(?<=\d)[ \u00a0\u202f'](?=\d{3}(\D|\Z))", "", cell.strip())
    if _TWO_WAYS.fullmatch(text) and not _is_decimal(field, text):
        whole, _comma, rest = text.partition(",")
        raise Unreadable(
            gettext("“%(cell)s” may be one of two numbers: write %(one)s or %(other)s.")
            % {"cell": cell, "one": f"{whole}{rest}", "other": f"{whole}.{rest}"}
        )
    if _GROUPED_BY_DOTS.fullmatch(text):
        return text.replace(".", "").replace(",", ".")
    if _GROUPED_BY_COMMAS.fullmatch(text):
        return text.replace(",", "")
    return text.replace(",", ".") if _WITH_COMMA.fullmatch(text) else text


def _is_decimal(field: forms.IntegerField, text: str) -> bool:
    """Tell whether `48,397` can be no thousands, as no latitude is beyond 90."""
    most = field.max_value if isinstance(field, forms.DecimalField) else None
    return isinstance(most, int) and abs(int(text.replace(",", ""))) > most


def _ticked(cell: str) -> list[str]:
    word = cell.strip().lower()
    if word in _YES:
        return ["on"]
    if word in _NO:
        return []
    raise Unreadable(gettext("“%(cell)s” is neither true nor false.") % {"cell": cell[:50]})


def _choice(field: Any, word: str) -> str:
    """Return a choice whatever its case; what is none is left for the form to refuse."""
    known = {str(value).lower(): str(value) for value, _label in field.choices}
    for words in (_YES, _NO):
        if word.lower() in words:
            # “true” where the form says “yes”: a column does not show which of them it is.
            word = next((one for one in words if one in known), word)
    return known.get(word.lower(), word)


def cell_of(field: forms.Field, texts: list[str]) -> str:
    """Return the cell that says what a form would be sent: `texts_of_cell` reads it again."""
    if isinstance(field, forms.BooleanField) and not isinstance(field, forms.NullBooleanField):
        return "true" if texts else "false"
    separator = "\n" if isinstance(field, LinesField) else "; "
    return separator.join(text.replace("\r\n", "\n") for text in texts if text)
