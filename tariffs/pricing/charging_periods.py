"""Turn pieces into the charging periods of an OCPI Session or CDR."""

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal

from cpo_platform.common.money import trimmed
from tariffs.pricing.compiled import CompiledTariff
from tariffs.pricing.exact import MICROS_PER_HOUR, RunningShare, moment_of, unscaled
from tariffs.pricing.results import CdrDimension, CdrDimensionType, ChargingPeriod
from tariffs.pricing.steps import Choice
from tariffs.pricing.taxes import EXACT_PLACES

_TIMES = (
    CdrDimensionType.TIME,
    CdrDimensionType.PARKING_TIME,
    CdrDimensionType.RESERVATION_TIME,
)


def charging_periods(choices: Sequence[Choice], energy_places: int) -> tuple[ChargingPeriod, ...]:
    """Return one period per time with the same active components (OCPI 2.3.0, mod_cdrs).

    Where the tariff has bounds of energy, power or current, one starts also when they are passed.
    A period names the tariff that is relevant in it; one without says that none is, as in the free
    time before parking is charged, where a partner must not price it. Power and current are
    given when the tariff has restrictions on them, so that the receiver can compute the price
    again. The volumes of a dimension add up to its exact total.
    """
    hours = {kind: RunningShare(MICROS_PER_HOUR) for kind in _TIMES}
    return tuple(_period(group, hours, energy_places) for group in _groups(choices, energy_places))


def total_volume(periods: Iterable[ChargingPeriod], kind: CdrDimensionType) -> Decimal:
    """Return the sum of one dimension over all periods."""
    return sum(
        (
            dimension.volume
            for period in periods
            for dimension in period.dimensions
            if dimension.type is kind
        ),
        Decimal(0),
    )


def kind_of_time(choice: Choice) -> CdrDimensionType:
    """Return what the time of a piece is told as."""
    if choice.piece.is_reserved:
        return CdrDimensionType.RESERVATION_TIME
    is_charging = choice.piece.segment.requesting_power
    return CdrDimensionType.TIME if is_charging else CdrDimensionType.PARKING_TIME


def _period(
    group: Sequence[Choice], hours: dict[CdrDimensionType, RunningShare], energy_places: int
) -> ChargingPeriod:
    first = group[0]
    kind = kind_of_time(first)
    energy = sum(choice.piece.energy for choice in group)
    micros = sum(choice.piece.time for choice in group)
    volume = unscaled(hours[kind].next(micros * 10**EXACT_PLACES), EXACT_PLACES)
    dimensions = [CdrDimension(kind, volume)]
    if energy:
        dimensions.insert(0, CdrDimension(CdrDimensionType.ENERGY, unscaled(energy, energy_places)))
    if first.tariff is not None:
        dimensions.extend(_extremes(first.tariff, group))
    # Energy that is charged for while parking is free needs its tariff all the same.
    names_tariff = first.free is None or (first.energy is not None and energy > 0)
    return ChargingPeriod(
        moment_of(first.piece.start),
        tuple(dimensions),
        first.tariff.tariff.id if first.tariff is not None and names_tariff else "",
    )


def _groups(choices: Sequence[Choice], energy_places: int) -> Iterator[list[Choice]]:
    group: list[Choice] = []
    # A moment without time or energy is no period, unless there is nothing else.
    for choice in [c for c in choices if c.piece.end > c.piece.start or c.piece.energy] or choices[
        :1
    ]:
        if group and not _same_period(group[-1], choice, energy_places):
            yield group
            group = []
        group.append(choice)
    if group:
        yield group


def _same_period(earlier: Choice, later: Choice, energy_places: int) -> bool:
    return (
        earlier.piece.end == later.piece.start
        and earlier.tariff is later.tariff
        and earlier.flat is later.flat
        and earlier.time is later.time
        and earlier.energy is later.energy
        and earlier.free is later.free
        and earlier.piece.segment.phase is later.piece.segment.phase
        and kind_of_time(earlier) is kind_of_time(later)
        and _levels(earlier, energy_places) == _levels(later, energy_places)
    )


def _levels(choice: Choice, energy_places: int) -> tuple[int, int, int] | None:
    """Return among which bounds of the tariff the meter's values lie.

    Who prices the period again takes its energy as even, and knows only extremes of power and
    current: across a bound, it would hold one side for the other. The clock it knows itself.
    """
    if choice.tariff is None:
        return None
    segment = choice.piece.segment
    return choice.tariff.levels(
        choice.piece.kwh_before, segment.power, segment.current, energy_places
    )


def _extremes(tariff: CompiledTariff, group: Sequence[Choice]) -> Iterator[CdrDimension]:
    segments = [choice.piece.segment for choice in group]
    if segments[0].phase.is_reservation:
        return
    if tariff.bounds.current:
        yield from _extreme(
            [segment.current for segment in segments],
            CdrDimensionType.MIN_CURRENT,
            CdrDimensionType.MAX_CURRENT,
        )
    if tariff.bounds.power:
        yield from _extreme(
            [segment.power for segment in segments],
            CdrDimensionType.MIN_POWER,
            CdrDimensionType.MAX_POWER,
        )


def _extreme(
    values: Sequence[Decimal | None], lowest: CdrDimensionType, highest: CdrDimensionType
) -> Iterator[CdrDimension]:
    known = [value for value in values if value is not None]
    # Extremes of a part of the period would not be those of the period.
    if len(known) == len(values):
        yield CdrDimension(lowest, trimmed(min(known)))
        yield CdrDimension(highest, trimmed(max(known)))
