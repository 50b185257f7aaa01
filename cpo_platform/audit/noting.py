"""What staff did with an object beside changing its rows: a reset, a check, a pull, an export."""

from typing import Any

from django.contrib.admin import ModelAdmin
from django.db import connection
from django.db.models import Model
from django.http import HttpRequest
from django.utils import translation
from django.utils.text import capfirst

from cpo_platform.audit import audited
from cpo_platform.common import acting
from cpo_platform.common.acting import Actor

_NOTE = """
INSERT INTO audit_entry (
    at, table_name, key, objects, action, after, "row",
    actor_id, actor_name, way, what, request_id, transaction_id
) VALUES (
    clock_timestamp(), %s, %s, %s::text[], 'act', jsonb_build_object('note', %s::text),
    jsonb_build_object('name', %s::text),
    %s, %s, %s, %s, %s, pg_current_xact_id()::text::bigint
)
"""


def note(model_admin: ModelAdmin[Any], _request: HttpRequest, obj: Any, message: str) -> None:
    """Write down what was done with an object of an audited table, in a sentence.

    None for an object is the list as a whole, of any table: what leaves the platform is noted.
    """
    table = model_admin.opts.db_table if obj is None else obj._meta.db_table  # noqa: SLF001  Django's own public name
    if obj is None:
        with translation.override("en"):
            name = str(capfirst(model_admin.opts.verbose_name_plural))
        _write(table, "", [], message, name)
    elif table in audited.by_table():
        _write(table, str(obj.pk), [f"{table}:{obj.pk}"], message, str(obj))


def note_file(model: type[Model], message: str) -> None:
    """Write down that a file of rows left the platform which is no export of a list."""
    meta = model._meta  # noqa: SLF001
    with translation.override("en"):
        name = str(capfirst(meta.verbose_name_plural))
    _write(meta.db_table, "", [], message, name)


def _write(table: str, key: str, objects: list[str], message: str, name: str) -> None:
    actor = acting.current() or Actor()
    told = [actor.user_id, actor.name, actor.way, actor.what, actor.request_id[:64]]
    with connection.cursor() as cursor:
        cursor.execute(_NOTE, [table, key, objects, message, name, *told])
