"""What staff did with an object beside changing its rows: a reset, a check, a pull."""

from typing import Any

from django.contrib.admin import ModelAdmin
from django.db import connection
from django.http import HttpRequest

from cpo_platform.audit import audited
from cpo_platform.common import acting
from cpo_platform.common.acting import Actor

_NOTE = """
INSERT INTO audit_entry (
    at, table_name, key, objects, action, after, "row",
    actor_id, actor_name, way, what, request_id, transaction_id
) VALUES (
    clock_timestamp(), %s, %s, ARRAY[%s], 'act', jsonb_build_object('note', %s::text),
    jsonb_build_object('name', %s::text),
    %s, %s, %s, %s, %s, pg_current_xact_id()::text::bigint
)
"""


def note(_model_admin: ModelAdmin[Any], _request: HttpRequest, obj: Any, message: str) -> None:
    """Write down what was done with an object of an audited table, in a sentence."""
    table = obj._meta.db_table  # noqa: SLF001  Django's own public name
    if table not in audited.by_table():
        return
    actor = acting.current() or Actor()
    key = str(obj.pk)
    told = [actor.user_id, actor.name, actor.way, actor.what, actor.request_id[:64]]
    with connection.cursor() as cursor:
        cursor.execute(_NOTE, [table, key, f"{table}:{key}", message, str(obj), *told])
