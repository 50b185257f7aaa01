"""Price what OCPI documents say: a CDR with its tariffs, in any version, and nothing else.

What a stranger can do with our CDRs, and we with theirs. Numbers come as Decimal, int or text; a
float is taken as it is written.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from itertools import chain, pairwise
from typing import Any
from zoneinfo import ZoneInfoNotFoundError

from cpo_platform.common.money import Price
from tariffs.pricing.engine import TariffSwitch, price_session
from tariffs.pricing.results import PricedSession
from tariffs.pricing.types import (
    MOST_DIGITS,
    MOST_PLACES,
    InvalidTariff,
    Phase,
    Segment,
    Tariff,
    TaxIncluded,
    is_plausible,
)

JsonObject = Mapping[str, Any]

VERSIONS = ("2.1.1", "2.2.1", "2.3.0")
COSTS = (
    "total_cost",
    "total_energy_cost",
    "total_time_cost",
    "total_parking_cost",
    "total_fixed_cost",
    "total_reservation_cost",
)
# More than this is no session: a document must not keep a processor busy for hours.
MOST_PERIODS = 20_000
MOST_ELEMENTS = 200
MOST_COMPONENTS = 20
MOST_HOURS = 1_000_000
LONGEST_SESSION = timedelta(days=400)
YEARS = range(1970, 2200)

# Hours are told with four decimals, a third of a second, and OCPI 2.1.1 cuts its times to seconds.
_TIME_TOLERANCE = timedelta(seconds=1)
_SECOND = timedelta(seconds=1)
_HOUR_MICROS = 3_600_000_000
_RESERVATION_TIME = "RESERVATION_TIME"
_OF_A_SESSION = ("ENERGY", "TIME", "PARKING_TIME")
_CURRENCY = re.compile("[A-Za-z]{3}")


class InvalidDocument(ValueError):
    """A document cannot be priced; the message names the field and the rule."""


@dataclass(frozen=True, slots=True)
class ChargedSession:
    """Hold what a CDR tells: the tariff it begins with, the switches to others, and the use."""

    tariff: Tariff | None
    switches: tuple[TariffSwitch, ...]
    segments: tuple[Segment, ...]

    def price(self, time_zone: str) -> PricedSession:
        """Return the price of the session.

        Raises:
            InvalidTariff: no tariff is relevant at any time, or currencies differ.
            ZoneInfoNotFoundError: the time zone does not exist.
        """
        return price_session(
            tariff=self.tariff,
            segments=self.segments,
            time_zone=time_zone,
            switches=self.switches,
        )


def price_case(case: JsonObject) -> dict[str, Any]:
    """Price a case and return its costs and their explanation.

    `case` is `{"version", "timezone", "tariff": <Tariff of that version>, "input": {"cdr": …}}`; of
    the CDR only `start_date_time`, `end_date_time` (2.1.1: `stop_date_time`) and
    `charging_periods` are read, and `tariffs` where the case has no `tariff`. Where no period names
    a tariff, the one tariff holds throughout; else nothing is charged in those that name none.
    Costs are `{"excl_vat", "incl_vat"}` with at most four decimals; `incl_vat` is None when the
    taxes are not known, as in OCPI 2.1.1 wherever something is charged.

    Raises:
        InvalidDocument: something is missing or cannot be read; the message says what.
    """
    version = case.get("version", VERSIONS[1])
    if version not in VERSIONS:
        raise InvalidDocument(f"version: must be one of {', '.join(VERSIONS)}, not {version!r}")
    zone = case.get("timezone", "UTC")
    given = case.get("input")
    cdr = given.get("cdr") if isinstance(given, Mapping) else None
    if not isinstance(cdr, Mapping):
        raise InvalidDocument("input.cdr: a CDR is required")
    documents = _tariff_documents(case, cdr)
    try:
        tariffs = [tariff_of(document, version) for document in documents]
        result = session_of(cdr, tariffs, is_whole="tariff" in case).price(str(zone))
    except (ZoneInfoNotFoundError, OSError) as error:
        # A name may also be that of a folder, or too long for a file.
        raise InvalidDocument(f"timezone: {zone!r:.80} is not an IANA time zone") from error
    except (ArithmeticError, RecursionError) as error:
        raise InvalidDocument("a number is out of range, or the document too deep") from error
    except ValueError as error:
        raise InvalidDocument(str(error)) from error
    return result_document(result)


def result_document(result: PricedSession) -> dict[str, Any]:
    """Return a price as a document: costs, volumes (kWh, h), and the explanation, line by line."""
    return {
        "currency": result.currency,
        **{name: price_document(getattr(result, name)) for name in COSTS},
        "total_energy": result.total_energy,
        "total_time": round(result.total_time, 4),
        "total_parking_time": round(result.total_parking_time, 4),
        "explanation": [*(line.text for line in result.lines), *result.remarks],
    }


def price_document(price: Price) -> dict[str, Decimal | None]:
    """Return a price before and with taxes, rounded as it leaves the platform."""
    shown = price.rounded()
    return {"excl_vat": shown.before_taxes, "incl_vat": shown.after_taxes}


def tariff_of(document: JsonObject, version: str) -> Tariff:
    """Read a Tariff of OCPI 2.1.1, 2.2.1 or 2.3.0 into the canonical one.

    2.1.1 has no taxes: they will be added at rates that are not known. In 2.2.1 a missing `vat`
    says that none applies.

    Raises:
        InvalidTariff: a field is missing or unreadable.
    """
    data = dict(_exact(document))
    elements = data.get("elements")
    if not isinstance(elements, list) or len(elements) > MOST_ELEMENTS:
        raise InvalidTariff(f"elements: a list of 1 to {MOST_ELEMENTS} is required")
    data["elements"] = [
        element for element in map(_element, elements) if not element["restrictions"].get("booking")
    ]
    data.setdefault("id", "")
    if not _CURRENCY.fullmatch(str(data.get("currency"))):
        raise InvalidTariff("currency: three letters are required (ISO 4217)")
    if version == VERSIONS[0]:
        for element in data["elements"]:
            for component in element["price_components"]:
                component["vat"] = None
    if version != VERSIONS[2]:
        rates = [c.get("vat") for e in data["elements"] for c in e["price_components"]]
        is_taxed = version == VERSIONS[0] or any(rate is not None for rate in rates)
        data["tax_included"] = (TaxIncluded.NO if is_taxed else TaxIncluded.NOT_APPLICABLE).value
        for name in ("min_price", "max_price"):
            data[name] = _limit(data.get(name))
    return Tariff.from_json(data)


def session_of(
    cdr: JsonObject, tariffs: Sequence[Tariff], *, is_whole: bool = False
) -> ChargedSession:
    """Read what a CDR tells of its session.

    The time of a period is that between its start and the next one's; where TIME or PARKING_TIME
    say another than that (by more than a second), they say what is charged for. A period with
    neither is not charged for time. Power and current are MAX_POWER and MAX_CURRENT, else the
    minimum, else what energy and time come to. Reserved time that nobody charged after has expired.
    `is_whole`: the first tariff is meant for the session whatever the periods name it.

    Raises:
        InvalidDocument: a field is missing or unreadable.
        InvalidSegment: energy flows back to the grid, or during a reservation.
    """
    periods = _periods(cdr)
    starts = [_moment(period, "start_date_time") for period in periods]
    first, switches = _tariffs_over_time(periods, starts, tariffs, is_whole=is_whole)
    return ChargedSession(first, switches, use_of(cdr))


def use_of(cdr: JsonObject, *, expired: bool | None = None) -> tuple[Segment, ...]:
    """Read what a CDR tells of the use of its session, as `session_of` does.

    `expired` tells whether the reservation in it was never used; None: as the CDR tells.

    Raises:
        InvalidDocument: a field is missing or unreadable.
        InvalidSegment: energy flows back to the grid, or during a reservation.
    """
    began = _moment(cdr, "start_date_time")
    periods = _periods(cdr)
    starts = [_moment(period, "start_date_time") for period in periods]
    ended = _end(cdr)
    if ended is None:
        ended = starts[-1] + sum(_told(_volumes(periods[-1])), timedelta(0))
    if ended - starts[0] > LONGEST_SESSION:
        raise InvalidDocument(f"end_date_time: no session takes {LONGEST_SESSION.days} days")
    stretches = list(pairwise([*starts, ended]))
    for start, end in stretches:
        if end < start:
            raise InvalidDocument(
                "charging_periods: must be in order of time and end with end_date_time"
            )
    volumes = [_volumes(period) for period in periods]
    if expired is None:
        expired = not any(item.get(name) for item in volumes for name in _OF_A_SESSION)
        expired = expired and any(item.get(_RESERVATION_TIME) for item in volumes)
    reserved = Phase.RESERVATION_EXPIRES if expired else Phase.RESERVATION
    segments = chain.from_iterable(
        _segments(start, end, item, reserved)
        for (start, end), item in zip(stretches, volumes, strict=True)
        # Nobody came: a moment that is told beside the reservation is no session.
        if not expired or _RESERVATION_TIME in item
    )
    lead: list[Segment] = []
    gap = starts[0] - began
    if timedelta(0) < gap <= LONGEST_SESSION and _RESERVATION_TIME not in volumes[0]:
        # The session began before anything is told of it: durations count from there.
        lead = [Segment(began, starts[0], billable=timedelta(0))]
    return (*lead, *segments)


def _tariff_documents(case: JsonObject, cdr: JsonObject) -> list[JsonObject]:
    found = [case["tariff"]] if "tariff" in case else cdr.get("tariffs") or []
    if not isinstance(found, list):
        raise InvalidDocument("tariffs: a list is required")
    if not found or not all(isinstance(item, Mapping) for item in found):
        raise InvalidDocument("tariff: a Tariff is required")
    return found


def _tariffs_over_time(
    periods: Sequence[JsonObject],
    starts: Sequence[datetime],
    tariffs: Sequence[Tariff],
    *,
    is_whole: bool,
) -> tuple[Tariff | None, tuple[TariffSwitch, ...]]:
    names = [str(period.get("tariff_id") or "").casefold() for period in periods]
    known = {tariff.id.casefold(): tariff for tariff in tariffs}
    if not any(names):
        known = {"": tariffs[0]}
    elif is_whole:
        known = {name: tariffs[0] for name in names if name}
    if unknown := set(names) - known.keys() - {""}:
        raise InvalidDocument(
            f"charging_periods.tariff_id: {min(unknown)!r} is not among the tariffs"
        )
    held = [known.get(name) for name in names]
    switches = tuple(
        TariffSwitch(at, after)
        for at, (before, after) in zip(starts[1:], pairwise(held), strict=True)
        if after is not before
    )
    return held[0], _one_per_moment(switches)


def _one_per_moment(switches: Sequence[TariffSwitch]) -> tuple[TariffSwitch, ...]:
    """Keep the last switch of a moment: a period without any time is left out."""
    return tuple({switch.at: switch for switch in switches}.values())


def _periods(cdr: JsonObject) -> list[JsonObject]:
    periods = cdr.get("charging_periods")
    if not isinstance(periods, list) or not 0 < len(periods) <= MOST_PERIODS:
        raise InvalidDocument(f"charging_periods: a list of 1 to {MOST_PERIODS} is required")
    if not all(isinstance(period, Mapping) for period in periods):
        raise InvalidDocument("charging_periods: must be objects")
    return sorted(periods, key=lambda period: _moment(period, "start_date_time"))


def _volumes(period: JsonObject) -> dict[str, Decimal]:
    dimensions = period.get("dimensions")
    if not isinstance(dimensions, list):
        raise InvalidDocument("charging_periods.dimensions: a list is required")
    volumes: dict[str, Decimal] = {}
    for dimension in dimensions:
        if not isinstance(dimension, Mapping) or not isinstance(dimension.get("type"), str):
            raise InvalidDocument("charging_periods.dimensions.type: a name is required")
        name = dimension["type"]
        volumes[name] = volumes.get(name, Decimal(0)) + _number(dimension.get("volume"), name)
    # A time of zero is none, beside another that the period is for.
    if "TIME" in volumes and not volumes.get("PARKING_TIME", 1):
        del volumes["PARKING_TIME"]
    if not volumes.get(_RESERVATION_TIME, 1) and any(volumes.get(n) for n in _OF_A_SESSION):
        del volumes[_RESERVATION_TIME]
    return volumes


def _segments(
    start: datetime, end: datetime, volumes: Mapping[str, Decimal], reserved: Phase
) -> Iterator[Segment]:
    """Return the segments of a period: reserved, then charging, then parking."""
    reservation, charging, parking = _told(volumes)
    passed = end - start
    if _RESERVATION_TIME in volumes:
        if not any(volumes.get(name) for name in _OF_A_SESSION):
            yield Segment(start, end, phase=reserved, billable=_billable(reservation, passed))
            return
        came = min(start + _whole_seconds(reservation), end)
        told = None if came - start == reservation else _whole_seconds(reservation)
        yield Segment(start, came, phase=reserved, billable=told)
        start, passed = came, end - came
    energy = volumes.get("ENERGY", Decimal(0))
    power, current = _level(volumes, "POWER"), _level(volumes, "CURRENT")
    if "PARKING_TIME" not in volumes:
        is_told = "TIME" in volumes
        lasted = charging or passed
        yield Segment(
            start,
            end,
            energy,
            _mean(energy, lasted) if power is None else power,
            current,
            billable=_billable(charging, passed) if is_told else timedelta(0),
        )
        return
    # The whole time is told, or else each of the two says what counts of it.
    is_whole = _billable(charging + parking, passed) is None
    middle = min(start + _whole_seconds(charging), end)
    if charging:
        yield Segment(
            start,
            middle,
            energy,
            _mean(energy, charging) if power is None else power,
            current,
            billable=None if is_whole else _whole_seconds(charging),
        )
    yield Segment(
        middle,
        end,
        Decimal(0) if charging else energy,
        Decimal(0) if charging else power,
        Decimal(0) if charging else current,
        requesting_power=False,
        billable=None if is_whole else _whole_seconds(parking),
    )


def _billable(told: timedelta, passed: timedelta) -> timedelta | None:
    """Return the time that counts; None: all that passed, as it is told within a second."""
    return _whole_seconds(told) if abs(told - passed) > _TIME_TOLERANCE else None


def _whole_seconds(told: timedelta) -> timedelta:
    return round(told / _SECOND) * _SECOND


def _mean(energy: Decimal, lasted: timedelta) -> Decimal | None:
    """Return the mean power, for a period that tells none."""
    return energy * _HOUR_MICROS / (lasted // timedelta(microseconds=1)) if lasted else None


def _told(volumes: Mapping[str, Decimal]) -> tuple[timedelta, timedelta, timedelta]:
    """Return the times that a period tells: reserved, charging, parking."""
    reserved, charging, parking = (
        _hours(volumes, name) for name in (_RESERVATION_TIME, "TIME", "PARKING_TIME")
    )
    return reserved, charging, parking


def _hours(volumes: Mapping[str, Decimal], name: str) -> timedelta:
    hours = volumes.get(name, Decimal(0))
    if not 0 <= hours <= MOST_HOURS:
        raise InvalidDocument(f"{name}: must be from 0 to {MOST_HOURS} hours")
    return timedelta(microseconds=round(hours * _HOUR_MICROS))


def _level(volumes: Mapping[str, Decimal], name: str) -> Decimal | None:
    for kind in (f"MAX_{name}", f"MIN_{name}", name):
        if kind in volumes:
            return volumes[kind]
    return None


def _element(element: Any) -> dict[str, Any]:
    """Return an element with what may be left out or null as the canonical reader wants it.

    An element of the Bookings extension (`restrictions.booking`) prices no charging.
    """
    components = element.get("price_components") if isinstance(element, Mapping) else None
    if not isinstance(components, list) or not all(isinstance(c, Mapping) for c in components):
        raise InvalidTariff("elements.price_components: a list is required")
    if len(components) > MOST_COMPONENTS:
        raise InvalidTariff(f"elements.price_components: at most {MOST_COMPONENTS} are read")
    restrictions = element.get("restrictions") or {}
    if not isinstance(restrictions, Mapping):
        raise InvalidTariff("elements.restrictions: an object is required")
    return {
        "price_components": [
            {**component, "step_size": component.get("step_size") or 0} for component in components
        ],
        "restrictions": restrictions,
    }


def _limit(value: Any) -> dict[str, Any] | None:
    """Return a limit of the price of 2.2.1, `{"excl_vat", "incl_vat"}`, as that of 2.3.0."""
    if value is None:
        return None
    if not isinstance(value, Mapping):
        return {"before_taxes": value}
    return {"before_taxes": value.get("excl_vat"), "after_taxes": value.get("incl_vat")}


def _exact(value: Any) -> Any:
    """Return a document without floats: 0.1 is what was written, not its nearest binary number."""
    if isinstance(value, float):
        return Decimal(str(value))
    if isinstance(value, Mapping):
        return {name: _exact(item) for name, item in value.items()}
    return [_exact(item) for item in value] if isinstance(value, list) else value


def _number(value: Any, name: str) -> Decimal:
    exact = _exact(value)
    if isinstance(exact, bool) or not isinstance(exact, int | str | Decimal):
        raise InvalidDocument(f"{name}: a number is required")
    try:
        number = Decimal(exact)
    except InvalidOperation as error:
        raise InvalidDocument(f"{name}: {value!r} is not a number") from error
    if not is_plausible(number):
        raise InvalidDocument(
            f"{name}: must be finite, below 10^{MOST_DIGITS}, and of at most {MOST_PLACES} decimals"
        )
    return number


def _end(cdr: JsonObject) -> datetime | None:
    """Return when the session ended: 2.1.1 calls it `stop_date_time`."""
    for name in ("end_date_time", "stop_date_time"):
        if cdr.get(name) is not None:
            return _moment(cdr, name)
    return None


def _moment(data: JsonObject, name: str) -> datetime:
    value = data.get(name)
    if not isinstance(value, str):
        raise InvalidDocument(f"{name}: a date and time is required")
    try:
        moment = datetime.fromisoformat(value)
    except ValueError as error:
        raise InvalidDocument(f"{name}: {value!r} is not a date and time") from error
    if moment.year not in YEARS:
        raise InvalidDocument(f"{name}: must be from {YEARS.start} to {YEARS.stop - 1}")
    # OCPI datetimes are UTC, with or without the Z.
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
