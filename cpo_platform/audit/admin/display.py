"""Entries in tables: who, by which way, and what."""

from typing import Any

from django.contrib.admin.utils import quote
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from cpo_platform.audit.models import Action, Entry, Way
from cpo_platform.audit.naming import labels_of, name_of, page_of
from cpo_platform.common.admin import NONE, link_to, moment, pill

TONES = {Action.INSERT: "green", Action.UPDATE: "blue", Action.DELETE: "red", Action.ACT: "grey"}
# Names of fields in a line.
FIELDS_SHOWN = 6


def entry_link(entry: Entry) -> str:
    """Return the moment of an entry, with a link to its page."""
    return link_to(
        reverse("admin:audit_entry_change", args=[quote(str(entry.pk))]), moment(entry.at)
    )


def who(entry: Entry) -> object:
    """Return the name of who did it, as it was at that time."""
    return entry.actor_name or NONE


def way(entry: Entry) -> SafeString:
    """Return the way, and what was called."""
    label = Way(entry.way).label if entry.way in Way.values else entry.way
    if not entry.what:
        return format_html("{}", label)
    return format_html('<span title="{}">{}</span>', entry.what, label)


def done(entry: Entry) -> SafeString:
    """Return what was done, in a colour."""
    action = Action(entry.action)
    return pill(action.label, TONES[action])


def about(entry: Entry) -> object:
    """Return what an entry is about, with a link to its history."""
    text = name_of(entry.table, entry.key, entry.row)
    url = page_of(entry.objects_changed)
    return link_to(url, text) if url else text


def fields(entry: Entry) -> str:
    """Return which fields changed, or what was noted."""
    if entry.action == Action.ACT:
        return str((entry.after or {}).get("note", ""))
    return labels_of(entry, most=FIELDS_SHOWN) or NONE


def table_row(entry: Entry) -> tuple[Any, ...]:
    """Return an entry as a row of a table."""
    return (entry_link(entry), who(entry), way(entry), done(entry), about(entry), fields(entry))
