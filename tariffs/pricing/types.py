"""What the pricing engine reads: the canonical tariff (OCPI 2.3.0 spelling) and metered segments.

Older wire forms are converted into this one at the edge. A tariff is frozen into a JSON column
when a session starts: `Tariff.to_json` and `Tariff.from_json` are exact inverses, with numbers
as strings.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, TypeVar

JsonObject = Mapping[str, Any]

_Member = TypeVar("_Member", bound=StrEnum)
_Parsed = TypeVar("_Parsed")

# Amounts, kWh, kW and A are below this power of ten, and have at most so many decimals.
MOST_DIGITS = 8
MOST_PLACES = 12

_TIME = re.compile("([01][0-9]|2[0-3]):[0-5][0-9]")


class InvalidTariff(ValueError):
    """A tariff holds something that cannot be priced; the message names the field and the rule."""


class InvalidSegment(ValueError):
    """A stretch of metered use contradicts itself; the message names the field and the rule."""


class TaxIncluded(StrEnum):
    """Say whether the prices of a tariff hold taxes (OCPI 2.3.0, mod_tariffs, TaxIncluded)."""

    YES = "YES"
    NO = "NO"
    NOT_APPLICABLE = "N/A"


class TariffType(StrEnum):
    """Say which sessions a tariff is for (OCPI 2.3.0, mod_tariffs, TariffType)."""

    AD_HOC_PAYMENT = "AD_HOC_PAYMENT"
    PROFILE_CHEAP = "PROFILE_CHEAP"
    PROFILE_FAST = "PROFILE_FAST"
    PROFILE_GREEN = "PROFILE_GREEN"
    REGULAR = "REGULAR"


class TariffDimensionType(StrEnum):
    """Name what a price component charges for (OCPI 2.3.0, mod_tariffs, TariffDimensionType)."""

    FLAT = "FLAT"
    ENERGY = "ENERGY"
    TIME = "TIME"
    PARKING_TIME = "PARKING_TIME"


class DayOfWeek(StrEnum):
    """Name a weekday; the order is that of `date.weekday()`."""

    MONDAY = "MONDAY"
    TUESDAY = "TUESDAY"
    WEDNESDAY = "WEDNESDAY"
    THURSDAY = "THURSDAY"
    FRIDAY = "FRIDAY"
    SATURDAY = "SATURDAY"
    SUNDAY = "SUNDAY"


class ReservationRestrictionType(StrEnum):
    """Say which reservations an element prices (OCPI 2.3.0, mod_tariffs)."""

    RESERVATION = "RESERVATION"
    RESERVATION_EXPIRES = "RESERVATION_EXPIRES"


class Phase(StrEnum):
    """Say what the driver does in a segment.

    A reservation that expired unused is `RESERVATION_EXPIRES` for the whole of its time.
    """

    SESSION = "SESSION"
    RESERVATION = "RESERVATION"
    RESERVATION_EXPIRES = "RESERVATION_EXPIRES"

    @property
    def is_reservation(self) -> bool:
        """Tell whether the station is held for the driver and not in use."""
        return self is not Phase.SESSION


class LineKind(StrEnum):
    """Say where the amount of a line comes from."""

    COMPONENT = "COMPONENT"
    GRACE = "GRACE"
    MIN_PRICE = "MIN_PRICE"
    MAX_PRICE = "MAX_PRICE"


@dataclass(frozen=True, slots=True)
class PriceLimit:
    """Bound the total of a session, before and after taxes independently."""

    before_taxes: Decimal
    after_taxes: Decimal | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the OCPI 2.3.0 shape with numbers as strings."""
        return _without_none(
            {"before_taxes": _text(self.before_taxes), "after_taxes": _text(self.after_taxes)}
        )

    @classmethod
    def from_json(cls, data: JsonObject) -> "PriceLimit":
        """Read the OCPI 2.3.0 shape.

        Raises:
            InvalidTariff: a number is missing or not exact.
        """
        if not isinstance(data, Mapping):
            raise InvalidTariff("min_price, max_price: must be an object")
        return cls(_required(data, "before_taxes"), _decimal(data, "after_taxes"))


