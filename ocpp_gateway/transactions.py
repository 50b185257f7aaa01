"""What the facts of a transaction mean, however they came: a rule for each thing stations do.

| what a station does | rule |
|---|---|
| sends a message again (2.0.1: same event, seqNo and time; 1.6: same content) | it counts once |
| uses a seqNo for two events | both count: SEQ_NO_TWICE |
| sends events out of order, or some never come | readings go by their times: OUT_OF_ORDER, SEQ_NO_MISSING |
| starts or ends twice, differently | the first to arrive counts: STARTED_TWICE, ENDED_TWICE |
| ends what it never started | it starts with the earliest thing known, and the register there: START_MISSING |
| boots, and goes on with the transaction | it goes on: REBOOTED |
| boots, and is silent about it for 20 minutes | it ended with the last reading: REBOOTED, END_MISSING |
| begins another transaction at the connector before the end of this one | it ended with the last reading: END_MISSING |
| ends it after the other one has begun, by its own time | that is its end: OVERLAP |
| tells an end at last | that is the end, whatever was concluded before |
| was offline, and tells later | its own times are believed |
| has a clock that is ahead, or was never set | its times are shifted (`station_clock`): CLOCK_AHEAD, CLOCK_BEHIND |
| has a register that falls | readings are passed on as they are; for what it means to the energy there is one rule, `sessions_app.metering.registers`: what was counted stays, and if the register goes on from below, so does the energy: REGISTER_FELL |
| has a register that is all nines, so that 10 GWh or more flowed | it is left out: ABSURD_REGISTER |
| meterStop is below meterStart | it is a register that fell, as any other: STOP_BELOW_START |
| is silent for more than 15 minutes before the end | the register at the end counts, spread evenly: GAP_BEFORE_END |
| tells power or current at a moment without a register | they are left out; nothing but such: NO_REGISTER |
| is suspended by the vehicle | the vehicle asks for no power, from the next reading on |
| is suspended by the station | the vehicle still asks for power: it is not parking |
| gives no energy | the transaction is ordinary: NO_ENERGY |

Energy may flow from the start in 1.6, which has no transaction before it is authorised. 2.0.1 may
begin one with the cable: there, from when it charges, the vehicle pauses, or the register rises.
"""  # noqa: E501  a table

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise

from cpo_platform.common.clock import in_utc, truncate
from cpo_platform.common.saying import Saying, say
from ocpp_gateway.facts import (
    ChargingState,
    Code,
    Fact,
    Finding,
    Kind,
    Sample,
    SignedValue,
    Token,
    says_the_same,
)
from ocpp_gateway.plausibility import possible
from ocpp_gateway.station_clock import StationClock
from sessions_app.metering import MAX_GAP, Reading
from sessions_app.metering.registers import usable_readings

# Longer than the usual 15 minutes between two readings: who goes on is heard of by then.
RESUMES_WITHIN = timedelta(minutes=20)

_WH = Decimal("0.001")

_OVERLAP = say("The transaction ended after the next one at the connector had begun.")
_END_MISSING = say("Its end was never told: it ends with the last reading.")
_OF_THE_STATION = frozenset({Kind.REBOOTED, Kind.SUPERSEDED})
_FLOWING = frozenset({ChargingState.CHARGING, ChargingState.SUSPENDED_EV})
_ASKING = frozenset({ChargingState.CHARGING, ChargingState.SUSPENDED_EVSE})


@dataclass(frozen=True, slots=True)
class Understood:
    """What a transaction is by now.

    `meter_start` is kWh, None as long as no register is known; `readings` are raw registers, in
    order, one per moment; `energy` is kWh, what they mean. `active_at` is when energy began to be
    able to flow, `look_again_at` when time alone changes the answer. `end_reason` is OCPP's, ""
    where the end was concluded.
    """

    started_at: datetime
    meter_start: Decimal | None
    token: Token | None
    reservation_id: int | None
    readings: tuple[Reading, ...]
    energy: Decimal
    active_at: datetime | None
    ended_at: datetime | None
    end_reason: str
    look_again_at: datetime | None
    signed: tuple[SignedValue, ...]
    findings: tuple[Finding, ...]

    @property
    def is_active(self) -> bool:
        """Whether energy may have flown."""
        return self.active_at is not None


