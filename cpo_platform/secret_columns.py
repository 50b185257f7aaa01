"""Every column that holds a secret we have to read again, and is encrypted for that.

What we only compare is kept as a digest or a hash, and is not here: the tokens that partners call
us with (`PartnerToken.digest`), passwords of stations and of people. Keys of TLS are files; other
secrets are settings. A new column is added to `COLUMNS`; a test names those that look like one.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db import transaction
from django.db.models import QuerySet

from cpo_platform.common import secrets

ROWS_AT_ONCE = 200
# Members of the JSON that allauth keeps of a second factor.
MEMBERS = ("secret", "seed", "migrated_codes")


@dataclass(frozen=True)
class Column:
    """A column: how its secrets are changed, all of one value."""

    model: str
    name: str
    map: Callable[[Any, Callable[[str], str]], Any]

    def __str__(self) -> str:
        return f"{self.model}.{self.name}"

    @property
    def rows(self) -> QuerySet[Any]:
        rows: QuerySet[Any] = apps.get_model(self.model)._default_manager.all()  # noqa: SLF001
        return rows


@dataclass(frozen=True)
class Failure:
    """A row whose secret no key opens: it is left as it is."""

    column: Column
    pk: Any


def _text(value: str, change: Callable[[str], str]) -> str:
    return change(value) if value else value


def _second_factor(value: dict[str, Any], change: Callable[[str], str]) -> dict[str, Any]:
    return {
        name: _member(member, change) if name in MEMBERS else member
        for name, member in value.items()
    }


def _member(member: Any, change: Callable[[str], str]) -> Any:
    return [change(one) for one in member] if isinstance(member, list) else change(member)


COLUMNS = (
    Column("roaming.Partner", "token_encrypted", _text),
    Column("roaming.Partner", "previous_token_encrypted", _text),
    Column("alerting.Channel", "secret_encrypted", _text),
    Column("mfa.Authenticator", "data", _second_factor),
)


def outdated(column: Column) -> Iterator[Any]:
    """Yield the keys of rows whose secret is not under the first of FIELD_ENCRYPTION_KEYS."""
    for pk, value in column.rows.order_by("pk").values_list("pk", column.name):
        if _is_outdated(column, value):
            yield pk


def rotate(column: Column) -> Iterator[int | Failure]:
    """Encrypt what is outdated anew; yield how many of each batch were, and what cannot be read.

    Each batch is a transaction: what was done stays done, and is not done again.
    """
    batch: list[Any] = []
    for pk in [*outdated(column)]:
        batch.append(pk)
        if len(batch) == ROWS_AT_ONCE:
            yield from _rotate(column, batch)
            batch = []
    yield from _rotate(column, batch)


@transaction.atomic
def _rotate(column: Column, keys: list[Any]) -> list[int | Failure]:
    done, failed = 0, []
    rows = column.rows.select_for_update().filter(pk__in=keys).order_by("pk")
    for row in rows:
        try:
            value = column.map(getattr(row, column.name), secrets.renew)
        except secrets.Undecipherable:
            failed.append(Failure(column, row.pk))
            continue
        # By UPDATE of this column alone: nothing that the row means has changed.
        column.rows.filter(pk=row.pk).update(**{column.name: value})
        done += 1
    return [done, *failed]


def _is_outdated(column: Column, value: Any) -> bool:
    found: list[bool] = []

    def look(text: str) -> str:
        found.append(not secrets.is_current(text))
        return text

    column.map(value, look)
    return any(found)