@dataclass(frozen=True, slots=True)
class PriceComponent:
    """Price one dimension: per kWh, per hour, or once for FLAT.

    `vat` is a percentage. `step_size` counts Wh or seconds; 0 and 1 mean no rounding that matters.
    `grace_period` is ours, OCPI has no such thing: seconds of parking, added up over the session,
    that cost nothing before PARKING_TIME is charged (`tariffs.pricing.grace`).

    Raises:
        InvalidTariff: a negative rate, a grace period of another dimension, or a negative one.
    """

    type: TariffDimensionType
    price: Decimal
    vat: Decimal | None = None
    step_size: int = 1
    grace_period: int = 0

    def __post_init__(self) -> None:
        if self.vat is not None and self.vat < 0:
            raise InvalidTariff("vat: must not be negative")
        if self.grace_period < 0:
            raise InvalidTariff("grace_period: must not be negative")
        if self.grace_period and self.type is not TariffDimensionType.PARKING_TIME:
            raise InvalidTariff("grace_period: only PARKING_TIME has one")

    def to_json(self) -> dict[str, Any]:
        """Return the OCPI 2.3.0 shape with numbers as strings."""
        return _without_none(
            {
                "type": self.type.value,
                "price": _text(self.price),
                "vat": _text(self.vat),
                "step_size": self.step_size,
                "grace_period": self.grace_period or None,
            }
        )

    @classmethod
    def from_json(cls, data: JsonObject) -> "PriceComponent":
        """Read the OCPI 2.3.0 shape.

        Raises:
            InvalidTariff: a field is missing or unreadable.
        """
        step_size = _integer(data, "step_size")
        if step_size is None or step_size < 0:
            raise InvalidTariff("step_size: a whole number of at least 0 is required")
        return cls(
            type=_required_member(TariffDimensionType, data, "type"),
            price=_required(data, "price"),
            vat=_decimal(data, "vat"),
            step_size=step_size,
            grace_period=_integer(data, "grace_period") or 0,
        )


@dataclass(frozen=True, slots=True)
class TariffRestrictions:
    """Say when an element applies; all given fields must hold (OCPI 2.3.0, TariffRestrictions).

    Times and dates are local to the Location; durations are seconds, power kW, current A summed
    over the phases. Lower bounds are inclusive, upper bounds exclusive.

    Raises:
        InvalidTariff: `start_time` equals `end_time` and is not midnight (OCPI leaves it open
            whether that is the whole day or nothing).
    """

    start_time: time | None = None
    end_time: time | None = None
    start_date: date | None = None
    end_date: date | None = None
    min_kwh: Decimal | None = None
    max_kwh: Decimal | None = None
    min_current: Decimal | None = None
    max_current: Decimal | None = None
    min_power: Decimal | None = None
    max_power: Decimal | None = None
    min_duration: int | None = None
    max_duration: int | None = None
    day_of_week: frozenset[DayOfWeek] = frozenset()
    reservation: ReservationRestrictionType | None = None

    def __post_init__(self) -> None:
        if self.start_time is not None and self.start_time == self.end_time != time(0):
            raise InvalidTariff("end_time: must differ from start_time, unless both are 00:00")

    def to_json(self) -> dict[str, Any]:
        """Return the OCPI 2.3.0 shape with numbers as strings."""
        return _without_none(
            {
                "start_time": self.start_time and self.start_time.strftime("%H:%M"),
                "end_time": self.end_time and self.end_time.strftime("%H:%M"),
                "start_date": self.start_date and self.start_date.isoformat(),
                "end_date": self.end_date and self.end_date.isoformat(),
                "min_kwh": _text(self.min_kwh),
                "max_kwh": _text(self.max_kwh),
                "min_current": _text(self.min_current),
                "max_current": _text(self.max_current),
                "min_power": _text(self.min_power),
                "max_power": _text(self.max_power),
                "min_duration": self.min_duration,
                "max_duration": self.max_duration,
                "day_of_week": [day.value for day in DayOfWeek if day in self.day_of_week] or None,
                "reservation": self.reservation and self.reservation.value,
            }
        )

    @classmethod
    def from_json(cls, data: JsonObject) -> "TariffRestrictions":
        """Read the OCPI 2.3.0 shape.

        Raises:
            InvalidTariff: a field is unreadable.
        """
        days = data.get("day_of_week") or ()
        if not isinstance(days, list | tuple):
            raise InvalidTariff("day_of_week: must be a list")
        return cls(
            start_time=_time(data, "start_time"),
            end_time=_time(data, "end_time"),
            start_date=_date(data, "start_date"),
            end_date=_date(data, "end_date"),
            day_of_week=frozenset(_as_member(DayOfWeek, day, "day_of_week") for day in days),
            reservation=_member(ReservationRestrictionType, data, "reservation"),
            min_kwh=_decimal(data, "min_kwh"),
            max_kwh=_decimal(data, "max_kwh"),
            min_current=_decimal(data, "min_current"),
            max_current=_decimal(data, "max_current"),
            min_power=_decimal(data, "min_power"),
            max_power=_decimal(data, "max_power"),
            min_duration=_integer(data, "min_duration"),
            max_duration=_integer(data, "max_duration"),
        )


