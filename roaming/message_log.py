"""Write down what goes over the wire: one COPY for many messages, none in a partner's way.

`write` is for workers, which have many entries at a time, or have waited for a partner anyway.
`record` is for the web: a thread writes what it is given, so that no partner waits for our log.
The log is no part of what happened: that it cannot be written stops nothing, and is counted.
Whatever is written passes by `roaming.redaction`.
"""

import atexit
import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Generic, TypeVar
from weakref import WeakSet

from django.conf import settings
from django.db import close_old_connections, connection, transaction

from cpo_platform.common import clock
from cpo_platform.common.text import storable
from roaming.client import Reply
from roaming.models.messages import MAX_LOGGED_BODY, Direction
from roaming.operations import message_log
from roaming.redaction import CREDENTIAL_MODULES, redact_body, redact_text, redact_url

__all__ = [
    "Buffer",
    "Direction",
    "Entry",
    "flush",
    "keeps",
    "record",
    "sent",
    "write",
    "write_soon",
]

logger = logging.getLogger(__name__)

_Kept = TypeVar("_Kept")

MAX_URL = 2000
MAX_ERROR = 1000
MAX_ID = 64
# Entries that wait to be written, at most; beyond that they are dropped, and counted.
CAPACITY = 10_000
# So many are written at once without waiting for more, and at most so many in one COPY.
ENOUGH = 200
MOST_AT_ONCE = 2000
# How long the first that waits, waits for others.
SECONDS = 0.5
# How long the end of a process waits for the last ones.
STOP_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Entry:
    """One exchange with a partner; bodies as they were, up to `MAX_LOGGED_BODY` bytes of each.

    `error` is empty where it went well; `http_status` is None where nothing came back.
    """

    partner_id: int
    at: datetime
    direction: str
    method: str
    url: str
    module: str = ""
    object_id: int | None = None
    version: str = ""
    http_status: int | None = None
    status_code: int | None = None
    duration_ms: int = 0
    error: str = ""
    request_id: str = ""
    correlation_id: str = ""
    request_body: bytes = b""
    response_body: bytes = b""

    @property
    def failed(self) -> bool:
        """No answer, HTTP 400 and above, or OCPI 2000 and above."""
        return bool(self.error) or (self.http_status or 0) >= 400 or (self.status_code or 0) >= 2000


def sent(
    reply: Reply,
    *,
    partner_id: int,
    at: datetime,
    module: str,
    version: str = "",
    object_id: int | None = None,
) -> Entry:
    """Return the entry of a request of ours: `at` is when its answer came, or none did."""
    request = reply.request
    return Entry(
        partner_id=partner_id,
        at=at,
        direction=Direction.OUT,
        method=request.method,
        url=request.url,
        module=module,
        object_id=object_id,
        version=version,
        http_status=reply.http_status,
        status_code=reply.status_code,
        duration_ms=reply.duration_ms,
        error="" if reply.ok else reply.reason,
        request_id=request.request_id,
        correlation_id=request.correlation_id,
        request_body=request.body or b"",
        response_body=reply.body,
    )


def keeps(*, failed: bool) -> bool:
    """Tell whether an exchange is kept, so that nobody prepares what is not."""
    kept: str = settings.MESSAGE_LOG
    return kept == "all" or (kept == "errors" and failed)


def write(entries: Sequence[Entry]) -> None:
    """Write entries, in this thread, before returning. Bodies only where they are kept.

    Never raises: the partner has its message, logged or not.
    """
    kept = [entry for entry in entries if keeps(failed=entry.failed)]
    if not kept:
        return
    try:
        _make_day(kept[-1].at.date())
        is_outermost = not connection.in_atomic_block
        with transaction.atomic(), connection.cursor() as cursor:
            if is_outermost:
                # Not worth waiting for the disk. What else a transaction holds would be.
                cursor.execute("SET LOCAL synchronous_commit TO off")
            _copy(cursor, kept)
    except Exception:
        # Not only what the database does: a message that cannot be taken apart is a partner's.
        logger.exception("%s messages were not logged", len(kept))


# Days whose partitions were looked for by this process.
_days: set[date] = set()


def _make_day(day: date) -> None:
    """Make today's partition, should the beat not have done so for days.

    Once per day and process: the default partition takes what comes while the log is too busy.
    """
    if day in _days:
        return
    if abs((day - clock.now().date()).days) <= 1:
        message_log.make_days(days=[day])
    _days.add(day)


_MESSAGES = (
    "COPY roaming_message (id, partner_id, at, direction, method, url, version, module, object_id,"
    " http_status, status_code, duration_ms, failed, error, request_id, correlation_id) FROM STDIN"
)
_BODIES = "COPY roaming_messagebody (id, at, request_body, response_body) FROM STDIN"


