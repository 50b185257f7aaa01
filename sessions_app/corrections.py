"""What staff says of a session that its meter, its station or its tariff got wrong.

A correction changes what goes into the pricing engine, never the price that comes out of it: a
corrected bill can be computed again by whoever gets it, as every other bill.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from sessions_app.metering import Reading
from tariffs.pricing.types import Segment

NO_PARKING = "-NP"
LONGEST_ID = 36
_PRECISION = Decimal("0.0001")
_MICROSECOND = timedelta(microseconds=1)


class ImpossibleCorrection(ValueError):
    """The correction contradicts itself or the session; `field` names what is to blame."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field, self.reason = field, reason


@dataclass(frozen=True, slots=True)
class Correction:
    """What is to be billed instead of what was measured; None and empty: as it was.

    `energy` is the total in kWh. `tariff_id` is a row of ours, taken with its present content.
    `without_readings` are the moments of readings that do not count.
    """

    energy: Decimal | None = None
    start: datetime | None = None
    end: datetime | None = None
    without_parking: bool = False
    tariff_id: int | None = None
    without_readings: frozenset[datetime] = frozenset()

    @property
    def is_empty(self) -> bool:
        return self == Correction()

    def to_json(self) -> dict[str, Any]:
        """Return what is corrected, and nothing of the rest."""
        document = {
            "energy": None if self.energy is None else f"{self.energy:f}",
            "start": self.start and _text(self.start),
            "end": self.end and _text(self.end),
            "without_parking": self.without_parking or None,
            "tariff_id": self.tariff_id,
            "without_readings": sorted(map(_text, self.without_readings)) or None,
        }
        return {name: value for name, value in document.items() if value is not None}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Correction":
        """Read what `to_json` wrote."""
        energy, start, end = (document.get(name) for name in ("energy", "start", "end"))
        return cls(
            energy=None if energy is None else Decimal(energy),
            start=None if start is None else datetime.fromisoformat(start),
            end=None if end is None else datetime.fromisoformat(end),
            without_parking=bool(document.get("without_parking")),
            tariff_id=document.get("tariff_id"),
            without_readings=frozenset(
                map(datetime.fromisoformat, document.get("without_readings", ()))
            ),
        )


def usable(readings: Sequence[Reading], correction: Correction) -> list[Reading]:
    """Return the readings that count."""
    return [reading for reading in readings if reading.at not in correction.without_readings]


def spread(
    segments: Sequence[Segment], energy: Decimal | None, *, power_kw: Decimal | None = None
) -> tuple[Segment, ...]:
    """Return the segments with another total of energy, as it was spread before.

    A segment counts with no more than the connector's power could have given in it: where a meter
    jumped, not all of it belongs into that minute. Where nothing was measured it flows evenly while
    the vehicle asked for power, or over the whole time where it never did. The power of a segment
    is then what its energy comes to.

    Raises:
        ImpossibleCorrection: energy, and no time in which it could have flowed.
    """
    if energy is None:
        return tuple(segments)
    weights = _weights(segments, power_kw)
    total = sum(weights, Fraction(0))
    if not total:
        if energy:
            raise ImpossibleCorrection("energy", "there is no time in which it could have flowed")
        return tuple(segments)
    spread_segments, given, weight_so_far = [], Decimal(0), Fraction(0)
    for segment, weight in zip(segments, weights, strict=True):
        # By the running total, so that the parts add up exactly.
        weight_so_far += weight
        until = _decimal(Fraction(energy) * weight_so_far / total)
        part, given = until - given, until
        spread_segments.append(replace(segment, energy=part, power=_power(segment, part)))
    return tuple(spread_segments)


def _weights(segments: Sequence[Segment], power_kw: Decimal | None) -> list[Fraction]:
    used = [not segment.phase.is_reservation for segment in segments]
    measured = [_believable(segment, power_kw) for segment in segments]
    times = [
        Fraction((segment.end - segment.start) // _MICROSECOND) if uses else Fraction(0)
        for segment, uses in zip(segments, used, strict=True)
    ]
    charging = [
        time if segment.requesting_power else Fraction(0)
        for segment, time in zip(segments, times, strict=True)
    ]
    return next((weights for weights in (measured, charging) if any(weights)), times)


def _believable(segment: Segment, power_kw: Decimal | None) -> Fraction:
    measured = Fraction(segment.energy)
    if power_kw is None:
        return measured
    time = Fraction((segment.end - segment.start) // _MICROSECOND, 3600 * 10**6)
    return min(measured, Fraction(power_kw) * time)


def _power(segment: Segment, energy: Decimal) -> Decimal | None:
    duration = (segment.end - segment.start) // _MICROSECOND
    if segment.phase.is_reservation or not duration:
        return segment.power
    return _decimal(Fraction(energy) * 3600 * 10**6 / duration)


def _decimal(value: Fraction) -> Decimal:
    return (Decimal(value.numerator) / Decimal(value.denominator)).quantize(_PRECISION)


def without_parking(tariff: Mapping[str, Any]) -> dict[str, Any]:
    """Return a tariff (canonical JSON) that charges nothing for parking; its id says so.

    Another id, since a partner must not read two prices under one: all of the CDR is priced by the
    tariff that it holds. One that charges nothing else costs nothing then.
    """
    elements = [_without_parking_component(element) for element in tariff["elements"]]
    if elements == list(tariff["elements"]):
        return dict(tariff)
    left = [element for element in elements if element["price_components"]]
    free = {"price_components": [{"type": "FLAT", "price": "0", "step_size": 1}]}
    name = tariff["id"][: LONGEST_ID - len(NO_PARKING)] + NO_PARKING
    return {**tariff, "id": name, "elements": left or [free]}


def _without_parking_component(element: Mapping[str, Any]) -> dict[str, Any]:
    kept = [one for one in element["price_components"] if one["type"] != "PARKING_TIME"]
    return {**element, "price_components": kept}


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()
