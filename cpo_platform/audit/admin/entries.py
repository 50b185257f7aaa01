"""The list of entries, and the page of one: before and after, side by side."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from cpo_platform.audit import choosing, naming
from cpo_platform.audit.admin import display
from cpo_platform.audit.admin.search import EntrySearch
from cpo_platform.audit.models import Action, Entry
from cpo_platform.common.admin import (
    NONE,
    Button,
    Panel,
    SearchedAdmin,
    Way,
    link_to,
    moment,
)

SAME_TRANSACTION_SHOWN = 50


@admin.register(Entry)
class EntryAdmin(SearchedAdmin):
    """The audit: who changed what."""

    scope = Way(hidden="an entry names objects of any party")
    list_display = ("when", "who", "way", "done", "about", "fields_changed")
    list_display_links = ("when",)
    search_form = EntrySearch
    empty_text = _("No change in the last 24 hours. To look further back, say since when.")

    def get_queryset(self, request: HttpRequest) -> Any:
        return choosing.entries(request)

    def panels(self, request: HttpRequest, obj: Entry) -> list[Panel]:
        return [_facts(obj), _values(request, obj), *_same_transaction(request, obj)]

    def heading(self, obj: Entry) -> object:
        return display.done(obj)

    def buttons(self, request: HttpRequest, obj: Entry) -> list[Button]:
        url = naming.page_of(obj.objects_changed)
        return [Button(_("History of the object"), url)] if url else []

    def title_of(self, obj: Entry) -> str:
        return naming.name_of(obj.table, obj.key, obj.row)

    @admin.display(description=_("at (UTC)"))
    def when(self, row: Entry) -> object:
        return moment(row.at)

    @admin.display(description=_("Who"))
    def who(self, row: Entry) -> object:
        return display.who(row)

    @admin.display(description=_("way"))
    def way(self, row: Entry) -> object:
        return display.way(row)

    @admin.display(description=_("what was done"))
    def done(self, row: Entry) -> object:
        return display.done(row)

    @admin.display(description=_("object"))
    def about(self, row: Entry) -> object:
        return display.about(row)

    @admin.display(description=_("fields"))
    def fields_changed(self, row: Entry) -> str:
        return display.fields(row)


def _facts(obj: Entry) -> Panel:
    return Panel(
        title=_("Change"),
        facts=[
            (_("at (UTC)"), moment(obj.at)),
            (_("Who"), _person(obj)),
            (_("way"), display.way(obj)),
            (_("address, task or command"), obj.what or NONE),
            (_("object"), display.about(obj)),
            (_("request"), obj.request_id or NONE),
            (_("transaction"), obj.transaction_id),
        ],
    )


def _person(obj: Entry) -> object:
    """Return the name of that time, with a link to the person of today."""
    if obj.actor_id is None or not obj.actor_name:
        return obj.actor_name or NONE
    return link_to(reverse("admin:auth_user_change", args=[obj.actor_id]), obj.actor_name)


def _values(request: HttpRequest, obj: Entry) -> Panel:
    """Return what changed; of a row that came or went, all of it."""
    if obj.action == Action.ACT:
        return Panel(title=_("What was done"), note=display.fields(obj))
    before = obj.before if obj.action == Action.UPDATE else obj.row
    after = obj.after if obj.action == Action.UPDATE else None
    objects = naming.known(request, obj.table, [before, after])
    sides = [side for side in (before, after) if side is not None]
    two = (pgettext_lazy("audit", "before"), pgettext_lazy("audit", "after"))
    heads = (_("value"),) if after is None else two
    return Panel(
        title={
            Action.INSERT: _("What was created"),
            Action.UPDATE: _("Before and after"),
            Action.DELETE: _("What was deleted"),
        }[Action(obj.action)],
        whole=True,
        columns=(_("field"), *heads),
        rows=[
            (
                naming.label_of(obj.table, column),
                *(naming.value_of(obj.table, column, side.get(column), objects) for side in sides),
            )
            for column in naming.in_order(obj.table, before or {})
        ],
    )


def _same_transaction(request: HttpRequest, obj: Entry) -> list[Panel]:
    """Return what else changed in the same transaction, where anything did."""
    others = choosing.entries(request).filter(transaction_id=obj.transaction_id).exclude(pk=obj.pk)
    rows = [display.table_row(row) for row in others.order_by("at", "id")[:SAME_TRANSACTION_SHOWN]]
    if not rows:
        return []
    return [
        Panel(
            title=_("What else changed in the same step"),
            columns=(
                *(_("at (UTC)"), _("Who"), _("way"), _("what was done"), _("object")),
                _("fields"),
            ),
            rows=rows,
        )
    ]
