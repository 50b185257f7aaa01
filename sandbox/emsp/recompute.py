"""Compute a CDR's total again, from nothing but the CDR: an outsider's check of the bill.

OCPI 2.2.1, mod_tariffs: per dimension the first matching element; `step_size` once per session, on
the last component of the group; then VAT, then min_price and max_price. Restrictions are evaluated
at the start of each ChargingPeriod: a CPO starts a new one when another component takes over.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import ROUND_CEILING, Decimal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sandbox.emsp.wire import Json, parse_date_time

_TOLERANCE = Decimal("0.01")
_ZERO = Decimal(0)
_UNITS = {"ENERGY": Decimal(1000), "TIME": Decimal(3600), "PARKING_TIME": Decimal(3600)}
_UNIT_NAMES = {"ENERGY": "kWh", "TIME": "h", "PARKING_TIME": "h", "FLAT": ""}
_RESERVATION_TIME = "RESERVATION_TIME"
_SESSION, _RESERVED, _EXPIRED = "session", "reservation", "expired"
# Which elements price a phase, in the order they are looked through (their `reservation`).
# OCPI 2.2.1, mod_tariffs: after the expiry both kinds count, RESERVATION_EXPIRES first.
_SEARCHED: dict[str, tuple[str | None, ...]] = {
    _SESSION: (None,),
    _RESERVED: ("RESERVATION",),
    _EXPIRED: ("RESERVATION_EXPIRES", "RESERVATION"),
}


@dataclass(kw_only=True)
class Line:
    """One line of the bill: `billed` (kWh, hours or 1) times `price`, plus `vat` percent.

    `inclusive`: the price has its VAT in it already (OCPI 2.3.0, Tariff.tax_included YES).
    """

    dimension: str
    tariff_id: str
    used: Decimal
    billed: Decimal
    price: Decimal
    vat: Decimal | None
    step_size: int
    inclusive: bool = False

    @property
    def unit(self) -> str:
        """Name the unit of the amounts."""
        return _UNIT_NAMES[self.dimension]

    @property
    def net(self) -> Decimal:
        """Return the cost before VAT."""
        cost = self.billed * self.price
        return cost / self._rate if self.inclusive else cost

    @property
    def gross(self) -> Decimal:
        """Return the cost with VAT."""
        return self.net * self._rate

    @property
    def _rate(self) -> Decimal:
        return 1 + (self.vat or _ZERO) / 100


@dataclass(kw_only=True)
class Recomputation:
    """Hold the lines, the totals and remarks; `agrees` compares within a cent."""

    lines: list[Line]
    net: Decimal
    gross: Decimal
    stated_net: Decimal
    stated_gross: Decimal | None
    remarks: list[str]

    @property
    def agrees(self) -> bool:
        """Answer whether the CPO's total is ours (a credit CDR states it negated)."""
        nets = abs(abs(self.stated_net) - self.net) <= _TOLERANCE
        gross = self.stated_gross
        return nets and (gross is None or abs(abs(gross) - self.gross) <= _TOLERANCE)


@dataclass(kw_only=True)
class _Moment:
    """The state of the session at the start of a period."""

    local: datetime
    seconds: Decimal
    kwh: Decimal
    volumes: dict[str, Decimal]
    expired: bool = False


