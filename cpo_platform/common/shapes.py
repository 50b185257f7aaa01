"""OCPI's data classes as checked Python types, in the canonical (2.3.0) spelling.

Every class that comes in from outside (a file, a partner, a form) is parsed by one of these, and
every JSON column holds the plain form of one. Unknown fields are ignored, as OCPI 2.3.0 demands
(transport_and_format: a platform SHALL NOT reject undocumented field names).
"""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Annotated, Any, Literal, TypeVar, cast
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from cpo_platform.common.clock import truncate
from cpo_platform.common.json import format_datetime

T = TypeVar("T")


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a value: where (`evses[0].status`) and why."""

    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}" if self.path else self.reason


class ShapeError(ValueError):
    """A value does not have its shape; `problems` lists every place."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(str(problem) for problem in self.problems))


def parse(shape: type[T], value: object) -> T:
    """Return `value` as an instance of `shape`.

    Raises:
        ShapeError: with the path and the reason of every problem.

    """
    try:
        parsed: T = _adapter(cast("Hashable", shape)).validate_python(value)
    except ValidationError as error:
        raise ShapeError(_problems(error)) from error
    return parsed


def normalise(shape: Any, value: object) -> Any:
    """Return `value` in the plain JSON form of `shape`: checked, absent fields left out.

    Raises:
        ShapeError: as `parse`.

    """
    return plain(shape, parse(shape, value))


def plain(shape: Any, value: object) -> Any:
    """Return the plain JSON form of an instance of `shape`; decimals become strings."""
    return _adapter(shape).dump_python(value, mode="json", exclude_none=True)


@cache
def _adapter(shape: Hashable) -> TypeAdapter[Any]:
    return TypeAdapter(cast("Any", shape))


def _problems(error: ValidationError) -> list[Problem]:
    return [
        Problem(path=path_text(item["loc"]), reason=_reason(item))
        for item in error.errors(include_url=False)
    ]


def _reason(item: Mapping[str, Any]) -> str:
    if item["type"] == "missing":
        return "is required"
    if item["type"] in {"model_type", "dict_type", "model_attributes_type"}:
        return "must be an object"
    if item["type"] == "string_pattern_mismatch":
        return _PATTERNS.get(item["ctx"]["pattern"], str(item["msg"]).lower())
    reason = str(item["msg"]).removeprefix("Value error, ").removeprefix("Input ")
    return reason[:1].lower() + reason[1:]


def path_text(location: Iterable[int | str]) -> str:
    """Return `evses[0].status` for `("evses", 0, "status")`."""
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def parse_datetime(value: object) -> object:
    """Return an aware UTC datetime from an OCPI DateTime string; no designator means UTC."""
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str):
        raise ValueError("must be a string, an OCPI DateTime such as 2026-01-31T23:59:59Z")  # noqa: TRY004  pydantic wants it
    try:
        moment = datetime.fromisoformat(value.strip())
    except ValueError as error:
        raise ValueError(
            "is not an OCPI DateTime such as 2026-01-31T23:59:59Z (RFC 3339, UTC)"
        ) from error
    if "T" not in value.upper():
        raise ValueError("is a date without a time; an OCPI DateTime has both")
    try:
        return truncate(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except OverflowError as error:
        raise ValueError("is before the year 1 or after the year 9999 in UTC") from error


def _known_time_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError("is not an IANA time zone name such as Europe/Amsterdam") from error
    return value


def _web_url(value: str) -> str:
    if not value.lower().startswith(("http://", "https://")):
        raise ValueError("is not a URL that starts with http:// or https://")
    return value


_CONTROL_FREE = r"^[^\x00-\x1f\x7f]*$"
_ASCII = r"^[\x20-\x7e]+$"


def string(length: int) -> Any:
    """Return the type `string(length)`: case-sensitive, no control characters."""
    return Annotated[str, StringConstraints(max_length=length, pattern=_CONTROL_FREE)]


def ci_string(length: int) -> Any:
    """Return the type `CiString(length)`: printable ASCII, at least one character."""
    return Annotated[str, StringConstraints(min_length=1, max_length=length, pattern=_ASCII)]


DateTime = Annotated[
    datetime,
    BeforeValidator(parse_datetime),
    PlainSerializer(format_datetime, return_type=str, when_used="json"),
]
Url = Annotated[
    str, StringConstraints(max_length=255, pattern=_CONTROL_FREE), AfterValidator(_web_url)
]
Number = Annotated[Decimal, Field(max_digits=20, allow_inf_nan=False)]
OpenEnum = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[\x21-\x7e]+$")]
TimeZone = Annotated[
    str, StringConstraints(min_length=1, max_length=255), AfterValidator(_known_time_zone)
]
Language = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2}$")]
CountryCode = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2}$")]
CountryAlpha3 = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
PartyId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]{3}$")]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
ClockTime = Annotated[str, StringConstraints(pattern=r"^([0-1][0-9]|2[0-3]):[0-5][0-9]$")]
LocalDate = Annotated[str, StringConstraints(pattern=r"^[12][0-9]{3}-(0[1-9]|1[0-2])-[0-3][0-9]$")]
Latitude = Annotated[str, StringConstraints(pattern=r"^-?[0-9]{1,2}\.[0-9]{5,7}$", max_length=11)]
Longitude = Annotated[str, StringConstraints(pattern=r"^-?[0-9]{1,3}\.[0-9]{5,7}$", max_length=12)]


