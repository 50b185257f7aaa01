"""What pages are made of: panels, buttons and chips.

An app adds panels to pages of the apps below it with `register_panel`.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.http import HttpRequest

from cpo_platform.common.admin.scopes import may


@dataclass(frozen=True)
class Panel:
    """A titled part of a page: facts, a table, or both. `numeric` are columns set to the right.

    A long table scrolls, unless it is `whole`. `anchor` names the panel in addresses. A `picture`
    is safe HTML; what it shows is said in words as well. `script` is the static file that fills in
    some of it.
    """

    title: object
    facts: Sequence[tuple[object, object]] = ()
    columns: Sequence[object] = ()
    rows: Sequence[Sequence[object]] = ()
    empty: object = ""
    note: object = ""
    numeric: frozenset[int] = frozenset()
    code: str = ""
    half: bool = False
    buttons: Sequence["Button"] = ()
    anchor: str = ""
    whole: bool = False
    picture: object = ""
    script: str = ""

    @property
    def cells(self) -> list[list[tuple[object, bool]]]:
        """Return the rows as `(content, is numeric)`."""
        return [
            [(cell, position in self.numeric) for position, cell in enumerate(row)]
            for row in self.rows
        ]

    @property
    def heads(self) -> list[tuple[object, bool]]:
        return [(head, position in self.numeric) for position, head in enumerate(self.columns)]


@dataclass(frozen=True)
class Button:
    """Something to do: a link to a page, or a form that posts at once (`post`)."""

    text: object
    url: str
    post: bool = False
    tone: str = ""
    values: Mapping[str, str] = field(default_factory=dict)


PanelProvider = Callable[[HttpRequest, int], Panel]
_PANELS: dict[str, list[tuple[PanelProvider, str]]] = defaultdict(list)


def register_panel(module: str, provider: PanelProvider, *, needs: str = "") -> None:
    """Add a panel to the page of every object of an OCPI module, from an app above.

    `needs` is the permission to see what it shows, such as `roaming.view_message`.
    """
    _PANELS[module].append((provider, needs))


def panels_of(module: str, request: HttpRequest, object_id: int) -> list[Panel]:
    """Return the panels that other apps add to the page of an object."""
    return [
        provider(request, object_id)
        for provider, needs in _PANELS[module]
        if not needs or may(request, needs)
    ]


NoteProvider = Callable[[int], str]
_NOTES: dict[str, list[NoteProvider]] = defaultdict(list)


def register_note(module: str, provider: NoteProvider) -> None:
    """Add a sentence to what is said of objects of an OCPI module, from an app above, or ""."""
    _NOTES[module].append(provider)


def notes_of(module: str, object_id: int) -> list[str]:
    """Return the sentences that other apps have to say of an object."""
    notes = [provider(object_id) for provider in _NOTES[module]]
    return [note for note in notes if note]


def status_chips(
    counts: Mapping[str, int],
    tones: Mapping[Any, str],
    chosen: str | None,
    *,
    field: str = "status",
) -> list[dict[str, object]]:
    """Return a chip for every status that some rows have, in the order of `tones`.

    `tones` are the colours of statuses; `chosen` is the status that the list is filtered by, in
    `field`.
    """
    return [
        {
            "label": status.label,
            "tone": tone,
            "count": counts[status.value],
            "url": f"?{field}__exact={status.value}",
            "current": chosen == status.value,
        }
        for status, tone in tones.items()
        if counts.get(status.value)
    ]
