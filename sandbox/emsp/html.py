"""HTML from strings, with everything escaped unless it is already HTML."""

from collections.abc import Iterable
from html import escape
from string import Formatter
from typing import Any


class Html(str):
    """Mark text that is already safe HTML."""

    __slots__ = ()


class _Escaping(Formatter):
    def format_field(self, value: Any, format_spec: str) -> str:
        return _safe(value if isinstance(value, Html) else format(value, format_spec))


_FORMATTER = _Escaping()


def _safe(value: Any) -> str:
    return value if isinstance(value, Html) else escape(str(value), quote=True)


def html(template: str, *values: Any, **named: Any) -> Html:
    """Fill a template; every value is escaped unless it is Html."""
    return Html(_FORMATTER.vformat(template, values, named))


def join(parts: Iterable[Any]) -> Html:
    """Join pieces, each escaped unless it is Html."""
    return Html("".join(_safe(part) for part in parts))


def each(template: str, rows: Iterable[Iterable[Any]]) -> Html:
    """Fill the template once per row."""
    return join(html(template, *row) for row in rows)
