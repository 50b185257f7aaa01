"""Signed meter values: from the station to the CDR, untouched."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from pytest_django import Settings

from cpo_platform.common.shapes import SignedData, normalise
from ocpp_gateway.facts import SignedValue
from ocpp_gateway.frames import Version
from ocpp_gateway.models import AlertKind, SignedMeterValue, StationAlert
from ocpp_gateway.operations.signing import NO_KEY
from ocpp_gateway.signatures import Verdict
from ocpp_gateway.signed_data import signed_data
from tests.ocpp_gateway.test_signatures import READINGS, Meter
from tests.ocpp_gateway.world import Charge, make_outlet, minute
from tests.roaming.recording import RecordingPeer, drain, recording_peer

METER = Meter()
KEY = base64.b64encode(METER.der).decode()


def signed(wh: int, meter: Meter = METER) -> str:
    reading = {"TM": "2026-06-01T10:00:00,000+0000 S", "RV": wh / 1000, "RU": "kWh", "ST": "G"}
    return meter.sign(json.dumps(READINGS | {"RD": [reading]}))


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def of_2_0_1(wh: int, **more: str) -> dict[str, str]:
    return {
        "signedMeterData": encoded(signed(wh)),
        "signingMethod": METER.method,
        "encodingMethod": "OCMF",
        "publicKey": KEY,
    } | more


def charge_2_0_1(**fields: Any) -> Charge:
    charge = Charge(make_outlet(Version.V2_0_1, **fields))
    begin, end = {"context": "Transaction.Begin"}, {"context": "Transaction.End"}
    charge.event(0, "Started", 0, 10_000, state="Charging", signed=of_2_0_1(10_000), **begin)
    charge.event(1, "Updated", 15, 12_500, signed=of_2_0_1(12_500))
    charge.event(2, "Ended", 30, 15_000, signed=of_2_0_1(15_000), **end)
    return charge


@pytest.mark.django_db
@pytest.mark.rule("CDR-22")
def test_what_the_meter_signed_is_kept_judged_and_in_the_cdr() -> None:
    charge = charge_2_0_1(public_key=METER.der.hex())

    charge.digest(31)

    kept = list(SignedMeterValue.objects.order_by("position"))
    assert [row.data for row in kept] == [encoded(signed_text(row)) for row in kept]
    assert [(row.position, row.at, row.context, row.verdict) for row in kept] == [
        (0, minute(0), "Transaction.Begin", Verdict.VALID),
        (1, minute(15), "Sample.Periodic", Verdict.VALID),
        (2, minute(30), "Transaction.End", Verdict.VALID),
    ]
    assert {(row.signing_method, row.encoding_method, row.public_key) for row in kept} == {
        (METER.method, "OCMF", KEY)
    }
    assert {(row.reason, row.judged_at) for row in kept} == {("", minute(31))}
    assert charge.cdr.signed_data == {
        "encoding_method": "OCMF",
        "public_key": KEY,
        "signed_values": [
            {"nature": nature, "plain_data": signed_text(row), "signed_data": row.data}
            for nature, row in zip(("Start", "Intermediate", "End"), kept, strict=True)
        ],
    }
    assert charge.cdr.signed_data == normalise(SignedData, charge.cdr.signed_data)
    assert not StationAlert.objects.exists()


def signed_text(row: SignedMeterValue) -> str:
    return base64.b64decode(row.data).decode()


@pytest.mark.django_db
def test_what_1_6_signs_is_handed_on_in_base64() -> None:
    charge = Charge(make_outlet(public_key=KEY))
    charge.start()
    value = signed(12_500)
    charge.meter(15, "", value)
    charge.stop(20, 13_000)

    charge.digest(20.1)

    row = SignedMeterValue.objects.get()
    assert (row.data, row.verdict, row.encoding_method) == (value, Verdict.VALID, "")
    assert charge.cdr.signed_data == {
        "encoding_method": "OCMF",
        "public_key": KEY,
        "signed_values": [
            {"nature": "Intermediate", "plain_data": value, "signed_data": encoded(value)}
        ],
    }


@pytest.mark.django_db
def test_a_value_is_kept_and_judged_once() -> None:
    charge = Charge(make_outlet(public_key=KEY))
    charge.start()
    value = signed(12_500)
    charge.meter(15, "", value)
    charge.digest(15.1)
    charge.meter(15, "", value, arrived=16)
    charge.meter(10, "", signed(12_000), arrived=17)

    charge.digest(17.1)

    rows = SignedMeterValue.objects.order_by("position")
    assert list(rows.values_list("position", "at", "judged_at")) == [
        (0, minute(15), minute(15.1)),
        (1, minute(10), minute(17.1)),
    ]


@pytest.mark.django_db
def test_a_broken_signature_is_told_to_staff_and_billed_all_the_same() -> None:
    charge = Charge(make_outlet(public_key=KEY))
    charge.start()
    charge.meter(15, "", signed(12_500, Meter()))
    charge.stop(20, 13_000)

    charge.digest(20.1)

    row = SignedMeterValue.objects.get()
    assert (row.verdict, row.reason) == (
        Verdict.BROKEN,
        "the signature is not of this meter over these readings",
    )
    alert = StationAlert.objects.get()
    assert (alert.kind, alert.transaction) == (AlertKind.BROKEN_SIGNATURE, charge.row)
    assert alert.seen == (
        f"Session {charge.session.ocpi_id}: the signed value of 2026-06-01 08:15:00 UTC: "
        "the signature is not of this meter over these readings."
    )
    assert charge.cdr.signed_data is not None


@pytest.mark.django_db
def test_a_key_that_only_the_station_knows_proves_nothing() -> None:
    charge = charge_2_0_1()

    charge.digest(31)

    rows = SignedMeterValue.objects.values_list("verdict", "reason")
    assert set(rows) == {(Verdict.UNVERIFIED, NO_KEY)}
    assert charge.cdr.signed_data is not None
    assert charge.cdr.signed_data["public_key"] == KEY


@pytest.mark.django_db
def test_without_signed_values_a_cdr_has_none() -> None:
    charge = Charge(make_outlet(public_key=KEY))
    charge.start()
    charge.stop(20, 13_000)

    charge.digest(20.1)

    assert charge.cdr.signed_data is None


@pytest.fixture
def peer(settings: Settings) -> Iterator[RecordingPeer]:
    settings.OUTBOUND_ALLOW_PRIVATE = True
    with recording_peer() as running:
        yield running


@pytest.mark.django_db(transaction=True)
@pytest.mark.rule("CDR-22")
@pytest.mark.parametrize("version", ["2.1.1", "2.2.1", "2.3.0"])
def test_partners_are_pushed_what_the_meter_signed(peer: RecordingPeer, version: str) -> None:
    partner = peer.connect(version)
    charge = charge_2_0_1(public_key=KEY)

    charge.digest(31)
    drain(partner)

    [posted] = [request.body for request in peer.new() if request.method == "POST"]
    # 2.1.1 has no field for it.
    assert posted.get("signed_data") == (None if version == "2.1.1" else charge.cdr.signed_data)


# What OCPI can carry


def value(data: str, context: str = "Sample.Periodic", **more: str) -> SignedValue:
    return SignedValue(at=minute(0), data=data, context=context, **more)


def test_what_is_no_ocmf_is_handed_on_as_it_is() -> None:
    told = signed_data([value("EDL40;1;2")], public_key="")

    assert told == {
        "encoding_method": "unknown",
        "signed_values": [
            {"nature": "Intermediate", "plain_data": "EDL40;1;2", "signed_data": "EDL40;1;2"}
        ],
    }


def test_hex_becomes_base64() -> None:
    text = signed(1)

    told = signed_data([value(text.encode().hex())], public_key="")

    assert told is not None
    assert told["signed_values"][0]["signed_data"] == encoded(text)


@pytest.mark.parametrize("data", ["x" * 5001, "", "é", "a\nb"])
def test_what_ocpi_cannot_carry_is_left_out(data: str) -> None:
    assert signed_data([value(data)], public_key="") is None


def test_a_key_that_is_too_long_or_none_is_left_out() -> None:
    for key in ("A" * 800, "no key"):
        told = signed_data([value("EDL40")], public_key=key)
        assert told is not None
        assert "public_key" not in told


def test_of_very_many_values_the_start_and_the_end_are_handed_on() -> None:
    many = [value(f"V{number}") for number in range(200)]
    bounds = [value("A", "Transaction.Begin"), value("B", "Transaction.End")]

    told = signed_data([bounds[0], *many, bounds[1]], public_key="")

    assert told is not None
    assert [one["signed_data"] for one in told["signed_values"]] == ["A", "B"]