@dataclass(frozen=True, slots=True)
class _Told:
    """The facts in order of time, each with its moment; those in `station` are of the station."""

    own: list[tuple[datetime, Fact]]
    station: list[tuple[datetime, Fact]]
    start: tuple[datetime, Fact] | None
    end: tuple[datetime, Fact] | None
    clock: StationClock

    @property
    def is_1_6(self) -> bool:
        return all(fact.seq_no is None for _, fact in self.own)


@dataclass(frozen=True, slots=True)
class _End:
    at: datetime | None = None
    reason: str = ""
    look_again_at: datetime | None = None
    findings: tuple[Finding, ...] = ()


def understand(facts: Sequence[Fact], *, now: datetime) -> Understood:
    """Return what all facts of one transaction that have arrived so far mean together.

    They may be in any order, and more than once. States of 1.6, boots and the start of another
    transaction (`facts.superseded_by`) belong to the transaction that was open at the connector
    when they happened.

    Raises:
        ValueError: no fact is of the transaction itself.

    """
    once = _once(facts)
    told = _told(once)
    if not told.own:
        raise ValueError("facts: none is of the transaction itself")
    readings, absurd = possible(_readings(told))
    started_at = _started_at(told, readings)
    usable, _ = usable_readings(readings)
    energy = usable[-1].kwh - usable[0].kwh if usable else Decimal(0)
    end = _end(told, readings, started_at, now)
    found = [
        *(finding for fact in once for finding in fact.findings),
        *_order(once),
        *_clock(told),
        *_bounds(told, once),
        *absurd,
        *end.findings,
        *_meter(told, readings, end.at, energy),
    ]
    return Understood(
        started_at=started_at,
        meter_start=_meter_start(told, readings),
        token=_token(told),
        reservation_id=next(
            (f.reservation_id for _, f in told.own if f.reservation_id is not None), None
        ),
        readings=tuple(readings),
        energy=energy,
        active_at=_active_at(told, usable, started_at),
        ended_at=end.at,
        end_reason=end.reason,
        look_again_at=end.look_again_at,
        signed=_signed(told),
        findings=tuple(dict.fromkeys(found)),
    )


def _once(facts: Iterable[Fact]) -> list[Fact]:
    """Return the facts in order of arrival, without those that were told before."""
    kept: list[Fact] = []
    of_event: dict[object, list[Fact]] = {}
    for fact in sorted(facts, key=_arrival):
        alike = of_event.setdefault((fact.kind, fact.seq_no, fact.stamped_at), [])
        is_numbered = fact.seq_no is not None
        if not (alike if is_numbered else any(says_the_same(one, fact) for one in alike)):
            alike.append(fact)
            kept.append(fact)
    return kept


def _arrival(fact: Fact) -> tuple[datetime, int, str]:
    # repr: an order for those that arrived at one moment, whatever order they are given in.
    return fact.arrived_at, fact.seq_no or 0, repr(fact)


def _told(once: Sequence[Fact]) -> _Told:
    clock = StationClock.of(once)
    timed = [(clock.time_of(fact), fact) for fact in once]
    ordered = sorted(timed, key=lambda item: (item[0], item[1].seq_no or 0))
    return _Told(
        own=[item for item in ordered if item[1].kind not in _OF_THE_STATION],
        station=[item for item in ordered if item[1].kind in _OF_THE_STATION],
        start=next((item for item in timed if item[1].kind == Kind.STARTED), None),
        end=next((item for item in timed if item[1].kind == Kind.ENDED), None),
        clock=clock,
    )


def _readings(told: _Told) -> list[Reading]:
    """Return what the meter showed, in order, what was told of one moment in one."""
    of_moment: dict[datetime, list[tuple[Sample, datetime | None]]] = {}
    for sample, at, stamped_at in _sampled(told):
        of_moment.setdefault(truncate(at), []).append((sample, stamped_at))
    states = [(truncate(at), fact.state) for at, fact in told.own if fact.state is not None]
    found = []
    for at in sorted(of_moment):
        samples = [sample for sample, _ in of_moment[at]]
        registers = [sample.kwh for sample in samples if sample.kwh is not None]
        if registers:
            stamps = [stamp for _, stamp in of_moment[at] if stamp is not None]
            reading = Reading(
                at=at,
                # Whole Wh of a message beside parts of them in a sample: the finer is higher.
                kwh=max(registers),
                power_kw=_highest(sample.power_kw for sample in samples),
                current_a=_highest(sample.current_a for sample in samples),
                requesting_power=_requests_power(states, at),
                stamped_at=min(stamps, default=None),
            )
            found.append(reading)
    return found


