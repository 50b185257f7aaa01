"""Many CDRs at once: copies of one, with a session each, made by the database itself."""

from typing import Any

from django.db import connection, models

from sessions_app.models import Cdr, MeterReading, Session


def copy_cdr(cdr: Cdr, count: int, *, readings: bool = False) -> None:
    """Make `count` copies of a CDR and its session, a minute apart; `readings`: of those, too."""
    assert cdr.session_id is not None
    minutes = "make_interval(mins => copy)"
    moments = {
        name: f"original.{name} + {minutes}" for name in ("start_date_time", "end_date_time")
    }
    _copy(
        Session,
        cdr.session_id,
        count,
        {**moments, "ocpi_id": "'copy-' || copy || '-' || substr(original.ocpi_id, 1, 8)"},
    )
    _copy(
        Cdr,
        cdr.pk,
        count,
        {
            **moments,
            "ocpi_id": "'copy-' || copy || '-' || substr(original.ocpi_id, 1, 8)",
            "session_id": "copied.id",
            "charging_periods": (
                "(SELECT jsonb_agg(jsonb_set(period, '{start_date_time}', to_jsonb(to_char("
                "((period->>'start_date_time')::timestamptz + "
                f"{minutes}) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')))"
                " ORDER BY place) FROM jsonb_array_elements(original.charging_periods)"
                " WITH ORDINALITY AS periods(period, place))"
            ),
        },
        join=(
            "JOIN sessions_app_session copied ON copied.ocpi_id = 'copy-' || copy || '-' || "
            f"'{cdr.session_ocpi_id[:8]}'"
        ),
    )
    if readings:
        _copy_readings(cdr, count)


def _copy(
    model: type[models.Model], key: int, count: int, values: dict[str, str], *, join: str = ""
) -> None:
    fields = [field for field in model._meta.concrete_fields if not field.primary_key]
    columns = [str(field.column) for field in fields]
    chosen = ", ".join(values.get(name, f"original.{name}") for name in columns)
    table = model._meta.db_table
    _execute(
        f"INSERT INTO {table} ({', '.join(columns)}) SELECT {chosen} FROM {table} original,"
        f" generate_series(1, %s) copy {join} WHERE original.id = %s",
        [count, key],
    )


def _copy_readings(cdr: Cdr, count: int) -> None:
    table = MeterReading._meta.db_table
    _execute(
        f"INSERT INTO {table} (session_id, at, kwh, power, current, requesting_power)"
        " SELECT copies.id, reading.at + make_interval(mins => copy), reading.kwh, reading.power,"
        " reading.current, reading.requesting_power"
        f" FROM {table} reading JOIN sessions_app_session one ON one.id = reading.session_id,"
        " generate_series(1, %s) copy JOIN sessions_app_session copies"
        " ON copies.ocpi_id LIKE 'copy-' || copy || '-%%'"
        " WHERE reading.session_id = %s"
        " AND copies.ocpi_id = 'copy-' || copy || '-' || substr(one.ocpi_id, 1, 8)",
        [count, cdr.session_id],
    )


def _execute(sql: str, params: list[Any]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
