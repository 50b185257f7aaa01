"""Queries that the database prepares once for each connection."""

import pytest
from django.db import connection, transaction

from roaming.ocpi.common import sql

pytestmark = pytest.mark.django_db(transaction=True)
QUERY = "SELECT %s::int + 1"


def test_what_was_let_go_with_a_transaction_is_prepared_again() -> None:
    assert sql.rows(QUERY, (1,)) == [(2,)]
    with transaction.atomic():
        # psycopg prepares what it has seen often, and lets everything go on a rollback.
        for number in range(sql.PREPARED_AFTER + 2):
            assert sql.rows(QUERY, (number,)) == [(number + 1,)]
        transaction.set_rollback(True)
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM pg_prepared_statements WHERE name LIKE 'cpo%%'", [])
        assert cursor.fetchall() == []

    assert sql.rows(QUERY, (2,)) == [(3,)]
    assert sql.rows(QUERY, (3,)) == [(4,)]
