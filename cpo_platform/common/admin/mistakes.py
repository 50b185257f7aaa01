"""All that is wrong with a form that was checked, in one list: at the top of its page."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from cpo_platform.common.admin.forms import PartsForm


@dataclass(frozen=True)
class Mistake:
    """Something wrong with a form: what, and the name and the id of the field that is to blame.

    What no field is to blame for has no name.
    """

    label: object
    text: str
    target: str = ""


def mistakes_of(form: Any, order: Sequence[str] = ()) -> Iterator[Mistake]:
    """Yield what is wrong with a form and its parts; `order` are its fields as the page has them.

    Those that it does not name come first, as they are about the form as a whole.
    """
    places = {name: place for place, name in enumerate(order)}
    for name in sorted(form.errors, key=lambda name: places.get(name, -1)):
        yield from _of_field(form, name)
    if isinstance(form, PartsForm):
        yield from _of_parts(form)


def _of_field(form: Any, name: str) -> Iterator[Mistake]:
    shown = form[name] if name in form.fields else None
    for text in form.errors[name]:
        yield Mistake(_label(shown) if shown else "", str(text), _target(shown) if shown else "")


def _of_parts(form: PartsForm) -> Iterator[Mistake]:
    for text in form.parts.non_form_errors():
        yield Mistake("", str(text))
    for number, part in enumerate(form.parts.forms, start=1):
        if part.errors and part.cleaned_data.get("DELETE"):
            # It goes, whatever is wrong with it.
            continue
        title = str(form.part_title) % {"number": number}
        for name in part.errors:
            for one in _of_field(part, name):
                label = f"{title}, {one.label}" if one.label else title
                yield Mistake(label, one.text, one.target or _target(part.visible_fields()[0]))


def _label(shown: Any) -> object:
    return shown.field.widget.attrs.get("aria-label") or shown.label


def _target(shown: Any) -> str:
    """Return the id of what is focused: of several boxes the first, as they have no common one."""
    return str(shown.id_for_label or f"{shown.auto_id}_0")