class Shape(BaseModel):
    """The base of every OCPI class: immutable, unknown fields ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class DisplayText(Shape):
    """OCPI 2.3.0, types, DisplayText."""

    language: Language
    text: string(512)  # type: ignore[valid-type]


class Image(Shape):
    """OCPI 2.3.0, mod_locations, Image."""

    url: Url
    thumbnail: Url | None = None
    category: OpenEnum
    type: ci_string(4)  # type: ignore[valid-type]
    width: Annotated[int, Field(ge=0, le=99999)] | None = None
    height: Annotated[int, Field(ge=0, le=99999)] | None = None


class BusinessDetails(Shape):
    """OCPI 2.3.0, mod_locations, BusinessDetails."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=_CONTROL_FREE)]
    website: Url | None = None
    logo: Image | None = None


class GeoLocation(Shape):
    """OCPI 2.3.0, mod_locations, GeoLocation: WGS 84, decimal degrees, as strings."""

    latitude: Latitude
    longitude: Longitude

    @model_validator(mode="after")
    def _is_on_earth(self) -> "GeoLocation":
        if abs(Decimal(self.latitude)) > 90:
            raise ValueError("latitude must be between -90 and 90")
        if abs(Decimal(self.longitude)) > 180:
            raise ValueError("longitude must be between -180 and 180")
        return self


class AdditionalGeoLocation(GeoLocation):
    """OCPI 2.3.0, mod_locations, AdditionalGeoLocation."""

    name: DisplayText | None = None


class RegularHours(Shape):
    """OCPI 2.3.0, mod_locations, RegularHours: local time, 1 is Monday."""

    weekday: Annotated[int, Field(ge=1, le=7)]
    period_begin: ClockTime
    period_end: ClockTime

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> "RegularHours":
        if self.period_end <= self.period_begin:
            raise ValueError(
                "period_end must be later than period_begin: hours over midnight are two entries"
            )
        return self


class ExceptionalPeriod(Shape):
    """OCPI 2.3.0, mod_locations, ExceptionalPeriod: UTC."""

    period_begin: DateTime
    period_end: DateTime

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> "ExceptionalPeriod":
        if self.period_end <= self.period_begin:
            raise ValueError("period_end must be later than period_begin")
        return self


class Hours(Shape):
    """OCPI 2.3.0, mod_locations, Hours."""

    twentyfourseven: bool
    regular_hours: list[RegularHours] | None = None
    exceptional_openings: list[ExceptionalPeriod] | None = None
    exceptional_closings: list[ExceptionalPeriod] | None = None

    @model_validator(mode="after")
    def _has_hours_unless_always_open(self) -> "Hours":
        if not self.twentyfourseven and not self.regular_hours:
            raise ValueError("regular_hours is required when twentyfourseven is false")
        return self


class StatusSchedule(Shape):
    """OCPI 2.3.0, mod_locations, StatusSchedule."""

    period_begin: DateTime
    period_end: DateTime | None = None
    status: OpenEnum


class EnergySource(Shape):
    """OCPI 2.3.0, mod_locations, EnergySource: a percentage of the mix."""

    source: Literal[
        "NUCLEAR", "GENERAL_FOSSIL", "COAL", "GAS", "GENERAL_GREEN", "SOLAR", "WIND", "WATER"
    ]
    percentage: Annotated[Decimal, Field(ge=0, le=100)]


class EnvironmentalImpact(Shape):
    """OCPI 2.3.0, mod_locations, EnvironmentalImpact: g/kWh."""

    category: OpenEnum
    amount: Number


class EnergyMix(Shape):
    """OCPI 2.3.0, mod_locations, EnergyMix; percentages add up to 100."""

    is_green_energy: bool
    energy_sources: list[EnergySource] | None = None
    environ_impact: list[EnvironmentalImpact] | None = None
    supplier_name: string(64) | None = None  # type: ignore[valid-type]
    energy_product_name: string(64) | None = None  # type: ignore[valid-type]

    @model_validator(mode="after")
    def _adds_up(self) -> "EnergyMix":
        if self.energy_sources and sum(s.percentage for s in self.energy_sources) != 100:
            raise ValueError("the percentages of energy_sources must add up to 100")
        return self


