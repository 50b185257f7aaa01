"""The triggers that write the audit, made from `audited` and brought in step after each `migrate`.

A table has three: one for rows that come and go, one for columns that change, which does not even
wake up for those that machines move, and one that refuses TRUNCATE, which would take all rows and
leave no word. What is there is compared by a digest, kept as its comment.
"""

import hashlib
import json
from collections.abc import Iterator

from django.db import connections, transaction
from psycopg import sql

from cpo_platform.audit.audited import Audited, audited
from cpo_platform.audit.retention import ENTRIES

ROWS, CHANGES, EMPTYING = "audit_rows", "audit_changes", "audit_emptying"
TRIGGERS = (ROWS, CHANGES, EMPTYING)
# Who decides, rather than carries on: see `Audited.by_hand`. The text is `acting.Actor.told`.
BY_HAND = r"""current_setting('cpo.audit', true) ~ '^\{"way":"(admin|command|import)"'"""

FUNCTION = r"""
CREATE OR REPLACE FUNCTION audit_record() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    how jsonb := TG_ARGV[0];
    acting jsonb := nullif(current_setting('cpo.audit', true), '')::jsonb;
    unkept text[] := ARRAY(SELECT jsonb_array_elements_text(how -> 'unkept'));
    by_hand text[] := ARRAY(SELECT jsonb_array_elements_text(how -> 'by_hand'));
    was jsonb;
    is_now jsonb;
    whole jsonb;
    before jsonb;
    after jsonb;
    objects text[];
    secret text;
BEGIN
    IF TG_OP <> 'INSERT' THEN was := to_jsonb(OLD); END IF;
    IF TG_OP <> 'DELETE' THEN is_now := to_jsonb(NEW); END IF;
    whole := coalesce(is_now, was);
    IF TG_OP = 'UPDATE' THEN
        IF NOT coalesce(<by_hand>, false) THEN unkept := unkept || by_hand; END IF;
        SELECT jsonb_object_agg(key, was -> key), jsonb_object_agg(key, value)
        INTO before, after
        FROM jsonb_each(is_now - unkept)
        WHERE value IS DISTINCT FROM was -> key;
        IF after IS NULL THEN RETURN NULL; END IF;
    END IF;
    objects := ARRAY[TG_TABLE_NAME || ':' || (whole ->> (how ->> 'key'))]
        || audit_parents(whole, how -> 'parts_of');
    IF TG_OP = 'UPDATE' AND jsonb_array_length(how -> 'parts_of') > 0 THEN
        -- What moved from one object to another is shown at both.
        objects := objects || ARRAY(
            SELECT one FROM unnest(audit_parents(was, how -> 'parts_of')) AS one
            WHERE one <> ALL (objects)
        );
    END IF;
    whole := whole - unkept - by_hand;
    FOR secret IN SELECT jsonb_array_elements_text(how -> 'secrets') LOOP
        whole := audit_without(whole, secret);
        before := audit_without(before, secret);
        after := audit_without(after, secret);
    END LOOP;
    INSERT INTO audit_entry (
        at, table_name, key, objects, action, before, after, "row",
        actor_id, actor_name, way, what, request_id, transaction_id
    ) VALUES (
        clock_timestamp(), TG_TABLE_NAME, coalesce(is_now, was) ->> (how ->> 'key'), objects,
        lower(TG_OP), before, after, whole,
        (acting ->> 'user_id')::bigint, coalesce(acting ->> 'name', ''),
        coalesce(acting ->> 'way', ''), coalesce(acting ->> 'what', ''),
        coalesce(acting ->> 'request_id', ''), pg_current_xact_id()::text::bigint
    );
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION audit_refuse_truncate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- Tests empty their own database.
    IF current_setting('cpo.allow_truncate', true) = 'on' THEN RETURN NULL; END IF;
    RAISE EXCEPTION '% is audited: TRUNCATE is refused, DELETE is recorded', TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE OR REPLACE FUNCTION audit_without(fields jsonb, secret text) RETURNS jsonb
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE
        WHEN fields ->> secret IS NULL OR fields ->> secret = '' THEN fields
        ELSE jsonb_set(fields, ARRAY[secret], '"…"')
    END
$$;

CREATE OR REPLACE FUNCTION audit_parents(whole jsonb, chains jsonb) RETURNS text[]
LANGUAGE plpgsql STABLE AS $$
DECLARE
    chain jsonb;
    step jsonb;
    here jsonb;
    parent text;
    found text[] := '{}';
    last int;
BEGIN
    FOR chain IN SELECT jsonb_array_elements(chains) LOOP
        here := whole;
        last := jsonb_array_length(chain) - 1;
        FOR number IN 0..last LOOP
            step := chain -> number;
            parent := here ->> (step ->> 0);
            EXIT WHEN parent IS NULL;
            IF NOT (step ->> 1) || ':' || parent = ANY(found) THEN
                found := found || ((step ->> 1) || ':' || parent);
            END IF;
            EXIT WHEN number = last;
            EXECUTE format('SELECT to_jsonb(part) FROM %I part WHERE id = $1', step ->> 1)
            INTO here USING parent::bigint;
        END LOOP;
    END LOOP;
    RETURN found;
END $$;
""".replace("<by_hand>", BY_HAND)


