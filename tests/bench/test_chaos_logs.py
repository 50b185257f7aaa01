"""What chaos makes of the logs of the platform."""

from collections import Counter

from bench.chaos import logs

LOG = """\
[WARNING] the broker is away
Traceback (most recent call last):
  File "redis/connection.py", line 1, in connect
ConnectionRefusedError: [Errno 111] Connection refused

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "redis/connection.py", line 2, in connect
redis.exceptions.ConnectionError: Error 111 connecting
[ERROR] feed 7 cannot be drained
Traceback (most recent call last):
  File "roaming/draining/jobs.py", line 3, in jobs_for
    return body["start_datetime"]
KeyError: 'start_datetime'
[ERROR] feed 8 cannot be drained
Traceback (most recent call last):
  File "roaming/draining/jobs.py", line 3, in jobs_for
KeyError
[ERROR] feed 9 cannot be drained
  + Exception Group Traceback (most recent call last):
  |   File "roaming/draining/sender.py", line 4, in send_all
  | ExceptionGroup: unhandled errors in a TaskGroup (1 sub-exception)
[WARNING] it goes on
"""


def test_the_last_error_of_each_chain_is_counted() -> None:
    found = logs.errors(LOG.splitlines())

    assert found == Counter(KeyError=2, ConnectionError=1, ExceptionGroup=1)
    assert logs.unexpected(found) == Counter(KeyError=2, ExceptionGroup=1)
