"""What rules find at an object that was just saved: said to whoever saved it.

The rules are registered for an OCPI module, mostly by an app above (`register_rules`). They refuse
nothing: what is odd may be meant.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext, ngettext

from cpo_platform.common.admin.display import change_url, link_to

# So many findings are named; the page that lists them all has the others.
NAMED = 5


@dataclass(frozen=True, slots=True)
class Warned:
    """What one rule finds, in words. A hint could be better, and is not wrong."""

    text: str
    is_hint: bool = False


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules for objects of a module: what they find at one, by its key, the worst first.

    They tell whoever asks only what that person may see.
    `anchor` names the panel of its page that lists all of it. The number of queries is constant.
    """

    find: Callable[[HttpRequest, int], Sequence[Warned]]
    anchor: str


_RULES: dict[str, Rules] = {}


def register_rules(module: str, rules: Rules) -> None:
    """Have the pages of a module warn of what rules find."""
    _RULES[module] = rules


def found_at(request: HttpRequest, module: str, row: Any) -> Sequence[Warned]:
    """Return what is found at an object, the worst first; nothing at one that is not there yet."""
    rules = _RULES.get(module)
    return rules.find(request, row.pk) if rules and row is not None and row.pk is not None else ()


def warn(
    request: HttpRequest, module: str, row: Any, *, before: frozenset[Warned] = frozenset()
) -> None:
    """Say what is found at an object, and was not `before`, to the person who saved it."""
    found = [one for one in found_at(request, module, row) if one not in before]
    if not found:
        return
    items: list[tuple[object]] = [(one.text,) for one in found[:NAMED]]
    more = len(found) - NAMED
    if more > 0:
        text = ngettext("and %(number)s more", "and %(number)s more", more) % {"number": more}
        items.append((link_to(f"{change_url(row)}#{_RULES[module].anchor}", text),))
    level = messages.INFO if all(one.is_hint for one in found) else messages.WARNING
    messages.add_message(
        request,
        level,
        format_html(
            '<p>{}</p><ul class="cpo-links">{}</ul>',
            gettext("It is saved. Look at this again:"),
            format_html_join("", "<li>{}</li>", items),
        ),
    )
