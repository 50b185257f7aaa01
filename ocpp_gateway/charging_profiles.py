"""Charging profiles of OCPI as OCPP has them, and what a station plans as OCPI has it.

Both mean the same by their units: W is the power of all phases together, A the current of each
(OCPI 2.2.1, mod_charging_profiles, ChargingRateUnit; OCPP 1.6, 7.12, ChargingRateUnitType; OCPP
2.0.1, part 2, ChargingRateUnitEnumType).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_DOWN, Decimal
from typing import Any

from cpo_platform.common.json import format_datetime
from cpo_platform.common.shapes import ActiveChargingProfile, ChargingProfile, parse
from ocpp_gateway.frames import Version

Json = dict[str, Any]

# Of a transaction there is one profile of ours: the lowest level is one that every station has.
STACK_LEVEL = 0
# What OCPP takes for granted where it is not said how many phases a car is given.
USUAL_PHASES = 3
# OCPI 2.3.0, mod_charging_profiles: so many periods do we tell.
MOST_PERIODS = 1000
_TENTH = Decimal("0.1")


@dataclass(frozen=True)
class Supply:
    """What a connector gives at most; `phases` is 0 where it is DC."""

    watts: Decimal
    amperes: Decimal
    phases: int


def to_set(
    version: Version,
    profile: ChargingProfile,
    *,
    number: dict[str, Any],
    profile_id: int,
    transaction_id: int | str,
    supply: Supply,
) -> Json:
    """Return the SetChargingProfile of a transaction (OCPP 1.6, 5.16; OCPP 2.0.1, K01).

    `number` is how the version names the connector or EVSE, `profile_id` what it replaces.
    """
    told: Json = {
        "transactionId": transaction_id,
        "stackLevel": STACK_LEVEL,
        "chargingProfilePurpose": "TxProfile",
        # Without a start it counts from the start of charging, in both.
        "chargingProfileKind": "Relative" if profile.start_date_time is None else "Absolute",
    }
    schedule = _schedule(profile, supply)
    if version is Version.V1_6:
        told |= {"chargingProfileId": profile_id, "chargingSchedule": schedule}
        return {**number, "csChargingProfiles": told}
    told |= {"id": profile_id, "chargingSchedule": [{"id": profile_id, **schedule}]}
    return {**number, "chargingProfile": told}


def active(
    version: Version, answer: Mapping[str, Any], *, duration: int, now: datetime
) -> ActiveChargingProfile:
    """Return what a station answered to GetCompositeSchedule (OCPP 1.6, 6.22; OCPP 2.0.1, K08).

    A start that it does not tell is `now`, a duration the one that was asked for; so is one that
    is longer, as some tell that of the whole profile.

    Raises:
        ShapeError: it makes no sense.

    """
    is_1_6 = version is Version.V1_6
    schedule = answer.get("chargingSchedule" if is_1_6 else "schedule", {})
    start = schedule.get("scheduleStart") or answer.get("scheduleStart") or now
    start = schedule.get("startSchedule", start) if is_1_6 else start
    return _active(
        start,
        min(int(schedule.get("duration", duration)), duration),
        schedule.get("chargingRateUnit"),
        [
            {"start_period": int(one["startPeriod"]), "limit": _tenths(one["limit"])}
            for one in schedule.get("chargingSchedulePeriod", [])
        ],
    )


def unlimited(supply: Supply, *, duration: int, now: datetime) -> ActiveChargingProfile:
    """Return what a connector can give while nothing limits it."""
    return _active(now, duration, "W", [{"start_period": 0, "limit": _tenths(supply.watts)}])


def _active(
    start: datetime | str, duration: int, unit: str | None, periods: list[Json]
) -> ActiveChargingProfile:
    if len(periods) > MOST_PERIODS:
        # What does not fit is not told, rather than told wrongly.
        duration = periods[MOST_PERIODS]["start_period"]
    if isinstance(start, datetime):
        start = start.replace(microsecond=0)
    return parse(
        ActiveChargingProfile,
        {
            "start_date_time": start,
            "charging_profile": {
                "start_date_time": start,
                "duration": duration,
                "charging_rate_unit": unit,
                "charging_profile_period": periods[:MOST_PERIODS],
            },
        },
    )


def _schedule(profile: ChargingProfile, supply: Supply) -> Json:
    schedule: Json = {
        "chargingRateUnit": profile.charging_rate_unit,
        "chargingSchedulePeriod": _periods(profile, supply),
    }
    if profile.duration is not None:
        schedule["duration"] = profile.duration
    if profile.start_date_time is not None:
        schedule["startSchedule"] = format_datetime(profile.start_date_time)
    if profile.min_charging_rate is not None:
        schedule["minChargingRate"] = profile.min_charging_rate
    return schedule


def _periods(profile: ChargingProfile, supply: Supply) -> list[Json]:
    """Return the periods in order; the first is at 0, as OCPP demands."""
    told = sorted(profile.charging_profile_period or [], key=lambda one: one.start_period)
    periods = [{"startPeriod": one.start_period, "limit": one.limit} for one in told]
    if not periods or periods[0]["startPeriod"] != 0:
        most = supply.watts if profile.charging_rate_unit == "W" else supply.amperes
        periods.insert(0, {"startPeriod": 0, "limit": _tenths(most)})
    if supply.phases in {0, USUAL_PHASES}:
        return periods
    return [{**period, "numberPhases": supply.phases} for period in periods]


def _tenths(value: Any) -> Decimal:
    # Down, since it is a maximum. Of a float its shortest text counts.
    return Decimal(str(value)).quantize(_TENTH, ROUND_DOWN)