def install(*, using: str) -> list[str]:
    """Bring the triggers in step; return the tables where they were not.

    Safe to be called at any time: where all is in step nothing is locked.
    """
    with transaction.atomic(using=using):
        changed = amiss(using=using)
        if changed:
            _run(FUNCTION, using)
        declared = {one.table: one for one in audited()}
        for table in changed:
            for statement in _removing(table):
                _run(statement, using)
            if table in declared:
                for statement in _making(declared[table]):
                    _run(statement, using)
    return changed


def amiss(*, using: str) -> list[str]:
    """Return the tables whose triggers are missing, of another time, or wanted no more."""
    with connections[using].cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s)", [ENTRIES])
        if cursor.fetchone()[0] is None:
            return []
        cursor.execute(
            "SELECT relname, tgname, obj_description(trigger.oid, 'pg_trigger')"
            " FROM pg_trigger AS trigger JOIN pg_class ON pg_class.oid = tgrelid"
            " WHERE tgname = ANY(%s) AND relnamespace = current_schema()::regnamespace",
            [list(TRIGGERS)],
        )
        there = {(table, name): digest for table, name, digest in cursor.fetchall()}
    wanted = {(one.table, name): _digest(one) for one in audited() for name in TRIGGERS}
    different = [pair for pair in {**there, **wanted} if there.get(pair) != wanted.get(pair)]
    return sorted({table for table, _name in different})


def loosen(*, using: str) -> None:
    """Let columns be changed in the schema: until `install`, every update is looked at.

    PostgreSQL refuses to change the type of a column that a trigger names. Nothing is missed: the
    function itself leaves out what is not to be recorded.
    """
    with connections[using].cursor() as cursor:
        cursor.execute(
            "SELECT relname, tgargs FROM pg_trigger"
            " JOIN pg_class ON pg_class.oid = tgrelid"
            " WHERE tgname = %s AND relnamespace = current_schema()::regnamespace",
            [CHANGES],
        )
        found = [(table, bytes(given).decode().rstrip("\0")) for table, given in cursor.fetchall()]
    with transaction.atomic(using=using):
        for table, arguments in found:
            names = _names(table)
            _run(sql.SQL("DROP TRIGGER {changes} ON {table}").format(**names), using)
            statement = sql.SQL(
                "CREATE TRIGGER {changes} AFTER UPDATE ON {table}"
                " FOR EACH ROW EXECUTE FUNCTION audit_record({how})"
            )
            _run(statement.format(**names, how=sql.Literal(arguments)), using)


def _digest(one: Audited) -> str:
    statements = [part.as_string() for part in _triggers(one)]
    return hashlib.sha256("\n".join([FUNCTION, *statements]).encode()).hexdigest()[:16]


def _names(table: str) -> dict[str, sql.Composable]:
    return {
        "table": sql.Identifier(table),
        "rows": sql.Identifier(ROWS),
        "changes": sql.Identifier(CHANGES),
        "emptying": sql.Identifier(EMPTYING),
    }


def _removing(table: str) -> Iterator[sql.Composed]:
    for name in TRIGGERS:
        yield sql.SQL("DROP TRIGGER IF EXISTS {name} ON {table}").format(
            name=sql.Identifier(name), table=sql.Identifier(table)
        )


def _making(one: Audited) -> Iterator[sql.Composed]:
    yield from _triggers(one)
    for name in TRIGGERS:
        yield sql.SQL("COMMENT ON TRIGGER {name} ON {table} IS {digest}").format(
            name=sql.Identifier(name),
            table=sql.Identifier(one.table),
            digest=sql.Literal(_digest(one)),
        )


def _triggers(one: Audited) -> Iterator[sql.Composed]:
    by_hand = sql.SQL(BY_HAND)
    names = _names(one.table) | {"how": sql.Literal(_how(one))}
    rows = sql.SQL("WHEN ({by_hand}) ").format(by_hand=by_hand) if one.rows_by_hand else sql.SQL("")
    yield sql.SQL(
        "CREATE TRIGGER {rows} AFTER INSERT OR DELETE ON {table}"
        " FOR EACH ROW {condition}EXECUTE FUNCTION audit_record({how})"
    ).format(**names, condition=rows)
    named = [sql.Identifier(name) for name in (*one.columns, *one.by_hand)]
    condition = _differ(one.columns)
    if one.by_hand:
        condition = sql.SQL("{always} OR {by_hand} AND ({others})").format(
            always=condition, by_hand=by_hand, others=_differ(one.by_hand)
        )
    # Django writes all columns where it is not told which: so they are compared.
    yield sql.SQL(
        "CREATE TRIGGER {changes} AFTER UPDATE OF {columns} ON {table}"
        " FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION audit_record({how})"
    ).format(**names, columns=sql.SQL(", ").join(named), condition=condition)
    yield sql.SQL(
        "CREATE TRIGGER {emptying} BEFORE TRUNCATE ON {table}"
        " FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_truncate()"
    ).format(**names)


def _differ(columns: list[str] | tuple[str, ...]) -> sql.Composed:
    return sql.SQL(" OR ").join(
        sql.SQL("OLD.{name} IS DISTINCT FROM NEW.{name}").format(name=sql.Identifier(name))
        for name in columns
    )


def _how(one: Audited) -> str:
    """Return what the function must know of a table, as its argument."""
    return json.dumps(
        {
            "key": one.key,
            "unkept": one.unkept,
            "by_hand": one.by_hand,
            "secrets": one.secrets,
            "parts_of": one.parts_of,
        }
    )


def _run(statement: str | sql.Composed, using: str) -> None:
    with connections[using].cursor() as cursor:
        cursor.execute(statement)
