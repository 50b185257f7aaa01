"""What the order of elements does: prices that are never charged, and moments without a price."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from tariffs.pricing.linting.examples import Stage
from tariffs.pricing.linting.findings import Amount, Finding, Rule, Said, Severity, Value, Words
from tariffs.pricing.linting.regions import region
from tariffs.pricing.linting.space import (
    AXES,
    CURRENT,
    DAY,
    DURATION,
    KWH,
    POWER,
    Box,
    Budget,
    OutOfBudget,
    Space,
    contains,
    joined,
    meet,
    minus,
    shadow,
)
from tariffs.pricing.linting.space import TIME as CLOCK
from tariffs.pricing.types import (
    Phase,
    PriceComponent,
    ReservationRestrictionType,
    Tariff,
    TariffDimensionType,
)

FLAT, ENERGY = TariffDimensionType.FLAT, TariffDimensionType.ENERGY
TIME, PARKING_TIME = TariffDimensionType.TIME, TariffDimensionType.PARKING_TIME
DIMENSIONS = (PARKING_TIME, TIME, ENERGY, FLAT)
RESERVABLE = (TIME, FLAT)
# Which elements price a phase, as `restrictions.find_component` looks through them.
SEARCHED: dict[Phase, tuple[ReservationRestrictionType | None, ...]] = {
    Phase.SESSION: (None,),
    Phase.RESERVATION: (ReservationRestrictionType.RESERVATION,),
    Phase.RESERVATION_EXPIRES: (
        ReservationRestrictionType.RESERVATION_EXPIRES,
        ReservationRestrictionType.RESERVATION,
    ),
}
# How many boxes a tariff may be cut into: a fraction of a second.
BUDGET = 60_000
GAPS_SHOWN = 3
GAPS_JOINED = 30


@dataclass(frozen=True, slots=True)
class Offer:
    """A component with the states that its element applies in."""

    element: int
    component: PriceComponent
    box: Box


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a component in one phase: where it is chosen, and who comes first."""

    offer: Offer
    chosen: tuple[Box, ...]
    rivals: tuple[Offer, ...]


