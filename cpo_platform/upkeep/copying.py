"""Many rows out of few, in the database itself: for networks that are measured."""

from collections.abc import Mapping

from django.db import models


def insert_copies(model: type[models.Model], other: Mapping[str, str], source: str) -> str:
    """Return an INSERT of copies of `original`, a row of the model.

    `other` are SQL expressions for the columns that differ; `source` is what follows FROM, and
    names the row that is copied `original`.
    """
    options = model._meta  # noqa: SLF001  public by its documentation
    columns = [str(one.column) for one in options.local_concrete_fields if not one.primary_key]
    unknown = set(other) - set(columns)
    if unknown:
        raise ValueError(f"{options.label} has no column {', '.join(sorted(unknown))}")
    values = (other.get(column, f"original.{column}") for column in columns)
    return (
        f"INSERT INTO {options.db_table} ({', '.join(columns)})"  # noqa: S608  our own names
        f" SELECT {', '.join(values)} FROM {source}"
    )