@dataclass
class _Bill:
    lines: dict[tuple[int, str], Line] = field(default_factory=dict)
    last: dict[str, Line] = field(default_factory=dict)

    def add(self, tariff: Json, component: Json, amount: Decimal, group: str) -> None:
        dimension = component["type"]
        key = (id(component), group)
        line = self.lines.get(key)
        if line is None:
            vat = component.get("vat")
            line = self.lines[key] = Line(
                dimension=dimension,
                tariff_id=tariff["id"],
                used=_ZERO,
                billed=_ZERO,
                price=Decimal(str(component["price"])),
                vat=None if vat is None else Decimal(str(vat)),
                step_size=component["step_size"],
                inclusive=tariff.get("tax_included") == "YES",
            )
        line.used += amount
        line.billed += amount
        self.last[group] = line

    def round_up(self) -> None:
        """Apply step_size once per group, to the total of the last line's dimension."""
        for group, line in self.last.items():
            if line.dimension not in _UNITS or line.step_size <= 0:
                continue
            same = [
                other.used
                for (_, other_group), other in self.lines.items()
                if other_group == group and other.dimension == line.dimension
            ]
            step = Decimal(line.step_size) / _UNITS[line.dimension]
            total = sum(same, _ZERO)
            units = total * _UNITS[line.dimension]
            # Hours with 4 decimals are a third of a second off: 40 minutes arrive as 2400.12 s.
            if line.dimension != "ENERGY":
                units = units.quantize(Decimal(1))
            steps = (units / line.step_size).to_integral_value(rounding=ROUND_CEILING)
            line.billed += steps * step - total


def recompute(cdr: Json, time_zone: str = "UTC") -> Recomputation | None:
    """Compute the total of a CDR in the form of `reading`; None when it embeds no tariff.

    `time_zone` (IANA) is the one of the location: the CDR itself does not hold it.
    """
    tariffs = {tariff["id"].lower(): tariff for tariff in cdr.get("tariffs") or []}
    if not tariffs:
        return None
    remarks: list[str] = []
    zone = _zone(time_zone, remarks)
    bill = _Bill()
    used: list[Json] = []
    flat_taken: set[str] = set()
    for period, moment in _moments(cdr, zone):
        tariff = tariffs.get((period.get("tariff_id") or "").lower())
        if tariff is None:
            remarks.append(f"period of {period['start_date_time']}: no tariff, not priced")
            continue
        if tariff not in used:
            used.append(tariff)
        _price_period(bill, tariff, moment, flat_taken)
    bill.round_up()
    net = sum((line.net for line in bill.lines.values()), _ZERO)
    gross = sum((line.gross for line in bill.lines.values()), _ZERO)
    for tariff in used:
        net, gross = _limited(tariff, net, gross, remarks)
    stated = cdr["total_cost"]
    gross_stated = stated.get("incl_vat")
    return Recomputation(
        lines=list(bill.lines.values()),
        net=net,
        gross=gross,
        stated_net=Decimal(str(stated["excl_vat"])),
        stated_gross=None if gross_stated is None else Decimal(str(gross_stated)),
        remarks=remarks,
    )


def _zone(name: str, remarks: list[str]) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        remarks.append(f"time zone {name} is unknown here: UTC is used")
        return ZoneInfo("UTC")


def _moments(cdr: Json, zone: ZoneInfo) -> Iterator[tuple[Json, _Moment]]:
    begin = parse_date_time(cdr["start_date_time"])
    kwh = _ZERO
    # Nothing but reserved time: the driver never came.
    expired = all(
        entry["type"] == _RESERVATION_TIME
        for period in cdr["charging_periods"]
        for entry in period["dimensions"]
    )
    for period in cdr["charging_periods"]:
        start = parse_date_time(period["start_date_time"])
        volumes = {e["type"]: Decimal(str(e["volume"])) for e in period["dimensions"]}
        seconds = Decimal(str((start - begin).total_seconds()))
        yield (
            period,
            _Moment(
                local=start.astimezone(zone),
                seconds=seconds,
                kwh=kwh,
                volumes=volumes,
                expired=expired,
            ),
        )
        kwh += volumes.get("ENERGY", _ZERO)


