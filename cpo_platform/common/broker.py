"""What carries Celery's tasks: Redis, or RabbitMQ; whoever asks here need not know which.

A task that is lost with its broker is sent for again by the beat, so a broker that is away is a
warning and no failure.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from amqp.exceptions import AMQPError
from celery import current_app
from django.conf import settings
from kombu import Connection
from kombu.exceptions import KombuError

from cpo_platform.common.resting import Rest

_FAILURES = (KombuError, AMQPError, OSError)
# People and load balancers wait for it.
SECONDS = 2
# A try that took longer than this is not made again for some seconds: commits wait for it.
SLOW_SECONDS = 0.5
REST_SECONDS = 3.0
_PATIENCE: Mapping[bool, Mapping[str, int]] = {
    True: {"socket_timeout": SECONDS, "socket_connect_timeout": SECONDS},
    False: {"read_timeout": SECONDS, "write_timeout": SECONDS},
}


_rest = Rest(REST_SECONDS)


class Unreachable(Exception):
    """The broker does not answer, or refuses us."""


def send(how: Callable[..., object], **options: Any) -> None:
    """Send a task by its `apply_async`, or by `send_task` with its name bound, in one quick try.

    What was committed before must not be held up, so who calls it leaves a failure to the beat.

    Raises:
        Unreachable: the broker is away, refuses us, or takes nothing more; or it kept somebody in
            this process waiting a moment ago.

    """
    if _rest.is_on:
        raise Unreachable("it did not answer a moment ago")
    began = time.monotonic()
    try:
        how(**options, retry=False)
    except _FAILURES as error:
        if time.monotonic() - began > SLOW_SECONDS:
            _rest.begin()
        raise Unreachable(str(error)) from error


def check() -> None:
    """Make sure that the broker answers.

    Raises:
        Unreachable: it does not within some seconds.

    """
    with _connected():
        pass


def waiting(queues: Sequence[str]) -> dict[str, int]:
    """Return how many tasks wait for a worker, per queue; one that nobody has made yet has none.

    Raises:
        Unreachable: the broker does not answer within some seconds.

    """
    with _connected() as connection:
        return {queue: _waiting(connection, queue) for queue in queues}


def is_redis(url: str) -> bool:
    """Tell whether a broker is a Redis or Valkey server."""
    return url.startswith(("redis:", "rediss:"))


def _waiting(connection: Connection, queue: str) -> int:
    channel: Any
    try:
        # A channel for each: RabbitMQ closes the one that asks for a queue that is not there.
        with connection.channel() as channel:
            return int(channel.queue_declare(queue=queue, passive=True).message_count)
    except connection.channel_errors as error:
        if str(getattr(error, "reply_code", "")) != "404":
            raise
        return 0


@contextmanager
def _connected() -> Iterator[Connection]:
    """Yield a connection of its own, which gives up soon: workers' connections are patient."""
    url = settings.CELERY_BROKER_URL
    connection = current_app.connection_for_write(
        url, connect_timeout=SECONDS, transport_options=_PATIENCE[is_redis(url)]
    )
    failures: tuple[type[BaseException], ...] = (
        *_FAILURES,
        *connection.connection_errors,
        *connection.channel_errors,
    )
    try:
        with connection:
            connection.ensure_connection(max_retries=1, interval_start=0, timeout=SECONDS)
            # Of Redis, nothing has been asked before this.
            with connection.channel():
                yield connection
    except failures as error:
        raise Unreachable(str(error)) from error
