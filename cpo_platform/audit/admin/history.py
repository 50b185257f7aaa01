"""The history of an object: what happened to it and its parts, and what it was like at a moment."""

from datetime import datetime
from typing import Any

from django import forms
from django.contrib.admin import ModelAdmin
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.text import capfirst
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from cpo_platform.audit import audited, choosing, naming, states
from cpo_platform.audit.admin import display
from cpo_platform.audit.audited import Audited
from cpo_platform.audit.states import State
from cpo_platform.common.admin import NONE, Panel, change_url, pill
from cpo_platform.common.admin.searching import moment_of

SHOWN = 100


class AsOf(forms.Form):
    """The moment that an object is looked at."""

    at = moment_of(_("As it was on (UTC)"))


def page(model_admin: ModelAdmin[Any], request: HttpRequest, object_id: str) -> HttpResponse:
    """Return the history of an object.

    Raises:
        PermissionDenied: the person may not see the object. Who may, sees what became of it.
        Http404: there is no such object; what was deleted is found in the list of the audit.

    """
    key = unquote(object_id)
    obj = model_admin.get_object(request, key)
    if not model_admin.has_view_or_change_permission(request, obj):
        raise PermissionDenied
    if obj is None:
        raise Http404
    one = audited.by_table().get(model_admin.opts.db_table)
    form = AsOf(request.GET or None)
    at = form.cleaned_data["at"] if form.is_valid() else None
    request.current_app = model_admin.admin_site.name
    context = {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "original": obj,
        "title": gettext("History: %(name)s") % {"name": obj},
        "media": model_admin.media,
        "form": form if one else None,
        "back_url": change_url(obj),
        "panels": _panels(request, one, str(obj.pk), at),
    }
    return TemplateResponse(request, "admin/audit/history.html", context)


def url(model_admin: ModelAdmin[Any], _request: HttpRequest, obj: Any) -> str:
    """Return the address of an object's history; "" where there is none."""
    meta = model_admin.opts
    if meta.db_table not in audited.by_table():
        return ""
    name = f"admin:{meta.app_label}_{meta.model_name}_history"
    return reverse(name, args=[quote(str(obj.pk))])


def _panels(
    request: HttpRequest, one: Audited | None, key: str, at: datetime | None
) -> list[Panel]:
    if one is None:
        sentence = _("Changes of these are not recorded: they are records themselves.")
        return [Panel(title=_("Changes"), note=sentence)]
    if at is None:
        return [_changes(one, key)]
    state = states.state_of(one, key, at)
    if state.then is None:
        return [Panel(title=_as_it_was(at), note=_("It did not exist then."))]
    return [_as_of(request, one, state, at), *_parts(request, one, key, at)]


def _changes(one: Audited, key: str) -> Panel:
    name = f"{one.table}:{key}"
    found = choosing.entries_of(name)
    entries = list(found.order_by("-at", "-id")[: SHOWN + 1])
    search = f"{reverse('admin:audit_entry_changelist')}?kind={one.table}&number={key}"
    more = format_html(
        '{} <a class="cpo-link" href="{}">{}</a>',
        _("The newest %(count)s are shown.") % {"count": SHOWN},
        search,
        _("Show all"),
    )
    return Panel(
        title=_("Changes of it and its parts"),
        whole=True,
        note=more if len(entries) > SHOWN else "",
        columns=(
            *(_("at (UTC)"), _("Who"), _("way"), _("what was done"), _("object"), _("fields")),
        ),
        rows=[display.table_row(entry) for entry in entries[:SHOWN]],
        empty=_("No change is recorded."),
    )


def _as_of(request: HttpRequest, one: Audited, state: State, at: datetime) -> Panel:
    then = state.then or {}
    objects = naming.known(request, one.table, [state.then, state.now])
    left_out = [naming.label_of(one.table, column) for column in (*one.unkept, *one.by_hand)]
    note = _("Not kept, as machines move them: %(fields)s.") % {"fields": ", ".join(left_out)}
    return Panel(
        title=_as_it_was(at),
        whole=True,
        note=note if left_out else "",
        columns=(_("field"), _("then"), _("now")),
        rows=[
            (
                naming.label_of(one.table, column),
                naming.value_of(one.table, column, then.get(column), objects),
                _now(state, column, objects),
            )
            for column in naming.in_order(one.table, {**(state.now or {}), **then})
        ],
    )


def _as_it_was(at: datetime) -> object:
    return _("As it was on %(moment)s UTC") % {"moment": f"{at:%Y-%m-%d %H:%M:%S}"}


def _now(state: State, column: str, objects: naming.Known) -> object:
    if not state.differs(column):
        return _("the same")
    value = naming.value_of(state.table, column, (state.now or {}).get(column), objects)
    return format_html("{} {}", pill(_("differs"), "amber"), value)


def _parts(request: HttpRequest, one: Audited, key: str, at: datetime) -> list[Panel]:
    """Return the parts that the object had then, kind by kind."""
    by_kind: dict[str, list[State]] = {}
    for state in states.parts_of(one, key, at):
        by_kind.setdefault(state.table, []).append(state)
    return [
        Panel(
            title=_("%(kind)s: as it was") % {"kind": capfirst(naming.kind_of(table))},
            whole=True,
            columns=(_("part"), _("since then"), _("fields")),
            rows=_part_rows(request, one, found[: states.MOST_PARTS]),
        )
        for table, found in by_kind.items()
    ]


def _part_rows(
    request: HttpRequest, whole: Audited, found: list[State]
) -> list[tuple[object, ...]]:
    objects = naming.known(request, found[0].table, [state.then for state in found])
    return [
        (
            naming.name_of(state.table, state.key, state.then or state.now or {}),
            _since(state),
            _values(whole, state, objects) if state.then else NONE,
        )
        for state in found
    ]


def _since(state: State) -> object:
    if state.then is None:
        return pill(_("came later"), "green")
    if state.now is None:
        return pill(_("is gone"), "red")
    changed = [column for column in state.columns if state.differs(column)]
    return pill(_("changed"), "amber") if changed else _("the same")


def _values(whole: Audited, state: State, objects: naming.Known) -> object:
    """Return what a part was like, in a line; without what the page says already."""
    parts = [
        (
            naming.label_of(state.table, column),
            naming.value_of(state.table, column, value, objects),
        )
        for column, value in (state.then or {}).items()
        if value not in (None, "", [], {}) and not _is_said(whole, state.table, column)
    ]
    return format_html_join("; ", "{}: {}", parts)


def _is_said(whole: Audited, table: str, column: str) -> bool:
    field = naming.field_of(table, column)
    return field is None or field.primary_key or field.related_model is whole.model
