"""Measure what each component is used for, and round it up to its step size."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import NamedTuple

from tariffs.pricing.compiled import CompiledTariff
from tariffs.pricing.exact import MICROS_PER_SECOND
from tariffs.pricing.periods import Piece
from tariffs.pricing.restrictions import ActiveComponent
from tariffs.pricing.types import Phase, TariffDimensionType

# What a price is for, counted in the unit of step_size: Wh in a kWh, seconds in an hour.
STEPS_PER_UNIT = {
    TariffDimensionType.FLAT: 1,
    TariffDimensionType.ENERGY: 1000,
    TariffDimensionType.TIME: 3600,
    TariffDimensionType.PARKING_TIME: 3600,
}

_ORDER = {dimension: place for place, dimension in enumerate(TariffDimensionType)}


class Choice(NamedTuple):
    """Hold the components that are active during a piece, and the tariff that they are of.

    `time` is the component for TIME or, while the vehicle does not request power, PARKING_TIME.
    `free` is the PARKING_TIME component whose grace period the piece lies in: `time` is None then.
    """

    piece: Piece
    tariff: CompiledTariff | None
    flat: ActiveComponent | None
    time: ActiveComponent | None
    energy: ActiveComponent | None
    free: ActiveComponent | None


@dataclass(slots=True)
class Use:
    """Hold an uninterrupted use of one component, in microseconds, energy units, or 1 for FLAT.

    A use within a grace period is free (`is_free`): it is told, not billed.
    """

    tariff: CompiledTariff
    active: ActiveComponent
    phase: Phase
    start: int
    end: int
    used: int
    billed: int
    is_free: bool = False

    @property
    def dimension(self) -> TariffDimensionType:
        """Return what the component charges for."""
        return self.active.component.type

    @property
    def is_reservation(self) -> bool:
        """Tell whether this is a cost of the reservation."""
        return self.phase.is_reservation


@dataclass(frozen=True, slots=True)
class Stretch:
    """Hold an uninterrupted use of one component; volumes are in Wh, seconds, or 1 for FLAT."""

    active: ActiveComponent
    phase: Phase
    start: datetime
    end: datetime
    used: Fraction
    billed: Fraction

    @property
    def dimension(self) -> TariffDimensionType:
        """Return what the component charges for."""
        return self.active.component.type


def measure(choices: Iterable[Choice]) -> list[Use]:
    """Return the uses of components in order of time.

    FLAT is used once per phase (reservation, session): the first that becomes active. OCPI does
    not say what several mean.
    """
    uses: list[Use] = []
    time: Use | None = None
    energy: Use | None = None
    flat_taken: set[bool] = set()
    for choice in choices:
        piece, tariff = choice.piece, choice.tariff
        if tariff is None:
            continue
        if choice.flat is not None and piece.is_reserved not in flat_taken:
            flat_taken.add(piece.is_reserved)
            uses.append(_use(choice, tariff, choice.flat, 1, piece.start))
        active = choice.time or choice.free
        if active is not None and piece.time:
            time = _joined(uses, time, choice, active, piece.time)
        if choice.energy is not None and piece.energy:
            energy = _joined(uses, energy, choice, choice.energy, piece.energy)
    uses.sort(key=_in_order)
    return uses


def apply_step_sizes(uses: Sequence[Use], energy_places: int) -> None:
    """Round up once per group: ENERGY, and TIME with PARKING_TIME, of each phase apart.

    The last component of the group decides: the total of its dimension is rounded up to its
    `step_size` and the remainder is billed at its price (OCPI 2.3.0, mod_cdrs, step_size).
    """
    last_of_group: dict[tuple[bool, bool], Use] = {}
    totals: dict[tuple[bool, TariffDimensionType], int] = {}
    for use in uses:
        dimension = use.active.component.type
        if dimension is not TariffDimensionType.FLAT and not use.is_free:
            is_reservation = use.phase is not Phase.SESSION
            is_energy = dimension is TariffDimensionType.ENERGY
            last_of_group[is_reservation, is_energy] = use
            key = is_reservation, dimension
            totals[key] = totals.get(key, 0) + use.used
    for (is_reservation, is_energy), last in last_of_group.items():
        unit = 10 ** (energy_places - 3) if is_energy else MICROS_PER_SECOND
        total = totals[is_reservation, last.dimension]
        last.billed += rounded_up(total, max(last.active.component.step_size, 1) * unit) - total


def rounded_up(volume: int, step: int) -> int:
    """Return the smallest multiple of `step` not below `volume`."""
    return -(-volume // step) * step


def _joined(
    uses: list[Use], current: Use | None, choice: Choice, active: ActiveComponent, used: int
) -> Use:
    """Add to the use that goes on, or begin another one."""
    piece, tariff = choice.piece, choice.tariff
    is_free = choice.free is active
    if (
        current is not None
        and current.end == piece.start
        and current.active is active
        and current.tariff is tariff
        and current.phase is piece.segment.phase
        and current.is_free is is_free
    ):
        current.end = piece.end
        current.used += used
        current.billed = current.used
        return current
    assert tariff is not None  # noqa: S101  something of it is active
    new = _use(choice, tariff, active, used, piece.end)
    new.is_free = is_free
    uses.append(new)
    return new


def _use(
    choice: Choice, tariff: CompiledTariff, active: ActiveComponent, used: int, end: int
) -> Use:
    piece = choice.piece
    return Use(tariff, active, piece.segment.phase, piece.start, end, used, used)


def _in_order(use: Use) -> tuple[int, int]:
    return use.start, _ORDER[use.active.component.type]
