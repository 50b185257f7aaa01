"""What a meter says, and when."""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal


class InvalidMetering(ValueError):
    """The bounds or a reading of a session make no sense; the message names the field."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Hold what the meter showed at one moment.

    `kwh` is the cumulative register, `power_kw` the power, `current_a` A summed over the phases.
    `requesting_power` tells whether the vehicle asks for power; a pause of the station is not
    parking. `stamped_at` is what the station's clock said, where we did not believe it. Moments
    are kept in UTC.

    Raises:
        InvalidMetering: a naive datetime.
    """

    at: datetime
    kwh: Decimal
    power_kw: Decimal | None = None
    current_a: Decimal | None = None
    requesting_power: bool = True
    stamped_at: datetime | None = None

    def __post_init__(self) -> None:
        if self.at.tzinfo is None:
            raise InvalidMetering("at: must be an aware datetime")
        object.__setattr__(self, "at", self.at.astimezone(UTC))
