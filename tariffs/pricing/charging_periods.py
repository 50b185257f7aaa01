"""Turn pieces into the charging periods of an OCPI Session or CDR."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from fractions import Fraction

from cpo_platform.common.money import to_decimals
from tariffs.pricing.results import CdrDimension, CdrDimensionType, ChargingPeriod
from tariffs.pricing.steps import Choice
from tariffs.pricing.taxes import EXACT_PLACES
from tariffs.pricing.types import Tariff


def charging_periods(tariff: Tariff, choices: Sequence[Choice]) -> tuple[ChargingPeriod, ...]:
    """Return one period per time with the same active components (OCPI 2.3.0, mod_cdrs).

    Every period names the tariff: a period without one would say that no tariff is relevant.
    Power and current are given when the tariff has restrictions on them, so that the receiver can
    compute the price again. The volumes of a dimension add up to its exact total.
    """
    groups = _groups(choices)
    energy = to_decimals((_energy(group) for group in groups), EXACT_PLACES)
    dimensions: list[list[CdrDimension]] = [
        [CdrDimension(CdrDimensionType.ENERGY, volume)] if volume else [] for volume in energy
    ]
    for kind in (
        CdrDimensionType.TIME,
        CdrDimensionType.PARKING_TIME,
        CdrDimensionType.RESERVATION_TIME,
    ):
        indexes = [index for index, group in enumerate(groups) if _kind_of_time(group[0]) is kind]
        hours = to_decimals((_hours(groups[index]) for index in indexes), EXACT_PLACES)
        for index, volume in zip(indexes, hours, strict=True):
            dimensions[index].append(CdrDimension(kind, volume))
    for group, volumes in zip(groups, dimensions, strict=True):
        volumes.extend(_extremes(tariff, group))
    return tuple(
        ChargingPeriod(group[0].piece.start, tuple(volumes), tariff.id)
        for group, volumes in zip(groups, dimensions, strict=True)
    )


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


def _groups(choices: Sequence[Choice]) -> list[list[Choice]]:
    groups: list[list[Choice]] = []
    # A moment without time or energy is no period, unless there is nothing else.
    for choice in [c for c in choices if c.piece.seconds or c.piece.energy] or choices[:1]:
        if groups and _same_period(groups[-1][-1], choice):
            groups[-1].append(choice)
        else:
            groups.append([choice])
    return groups


def _same_period(earlier: Choice, later: Choice) -> bool:
    return (
        earlier.piece.end == later.piece.start
        and _kind_of_time(earlier) is _kind_of_time(later)
        and earlier.piece.segment.phase is later.piece.segment.phase
        and (earlier.time, earlier.energy) == (later.time, later.energy)
    )


def _kind_of_time(choice: Choice) -> CdrDimensionType:
    segment = choice.piece.segment
    if segment.phase.is_reservation:
        return CdrDimensionType.RESERVATION_TIME
    return CdrDimensionType.TIME if segment.requesting_power else CdrDimensionType.PARKING_TIME


def _energy(group: Iterable[Choice]) -> Fraction:
    return sum((choice.piece.energy for choice in group), Fraction(0))


def _hours(group: Iterable[Choice]) -> Fraction:
    return sum((choice.piece.seconds for choice in group), Fraction(0)) / 3600


def _extremes(tariff: Tariff, group: Sequence[Choice]) -> Iterable[CdrDimension]:
    segments = [choice.piece.segment for choice in group]
    restrictions = [element.restrictions for element in tariff.elements]
    if segments[0].phase.is_reservation:
        return
    if any((r.min_current, r.max_current) != (None, None) for r in restrictions):
        yield from _extreme(
            [segment.current for segment in segments],
            CdrDimensionType.MIN_CURRENT,
            CdrDimensionType.MAX_CURRENT,
        )
    if any((r.min_power, r.max_power) != (None, None) for r in restrictions):
        yield from _extreme(
            [segment.power for segment in segments],
            CdrDimensionType.MIN_POWER,
            CdrDimensionType.MAX_POWER,
        )


def _extreme(
    values: Sequence[Decimal | None], lowest: CdrDimensionType, highest: CdrDimensionType
) -> Iterable[CdrDimension]:
    known = [value for value in values if value is not None]
    # Extremes of a part of the period would not be those of the period.
    if len(known) == len(values):
        yield CdrDimension(lowest, min(known))
        yield CdrDimension(highest, max(known))