def _copy(cursor: Any, entries: Sequence[Entry]) -> None:
    # Ids first: a body is filed under its message's.
    cursor.execute(
        "SELECT nextval('roaming_message_log_id_seq') FROM generate_series(1, %s)", [len(entries)]
    )
    ids = [number for (number,) in cursor.fetchall()]
    with cursor.copy(_MESSAGES) as copy:
        for number, entry in zip(ids, entries, strict=True):
            copy.write_row(_row(number, entry))
    if settings.MESSAGE_BODY_DAYS:
        _copy_bodies(cursor, ids, entries)


def _copy_bodies(cursor: Any, ids: Sequence[int], entries: Sequence[Entry]) -> None:
    with cursor.copy(_BODIES) as copy:
        for number, entry in zip(ids, entries, strict=True):
            request, response = entry.request_body, entry.response_body
            if request or response:
                module = entry.module
                copy.write_row((number, entry.at, _body(module, request), _body(module, response)))


def _row(number: int, entry: Entry) -> tuple[object, ...]:
    return (
        number,
        entry.partner_id,
        entry.at,
        entry.direction,
        entry.method[:7],
        _clean(redact_url(entry.url)[:MAX_URL]),
        entry.version,
        entry.module,
        entry.object_id,
        entry.http_status,
        entry.status_code,
        entry.duration_ms,
        entry.failed,
        _clean(redact_text(entry.error)[:MAX_ERROR]) if entry.error else "",
        _clean(entry.request_id[:MAX_ID]),
        _clean(entry.correlation_id[:MAX_ID]),
    )


def _body(module: str, body: bytes) -> str:
    if not body:
        return ""
    if module not in CREDENTIAL_MODULES:
        body = body[:MAX_LOGGED_BODY]
    return _clean(redact_body(module, body.decode(errors="replace"))[:MAX_LOGGED_BODY])


def _clean(text: str) -> str:
    return text if text.isascii() and "\x00" not in text else storable(text)


_buffers: "WeakSet[Buffer[Any]]" = WeakSet()


class Buffer(Generic[_Kept]):
    """Entries that wait for a thread to `write` them. Every process has its own, and its thread."""

    def __init__(self, write: Callable[[Sequence[_Kept]], None]) -> None:
        self._write = write
        self.begin_anew()
        _buffers.add(self)

    def begin_anew(self) -> None:
        """Forget, in a forked process, the thread that stayed behind and what it will write."""
        self._waiting: deque[_Kept] = deque()
        self._dropped = 0
        self._guard = threading.Lock()
        self._writing = threading.Lock()
        self._some = threading.Event()
        self._enough = threading.Event()
        self._thread: threading.Thread | None = None
        self._ends = False

    def put(self, entry: _Kept) -> None:
        """Take an entry; drop it where the database does not keep up, rather than wait."""
        with self._guard:
            if len(self._waiting) >= CAPACITY:
                self._dropped += 1
                return
            self._waiting.append(entry)
            count = len(self._waiting)
            if self._thread is None and settings.MESSAGE_LOG_THREAD:
                self._start()
        if count >= ENOUGH:
            self._enough.set()
        self._some.set()

    def flush(self) -> None:
        """Write all that waits, in this thread."""
        with self._writing:
            for entries in self._take():
                self._write(entries)
            with self._guard:
                dropped, self._dropped = self._dropped, 0
        if dropped:
            logger.warning("%s messages were not logged: too many came at once", dropped)

    def _take(self) -> Iterator[list[_Kept]]:
        while self._waiting:
            with self._guard:
                count = min(len(self._waiting), MOST_AT_ONCE)
                entries = [self._waiting.popleft() for _ in range(count)]
            yield entries

    def _start(self) -> None:
        # A daemon: it must not keep a process from ending. What waits then is written at exit.
        self._thread = threading.Thread(target=self._run, name="message-log", daemon=True)
        self._thread.start()
        atexit.register(self.stop)

    def stop(self) -> None:
        """Have the thread write what waits, and end it."""
        self._ends = True
        self._some.set()
        self._enough.set()
        if self._thread is not None:
            self._thread.join(STOP_SECONDS)

    def _run(self) -> None:
        while not self._ends:
            self._some.wait()
            self._enough.wait(SECONDS)
            self._some.clear()
            self._enough.clear()
            # The connection is this thread's own; the database may have closed it meanwhile.
            close_old_connections()
            try:
                self.flush()
            except Exception:
                # One entry that cannot be written must not be the last that anybody sees.
                logger.exception("messages were not logged")
        connection.close()


_buffer = Buffer(write)


def _begin_anew() -> None:
    for buffer in _buffers:
        buffer.begin_anew()


os.register_at_fork(after_in_child=_begin_anew)


def write_soon(entries: Sequence[Entry]) -> None:
    """Write many entries at once, and have a few written soon: a COPY for each few is too dear."""
    if len(entries) >= ENOUGH or not settings.MESSAGE_LOG_THREAD:
        write(entries)
        return
    for entry in entries:
        record(entry)


def record(entry: Entry) -> None:
    """Have an entry written soon, without waiting for it."""
    _buffer.put(entry)


def flush() -> None:
    """Write, in this thread, what was recorded."""
    _buffer.flush()
