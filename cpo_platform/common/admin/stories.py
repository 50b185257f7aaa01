"""What happened to an object, told by every app that knows something of it, in order of time.

An app tells of objects of the apps below it with `register_story`.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from cpo_platform.common.admin.display import moment
from cpo_platform.common.admin.panels import Panel

# Of all together; each provider bounds its own.
MOST_EVENTS = 300
# So many alike are told one by one.
FEW = 3


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened: who it was, and what it was in a few words (may be HTML).

    Those with one `fold`, of the same `who`, are told in one line where there are many: `count`
    of them, until `until`.
    """

    at: datetime
    who: object
    what: object
    fold: str = ""
    count: int = 1
    until: datetime | None = None


Storyteller = Callable[[int], Iterable[Event]]
_TELLERS: dict[str, list[Storyteller]] = defaultdict(list)


def register_story(module: str, teller: Storyteller) -> None:
    """Have somebody tell of every object of an OCPI module."""
    _TELLERS[module].append(teller)


def story_of(module: str, object_id: int) -> list[Event]:
    """Return what happened to an object, in order of time, what is alike in one line."""
    events = [event for teller in _TELLERS[module] for event in teller(object_id)]
    return sorted(_folded(events), key=lambda event: event.at)


def story_panel(events: Sequence[Event], zone: str) -> Panel:
    """Return a story as a table; the times are those of the time zone."""
    more = len(events) > MOST_EVENTS
    return Panel(
        title=_("What happened"),
        whole=True,
        note=_("The first %(count)s are shown.") % {"count": MOST_EVENTS} if more else "",
        columns=(_("at"), _("who"), _("what")),
        rows=[
            (
                moment(event.at, zone),
                format_html('<span class="cpo-unbroken">{}</span>', event.who),
                format_html('<span class="cpo-anywhere">{}</span>', _what(event, zone)),
            )
            for event in events[:MOST_EVENTS]
        ],
        empty=_("Nothing is known of it any more."),
    )


def _what(event: Event, zone: str) -> object:
    if event.until is None:
        return event.what
    return format_html(
        gettext("{what}: {count} times until {until}"),
        what=event.what,
        count=event.count,
        until=moment(event.until, zone),
    )


def _folded(events: Iterable[Event]) -> Iterable[Event]:
    alike: dict[tuple[str, str], list[Event]] = defaultdict(list)
    for event in events:
        if event.fold:
            alike[str(event.who), event.fold].append(event)
        else:
            yield event
    for group in alike.values():
        if len(group) <= FEW:
            yield from group
            continue
        ordered = sorted(group, key=lambda event: event.at)
        first, last = ordered[0], ordered[-1]
        yield replace(first, count=len(group), until=last.at)
