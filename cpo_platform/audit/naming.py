"""Tables, columns and values as people read them."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import quote
from django.contrib.postgres.fields import ArrayField
from django.db.models import DateTimeField, Field, ForeignKey, Model
from django.http import HttpRequest
from django.urls import reverse
from django.utils.dateparse import parse_datetime
from django.utils.html import format_html
from django.utils.text import capfirst
from django.utils.translation import gettext

from cpo_platform.audit import audited, choosing
from cpo_platform.audit.models import Entry
from cpo_platform.audit.states import SECRET
from cpo_platform.common.admin import NONE, link_to, moment, pill

# What a row is called by, the first that it has.
_NAMES = ("name", "identity", "username", "uid", "ocpi_id", "identifier", "lane", "position")

Fields = Mapping[str, Any]
# Objects by their models and keys, to be called by their names.
Known = Mapping[type[Model], Mapping[str, Model]]


def kind_of(table: str) -> str:
    """Return what a row of a table is called; of one that is gone, the table's name."""
    model = _model_of(table)
    if model is None:
        return table
    owner: Any = model._meta.auto_created  # noqa: SLF001  of rows between two objects: whose field
    if not owner:
        return capfirst(str(model._meta.verbose_name))  # noqa: SLF001
    fields = owner._meta.many_to_many  # noqa: SLF001
    name = next(field.verbose_name for field in fields if field.remote_field.through is model)
    return f"{capfirst(str(owner._meta.verbose_name))}: {name}"  # noqa: SLF001


def name_of(table: str, key: str, row: Fields) -> str:
    """Return what a row is called: its kind, and a name that it has, or had.

    Without a key it is a list, which has a name only.
    """
    if not key:
        return str(row.get("name") or kind_of(table))
    name = next((str(row[column]) for column in _NAMES if row.get(column) not in (None, "")), "")
    return f"{kind_of(table)} {name or f'#{key}'}"


def field_of(table: str, column: str) -> Field[Any, Any] | None:
    """Return the field of a column; None where the model has it no more."""
    model = _model_of(table)
    fields = model._meta.concrete_fields if model else ()  # noqa: SLF001
    return next((field for field in fields if field.column == column), None)


def label_of(table: str, column: str) -> str:
    """Return what a column is called on the pages of its object."""
    field = field_of(table, column)
    return capfirst(str(field.verbose_name)) if field else column


def in_order(table: str, row: Fields) -> list[str]:
    """Return the columns of a row in the order of its table; those that are gone come last."""
    model = _model_of(table)
    order = [str(field.column) for field in model._meta.concrete_fields] if model else []  # noqa: SLF001
    return [name for name in order if name in row] + sorted(set(row) - set(order))


def labels_of(entry: Entry, *, most: int) -> str:
    """Return which fields changed, in a few words."""
    names = [label_of(entry.table, column) for column in entry.after or ()]
    more = "…" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def page_of(objects: Iterable[str]) -> str:
    """Return the address of the history of the first of these objects that has pages; or ""."""
    for each in objects:
        table, _colon, key = each.partition(":")
        model = _model_of(table)
        if model is not None and admin.site.is_registered(model):
            meta = model._meta  # noqa: SLF001
            name = f"admin:{meta.app_label}_{meta.model_name}_history"
            return reverse(name, args=[quote(key)])
    return ""


def known(request: HttpRequest, table: str, rows: Iterable[Fields | None]) -> Known:
    """Return the objects that rows of a table point to: one query for each kind."""
    wanted: dict[type[Model], set[str]] = {}
    for row in rows:
        for column, value in (row or {}).items():
            field = field_of(table, column)
            if isinstance(field, ForeignKey) and value is not None:
                wanted.setdefault(field.related_model, set()).add(str(value))
    return {
        model: {str(row.pk): row for row in choosing.rows(request, model).filter(pk__in=keys)}
        for model, keys in wanted.items()
    }


def value_of(table: str, column: str, value: Any, objects: Known) -> object:
    """Return a value as people read it: choices in words, moments, links to other objects."""
    field = field_of(table, column)
    if value == SECRET:
        return pill(gettext("secret"))
    if value in (None, "", [], {}):
        return NONE
    if isinstance(field, ForeignKey):
        return _object(field, str(value), objects)
    if isinstance(field, DateTimeField):
        return moment(parse_datetime(str(value)))
    return _plain(field, value)


def _plain(field: Field[Any, Any] | None, value: Any) -> object:
    if isinstance(value, bool):
        return gettext("yes") if value else gettext("no")
    if isinstance(value, list) and isinstance(field, ArrayField):
        return ", ".join(_choice(field.base_field, item) for item in value)
    if isinstance(value, dict | list):
        text = json.dumps(value, indent=2, ensure_ascii=False)
        return format_html('<pre class="cpo-code">{}</pre>', text)
    return _choice(field, value)


def _choice(field: Field[Any, Any] | None, value: Any) -> str:
    choices = dict(getattr(field, "flatchoices", ()))
    return str(choices.get(value, value))


def _object(field: ForeignKey[Any, Any], key: str, objects: Known) -> object:
    model: Any = field.related_model
    row = objects.get(model, {}).get(key)
    meta = model._meta  # noqa: SLF001
    text = str(row) if row is not None else f"#{key}"
    if row is None or not admin.site.is_registered(model):
        return text
    return link_to(
        reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=[quote(key)]), text
    )


def _model_of(table: str) -> type[Model] | None:
    one = audited.by_table().get(table)
    return one.model if one else None
