"""One kept-alive connection that speaks HTTP/1.1: a request, then its answer, then the next one.

httptools (llhttp) takes answers apart. What is here is when an answer is complete, what is too
long, and whether the connection may be used again: with anything amiss it is closed.
"""

import asyncio
import zlib

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser
from multidict import CIMultiDict

# What is not body: status line, headers, trailers, and what is between chunks. Of the latter there
# may be some for each byte of the body.
MOST_HEAD = 64 * 1024
MOST_BESIDE_A_BYTE = 8
TOO_LONG = "the answer is larger than"
# Below it are answers that another one follows: 100 Continue, 103 Early Hints.
FINAL = 200
GZIP = zlib.MAX_WBITS | 16


class NoAnswer(ConnectionError):
    """The connection ended before the answer did."""


class ClosedBefore(NoAnswer):
    """The connection ended before a byte of the answer came, as it may when it was idle."""


class Received:
    """An answer as it comes in. What is named `on_...` is called by the parser."""

    def __init__(self, most_bytes: int) -> None:
        self.status = 0
        self.headers: CIMultiDict[str] = CIMultiDict()
        self.is_begun = self.is_complete = False
        # Whether another request may follow on the same connection.
        self.is_last = True
        self._most_bytes = most_bytes
        self._chunks: list[bytes] = []
        self._beside = self._size = 0
        self._has_head = False
        self._parser = HttpResponseParser(self)

    def feed(self, data: bytes) -> None:
        """Take what has arrived.

        Raises:
            ValueError: it is not HTTP, or too long.

        """
        self.is_begun = True
        before = self._size
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade as error:
            raise ValueError("the answer changes the protocol") from error
        except HttpParserError as error:
            if not self.is_complete:
                raise ValueError(f"the answer is not HTTP: {error}") from error
            # Nonsense behind it.
            self.is_last = True
        # By the piece: of a header without an end the parser says nothing.
        self._beside += len(data) - (self._size - before)
        if self._beside > MOST_HEAD + MOST_BESIDE_A_BYTE * self._size:
            raise ValueError(f"the head of {TOO_LONG} {MOST_HEAD} bytes")
        if self._size > self._most_bytes:
            raise ValueError(f"{TOO_LONG} {self._most_bytes} bytes")

    def end(self) -> None:
        """Take the end of the connection, which is the end of an answer that has no length."""
        has_length = "Content-Length" in self.headers or "Transfer-Encoding" in self.headers
        self.is_complete = self.is_complete or (self._has_head and not has_length)

    def body(self) -> bytes:
        """Return the body as it was before it was compressed.

        Raises:
            ValueError: it cannot be, or is too long then.

        """
        body = b"".join(self._chunks)
        coding = self.headers.get("Content-Encoding", "identity").strip().lower()
        if coding in {"identity", ""} or not body:
            return body
        if coding not in {"gzip", "x-gzip"}:
            raise ValueError(f"the answer has a Content-Encoding that nobody asked for: {coding}")
        try:
            return self._inflated(body)
        except zlib.error as error:
            raise ValueError(f"the answer is not gzip: {error}") from error

    def _inflated(self, rest: bytes) -> bytes:
        plain = b""
        while rest:
            member = zlib.decompressobj(GZIP)
            plain += member.decompress(rest, self._most_bytes + 1 - len(plain))
            if len(plain) > self._most_bytes:
                raise ValueError(f"{TOO_LONG} {self._most_bytes} bytes")
            if not member.eof:
                raise ValueError("the answer ends within its gzip")
            rest = member.unused_data
        return plain

    def on_message_begin(self) -> None:
        if self.is_complete:
            # A second answer, to nothing that was asked.
            self.is_last = True

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._has_head:
            self.headers.add(name.decode("latin-1"), value.decode("utf-8", "surrogateescape"))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status >= FINAL and not self.is_complete:
            self.status, self._has_head = status, True

    def on_body(self, body: bytes) -> None:
        if self.is_complete:
            return
        self._size += len(body)
        if self._size <= self._most_bytes:
            self._chunks.append(body)

    def on_message_complete(self) -> None:
        if self.is_complete:
            return
        if not self._has_head:
            # The answer itself is still to come.
            self.headers.clear()
            return
        self.is_complete = True
        self.is_last = not self._parser.should_keep_alive()


class Connection(asyncio.Protocol):
    """A connection, for one request at a time."""

    def __init__(self) -> None:
        # When the last answer came (time.monotonic), for whoever keeps idle ones.
        self.used_at = 0.0
        self._transport: asyncio.Transport | None = None
        self._received: Received | None = None
        self._waiter: asyncio.Future[None] | None = None

    @property
    def is_open(self) -> bool:
        """Whether another request may be sent."""
        return self._transport is not None and not self._transport.is_closing()

    async def exchange(self, request: bytes, *, most_bytes: int) -> Received:
        """Send a request, as it goes over the wire, and return its answer.

        The connection is closed if anything is wrong, and if whoever waits is cancelled.

        Raises:
            NoAnswer: the connection ended.
            ValueError: the answer is not HTTP, or has more than `most_bytes`.

        """
        assert self._transport is not None  # noqa: S101
        assert self._waiter is None  # noqa: S101
        received = self._received = Received(most_bytes)
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            if self.is_open:
                self._transport.write(request)
            else:
                self._settle(ClosedBefore("the connection was closed"))
            await self._waiter
        except BaseException:
            self.close()
            raise
        finally:
            self._waiter = self._received = None
        # Who answers before it has read all of the request is at another place than we are.
        if received.is_last or self._transport.get_write_buffer_size():
            self.close()
        return received

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # of TCP or TLS: both write

    def data_received(self, data: bytes) -> None:
        if self._received is None:
            # Nobody asked: it must not be taken for the answer to the next request.
            self.close()
            return
        try:
            self._received.feed(data)
        except ValueError as error:
            self._settle(error)
        else:
            if self._received.is_complete:
                self._settle()

    def eof_received(self) -> None:
        if self._received is not None:
            self._received.end()

    def connection_lost(self, error: Exception | None) -> None:
        if self._received is None:
            return
        if self._received.is_complete:
            self._settle()
            return
        kind = NoAnswer if self._received.is_begun else ClosedBefore
        self._settle(kind(str(error or "the connection was closed before the end of the answer")))

    def _settle(self, error: Exception | None = None) -> None:
        if self._waiter is None or self._waiter.done():
            return
        if error is None:
            self._waiter.set_result(None)
        else:
            self._waiter.set_exception(error)
