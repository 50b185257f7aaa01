"""What chargers tell is understood by the platform as what they did."""

from datetime import UTC, datetime
from decimal import Decimal

from ocpp_gateway import v1_6, v2_0_1
from ocpp_gateway.facts import Fact
from ocpp_gateway.transactions import Understood, understand
from sandbox.charger import Handle
from tests.sandbox.charger.conftest import Start
from tests.sandbox.charger.csms import Csms


def facts(csms: Csms, transaction_id: str) -> list[Fact]:
    """Translate all that was told of a transaction."""
    now, found = datetime.now(UTC), []
    for call in csms.calls:
        payload = call.payload
        if call.action == "TransactionEvent":
            found.append(v2_0_1.transaction_event(payload, arrived_at=now))
        elif call.action == "StartTransaction":
            started = v1_6.start_transaction(payload, arrived_at=now, transaction_id=transaction_id)
            found.append(started)
        elif call.action == "MeterValues":
            found.append(v1_6.meter_values(payload, arrived_at=now))
        elif call.action == "StopTransaction":
            found.append(v1_6.stop_transaction(payload, arrived_at=now))
    return found


def understood(csms: Csms, transaction_id: str) -> Understood:
    csms.changes.wait_for(
        lambda: any(
            call.action == "StopTransaction" or call.payload.get("eventType") == "Ended"
            for call in list(csms.calls)
        ),
        10,
        "the end",
    )
    return understand(facts(csms, transaction_id), now=datetime.now(UTC))


def charge(charger: Handle) -> str:
    charger.plug(need_kwh=2)
    charger.present("CARD")
    return charger.wait_for(lambda one: one.transaction()) or ""


def full(charger: Handle) -> bool:
    return charger.register_wh() == 12_000


def test_energy_is_what_the_meter_counted(csms: Csms, start: Start) -> None:
    charger = start(csms, meter_seconds=0.05, time_factor=2000, outlets=[{"meter_wh": 10_000}])
    transaction_id = charge(charger)
    charger.wait_for(full)
    charger.present("CARD")

    found = understood(csms, transaction_id)

    assert found.energy == Decimal(2)
    assert found.end_reason == "Local"
    assert found.token is not None
    assert found.token.uid == "CARD"
    assert found.findings == ()


def test_energy_that_flowed_offline_counts(csms: Csms, start: Start) -> None:
    charger = start(csms, meter_seconds=0.05, time_factor=2000, outlets=[{"meter_wh": 10_000}])
    transaction_id = charge(charger)
    charger.wait_for(lambda one: one.quiet)
    charger.drop()
    charger.wait_for(full)
    charger.unplug()
    charger.resume()

    found = understood(csms, transaction_id)

    assert found.energy == Decimal(2)
    assert found.end_reason == "EVDisconnected"
    assert found.findings == ()


def test_energy_before_and_after_a_power_loss_counts(csms: Csms, start: Start) -> None:
    charger = start(csms, meter_seconds=0.05, time_factor=500, outlets=[{"meter_wh": 10_000}])
    transaction_id = charge(charger)
    charger.wait_for(lambda one: one.quiet)
    charger.power_loss(seconds=0.01, transactions="goes on")
    charger.wait_for(full)
    charger.present("CARD")

    found = understood(csms, transaction_id)

    assert found.energy == Decimal(2)
    assert found.ended_at is not None
