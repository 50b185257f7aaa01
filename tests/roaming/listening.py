"""A partner that listens: keeps what it is sent, and answers as it is told to."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from cpo_platform.common.json import loads

Json = dict[str, Any]


@dataclass(frozen=True)
class Heard:
    """One request: `path` with its query."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class Listener:
    """Answers 200 and 1000 to everything, unless `answers` has something else for the next one."""

    url: str = ""
    heard: list[Heard] = field(default_factory=list)
    answers: list[tuple[int, Json, dict[str, str]]] = field(default_factory=list)

    def lines(self) -> list[str]:
        """Return what was heard so far: `PUT /chargingprofiles/S1`."""
        return [f"{one.method} {one.path}" for one in self.heard]


@contextmanager
def listening() -> Iterator[Listener]:
    """Listen on a free port of this machine."""
    listener = Listener()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # An answer goes out in one piece: what follows a first one waits for its acknowledgement.
        wbufsize = -1

        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            raw = self.rfile.read(length)
            body = loads(raw) if raw else None
            listener.heard.append(Heard(self.command, self.path, dict(self.headers), body))
            status, document, headers = (
                listener.answers.pop(0)
                if listener.answers
                else (200, {"status_code": 1000, "timestamp": "2026-06-01T08:00:00Z"}, {})
            )
            answer = json.dumps(document).encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = _answer  # noqa: N815  the base's names

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base's name
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    listener.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield listener
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def silence() -> Iterator[str]:
    """Take connections on a free port, and never say a word; return the URL."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
