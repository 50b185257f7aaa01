"""What both versions share in reading meter values: numbers, units, phases, times.

| what a station sends | rule |
|---|---|
| no measurand, no unit | Energy.Active.Import.Register, and Wh, W or A |
| a value for all phases and some for each | the one for all counts |
| values for phases only | L1, L2 and L3 are added |
| a place other than Outlet | ignored: it is not what the driver gets |
| several contexts in one meter value | a sample for each |
| no number, negative, or larger than anything there is | dropped, with a finding |
| a time without a zone | UTC |
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, localcontext
from typing import Any

from cpo_platform.common import clock
from cpo_platform.common.saying import say
from ocpp_gateway.facts import Code, Finding, Sample, SignedValue

_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]{1,3})?")
# Longer ones would be rounded by decimal's own precision of 28 digits.
_MOST_DIGITS = 24
_MOST_MULTIPLIER = 12
# Clocks begin in 1970; what is far off could not even be shifted.
_YEARS = range(1970, 2100)


@dataclass(frozen=True, slots=True)
class RawValue:
    """One sampled value as it was sent, with the defaults of its version filled in."""

    value: object
    measurand: str = "Energy.Active.Import.Register"
    unit: str | None = None
    multiplier: int = 0
    phase: str = ""
    location: str = "Outlet"
    context: str = "Sample.Periodic"


@dataclass(frozen=True, slots=True)
class _Quantity:
    """A measurand that we read: powers of ten by unit, and more than there can be."""

    name: str
    default_unit: str
    powers: Mapping[str, int]
    limit: Decimal


_QUANTITIES = {
    "Energy.Active.Import.Register": _Quantity(
        "kwh", "Wh", {"wh": -3, "kwh": 0}, Decimal(1_000_000_000)
    ),
    "Power.Active.Import": _Quantity("power_kw", "W", {"w": -3, "kw": 0}, Decimal(100_000)),
    "Current.Import": _Quantity("current_a", "A", {"a": 0}, Decimal(100_000)),
}


@dataclass(slots=True)
class _Values:
    """What one context told: the value for all phases, or those of each."""

    whole: dict[str, Decimal] = field(default_factory=dict)
    phases: dict[tuple[str, str], Decimal] = field(default_factory=dict)

    def get(self, name: str) -> Decimal | None:
        if name in self.whole:
            return self.whole[name]
        parts = [value for (named, _), value in self.phases.items() if named == name]
        with localcontext(prec=2 * _MOST_DIGITS):
            return sum(parts, Decimal(0)) if parts else None


def moment(text: object) -> datetime | None:
    """Return a time in UTC, or None where it is none."""
    try:
        parsed = datetime.fromisoformat(str(text).strip())
    except ValueError:
        return None
    if parsed.year not in _YEARS:
        return None
    return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)


def stamp(text: object) -> tuple[datetime | None, tuple[Finding, ...]]:
    """Return the time of a message, None where it has none that can be read."""
    if text is None:
        return None, ()
    at = moment(text)
    if at is not None:
        return at, ()
    saying = say("No time: %(text)s. The arrival counts.", text=f"{text!r:.60}")
    return None, (Finding(Code.BAD_TIME, saying),)


def register(wh: int, name: str) -> tuple[int | None, tuple[Finding, ...]]:
    """Return a register in whole Wh, None where it cannot be right; `name` is its field's."""
    limit = _QUANTITIES["Energy.Active.Import.Register"].limit
    if 0 <= wh <= limit * 1000:
        # 12345.0 is an integer to JSON Schema.
        return int(wh), ()
    saying = say("%(name)s was dropped: %(value)s.", name=name, value=f"{wh!s:.20} Wh")
    return None, (Finding(Code.BAD_VALUE, saying),)


def of_message(
    meter_values: Iterable[Mapping[str, Any]],
    raw: Callable[[Mapping[str, Any]], RawValue | None],
    signed: Callable[[datetime, Mapping[str, Any]], SignedValue | None],
) -> tuple[tuple[Sample, ...], tuple[Finding, ...]]:
    """Return the samples of a message's meter values, and what was dropped.

    `raw` and `signed` read one sampled value of a version; None: it is none of that kind.
    """
    found: list[Sample] = []
    findings: list[Finding] = []
    for meter_value in meter_values:
        at = moment(meter_value["timestamp"])
        if at is None:
            saying = say(
                "Samples of no time were dropped: %(text)s.",
                text=f"{meter_value['timestamp']!r:.60}",
            )
            findings.append(Finding(Code.BAD_TIME, saying))
            continue
        values = meter_value["sampledValue"]
        signed_values = [one for value in values if (one := signed(at, value)) is not None]
        raw_values = [item for value in values if (item := raw(value)) is not None]
        of_moment, dropped = samples(at, raw_values, signed_values)
        found += of_moment
        findings += dropped
    return tuple(found), tuple(findings)


def samples(
    at: datetime, values: Iterable[RawValue], signed: Sequence[SignedValue] = ()
) -> tuple[list[Sample], list[Finding]]:
    """Return the samples of one meter value, one for each context, and what was dropped."""
    by_context: dict[str, _Values] = {}
    findings: list[Finding] = []
    for raw in values:
        quantity = _QUANTITIES.get(raw.measurand)
        if quantity is None or raw.location != "Outlet":
            continue
        value = _amount(raw, quantity)
        if value is None:
            findings.append(_bad(at, raw))
            continue
        told = by_context.setdefault(raw.context, _Values())
        if not raw.phase:
            told.whole.setdefault(quantity.name, value)
        elif raw.phase in {"L1", "L2", "L3", "L1-N", "L2-N", "L3-N"}:
            told.phases.setdefault((quantity.name, raw.phase[:2]), value)
    contexts = dict.fromkeys([*by_context, *(item.context for item in signed)])
    found = [
        _sample(at, context, by_context.get(context, _Values()), signed) for context in contexts
    ]
    return found, findings


def _sample(at: datetime, context: str, values: _Values, signed: Iterable[SignedValue]) -> Sample:
    return Sample(
        at=at,
        kwh=values.get("kwh"),
        power_kw=values.get("power_kw"),
        current_a=values.get("current_a"),
        context=context,
        signed=tuple(item for item in signed if item.context == context),
    )


def _amount(raw: RawValue, quantity: _Quantity) -> Decimal | None:
    """Return a value in our unit, exactly; None: it cannot be right."""
    power = quantity.powers.get((raw.unit or quantity.default_unit).casefold())
    text = str(raw.value).strip()
    if power is None or abs(raw.multiplier) > _MOST_MULTIPLIER or not _NUMBER.fullmatch(text):
        return None
    number = Decimal(text)
    if len(number.as_tuple().digits) > _MOST_DIGITS:
        return None
    number = number.scaleb(power + raw.multiplier)
    return abs(number) if 0 <= number <= quantity.limit else None


def _bad(at: datetime, raw: RawValue) -> Finding:
    unit = f" {raw.unit}" if raw.unit else ""
    times = f" x 10^{raw.multiplier}" if raw.multiplier else ""
    saying = say(
        "%(name)s of %(at)s was dropped: %(value)s.",
        name=raw.measurand,
        at=clock.in_utc(at),
        value=f"{raw.value!s:.40}{times}{unit}",
    )
    return Finding(Code.BAD_VALUE, saying)
