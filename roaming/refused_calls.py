"""Have calls that were refused for their token counted: they are of no partner's messages.

`record` keeps nobody waiting: a thread writes what it is given, as with messages. Whether the
database takes it or not, the call has its answer.
"""

import logging
from collections.abc import Sequence

from roaming import message_log
from roaming.message_log import Buffer
from roaming.operations import refused_calls
from roaming.operations.refused_calls import Refusal, Shown

__all__ = ["Refusal", "Shown", "flush", "record", "write"]

logger = logging.getLogger(__name__)


def write(refusals: Sequence[Refusal]) -> None:
    """Count calls, in this thread, before returning. Never raises."""
    try:
        refused_calls.add(refusals=refusals)
    except Exception:
        logger.exception("%s refused calls were not counted", len(refusals))


_buffer = Buffer(write)


def record(refusal: Refusal) -> None:
    """Have a call counted soon, where anything is written down (`MESSAGE_LOG`)."""
    if message_log.keeps(failed=True):
        _buffer.put(refusal)


def flush() -> None:
    """Count, in this thread, what was recorded."""
    _buffer.flush()