class PublishTokenType(Shape):
    """OCPI 2.3.0, mod_locations, PublishTokenType."""

    uid: ci_string(36) | None = None  # type: ignore[valid-type]
    type: OpenEnum | None = None
    visual_number: string(64) | None = None  # type: ignore[valid-type]
    issuer: string(64) | None = None  # type: ignore[valid-type]
    group_id: ci_string(36) | None = None  # type: ignore[valid-type]

    @model_validator(mode="after")
    def _identifies_a_token(self) -> "PublishTokenType":
        if not (self.uid or self.visual_number or self.group_id):
            raise ValueError("one of uid, visual_number and group_id is required")
        if self.uid and not self.type:
            raise ValueError("type is required with uid")
        if self.visual_number and not self.issuer:
            raise ValueError("issuer is required with visual_number")
        return self


class EnergyContract(Shape):
    """OCPI 2.3.0, mod_tokens, EnergyContract."""

    supplier_name: string(64)  # type: ignore[valid-type]
    contract_id: string(64) | None = None  # type: ignore[valid-type]


class CdrToken(Shape):
    """OCPI 2.2.1, mod_cdrs, CdrToken: the token that a session was started with."""

    country_code: CountryCode
    party_id: PartyId
    uid: ci_string(36)  # type: ignore[valid-type]
    type: OpenEnum
    contract_id: ci_string(36)  # type: ignore[valid-type]


class ChargingPreferences(Shape):
    """OCPI 2.3.0, mod_sessions, ChargingPreferences: `energy_need` is kWh."""

    profile_type: Literal["CHEAP", "FAST", "GREEN", "REGULAR"]
    departure_time: DateTime | None = None
    energy_need: Annotated[Number, Field(ge=0)] | None = None
    discharge_allowed: bool = False


class ChargingProfilePeriod(Shape):
    """OCPI 2.3.0, mod_charging_profiles, ChargingProfilePeriod: seconds; W, or A per phase."""

    start_period: Annotated[int, Field(ge=0, le=31_536_000)]
    limit: Annotated[Number, Field(decimal_places=1)]


class ChargingProfile(Shape):
    """OCPI 2.3.0, mod_charging_profiles, ChargingProfile: a maximum, not a target.

    `W` is the total power, `A` the current of each phase.
    """

    start_date_time: DateTime | None = None
    duration: Annotated[int, Field(ge=0, le=31_536_000)] | None = None
    charging_rate_unit: Literal["W", "A"]
    min_charging_rate: Annotated[Number, Field(ge=0, decimal_places=1)] | None = None
    charging_profile_period: (
        Annotated[list[ChargingProfilePeriod], Field(max_length=1000)] | None
    ) = None


class ActiveChargingProfile(Shape):
    """OCPI 2.3.0, mod_charging_profiles, ActiveChargingProfile: as the station calculated it."""

    start_date_time: DateTime
    charging_profile: ChargingProfile


class CdrDimension(Shape):
    """OCPI 2.3.0, mod_cdrs, CdrDimension: kWh, hours, kW or A."""

    type: OpenEnum
    volume: Number


class SignedValue(Shape):
    """OCPI 2.3.0, mod_cdrs, SignedValue."""

    nature: ci_string(32)  # type: ignore[valid-type]
    plain_data: string(5000)  # type: ignore[valid-type]
    signed_data: string(5000)  # type: ignore[valid-type]


class SignedData(Shape):
    """OCPI 2.3.0, mod_cdrs, SignedData."""

    encoding_method: ci_string(36)  # type: ignore[valid-type]
    encoding_method_version: int | None = None
    public_key: string(512) | None = None  # type: ignore[valid-type]
    signed_values: Annotated[list[SignedValue], Field(min_length=1)]
    url: string(512) | None = None  # type: ignore[valid-type]


def listed(item: Any) -> Any:
    """Return the type of a list of `item`, bounded so that a partner cannot fill the memory."""
    return Annotated[list[item], Field(max_length=1000)]


JsonObject = dict[str, Any]

_PATTERNS = {
    _CONTROL_FREE: "must not hold line breaks, tabs or control characters",
    _ASCII: "must be printable ASCII",
    r"^[A-Za-z]{2}$": "must be two letters",
    r"^[A-Z]{3}$": "must be three capital letters",
    r"^[A-Za-z0-9]{3}$": "must be three letters or digits",
    r"^([0-1][0-9]|2[0-3]):[0-5][0-9]$": "must be a time such as 23:59",
    r"^-?[0-9]{1,2}\.[0-9]{5,7}$": "must be a latitude such as 52.370216",
    r"^-?[0-9]{1,3}\.[0-9]{5,7}$": "must be a longitude such as 4.895168",
}
