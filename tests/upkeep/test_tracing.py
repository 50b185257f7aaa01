"""Traces and errors go where the environment says, without secrets."""

import gzip
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from cpo_platform.environment import BASE_DIR

Received = list[tuple[str, bytes]]

REQUEST = """
import django
from cpo_platform.wsgi import application
from django.test import Client
client = Client(HTTP_HOST="localhost", raise_request_exception=False)
client.get("/healthz", headers={"X-Correlation-ID": "their-1", "Authorization": "Token s3cret"})
from cpo_platform.common import correlation
import logging
with correlation.caused_by("tx-7"):
    s3cret_local = "s3cret"
    try:
        raise ValueError("it broke")
    except ValueError:
        logging.getLogger("roaming").exception("could not do it")
"""


@pytest.fixture
def collector() -> Iterator[tuple[str, Received]]:
    """Return the address of a server that keeps what it is sent."""
    received: Received = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            received.append((self.path, body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield f"127.0.0.1:{server.server_port}", received
    server.shutdown()
    thread.join(10)
    server.server_close()


def run(**more: str) -> None:
    """Serve a request and log an error in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", REQUEST],
        env={**os.environ, **more},
        cwd=BASE_DIR,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr


def test_traces_and_errors_are_sent_and_tell_no_secrets(collector: tuple[str, Received]) -> None:
    address, received = collector
    run(OTEL_EXPORTER_OTLP_ENDPOINT=f"http://{address}", SENTRY_DSN=f"http://key@{address}/1")
    paths = {path for path, _ in received}
    assert "/v1/traces" in paths
    assert "/api/1/envelope/" in paths
    traces = b"".join(body for path, body in received if path == "/v1/traces")
    assert b"healthz" in traces
    assert b"their-1" in traces
    errors = b"".join(body for path, body in received if path.startswith("/api/"))
    assert b"it broke" in errors
    assert b"tx-7" in errors
    assert b"s3cret" not in traces + errors


def test_nothing_is_sent_unless_somebody_is_named(collector: tuple[str, Received]) -> None:
    _address, received = collector
    run()
    assert received == []