def _price_period(bill: _Bill, tariff: Json, moment: _Moment, flat_taken: set[str]) -> None:
    reserved = moment.volumes.get(_RESERVATION_TIME)
    phase = _SESSION
    if reserved:
        phase = _EXPIRED if moment.expired else _RESERVED
    if phase not in flat_taken and (flat := _component(tariff, "FLAT", moment, phase)):
        flat_taken.add(phase)
        bill.add(tariff, flat, Decimal(1), f"{phase} flat")
    if reserved and (component := _component(tariff, "TIME", moment, phase)):
        bill.add(tariff, component, reserved, phase)
    for dimension in ("ENERGY", "TIME", "PARKING_TIME"):
        amount = moment.volumes.get(dimension)
        if amount and (component := _component(tariff, dimension, moment, phase)):
            bill.add(tariff, component, amount, "energy" if dimension == "ENERGY" else "time")


def _component(tariff: Json, dimension: str, moment: _Moment, phase: str) -> Json | None:
    for wanted in _SEARCHED[phase]:
        if found := _first(tariff, dimension, moment, wanted):
            return found
    return None


def _first(tariff: Json, dimension: str, moment: _Moment, wanted: str | None) -> Json | None:
    for element in tariff["elements"]:
        restrictions = element.get("restrictions") or {}
        if restrictions.get("reservation") != wanted:
            continue
        for component in element["price_components"]:
            if component["type"] == dimension and _matches(restrictions, moment):
                found: Json = component
                return found
    return None


def _matches(restrictions: Json, moment: _Moment) -> bool:
    return (
        _time_matches(restrictions, moment.local)
        and _date_matches(restrictions, moment.local.date())
        and _in_range(restrictions, "kwh", moment.kwh, moment.kwh)
        and _in_range(restrictions, "duration", moment.seconds, moment.seconds)
        and _measured(restrictions, "power", moment)
        and _measured(restrictions, "current", moment)
    )


def _time_matches(restrictions: Json, local: datetime) -> bool:
    days = restrictions.get("day_of_week")
    if days and local.strftime("%A").upper() not in days:
        return False
    begin = restrictions.get("start_time") or "00:00"
    end = restrictions.get("end_time") or "00:00"
    clock = local.strftime("%H:%M")
    if end == "00:00":
        return clock >= begin
    if end < begin:
        return clock >= begin or clock < end
    return begin <= clock < end


def _date_matches(restrictions: Json, day: date) -> bool:
    begin, end = restrictions.get("start_date"), restrictions.get("end_date")
    text = day.isoformat()
    return (not begin or text >= begin) and (not end or text < end)


def _in_range(restrictions: Json, name: str, low: Decimal, high: Decimal) -> bool:
    least, most = restrictions.get(f"min_{name}"), restrictions.get(f"max_{name}")
    return (least is None or high >= Decimal(str(least))) and (
        most is None or low < Decimal(str(most))
    )


def _measured(restrictions: Json, name: str, moment: _Moment) -> bool:
    """Compare with the MIN_/MAX_ dimensions of the period; unmeasured means it matches."""
    low = moment.volumes.get(f"MIN_{name.upper()}")
    high = moment.volumes.get(f"MAX_{name.upper()}")
    low, high = (low if low is not None else high), (high if high is not None else low)
    if low is None or high is None:
        return True
    return _in_range(restrictions, name, low, high)


def _limited(
    tariff: Json, net: Decimal, gross: Decimal, remarks: list[str]
) -> tuple[Decimal, Decimal]:
    for name, choose in (("min_price", max), ("max_price", min)):
        limit = tariff.get(name)
        if not limit:
            continue
        limited_net = choose(net, Decimal(str(limit["excl_vat"])))
        bound = limit.get("incl_vat")
        limited_gross = gross if bound is None else choose(gross, Decimal(str(bound)))
        if (limited_net, limited_gross) != (net, gross):
            remarks.append(f"{name} of {tariff['id']} applies")
        net, gross = limited_net, limited_gross
    return net, gross


def duration(cdr: Json) -> timedelta:
    """Return the time between start and end of a CDR."""
    return parse_date_time(cdr["end_date_time"]) - parse_date_time(cdr["start_date_time"])
