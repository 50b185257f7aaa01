"""What an app above adds to a list: buttons, actions and pages beside it, a column and a filter."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from django.http import HttpRequest

from cpo_platform.common.admin.panels import Button


class ListPages(Protocol):
    """What an app above adds to lists; each answer may be empty."""

    def urls(self, model_admin: Any) -> list[Any]:
        """Return the addresses below that of the list."""

    def buttons(self, model_admin: Any, request: HttpRequest) -> list[Button]:
        """Return the buttons above the list."""

    def actions(self, model_admin: Any, request: HttpRequest) -> Mapping[str, Any]:
        """Return actions on selected rows, as Django's `get_actions`."""


_PAGES: list[ListPages] = []


def register_list_pages(pages: ListPages) -> None:
    """Add these to every list that they have something for."""
    if not any(type(known) is type(pages) for known in _PAGES):
        _PAGES.append(pages)


def urls_of(model_admin: Any) -> list[Any]:
    """Return the addresses that apps above add to a list."""
    return [url for pages in _PAGES for url in pages.urls(model_admin)]


def buttons_of(model_admin: Any, request: HttpRequest) -> list[Button]:
    """Return the buttons that apps above add to a list."""
    return [button for pages in _PAGES for button in pages.buttons(model_admin, request)]


def actions_of(model_admin: Any, request: HttpRequest) -> dict[str, Any]:
    """Return the actions that apps above add to a list."""
    found: dict[str, Any] = {}
    for pages in _PAGES:
        found |= pages.actions(model_admin, request)
    return found


@dataclass(frozen=True)
class ListColumn:
    """A column that an app above adds to a list, and what the list can be filtered by with it.

    `shown` is a function of a row with Django's `admin.display`; its name is that of the column in
    files. `related` is read with each row, so that the column takes no query of its own.
    """

    shown: Callable[[Any], object]
    related: str
    filter: Any


_COLUMNS: dict[str, list[ListColumn]] = defaultdict(list)


def register_list_column(label: str, column: ListColumn) -> None:
    """Add a column to the list of a model such as `locations.location`."""
    if column not in _COLUMNS[label]:
        _COLUMNS[label].append(column)


def columns_of(model_admin: Any) -> list[ListColumn]:
    """Return the columns that apps above add to a list."""
    return _COLUMNS.get(model_admin.opts.label_lower, [])
