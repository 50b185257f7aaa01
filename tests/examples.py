"""How many examples tests look at that draw them by hypothesis."""

import os

from hypothesis import settings

# `make search` looks at many times as many, and by chance.
TIMES = int(os.environ.get("EXAMPLES", "1"))


def examples(number: int) -> settings:
    """Return what makes a test look at this many examples, or at EXAMPLES times as many."""
    return settings(max_examples=number * TIMES)
