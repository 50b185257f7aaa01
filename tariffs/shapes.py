"""The canonical form of a tariff on its way in: OCPI 2.3.0 Tariff, checked."""

from datetime import date, time
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, model_validator

from cpo_platform.common.shapes import (
    CountryCode,
    Currency,
    DateTime,
    DisplayText,
    EnergyMix,
    PartyId,
    Shape,
    Url,
    ci_string,
    listed,
)

Amount = Annotated[Decimal, Field(max_digits=12, decimal_places=4, allow_inf_nan=False)]
Limit = Annotated[Decimal, Field(max_digits=12, decimal_places=4, ge=0, allow_inf_nan=False)]


def _clock_time(value: object) -> object:
    if not isinstance(value, str):
        return value
    if len(value) != 5 or value[2] != ":":
        raise ValueError("is not a time such as 23:59 (HH:MM; the end of the day is 00:00)")
    try:
        return time.fromisoformat(value)
    except ValueError as error:
        raise ValueError("is not a time between 00:00 and 23:59") from error


def _local_date(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return date.fromisoformat(value)
    except ValueError as error:
        raise ValueError("is not a date such as 2026-12-31") from error


ClockTime = Annotated[
    time,
    BeforeValidator(_clock_time),
    PlainSerializer(lambda value: value.strftime("%H:%M"), return_type=str, when_used="json"),
]
LocalDate = Annotated[date, BeforeValidator(_local_date)]


class PriceLimitShape(Shape):
    """OCPI 2.3.0, mod_tariffs, PriceLimit."""

    before_taxes: Limit
    after_taxes: Limit | None = None


class PriceComponentShape(Shape):
    """OCPI 2.3.0, mod_tariffs, PriceComponent."""

    type: Literal["ENERGY", "FLAT", "PARKING_TIME", "TIME"]
    price: Amount
    vat: Annotated[Decimal, Field(max_digits=7, decimal_places=4, ge=0)] | None = None
    step_size: Annotated[int, Field(ge=0, le=2_147_483_647)]
    # Ours, and never sent: OCPI cannot say that parking is free for a while (`pricing.grace`).
    grace_period: Annotated[int, Field(ge=1, le=604_800)] | None = None

    @model_validator(mode="after")
    def _only_parking_has_grace(self) -> "PriceComponentShape":
        if self.grace_period and self.type != "PARKING_TIME":
            raise ValueError("grace_period: only PARKING_TIME has one")
        return self


class TariffRestrictionsShape(Shape):
    """OCPI 2.3.0, mod_tariffs, TariffRestrictions: kWh, A (all phases), kW, seconds."""

    start_time: ClockTime | None = None
    end_time: ClockTime | None = None
    start_date: LocalDate | None = None
    end_date: LocalDate | None = None
    min_kwh: Limit | None = None
    max_kwh: Limit | None = None
    min_current: Limit | None = None
    max_current: Limit | None = None
    min_power: Limit | None = None
    max_power: Limit | None = None
    min_duration: Annotated[int, Field(ge=0, le=2_147_483_647)] | None = None
    max_duration: Annotated[int, Field(ge=0, le=2_147_483_647)] | None = None
    day_of_week: (
        Annotated[
            list[
                Literal[
                    "MONDAY",
                    "TUESDAY",
                    "WEDNESDAY",
                    "THURSDAY",
                    "FRIDAY",
                    "SATURDAY",
                    "SUNDAY",
                ]
            ],
            Field(max_length=7),
        ]
        | None
    ) = None
    reservation: Literal["RESERVATION", "RESERVATION_EXPIRES"] | None = None

    @model_validator(mode="after")
    def _ranges_are_not_empty(self) -> "TariffRestrictionsShape":
        for name in ("kwh", "current", "power", "duration"):
            low, high = getattr(self, f"min_{name}"), getattr(self, f"max_{name}")
            if low is not None and high is not None and high <= low:
                raise ValueError(f"max_{name} must be greater than min_{name}")
        if self.start_date and self.end_date and self.end_date <= self.start_date:
            raise ValueError("end_date must be later than start_date (it is exclusive)")
        midnight = time(0)
        if self.start_time and self.start_time == self.end_time and self.start_time != midnight:
            raise ValueError("start_time and end_time are the same: the element never applies")
        return self


class TariffElementShape(Shape):
    """OCPI 2.3.0, mod_tariffs, TariffElement."""

    price_components: Annotated[list[PriceComponentShape], Field(min_length=1, max_length=4)]
    restrictions: TariffRestrictionsShape | None = None

    @model_validator(mode="after")
    def _one_price_per_dimension(self) -> "TariffElementShape":
        types = [component.type for component in self.price_components]
        if len(types) != len(set(types)):
            raise ValueError("price_components has two prices for one dimension")
        return self


class TariffShape(Shape):
    """OCPI 2.3.0, mod_tariffs, Tariff (with `preauthorize_amount` of the Payments extension)."""

    country_code: CountryCode
    party_id: PartyId
    id: ci_string(36)  # type: ignore[valid-type]
    currency: Currency
    type: (
        Literal["AD_HOC_PAYMENT", "PROFILE_CHEAP", "PROFILE_FAST", "PROFILE_GREEN", "REGULAR"]
        | None
    ) = None
    tariff_alt_text: listed(DisplayText) | None = None  # type: ignore[valid-type]
    tariff_alt_url: Url | None = None
    min_price: PriceLimitShape | None = None
    max_price: PriceLimitShape | None = None
    preauthorize_amount: Limit | None = None
    elements: Annotated[list[TariffElementShape], Field(min_length=1, max_length=200)]
    tax_included: Literal["YES", "NO", "N/A"] = "NO"
    start_date_time: DateTime | None = None
    end_date_time: DateTime | None = None
    energy_mix: EnergyMix | None = None

    @model_validator(mode="after")
    def _is_consistent(self) -> "TariffShape":
        start, end = self.start_date_time, self.end_date_time
        if start and end and end <= start:
            raise ValueError("end_date_time must be later than start_date_time")
        if (
            self.min_price
            and self.max_price
            and self.min_price.before_taxes > self.max_price.before_taxes
        ):
            raise ValueError("min_price is above max_price")
        return self
