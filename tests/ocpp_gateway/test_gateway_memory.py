"""What a station invents fills neither the memory of a gateway nor our tables."""

import pytest

from ocpp_gateway import requests
from ocpp_gateway.frames import Version
from ocpp_gateway.server.known import (
    MOST_REMEMBERED,
    KnownOutlet,
    KnownStation,
    KnownTransaction,
)
from tests.ocpp_gateway.world import make_outlet, minute


def known() -> KnownStation:
    station = KnownStation(1, "CP-1", Version.V1_6, 1, is_placed=True)
    station.outlets = [KnownOutlet(5, 1, 1, 1)]
    return station


def test_a_start_that_is_told_again_takes_nobodys_place() -> None:
    station = known()
    older, newer = (KnownTransaction(pk, f"r{pk}", 5) for pk in (10, 11))
    station.begins(older)
    assert station.begins(newer) == [11, 10]

    station.begins(older)

    assert station.at_outlet == {5: 11}


def test_a_station_that_invents_transactions_does_not_fill_our_memory() -> None:
    station = known()
    for pk in range(3 * MOST_REMEMBERED):
        transaction = KnownTransaction(pk, f"r{pk}", None)
        station.remember(transaction)
        station.begins(transaction)

    assert len(station.under_way) <= MOST_REMEMBERED
    assert len(station.transactions) <= MOST_REMEMBERED + 2
    assert f"r{3 * MOST_REMEMBERED - 1}" in station.transactions


@pytest.mark.django_db
def test_a_station_that_invents_settings_does_not_fill_its_row(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(requests, "MOST_SETTINGS", 3)
    station = make_outlet(Version.V2_0_1).station

    for number in range(5):
        data = {
            "component": {"name": "C"},
            "variable": {"name": f"V{number}"},
            "variableAttribute": [{"value": "1"}],
        }
        payload = {"requestId": 1, "seqNo": number, "reportData": [data]}
        requests.keep_report(station_id=station.pk, payload=payload, now=minute(0))

    station.refresh_from_db()
    assert sorted(station.configuration) == ["C/V0", "C/V1", "C/V2"]
