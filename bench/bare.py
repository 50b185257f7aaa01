"""What no framework could beat by much: the stored texts through psycopg in a WSGI callable.

One query on a connection that is kept, no authentication, no count, no header but two.
"""

import os
import threading
from collections.abc import Callable, Iterable
from typing import Any

import psycopg

PAGE = """
SELECT body FROM roaming_document WHERE module = 'locations' AND version = %s
ORDER BY object_id LIMIT %s
"""
_local = threading.local()


def application(_environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer every request with the first page."""
    connection = getattr(_local, "connection", None)
    if connection is None:
        connection = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)
        _local.connection = connection
    arguments = (os.environ["BENCH_RENDERING"], int(os.environ["BENCH_LIMIT"]))
    rows = connection.execute(PAGE, arguments).fetchall()
    body = ('{"data":[' + ",".join(row[0] for row in rows) + '],"status_code":1000}').encode()
    start_response(
        "200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    )
    return [body]