class Order:
    """Who is chosen where, for one tariff."""

    def __init__(self, tariff: Tariff, stage: Stage) -> None:
        self.tariff = tariff
        self.stage = stage
        self.space = Space(tariff)
        self.budget = Budget(BUDGET)
        self.gave_up = False

    def findings(self) -> list[Finding]:
        """Return what is wrong with the order; a tariff too complex to tell says so."""
        verdicts = [
            verdict
            for phase in Phase
            for dimension in DIMENSIONS
            for verdict in self._verdicts(phase, dimension)
        ]
        session = [verdict for verdict in verdicts if self._is_of_session(verdict)]
        found = [
            *_merged(self._never_chosen(verdicts)),
            *_merged(self._partly_hidden(session)),
            *self._flats(),
            *_merged(self._gaps()),
        ]
        if self.gave_up:
            found.append(Finding(Rule.TOO_COMPLEX, Severity.HINT, field="elements"))
        return found

    def left(self, box: Box, others: Iterable[Offer]) -> list[Box] | None:
        """Return what others leave of a box; None if that takes too long to tell."""
        try:
            return minus([box], [other.box for other in others], self.budget)
        except OutOfBudget:
            self.gave_up = True
            return None

    def _is_of_session(self, verdict: Verdict) -> bool:
        return self.tariff.elements[verdict.offer.element].restrictions.reservation is None

    def offers(self, phase: Phase, dimension: TariffDimensionType) -> list[Offer]:
        """Return the components that may be chosen in a phase, in the order of the search."""
        if phase.is_reservation and dimension not in RESERVABLE:
            return []
        states = self.space.states(phase)
        found: dict[int, Offer] = {}
        for reservation in SEARCHED[phase]:
            for index, element in enumerate(self.tariff.elements):
                if element.restrictions.reservation is not reservation:
                    continue
                box = meet(self.space.boxes[index], states)
                for component in element.price_components:
                    # A second component of one dimension is never looked at: DUPLICATE says so.
                    if component.type is dimension and box is not None and index not in found:
                        found[index] = Offer(index, component, box)
        return list(found.values())

    def _verdicts(self, phase: Phase, dimension: TariffDimensionType) -> Iterator[Verdict]:
        earlier: list[Offer] = []
        for offer in self.offers(phase, dimension):
            rivals = [rival for rival in earlier if meet(rival.box, offer.box)]
            whole = next((rival for rival in rivals if contains(rival.box, offer.box)), None)
            if whole is not None:
                yield Verdict(offer, (), (whole,))
            else:
                left = self.left(offer.box, rivals)
                # What is not known counts as chosen: nothing is said of it.
                chosen = [offer.box] if left is None else left
                yield Verdict(offer, tuple(chosen), tuple(rivals))
            earlier.append(offer)

    def _never_chosen(self, verdicts: Sequence[Verdict]) -> Iterator[Finding]:
        by_component: defaultdict[tuple[int, TariffDimensionType], list[Verdict]] = defaultdict(
            list
        )
        for verdict in verdicts:
            key = (verdict.offer.element, verdict.offer.component.type)
            by_component[key].append(verdict)
        for found in by_component.values():
            # An element for reservations may be chosen when one expires, or when it is used.
            if not any(verdict.chosen for verdict in found):
                yield self._unreachable(found[0])

    def _unreachable(self, verdict: Verdict) -> Finding:
        offer, rivals = verdict.offer, verdict.rivals
        component = offer.component
        redundant = all(_same_price(rival.component, component) for rival in rivals)
        fallback = len(rivals) == 1 and self._is_unrestricted(rivals[0])
        rule = Rule.FALLBACK_FIRST if fallback else Rule.UNREACHABLE
        severity = Severity.ERROR
        if redundant:
            rule, severity = Rule.REDUNDANT, Severity.HINT
        values: dict[str, Value] = {
            "element": offer.element + 1,
            "others": Words(tuple(rival.element + 1 for rival in rivals)),
            "price": Amount(component.price, self.tariff.currency),
        }
        phase = self._phase_of(offer.element)
        example = None
        if not redundant:
            example = self.stage.shown(
                self.stage.within(self.space, offer.box, component.type, phase),
                otherwise=moved(self.tariff, offer.element, rivals[0].element),
                change=Said("FIRST", {"element": offer.element + 1}),
            )
        return Finding(
            rule, severity, (offer.element, *(r.element for r in rivals)), (component.type,),
            "price_components", values, example,
        )  # fmt: skip

    def _is_unrestricted(self, offer: Offer) -> bool:
        restrictions = self.tariff.elements[offer.element].restrictions
        is_for_sessions = restrictions.reservation is None
        return is_for_sessions and self.space.boxes[offer.element] == self.space.full

    def _phase_of(self, element: int) -> Phase:
        reservation = self.tariff.elements[element].restrictions.reservation
        return Phase.SESSION if reservation is None else Phase(reservation.value)

    def _partly_hidden(self, verdicts: Sequence[Verdict]) -> Iterator[Finding]:
        for verdict in verdicts:
            for axis in AXES:
                lost = verdict.offer.box[axis] & ~shadow(verdict.chosen, axis)
                if not verdict.chosen or not lost or axis in {POWER, CURRENT}:
                    continue
                rival = self._crossing(verdict, axis, lost)
                if rival is not None:
                    yield self._hidden(verdict, axis, lost, rival)

    def _crossing(self, verdict: Verdict, axis: int, lost: int) -> Offer | None:
        """Return who takes a part of the range that an element states, by a range of its own.

        A narrower range before a wider one is how exceptions are written; ranges that overlap
        without either holding the other are a slip.
        """
        own = verdict.offer.box[axis]
        for rival in verdict.rivals:
            theirs = rival.box[axis]
            overlaps = theirs & lost and theirs & ~own and theirs != self.space.full[axis]
            if overlaps and not _same_price(rival.component, verdict.offer.component):
                return rival
        return None

    def _hidden(self, verdict: Verdict, axis: int, lost: int, rival: Offer) -> Finding:
        offer = verdict.offer
        stated, used = list(self.space.full), list(self.space.full)
        stated[axis] = offer.box[axis]
        used[axis] = shadow(verdict.chosen, axis)
        missed = meet(_with(offer.box, axis, lost), rival.box) or offer.box
        example = self.stage.shown(
            self.stage.within(self.space, missed, offer.component.type),
            otherwise=moved(self.tariff, offer.element, rival.element),
            change=Said("FIRST", {"element": offer.element + 1}),
        )
        return Finding(
            Rule.PARTLY_HIDDEN,
            Severity.WARNING,
            (offer.element, rival.element),
            (offer.component.type,),
            "restrictions",
            {
                "element": offer.element + 1,
                "others": rival.element + 1,
                "stated": region(self.space, tuple(stated)),
                "used": region(self.space, tuple(used)),
            },
            example,
        )

    def _flats(self) -> Iterator[Finding]:
        """Yield flat fees that are never the first of a session, and say that only one counts."""
        offers = self.offers(Phase.SESSION, FLAT)
        starts = self.space.states(Phase.SESSION)
        starts = meet(starts, self.space.starts()) or starts
        if len(offers) < 2 or self.left(starts, offers) != []:
            return
        first: list[Offer] = []
        for place, offer in enumerate(offers):
            box, earlier = meet(offer.box, starts), offers[:place]
            if box and self.left(box, earlier) != []:
                first.append(offer)
            elif self.left(offer.box, earlier):
                yield self._never_first(offer, first)
        fees = [offer for offer in first if offer.component.price]
        if len({(offer.component.price, offer.component.vat) for offer in fees}) > 1:
            yield Finding(
                Rule.FLAT_ONCE,
                Severity.HINT,
                tuple(offer.element for offer in fees),
                (FLAT,),
                "price_components",
                {"others": Words(tuple(offer.element + 1 for offer in fees))},
            )

    def _never_first(self, offer: Offer, first: Sequence[Offer]) -> Finding:
        segments = self.stage.within(self.space, offer.box, FLAT)
        return Finding(
            Rule.FLAT_NEVER_FIRST,
            Severity.ERROR if offer.component.price else Severity.HINT,
            (offer.element, *(other.element for other in first)),
            (FLAT,),
            "price_components",
            {
                "element": offer.element + 1,
                "others": Words(tuple(other.element + 1 for other in first)),
                "price": Amount(offer.component.price, self.tariff.currency),
            },
            self.stage.shown(segments),
        )

    def _gaps(self) -> Iterator[Finding]:
        energy_costs = False
        for dimension in (ENERGY, PARKING_TIME, TIME):
            offers = self.offers(Phase.SESSION, dimension)
            if not any(offer.component.price for offer in offers):
                continue
            uncovered = self.left(self.space.full, offers)
            if uncovered is None:
                continue
            left = [box for box in uncovered if self._has_begun(box)]
            known = [box for box in map(self._known, left) if box is not None]
            if known:
                # Where energy is always paid for, fees for hours of the day are just that.
                if not (energy_costs and all(map(self._is_clock, known))):
                    yield self._gap(dimension, known)
            elif left:
                yield self._unknown_gap(dimension, left[0])
            elif dimension is ENERGY:
                energy_costs = True

    def _is_clock(self, box: Box) -> bool:
        return all(box[axis] == self.space.full[axis] for axis in AXES if axis not in {DAY, CLOCK})

    def _has_begun(self, box: Box) -> bool:
        """Tell whether a box reaches on: a price that begins after a while leaves no gap."""
        return all(box[axis] >> (len(self.space.bounds[axis]) - 1) for axis in (KWH, DURATION))

    def _known(self, box: Box) -> Box | None:
        cells = list(box)
        for axis in (POWER, CURRENT):
            if box[axis] != self.space.full[axis]:
                cells[axis] &= ~self.space.unknown(axis)
        return tuple(cells) if all(cells) else None

    def _gap(self, dimension: TariffDimensionType, boxes: Sequence[Box]) -> Finding:
        boxes = joined(boxes[:GAPS_JOINED])
        boxes.sort(key=lambda box: sum(cells.bit_count() for cells in box), reverse=True)
        where = [region(self.space, box) for box in boxes[:GAPS_SHOWN]]
        if len(boxes) > GAPS_SHOWN:
            where.append(Said("MORE"))
        return Finding(
            Rule.GAP,
            Severity.WARNING if dimension is ENERGY else Severity.HINT,
            (),
            (dimension,),
            "elements",
            {"where": Words(tuple(where), "; ")},
            self.stage.shown(self.stage.within(self.space, boxes[0], dimension)),
        )

    def _unknown_gap(self, dimension: TariffDimensionType, box: Box) -> Finding:
        axis = POWER if box[POWER] != self.space.full[POWER] else CURRENT
        return Finding(
            Rule.GAP_WHEN_UNKNOWN,
            Severity.HINT,
            (),
            (dimension,),
            "elements",
            {"what": Said("POWER" if axis == POWER else "CURRENT")},
            self.stage.shown(self.stage.within(self.space, box, dimension)),
        )


def moved(tariff: Tariff, element: int, before: int) -> Tariff:
    """Return the tariff with an element put before an earlier one."""
    elements = list(tariff.elements)
    elements.insert(min(before, element), elements.pop(element))
    return replace(tariff, elements=tuple(elements))


def _with(box: Box, axis: int, cells: int) -> Box:
    return (*box[:axis], cells, *box[axis + 1 :])


def _same_price(one: PriceComponent, other: PriceComponent) -> bool:
    same = (one.price, one.vat, one.grace_period) == (other.price, other.vat, other.grace_period)
    return same and (not one.price or one.step_size == other.step_size)


def _merged(findings: Iterator[Finding]) -> Iterator[Finding]:
    """Yield findings that differ in their dimension only as one; the first keeps its example."""
    groups: dict[tuple[object, ...], list[Finding]] = {}
    for finding in findings:
        shown = tuple(sorted((name, repr(value)) for name, value in finding.values.items()))
        key = (finding.rule, finding.severity, finding.elements, finding.field, shown)
        groups.setdefault(key, []).append(finding)
    for group in groups.values():
        dimensions = tuple(one.dimensions[0] for one in group)
        yield replace(group[0], dimensions=dimensions)
