"""What operations of every app share: how they tell what they did."""

from enum import Enum


class Outcome(Enum):
    """What a put did to the object it names."""

    CREATED = "created"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