def _sampled(told: _Told) -> Iterator[tuple[Sample, datetime, datetime | None]]:
    """Yield the samples, each with its moment, and its stamp where that is not believed."""
    for _, fact in told.own:
        for sample in fact.samples:
            moment = told.clock.time_within(fact, sample.at)
            if moment is not None:
                yield sample, moment, None if moment == sample.at else sample.at
    for bound in (told.start, told.end):
        if bound is None:
            continue
        at, fact = bound
        register = fact.meter_start_wh if fact.kind == Kind.STARTED else fact.meter_stop_wh
        if register is not None:
            stamp = fact.stamped_at if at != fact.stamped_at else None
            yield Sample(at, kwh=_kwh(register)), at, stamp


def _kwh(wh: int) -> Decimal:
    return Decimal(wh).scaleb(-3)


def _highest(values: Iterable[Decimal | None]) -> Decimal | None:
    return max((value for value in values if value is not None), default=None)


def _requests_power(states: Sequence[tuple[datetime, ChargingState]], at: datetime) -> bool:
    index = bisect_right(states, at, key=lambda state: state[0])
    return index == 0 or states[index - 1][1] in _ASKING


def _started_at(told: _Told, readings: Sequence[Reading]) -> datetime:
    if told.start is not None:
        return told.start[0]
    return min([told.own[0][0], *(reading.at for reading in readings[:1])])


def _meter_start(told: _Told, readings: Sequence[Reading]) -> Decimal | None:
    wh = told.start[1].meter_start_wh if told.start else None
    if wh is not None:
        return _kwh(wh)
    begun = [
        sample.kwh
        for _, fact in told.own
        for sample in fact.samples
        if sample.context == "Transaction.Begin" and sample.kwh is not None
    ]
    return next(iter([*begun, *(reading.kwh for reading in readings)]), None)


def _token(told: _Told) -> Token | None:
    """Return the token that began it: that of the end only where there is no other."""
    before_end = [fact for _, fact in told.own if fact.kind != Kind.ENDED]
    ended = [fact for _, fact in told.own if fact.kind == Kind.ENDED]
    return next((fact.token for fact in [*before_end, *ended] if fact.token is not None), None)


def _active_at(told: _Told, usable: Sequence[Reading], started_at: datetime) -> datetime | None:
    if told.is_1_6:
        return started_at
    flows = next((at for at, fact in told.own if fact.state in _FLOWING), None)
    rises = next(((a.at, b.at) for a, b in pairwise(usable) if b.kwh > a.kwh), None)
    if rises is not None and (flows is None or rises[1] <= flows):
        # It flowed before anybody said so.
        flows = rises[0]
    return None if flows is None else max(flows, started_at)


def _end(told: _Told, readings: Sequence[Reading], started_at: datetime, now: datetime) -> _End:
    others = [at for at, fact in told.station if fact.kind == Kind.SUPERSEDED]
    boots = [fact.arrived_at for _, fact in told.station if fact.kind == Kind.REBOOTED]
    rebooted = tuple(_reboots(boots))
    if told.end is not None:
        at, fact = told.end
        overlap = (Finding(Code.OVERLAP, _OVERLAP),) if others and at > others[0] else ()
        return _End(at, fact.reason, findings=rebooted + overlap)
    concluded = _End(
        at=max([started_at, *(reading.at for reading in readings[-1:])]),
        findings=(*rebooted, Finding(Code.END_MISSING, _END_MISSING)),
    )
    if others:
        return concluded
    if not boots or any(at > boots[-1] and _goes_on(fact) for at, fact in told.own):
        return _End(findings=rebooted)
    if now >= boots[-1] + RESUMES_WITHIN:
        return concluded
    return _End(look_again_at=boots[-1] + RESUMES_WITHIN, findings=rebooted)


def _goes_on(fact: Fact) -> bool:
    """Tell whether it is of a transaction that runs: a free connector is reported after a boot."""
    return fact.kind != Kind.STATE or fact.state in _FLOWING | _ASKING


def _reboots(boots: Iterable[datetime]) -> Iterator[Finding]:
    for at in boots:
        yield Finding(
            Code.REBOOTED, say("The station booted at %(at)s, before the end.", at=in_utc(at))
        )


