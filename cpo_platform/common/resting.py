"""What failed is left alone for a while: each try costs time, and somebody waits for it."""

import time


class Rest:
    """How long something is left alone after it failed, as far as this process knows: seconds."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._until = 0.0

    @property
    def is_on(self) -> bool:
        """Whether it failed so lately that it is not asked."""
        return time.monotonic() < self._until

    def begin(self) -> None:
        """It has just failed."""
        self._until = time.monotonic() + self.seconds
