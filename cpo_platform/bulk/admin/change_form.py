"""The form of what is to be changed: the page's own fields, each with a box: this too."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django import forms
from django.http import HttpRequest
from django.utils.text import capfirst
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (  # type: ignore[import-untyped]
    UnfoldAdminSelectWidget,
    UnfoldBooleanSwitchWidget,
)

from cpo_platform.bulk.filling import ADD, REMOVE, SET
from cpo_platform.bulk.lists import BulkList, Choice


@dataclass(frozen=True)
class Group:
    """Fields that are changed together, as the page shows them."""

    title: str
    box: Any
    fields: list[Any]
    errors: list[str]


class ChangeForm(forms.Form):
    """What many objects are to be given. Only fields whose box is ticked count.

    `sample` is the page's form of one of the objects: the fields are copies of its.
    """

    def __init__(
        self, *args: Any, listed: BulkList, sample: Any, request: HttpRequest, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self._groups: list[tuple[Choice, list[str]]] = []
        for choice in listed.choices:
            fields = {name: _field_of(sample, name) for name in choice.fields}
            if all(fields.values()):
                self._add(choice, fields, request)

    def _add(self, choice: Choice, fields: dict[str, Any], request: HttpRequest) -> None:
        title = capfirst(choice.title or fields[choice.key].label)
        self.fields[f"change-{choice.key}"] = forms.BooleanField(
            required=False,
            # Some of the fields are boxes themselves: it has to be told which is which.
            label=gettext("Change: %(field)s") % {"field": title},
            widget=UnfoldBooleanSwitchWidget,
        )
        for name, original in fields.items():
            field = copy.deepcopy(original)
            field.required, field.initial, field.label = False, None, capfirst(field.label)
            if choice.offered is not None and isinstance(field, forms.ChoiceField):
                field.choices = choice.offered(request)
            if isinstance(field, forms.MultipleChoiceField):
                self.fields[f"how-{name}"] = _how()
            self.fields[name] = field
        self._groups.append((choice, list(fields)))

    def groups(self) -> Iterator[Group]:
        """Yield the fields as the page shows them."""
        for choice, names in self._groups:
            box = self[f"change-{choice.key}"]
            shown = []
            for name in names:
                if f"how-{name}" in self.fields:
                    shown.append(self[f"how-{name}"])
                shown.append(self[name])
            yield Group(str(box.label), box, shown, [str(text) for text in box.errors])

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        chosen = [names for choice, names in self._groups if data.get(f"change-{choice.key}")]
        if not chosen:
            self.add_error(None, _("Tick at least one field that is to be changed."))
        wanted = {name for names in chosen for name in names}
        for _choice, names in self._groups:
            for name in names:
                if name not in wanted:
                    # What is not ticked may hold anything.
                    self.errors.pop(name, None)
        return data

    def values(self) -> dict[str, Any]:
        """Return what was chosen, as a job keeps it."""
        values = {}
        for choice, names in self._groups:
            if not self.cleaned_data.get(f"change-{choice.key}"):
                continue
            for name in names:
                how = self.cleaned_data.get(f"how-{name}") or SET
                values[name] = {"data": self.data.getlist(name), "how": how}  # type: ignore[attr-defined]
        return values


def _field_of(sample: Any, name: str) -> Any:
    _part, dot, field = name.partition(".")
    if not dot:
        return sample.fields.get(name)
    return sample.parts.empty_form.fields.get(field)


def _how() -> forms.ChoiceField:
    return forms.ChoiceField(
        label=gettext("How"),
        required=False,
        choices=[
            (SET, gettext("exactly these")),
            (ADD, gettext("these as well")),
            (REMOVE, gettext("take these away")),
        ],
        widget=UnfoldAdminSelectWidget,
    )