@dataclass(frozen=True, slots=True)
class TariffElement:
    """Group price components that apply under the same restrictions."""

    price_components: tuple[PriceComponent, ...]
    restrictions: TariffRestrictions = field(default_factory=TariffRestrictions)

    def to_json(self) -> dict[str, Any]:
        """Return the OCPI 2.3.0 shape with numbers as strings."""
        return _without_none(
            {
                "price_components": [component.to_json() for component in self.price_components],
                "restrictions": self.restrictions.to_json() or None,
            }
        )

    @classmethod
    def from_json(cls, data: JsonObject) -> "TariffElement":
        """Read the OCPI 2.3.0 shape.

        Raises:
            InvalidTariff: a field is missing or unreadable.
        """
        components = data.get("price_components")
        if not components:
            raise InvalidTariff("price_components: at least one is required")
        return cls(
            price_components=tuple(PriceComponent.from_json(item) for item in components),
            restrictions=TariffRestrictions.from_json(data.get("restrictions") or {}),
        )


@dataclass(frozen=True, slots=True)
class Tariff:
    """Hold everything of a tariff that its price depends on (OCPI 2.3.0, mod_tariffs, Tariff)."""

    id: str
    currency: str
    elements: tuple[TariffElement, ...]
    tax_included: TaxIncluded
    min_price: PriceLimit | None = None
    max_price: PriceLimit | None = None
    type: TariffType | None = None
    start_date_time: datetime | None = None
    end_date_time: datetime | None = None

    def __post_init__(self) -> None:
        if not self.elements:
            raise InvalidTariff("elements: at least one is required")

    def to_json(self) -> dict[str, Any]:
        """Return the OCPI 2.3.0 shape with numbers as strings, for a JSON column."""
        return _without_none(
            {
                "id": self.id,
                "currency": self.currency,
                "type": self.type and self.type.value,
                "min_price": self.min_price and self.min_price.to_json(),
                "max_price": self.max_price and self.max_price.to_json(),
                "elements": [element.to_json() for element in self.elements],
                "tax_included": self.tax_included.value,
                "start_date_time": _moment_text(self.start_date_time),
                "end_date_time": _moment_text(self.end_date_time),
            }
        )

    @classmethod
    def from_json(cls, data: JsonObject) -> "Tariff":
        """Read the OCPI 2.3.0 shape; fields that have no influence on the price are ignored.

        Numbers may be strings, ints or Decimals, never floats.

        Raises:
            InvalidTariff: a field is missing or unreadable.
        """
        for name in ("id", "currency"):
            if not isinstance(data.get(name), str):
                raise InvalidTariff(f"{name}: a text is required")
        limits = {
            name: PriceLimit.from_json(data[name]) if data.get(name) else None
            for name in ("min_price", "max_price")
        }
        return cls(
            id=data["id"],
            currency=data["currency"],
            elements=tuple(TariffElement.from_json(item) for item in data.get("elements") or ()),
            tax_included=_required_member(TaxIncluded, data, "tax_included"),
            type=_member(TariffType, data, "type"),
            start_date_time=_moment(data, "start_date_time"),
            end_date_time=_moment(data, "end_date_time"),
            **limits,
        )


