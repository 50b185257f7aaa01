"""A client that costs little: keep-alive connections over plain sockets, a thread each."""

import socket
import threading
import time
from dataclasses import dataclass, field

BUFFER = 1 << 18
HEADER_END = b"\r\n\r\n"


@dataclass(frozen=True)
class Target:
    """Where to send the one request, again and again."""

    port: int
    path: str
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def request(self) -> bytes:
        lines = [f"GET {self.path} HTTP/1.1", f"Host: localhost:{self.port}"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        return "\r\n".join([*lines, "", ""]).encode()


@dataclass
class Result:
    """Seconds of each answer, and how long the round took in all."""

    seconds: list[float] = field(default_factory=list)
    lasted: float = 0.0
    status: str = ""
    length: int = 0

    @property
    def rate(self) -> float:
        return len(self.seconds) / self.lasted


def measure(target: Target, *, seconds: float, connections: int) -> Result:
    """Send requests over some connections for some seconds; every answer must be of one status."""
    results = [Result() for _ in range(connections)]
    until = time.perf_counter() + seconds
    threads = [threading.Thread(target=_repeat, args=(target, until, result)) for result in results]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    whole = Result(lasted=time.perf_counter() - began)
    for result in results:
        whole.seconds += result.seconds
        whole.status, whole.length = result.status, result.length
    if len({result.status for result in results}) != 1:
        raise RuntimeError(f"{target.path}: answers differ in their status")
    return whole


def fetch(target: Target) -> tuple[str, bytes]:
    """Return the status line and the body of one answer."""
    with socket.create_connection(("127.0.0.1", target.port), timeout=30) as connection:
        connection.sendall(target.request)
        head, body, length = _head(connection)
        while len(body) < length:
            body += connection.recv(BUFFER)
        return head.partition("\r\n")[0], body


def _repeat(target: Target, until: float, result: Result) -> None:
    request, buffer = target.request, bytearray(BUFFER)
    with socket.create_connection(("127.0.0.1", target.port), timeout=30) as connection:
        while time.perf_counter() < until:
            began = time.perf_counter()
            connection.sendall(request)
            head, body, length = _head(connection)
            missing = length - len(body)
            while missing > 0:
                missing -= connection.recv_into(buffer)
            result.seconds.append(time.perf_counter() - began)
            status = head.partition("\r\n")[0]
            if result.status not in {"", status}:
                raise RuntimeError(f"{target.path}: {status} after {result.status}")
            result.status, result.length = status, length


def _head(connection: socket.socket) -> tuple[str, bytes, int]:
    received = b""
    while HEADER_END not in received:
        part = connection.recv(BUFFER)
        if not part:
            raise RuntimeError("the server closed the connection")
        received += part
    head, _end, body = received.partition(HEADER_END)
    text = head.decode("latin-1")
    lengths = [
        int(line.partition(":")[2])
        for line in text.split("\r\n")
        if line.lower().startswith("content-length:")
    ]
    return text, body, lengths[0] if lengths else 0
