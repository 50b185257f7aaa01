"""One at a time, per partner, across all processes."""

from contextlib import AbstractContextManager

from cpo_platform.common.locks import advisory_lock

# What is done one at a time; any numbers that nobody else uses.
HANDSHAKE = 731_024_503
PULL = 731_024_504
DRIFT = 731_024_505


def partner_lock(what: int, partner_id: int) -> AbstractContextManager[bool]:
    """Hold a lock of a partner while the block runs; False: somebody else has it."""
    return advisory_lock(what, partner_id % 2**31)
