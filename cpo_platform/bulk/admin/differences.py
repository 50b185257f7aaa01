"""What a job shows of its rows: before and after, in the words of the form."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.text import Truncator, capfirst
from django.utils.translation import gettext

from cpo_platform.bulk import columns
from cpo_platform.bulk.lists import BulkList
from cpo_platform.bulk.models import JobRow, RowOutcome
from cpo_platform.common.admin import NONE, link_to, pill

TONES = {
    RowOutcome.PENDING: "grey",
    RowOutcome.UNCHANGED: "grey",
    RowOutcome.WOULD_CHANGE: "blue",
    RowOutcome.WOULD_CREATE: "blue",
    RowOutcome.REFUSED: "red",
    RowOutcome.CHANGED: "green",
    RowOutcome.CREATED: "green",
    RowOutcome.UNDONE: "amber",
}
LONGEST = 300


class Words:
    """Names and values of a list's form fields, as people read them."""

    def __init__(self, listed: BulkList) -> None:
        self._listed = listed
        self._fields = columns.fields_of(listed)

    def label(self, name: str) -> str:
        """Return the label of an HTML field, such as `connectors-0-tariff_ids`."""
        part, field = self._place(name)
        label = str(capfirst(field.label)) if field is not None else name
        return f"{part}: {label}" if part else label

    def value(self, name: str, texts: Sequence[str] | None) -> str:
        """Return the texts of a field; the names of choices, yes and no."""
        _part, field = self._place(name)
        if field is not None and columns.is_box(field):
            return gettext("yes") if texts else gettext("no")
        known = {str(key): str(label) for key, label in getattr(field, "choices", ())}
        shown = ", ".join(known.get(text, text) for text in texts or [] if text)
        return Truncator(shown).chars(LONGEST) if shown else NONE

    def _place(self, name: str) -> tuple[str, Any]:
        found = re.fullmatch(r"(\w+)-(\d+)-(\w+)", name)
        if found is None or self._listed.part is None:
            return "", self._fields.get(re.sub(r"_\d+\Z", "", name)) or self._fields.get(name)
        _formset, _word, form, title = self._listed.part
        return f"{capfirst(title)} {int(found[2]) + 1}", form.base_fields.get(found[3])


def rows_of(words: Words, rows: Sequence[JobRow], listed: BulkList, hidden: set[int]) -> Any:
    """Yield the cells of rows. Of those in `hidden` nothing is told: their person sees them not."""
    for row in rows:
        outcome = RowOutcome(row.outcome)
        shown = row.object_id not in hidden
        yield (
            row.number,
            _object(row, listed) if shown else NONE,
            pill(outcome.label, TONES[outcome]),
            _what(words, row) if shown else gettext("This is outside of what you may see."),
        )


def _object(row: JobRow, listed: BulkList) -> object:
    from django.urls import reverse

    if row.object_id is None:
        return row.name or NONE
    name = listed.label.replace(".", "_")
    return link_to(reverse(f"admin:{name}_change", args=[row.object_id]), row.name or row.object_id)


def _what(words: Words, row: JobRow) -> object:
    if row.reasons:
        texts = ((f"{field}: {text}" if field else text,) for field, text in row.reasons)
        return format_html_join("", '<div class="cpo-refused">{}</div>', texts)
    return format_html_join("", "{}", ((one,) for one in _differences(words, row))) or NONE


def _differences(words: Words, row: JobRow) -> Iterator[str]:
    created = row.outcome in {RowOutcome.WOULD_CREATE, RowOutcome.CREATED}
    for name in dict.fromkeys([*row.before, *row.after]):
        after = words.value(name, row.after.get(name))
        if created:
            if after != NONE:
                yield _line(words.label(name), "", after)
        else:
            yield _line(words.label(name), words.value(name, row.before.get(name)), after)


def _line(label: str, before: str, after: str) -> str:
    if not before:
        return format_html('<div class="cpo-diff"><b>{}</b> <ins>{}</ins></div>', label, after)
    return format_html(
        '<div class="cpo-diff"><b>{}</b> <del>{}</del> <span aria-hidden="true">→</span> '
        "<ins>{}</ins></div>",
        label,
        before,
        after,
    )
