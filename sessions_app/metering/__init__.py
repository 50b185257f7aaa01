"""Turn meter readings of a session into the segments that the pricing engine reads.

Nothing here fails because a meter did: every oddity has a rule (`registers`), and is flagged.
"""

from sessions_app.metering.readings import InvalidMetering, Reading
from sessions_app.metering.segments import MAX_GAP, MeteredUse, metered_use
from sessions_app.metering.states import NO_BOUNDS, LevelBounds

__all__ = [
    "MAX_GAP",
    "NO_BOUNDS",
    "InvalidMetering",
    "LevelBounds",
    "MeteredUse",
    "Reading",
    "metered_use",
]
