"""Measure what each component is used for, and round it up to its step size."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction

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

_ORDER = tuple(TariffDimensionType)


@dataclass(frozen=True, slots=True)
class Choice:
    """Hold the components that are active during a piece.

    `time` is the component for TIME or, while the vehicle does not request power, PARKING_TIME.
    """

    piece: Piece
    flat: ActiveComponent | None
    time: ActiveComponent | None
    energy: ActiveComponent | None


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

    @property
    def is_reservation(self) -> bool:
        """Tell whether this is a cost of the reservation."""
        return self.phase.is_reservation


def measure(choices: Sequence[Choice]) -> list[Stretch]:
    """Return the uses of components in order of time.

    FLAT is used once per phase (reservation, session): the first that becomes active. OCPI does
    not say what several mean.
    """
    stretches = [
        *_joined(_time_use(choices)),
        *_joined(_energy_use(choices)),
        *_flat_use(choices),
    ]
    return sorted(stretches, key=lambda stretch: (stretch.start, _ORDER.index(stretch.dimension)))


def apply_step_sizes(stretches: Sequence[Stretch]) -> list[Stretch]:
    """Round up once per group: ENERGY, and TIME with PARKING_TIME, of each phase apart.

    The last component of the group decides: the total of its dimension is rounded up to its
    `step_size` and the remainder is billed at its price (OCPI 2.3.0, mod_cdrs, step_size).
    """
    last_of_group: dict[tuple[bool, bool], int] = {}
    for index, stretch in enumerate(stretches):
        if stretch.dimension is not TariffDimensionType.FLAT:
            is_energy = stretch.dimension is TariffDimensionType.ENERGY
            last_of_group[stretch.is_reservation, is_energy] = index

    result = list(stretches)
    for index in last_of_group.values():
        last = stretches[index]
        total = total_used(stretches, last)
        added = rounded_up(total, last.active.component.step_size) - total
        result[index] = replace(last, billed=last.used + added)
    return result


def total_used(stretches: Iterable[Stretch], last: Stretch) -> Fraction:
    """Return the use of the dimension of `last` in its phase, over all components."""
    return sum(
        (
            stretch.used
            for stretch in stretches
            if stretch.is_reservation == last.is_reservation and stretch.dimension is last.dimension
        ),
        Fraction(0),
    )


def rounded_up(volume: Fraction, step_size: int) -> Fraction:
    """Return the smallest multiple of `step_size` not below `volume`; step 0 counts as 1."""
    step = max(step_size, 1)
    return Fraction(-(-volume // step) * step)


def _time_use(choices: Iterable[Choice]) -> Iterable[Stretch]:
    for choice in choices:
        if choice.time is not None and choice.piece.seconds:
            yield _stretch(choice, choice.time, choice.piece.seconds)


def _energy_use(choices: Iterable[Choice]) -> Iterable[Stretch]:
    for choice in choices:
        if choice.energy is not None and choice.piece.energy:
            yield _stretch(choice, choice.energy, choice.piece.energy * 1000)


def _flat_use(choices: Iterable[Choice]) -> Iterable[Stretch]:
    taken: set[bool] = set()
    for choice in choices:
        is_reservation = choice.piece.segment.phase.is_reservation
        if choice.flat is not None and is_reservation not in taken:
            taken.add(is_reservation)
            flat = _stretch(choice, choice.flat, Fraction(1))
            yield replace(flat, end=flat.start)


def _stretch(choice: Choice, active: ActiveComponent, used: Fraction) -> Stretch:
    return Stretch(
        active=active,
        phase=choice.piece.segment.phase,
        start=choice.piece.start,
        end=choice.piece.end,
        used=used,
        billed=used,
    )


def _joined(stretches: Iterable[Stretch]) -> Iterable[Stretch]:
    current: Stretch | None = None
    for stretch in stretches:
        if current is not None and _continues(current, stretch):
            used = current.used + stretch.used
            current = replace(current, end=stretch.end, used=used, billed=used)
            continue
        if current is not None:
            yield current
        current = stretch
    if current is not None:
        yield current


def _continues(current: Stretch, stretch: Stretch) -> bool:
    return (
        current.active == stretch.active
        and current.phase is stretch.phase
        and current.end == stretch.start
    )