@dataclass(frozen=True, slots=True)
class Segment:
    """Hold a stretch of use with a constant state; energy flows evenly over it.

    `energy` is kWh, `power` kW, `current` A summed over the phases. None means not known: a
    restriction on an unknown value does not match. `requesting_power` False is parking: the
    *vehicle* asks for nothing (a pause of the station is charging time). `start` and `end` are
    kept in UTC. `billable` is the time that is charged for where it is another than the time that
    passed: a CDR tells both.

    Raises:
        InvalidSegment: naive datetimes, an end before the start, negative energy or time, or
            energy during a reservation.
    """

    start: datetime
    end: datetime
    energy: Decimal = Decimal(0)
    power: Decimal | None = None
    current: Decimal | None = None
    requesting_power: bool = True
    phase: Phase = Phase.SESSION
    billable: timedelta | None = None

    def __post_init__(self) -> None:
        for name in ("start", "end"):
            moment = getattr(self, name)
            if moment.tzinfo is None:
                raise InvalidSegment(f"{name}: must be an aware datetime")
            # Subtracting datetimes of one local zone ignores a DST change between them.
            object.__setattr__(self, name, moment.astimezone(UTC))
        if self.end < self.start:
            raise InvalidSegment("end: must not be before start")
        if self.energy < 0:
            raise InvalidSegment("energy: must not be negative")
        if self.billable is not None and self.billable < timedelta(0):
            raise InvalidSegment("billable: must not be negative")
        if self.energy and self.phase.is_reservation:
            raise InvalidSegment("energy: none flows during a reservation")


def _without_none(data: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in data.items() if value is not None}


def _text(value: Decimal | None) -> str | None:
    return None if value is None else str(value)


def _moment_text(value: datetime | None) -> str | None:
    return None if value is None else value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def is_plausible(number: Decimal, digits: int = MOST_DIGITS) -> bool:
    """Tell whether a number is finite and short enough to be computed with, exactly and soon."""
    if not number.is_finite():
        return False
    exponent = number.as_tuple().exponent
    assert isinstance(exponent, int)  # noqa: S101  as that of every finite number
    return number.adjusted() < digits and exponent >= -MOST_PLACES


def _decimal(data: JsonObject, name: str, digits: int = MOST_DIGITS) -> Decimal | None:
    value = data.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise InvalidTariff(f"{name}: must be an exact number, not {type(value).__name__}")
    try:
        number = Decimal(value)
    except InvalidOperation as error:
        raise InvalidTariff(f"{name}: {value!r} is not a number") from error
    if not is_plausible(number, digits):
        raise InvalidTariff(
            f"{name}: must be finite, below 10^{digits}, and of at most {MOST_PLACES} decimals"
        )
    return number


def _required(data: JsonObject, name: str) -> Decimal:
    number = _decimal(data, name)
    if number is None:
        raise InvalidTariff(f"{name}: a number is required")
    return number


def _integer(data: JsonObject, name: str) -> int | None:
    number = _decimal(data, name, digits=10)
    if number is None:
        return None
    if number != number.to_integral_value():
        raise InvalidTariff(f"{name}: must be a whole number")
    return int(number)


def _as_member(kind: type[_Member], value: object, name: str) -> _Member:
    try:
        return kind(str(value))
    except ValueError as error:
        raise InvalidTariff(f"{name}: {value!r} is not one of {', '.join(kind)}") from error


def _member(kind: type[_Member], data: JsonObject, name: str) -> _Member | None:
    value = data.get(name)
    return None if value is None else _as_member(kind, value, name)


def _required_member(kind: type[_Member], data: JsonObject, name: str) -> _Member:
    return _as_member(kind, data.get(name), name)


def _time(data: JsonObject, name: str) -> time | None:
    value = data.get(name)
    if value is None:
        return None
    # 24:00 is not a time in OCPI: the end of the day is 00:00.
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        raise InvalidTariff(f"{name}: must look like 13:30")
    return time.fromisoformat(value)


def _date(data: JsonObject, name: str) -> date | None:
    return _parsed(data, name, date.fromisoformat)


def _moment(data: JsonObject, name: str) -> datetime | None:
    moment = _parsed(data, name, datetime.fromisoformat)
    if moment is None or moment.tzinfo is not None:
        return moment
    # OCPI datetimes are UTC, with or without the Z.
    return moment.replace(tzinfo=UTC)


def _parsed(data: JsonObject, name: str, parse: Callable[[str], _Parsed]) -> _Parsed | None:
    value = data.get(name)
    if value is None:
        return None
    try:
        return parse(value)
    except (TypeError, ValueError) as error:
        raise InvalidTariff(f"{name}: {value!r} is not a date in ISO 8601") from error
