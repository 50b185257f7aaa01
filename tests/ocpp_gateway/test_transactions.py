"""What the facts of a transaction mean: each rule with the messages that stations send."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpo_platform.common.telling import tell
from ocpp_gateway import v1_6, v2_0_1
from ocpp_gateway.facts import Code, Fact, Token, says_the_same, superseded_by
from ocpp_gateway.transactions import Understood, understand

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LONG_AFTER = NOON + timedelta(days=1)


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def text(minutes: float) -> str:
    return at(minutes).strftime("%Y-%m-%dT%H:%M:%SZ")


def start(
    minutes: float = 0, wh: int = 10_000, *, arrived: datetime | None = None, stamp: str = ""
) -> Fact:
    frame = (
        '{"connectorId": 1, "idTag": "04E91C5A123F80", "meterStart": %d, "timestamp": "%s"}'  # noqa: UP031
        % (wh, stamp or text(minutes))
    )
    return v1_6.start_transaction(
        json.loads(frame), arrived_at=arrived or at(minutes), transaction_id="7"
    )


def meter(
    minutes: float, wh: str, *, arrived: datetime | None = None, stamp: str = "", **more: str
) -> Fact:
    value = json.dumps({"value": wh, **more})
    frame = (
        '{"connectorId": 1, "transactionId": 7, "meterValue": [{"timestamp": "%s",'  # noqa: UP031
        ' "sampledValue": [%s]}]}' % (stamp or text(minutes), value)
    )
    return v1_6.meter_values(json.loads(frame), arrived_at=arrived or at(minutes))


def stop(
    minutes: float,
    wh: int,
    *,
    arrived: datetime | None = None,
    stamp: str = "",
    reason: str = "EVDisconnected",
    data: Sequence[tuple[str, str]] = (),
) -> Fact:
    values = [{"timestamp": when, "sampledValue": [{"value": value}]} for when, value in data]
    frame = (
        '{"transactionId": 7, "idTag": "04E91C5A123F80", "meterStop": %d, "timestamp": "%s",'  # noqa: UP031
        ' "reason": "%s", "transactionData": %s}'
        % (wh, stamp or text(minutes), reason, json.dumps(values))
    )
    return v1_6.stop_transaction(json.loads(frame), arrived_at=arrived or at(minutes))


def status(minutes: float, name: str) -> Fact:
    frame = (
        '{"connectorId": 1, "errorCode": "NoError", "status": "%s", "timestamp": "%s"}'  # noqa: UP031
        % (name, text(minutes))
    )
    fact = v1_6.state(json.loads(frame), arrived_at=at(minutes))
    assert fact is not None
    return fact


def boot(minutes: float) -> Fact:
    frame = '{"chargePointModel": "Wallbox", "chargePointVendor": "Acme"}'
    return v1_6.boot_notification(json.loads(frame), arrived_at=at(minutes))


def event(
    seq_no: int,
    kind: str,
    minutes: float,
    wh: float | None = None,
    *,
    arrived: datetime | None = None,
    stamp: str = "",
    state: str = "",
    token: bool = False,
    offline: bool = False,
) -> Fact:
    """Translate a TransactionEvent as a station would send it."""
    when = stamp or text(minutes)
    info = {"transactionId": "f00d"} | ({"chargingState": state} if state else {})
    payload: dict[str, Any] = {
        "eventType": kind,
        "timestamp": when,
        "triggerReason": "MeterValuePeriodic",
        "seqNo": seq_no,
        "offline": offline,
        "transactionInfo": info,
        "evse": {"id": 1, "connectorId": 1},
    }
    if wh is not None:
        payload["meterValue"] = [{"timestamp": when, "sampledValue": [{"value": wh}]}]
    if token:
        payload["idToken"] = {"idToken": "DE-ABC-C12345678", "type": "eMAID"}
    sent = json.loads(json.dumps(payload), parse_float=Decimal)
    return v2_0_1.transaction_event(sent, arrived_at=arrived or at(minutes))


ORDINARY_1_6 = (start(), meter(15, "12500"), meter(30, "15000"), stop(40, 16_000))
ORDINARY_2_0_1 = (
    event(0, "Started", 0, 10_000, state="EVConnected"),
    event(1, "Updated", 1, state="Charging", token=True),
    event(2, "Updated", 15, 12_500, state="Charging"),
    event(3, "Updated", 30, 15_000, state="SuspendedEV"),
    event(4, "Ended", 40, 15_000, state="Idle"),
)


def meaning(*facts: Fact, now: datetime = LONG_AFTER) -> Understood:
    return understand(facts, now=now)


def codes(understood: Understood) -> list[Code]:
    return [finding.code for finding in understood.findings]


def registers(understood: Understood) -> list[tuple[datetime, Decimal]]:
    return [(reading.at, reading.kwh) for reading in understood.readings]


def test_an_ordinary_transaction_of_1_6() -> None:
    found = meaning(*ORDINARY_1_6)

    assert (found.started_at, found.ended_at, found.active_at) == (at(0), at(40), at(0))
    assert (found.meter_start, found.energy) == (Decimal(10), Decimal(6))
    assert (found.token, found.end_reason) == (Token("04E91C5A123F80"), "EVDisconnected")
    assert registers(found) == [
        (at(0), Decimal(10)),
        (at(15), Decimal("12.5")),
        (at(30), Decimal(15)),
        (at(40), Decimal(16)),
    ]
    assert found.findings == ()


def test_an_ordinary_transaction_of_2_0_1() -> None:
    found = meaning(*ORDINARY_2_0_1)

    assert (found.started_at, found.active_at, found.ended_at) == (at(0), at(1), at(40))
    assert (found.meter_start, found.energy) == (Decimal(10), Decimal(5))
    assert (found.token, found.end_reason) == (Token("DE-ABC-C12345678", "eMAID"), "Local")
    assert [reading.requesting_power for reading in found.readings] == [False, True, False, False]
    assert found.findings == ()


def test_no_fact_of_the_transaction_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="facts"):
        meaning(boot(1))


def test_a_cable_alone_lets_no_energy_flow() -> None:
    assert meaning(ORDINARY_2_0_1[0]).is_active is False


def test_energy_flows_where_the_register_rises_without_a_word() -> None:
    found = meaning(
        event(0, "Started", 0, 10_000), event(1, "Updated", 5, 10_000), event(2, "Ended", 9, 11_000)
    )

    assert found.active_at == at(5)


def test_what_flowed_before_the_word_that_comes_with_it_is_not_lost() -> None:
    found = meaning(
        event(0, "Started", 0, 10_000, state="EVConnected"),
        event(1, "Updated", 5, 10_500, state="Charging"),
        event(2, "Ended", 9, 11_000),
    )

    assert found.active_at == at(0)
    assert found.energy == Decimal(1)


# Repetitions, order, gaps


def test_a_repeated_event_counts_once() -> None:
    again = replace(ORDINARY_2_0_1[2], arrived_at=at(16))

    assert meaning(*ORDINARY_2_0_1, again) == meaning(*ORDINARY_2_0_1)


def test_a_repeated_stop_counts_once() -> None:
    again = stop(40, 16_000, arrived=at(55))

    assert meaning(*ORDINARY_1_6, again) == meaning(*ORDINARY_1_6)


def test_a_start_that_is_sent_again_says_the_same() -> None:
    assert says_the_same(start(), start(arrived=at(3)))
    assert not says_the_same(start(), start(3))
    assert not says_the_same(start(), start(wh=10_001))


def test_one_number_for_two_events_drops_neither() -> None:
    found = meaning(event(0, "Started", 0, 10_000), event(0, "Ended", 10, 11_000))

    assert found.energy == Decimal(1)
    assert codes(found) == [Code.SEQ_NO_TWICE]


def test_events_out_of_order_go_by_their_times() -> None:
    late = replace(ORDINARY_2_0_1[2], arrived_at=at(35))
    found = meaning(*ORDINARY_2_0_1[:2], *ORDINARY_2_0_1[3:], late)

    assert codes(found) == [Code.OUT_OF_ORDER]
    assert replace(found, findings=()) == meaning(*ORDINARY_2_0_1)


def test_missing_events_leave_the_transaction_usable() -> None:
    found = meaning(ORDINARY_2_0_1[0], ORDINARY_2_0_1[2], ORDINARY_2_0_1[4])

    assert found.energy == Decimal(5)
    assert tell(found.findings[0].saying) == "Events are missing: seqNo 1, 3."


def test_a_huge_gap_is_told_as_a_range() -> None:
    found = meaning(event(0, "Started", 0, 1), event(2**31, "Ended", 1, 2))

    assert tell(found.findings[0].saying) == "Events are missing: seqNo 1–2147483647."


# Bounds that are missing or told twice


def test_an_end_without_a_start_in_2_0_1() -> None:
    found = meaning(*ORDINARY_2_0_1[2:])

    assert (found.started_at, found.ended_at) == (at(15), at(40))
    assert (found.meter_start, found.energy) == (Decimal("12.5"), Decimal("2.5"))
    assert codes(found) == [Code.START_MISSING]


def test_a_stop_without_a_start_in_1_6() -> None:
    found = meaning(stop(40, 16_000, data=[(text(0), "10000"), (text(30), "15000")]))

    assert (found.started_at, found.ended_at, found.token) == (
        at(0),
        at(40),
        Token("04E91C5A123F80"),
    )
    assert (found.meter_start, found.energy) == (Decimal(10), Decimal(6))
    assert codes(found) == [Code.START_MISSING]


def test_a_stop_alone_bills_nothing() -> None:
    found = meaning(stop(40, 16_000))

    assert (found.started_at, found.ended_at, found.energy) == (at(40), at(40), Decimal(0))
    assert codes(found) == [Code.START_MISSING, Code.NO_ENERGY]


def test_of_two_starts_the_first_to_arrive_counts() -> None:
    found = meaning(*ORDINARY_1_6, start(2, 10_500))

    assert (found.started_at, found.meter_start) == (at(0), Decimal(10))
    assert codes(found) == [Code.STARTED_TWICE]


def test_of_two_ends_the_first_to_arrive_counts() -> None:
    found = meaning(*ORDINARY_1_6, stop(50, 17_000))

    assert (found.ended_at, found.energy) == (at(40), Decimal(6))
    assert codes(found) == [Code.ENDED_TWICE]


def test_a_boot_ends_what_nobody_speaks_of_any_more() -> None:
    facts = (*ORDINARY_1_6[:3], boot(35), status(36, "Available"))

    waiting = meaning(*facts, now=at(50))
    assert (waiting.ended_at, waiting.look_again_at) == (None, at(55))
    assert codes(waiting) == [Code.REBOOTED]
    over = meaning(*facts, now=at(55))
    assert (over.ended_at, over.energy, over.end_reason) == (at(30), Decimal(5), "")
    assert codes(over) == [Code.REBOOTED, Code.END_MISSING]


def test_a_transaction_may_go_on_after_a_boot() -> None:
    found = meaning(*ORDINARY_1_6[:2], boot(20), meter(30, "15000"))

    assert (found.ended_at, found.look_again_at) == (None, None)
    assert codes(found) == [Code.REBOOTED]


def test_an_end_that_is_told_after_the_boot_is_the_end() -> None:
    facts = (*ORDINARY_1_6[:3], boot(35), stop(34, 15_800, arrived=at(90), reason="PowerLoss"))

    found = meaning(*facts)
    assert (found.ended_at, found.end_reason) == (at(34), "PowerLoss")
    assert (found.energy, codes(found)) == (Decimal("5.8"), [Code.REBOOTED])


def test_the_next_transaction_at_the_connector_ends_the_one_before() -> None:
    other = superseded_by(start(35, 16_000))

    found = meaning(*ORDINARY_1_6[:3], other, now=at(35))

    assert (found.ended_at, found.energy) == (at(30), Decimal(5))
    assert codes(found) == [Code.END_MISSING]


def test_a_transaction_that_ended_in_the_next_one_overlaps_it() -> None:
    found = meaning(*ORDINARY_1_6, superseded_by(start(35, 16_000)))

    assert (found.ended_at, found.energy) == (at(40), Decimal(6))
    assert codes(found) == [Code.OVERLAP]


def test_a_transaction_that_ended_before_the_next_one_is_in_order() -> None:
    assert meaning(*ORDINARY_1_6, superseded_by(start(40, 16_000))).findings == ()


# Clocks


def test_what_was_told_later_happened_when_the_station_says() -> None:
    later = [
        replace(fact, arrived_at=NOON + timedelta(hours=9), offline=True) for fact in ORDINARY_2_0_1
    ]

    assert meaning(*later) == meaning(*ORDINARY_2_0_1)


def test_a_clock_that_is_ahead_is_shifted() -> None:
    ahead = timedelta(hours=1)
    found = meaning(*(_stamped(fact, ahead) for fact in ORDINARY_2_0_1))

    assert codes(found) == [Code.CLOCK_AHEAD]
    assert registers(found) == registers(meaning(*ORDINARY_2_0_1))
    assert (found.started_at, found.ended_at) == (at(0), at(40))
    assert [reading.stamped_at for reading in found.readings] == [
        reading.at + ahead for reading in found.readings
    ]


def test_a_clock_that_is_ahead_a_little_is_believed() -> None:
    found = meaning(*(_stamped(fact, timedelta(minutes=2)) for fact in ORDINARY_2_0_1))

    assert (found.started_at, codes(found)) == (at(2), [])


@pytest.mark.parametrize("year", [1970, 2000])
def test_a_clock_that_was_never_set_is_shifted(year: int) -> None:
    behind = datetime(year, 1, 1, tzinfo=UTC) - NOON
    for facts in (ORDINARY_1_6, ORDINARY_2_0_1):
        found = meaning(*(_stamped(fact, behind) for fact in facts))

        assert codes(found) == [Code.CLOCK_BEHIND]
        assert registers(found) == registers(meaning(*facts))
        assert (found.started_at, found.ended_at) == (at(0), at(40))


def test_delays_of_the_network_do_not_move_what_was_told() -> None:
    behind = datetime(1970, 1, 1, tzinfo=UTC) - NOON
    facts = [_stamped(fact, behind) for fact in ORDINARY_1_6]
    late = [replace(fact, arrived_at=fact.arrived_at + timedelta(seconds=5)) for fact in facts[1:]]

    assert registers(meaning(facts[0], *late)) == registers(meaning(*ORDINARY_1_6))


def test_what_was_kept_by_a_clock_that_was_never_set_keeps_its_durations() -> None:
    behind = datetime(1970, 1, 1, tzinfo=UTC) - NOON
    kept = [replace(_stamped(fact, behind), arrived_at=at(40)) for fact in ORDINARY_1_6]

    assert registers(meaning(*kept)) == registers(meaning(*ORDINARY_1_6))


def test_what_was_sent_live_tells_how_far_off_the_clock_was() -> None:
    behind = datetime(1970, 1, 1, tzinfo=UTC) - NOON
    first, *later = (_stamped(fact, behind) for fact in ORDINARY_2_0_1)
    kept = replace(first, arrived_at=first.arrived_at + timedelta(seconds=50), offline=True)

    assert registers(meaning(kept, *later)) == registers(meaning(*ORDINARY_2_0_1))


def test_a_clock_that_is_set_on_the_way_is_believed_from_then_on() -> None:
    behind = datetime(1970, 1, 1, tzinfo=UTC) - NOON
    found = meaning(*(_stamped(fact, behind) for fact in ORDINARY_1_6[:2]), *ORDINARY_1_6[2:])

    assert registers(found) == registers(meaning(*ORDINARY_1_6))


def test_samples_of_a_stop_are_of_the_clock_that_was_set_later() -> None:
    begun = start(stamp="1970-01-01T00:10:00Z")
    ended = stop(40, 16_000, data=[("1970-01-01T00:25:00Z", "12500"), (text(30), "15000")])

    assert registers(meaning(begun, ended)) == registers(meaning(*ORDINARY_1_6))


def test_samples_of_a_stop_are_shifted_with_it() -> None:
    begun = start(stamp=text(10))
    ended = stop(40, 16_000, stamp=text(50), data=[(text(25), "12500"), (text(40), "15000")])

    assert registers(meaning(begun, ended)) == registers(meaning(*ORDINARY_1_6))


def test_a_sample_of_which_nothing_tells_when_it_was_is_dropped() -> None:
    ended = stop(40, 16_000, data=[("1970-01-01T00:25:00Z", "12500")])

    found = meaning(start(), ended)
    assert registers(found) == [(at(0), Decimal(10)), (at(40), Decimal(16))]
    assert Code.BAD_TIME in codes(found)


def test_a_clock_that_stands_tells_nothing() -> None:
    stamp = "1970-01-01T00:00:00Z"
    found = meaning(
        start(stamp=stamp),
        meter(15, "12500", stamp=stamp),
        meter(30, "15000", stamp=stamp),
        stop(40, 16_000, stamp=stamp),
    )

    assert registers(found) == registers(meaning(*ORDINARY_1_6))


# Meters


def test_a_register_that_begins_anew_is_counted_on() -> None:
    found = meaning(
        start(), meter(10, "12000"), meter(20, "500"), meter(30, "1500"), stop(35, 1700)
    )

    assert found.energy == Decimal("3.2")
    assert codes(found) == [Code.REGISTER_FELL, Code.STOP_BELOW_START]
    assert [reading.kwh for reading in found.readings][2] == Decimal("0.5")


def test_a_register_that_falls_once_is_ignored() -> None:
    found = meaning(start(), meter(10, "0"), meter(20, "12000"), stop(30, 13_000))

    assert (found.energy, codes(found)) == (Decimal(3), [Code.REGISTER_FELL])


def test_parts_of_a_wh_that_the_last_message_leaves_out_are_no_fall() -> None:
    found = meaning(start(), meter(10, "12000.64"), stop(12, 12_000))

    assert found.energy == Decimal("2.00064")
    assert codes(found) == []


def test_a_stop_below_the_start_takes_no_energy_back() -> None:
    found = meaning(start(), meter(10, "12000"), stop(12, 0))

    assert found.energy == Decimal(2)
    assert codes(found) == [Code.REGISTER_FELL, Code.STOP_BELOW_START]


def test_a_silence_before_the_end_is_told() -> None:
    found = meaning(start(), meter(10, "12000"), stop(60, 20_000))

    assert found.energy == Decimal(10)
    assert codes(found) == [Code.GAP_BEFORE_END]


def test_no_energy_is_an_ordinary_end() -> None:
    found = meaning(start(), stop(5, 10_000))

    assert (found.ended_at, found.energy, codes(found)) == (at(5), Decimal(0), [Code.NO_ENERGY])


def test_power_without_a_register_is_no_reading() -> None:
    power = [
        meter(minutes, "11000", measurand="Power.Active.Import", unit="W") for minutes in (15, 20)
    ]
    found = meaning(*ORDINARY_1_6, *power)

    assert [reading.power_kw for reading in found.readings] == [None, Decimal(11), None, None]


def test_no_register_at_all_is_told() -> None:
    found = meaning(event(0, "Started", 0, state="Charging"), event(1, "Ended", 5))

    assert (found.meter_start, found.readings, found.energy) == (None, (), Decimal(0))
    assert codes(found) == [Code.NO_REGISTER]


def test_the_pause_of_a_vehicle_is_no_request_for_power_that_of_a_station_is() -> None:
    found = meaning(
        start(),
        status(1, "Charging"),
        meter(10, "11000"),
        status(12, "SuspendedEVSE"),
        meter(20, "11000"),
        status(22, "SuspendedEV"),
        meter(30, "11000"),
        status(32, "Charging"),
        stop(40, 12_000),
    )

    assert [r.requesting_power for r in found.readings] == [True, True, True, False, True]


def test_signed_values_are_kept_once() -> None:
    first = meter(40, "OCMF|{}|{}", format="SignedData", context="Transaction.End")

    found = meaning(*ORDINARY_1_6, first, replace(first, arrived_at=at(41)))

    assert [value.data for value in found.signed] == ["OCMF|{}|{}"]


# Any order, any number of times

ORDINARY = st.sampled_from([ORDINARY_1_6, ORDINARY_2_0_1])


@given(data=st.data(), facts=ORDINARY)
def test_order_and_repetition_change_nothing(data: st.DataObject, facts: Sequence[Fact]) -> None:
    """The order we read them in, and the times at which they and their repetitions arrive."""
    repeated = [*facts, *data.draw(st.lists(st.sampled_from(facts)))]
    shuffled = data.draw(st.permutations(repeated))
    delays = st.integers(0, 60 * 24 * 30).map(lambda minutes: timedelta(minutes=minutes))
    arrived = [replace(fact, arrived_at=fact.arrived_at + data.draw(delays)) for fact in shuffled]

    expected = meaning(*facts)
    for found in (meaning(*shuffled), meaning(*arrived)):
        assert (found.energy, found.readings) == (expected.energy, expected.readings)
        assert (found.started_at, found.ended_at) == (expected.started_at, expected.ended_at)
        assert (found.meter_start, found.token) == (expected.meter_start, expected.token)
    assert meaning(*shuffled) == expected


@given(data=st.data(), facts=ORDINARY)
def test_more_facts_only_add_readings(data: st.DataObject, facts: Sequence[Fact]) -> None:
    shuffled = data.draw(st.permutations(facts))
    known: set[tuple[datetime, Decimal]] = set()
    for count in range(1, len(shuffled) + 1):
        now_known = set(registers(meaning(*shuffled[:count])))
        assert known <= now_known
        known = now_known


@given(
    registers_told=st.lists(st.integers(0, 10**6), max_size=8),
    bounds=st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)),
    stamps=st.lists(st.integers(-(10**9), 10**9), min_size=10, max_size=10),
)
def test_energy_is_never_negative(
    registers_told: list[int], bounds: tuple[int, int], stamps: list[int]
) -> None:
    facts = [
        start(0, bounds[0]),
        *(meter(minutes, str(wh)) for minutes, wh in enumerate(registers_told, 1)),
        stop(9, bounds[1]),
    ]
    wild = [
        _stamped(fact, timedelta(seconds=seconds))
        for fact, seconds in zip(facts, stamps, strict=False)
    ]

    for found in (meaning(*facts), meaning(*wild), meaning(*facts[:-1], *wild)):
        assert found.energy >= 0
        moments = [reading.at for reading in found.readings]
        assert moments == sorted(set(moments))


def _stamped(fact: Fact, off_by: timedelta) -> Fact:
    """Return the fact as a station says it whose clock is off."""
    assert fact.stamped_at is not None
    return replace(
        fact,
        stamped_at=fact.stamped_at + off_by,
        samples=tuple(replace(sample, at=sample.at + off_by) for sample in fact.samples),
    )