def _signed(told: _Told) -> tuple[SignedValue, ...]:
    return tuple(
        dict.fromkeys(
            signed for _, fact in told.own for sample in fact.samples for signed in sample.signed
        )
    )


def _order(once: Sequence[Fact]) -> Iterator[Finding]:
    """Yield what is odd in the order: seqNo counts up by one (OCPP 2.0.1, E01, E02)."""
    numbers = [fact.seq_no for fact in once if fact.seq_no is not None]
    if numbers != sorted(numbers):
        yield Finding(Code.OUT_OF_ORDER, say("Events came out of order."))
    twice = sorted(number for number, times in Counter(numbers).items() if times > 1)
    if twice:
        yield Finding(
            Code.SEQ_NO_TWICE,
            say("Different events have one seqNo: %(numbers)s.", numbers=_listed(twice)),
        )
    # A seqNo is the station's to choose: a range may be larger than any list of it.
    missing = [(a + 1, b - 1) for a, b in pairwise(sorted(set(numbers))) if b > a + 1]
    if missing:
        ranges = ", ".join(str(a) if a == b else f"{a}\N{EN DASH}{b}" for a, b in missing[:10])
        yield Finding(
            Code.SEQ_NO_MISSING, say("Events are missing: seqNo %(numbers)s.", numbers=ranges)
        )


def _ahead(shift: timedelta | None) -> Saying:
    if shift is None:
        return say("The station's clock was ahead: it stood, so arrivals count.")
    return say("The station's clock was ahead: it is taken as off by %(by)s.", by=str(-shift))


def _never_set(shift: timedelta | None) -> Saying:
    if shift is None:
        return say("The station's clock was never set: it stood, so arrivals count.")
    return say("The station's clock was never set: it is taken as off by %(by)s.", by=str(-shift))


def _clock(told: _Told) -> Iterator[Finding]:
    for fault, shift in sorted(told.clock.shifts.items()):
        is_ahead = fault == Code.CLOCK_AHEAD
        yield Finding(fault, _ahead(shift) if is_ahead else _never_set(shift))
    for _, fact in told.own:
        for sample in fact.samples:
            if told.clock.time_within(fact, sample.at) is None:
                yield Finding(
                    Code.BAD_TIME,
                    say(
                        "A sample of %(at)s was dropped: nothing tells when it was.",
                        at=in_utc(sample.at),
                    ),
                )


def _bounds(told: _Told, once: Sequence[Fact]) -> Iterator[Finding]:
    kinds = [fact.kind for fact in once]
    if told.start is None:
        yield Finding(
            Code.START_MISSING,
            say("Its start was never told: it starts with the earliest thing known."),
        )
    if kinds.count(Kind.STARTED) > 1:
        yield Finding(
            Code.STARTED_TWICE, say("It started twice: the start that came first counts.")
        )
    if kinds.count(Kind.ENDED) > 1:
        yield Finding(Code.ENDED_TWICE, say("It ended twice: the end that came first counts."))


def _meter(
    told: _Told, readings: Sequence[Reading], ended_at: datetime | None, energy: Decimal
) -> Iterator[Finding]:
    for before, after in pairwise(readings):
        # A message has whole Wh, a sample before it may have parts of one.
        if before.kwh - after.kwh >= _WH:
            saying = say(
                "The register fell from %(before)s kWh to %(after)s kWh at %(at)s.",
                before=str(before.kwh),
                after=str(after.kwh),
                at=in_utc(after.at),
            )
            yield Finding(Code.REGISTER_FELL, saying)
    stop = told.end[1].meter_stop_wh if told.end else None
    start = _meter_start(told, readings)
    if stop is not None and start is not None and _kwh(stop) < start:
        saying = say(
            "meterStop, %(stop)s kWh, is below the register at the start, %(start)s kWh.",
            stop=str(_kwh(stop)),
            start=str(start),
        )
        yield Finding(Code.STOP_BELOW_START, saying)
    if ended_at is None:
        return
    before_end = [reading.at for reading in readings if reading.at < truncate(ended_at)]
    if told.end and before_end and ended_at - before_end[-1] > MAX_GAP:
        yield Finding(
            Code.GAP_BEFORE_END,
            say("There are no readings between %(at)s and the end.", at=in_utc(before_end[-1])),
        )
    if not readings:
        yield Finding(Code.NO_REGISTER, say("No register was told: no energy is counted."))
    elif not energy:
        yield Finding(Code.NO_ENERGY, say("No energy flowed."))


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers[:10]))
