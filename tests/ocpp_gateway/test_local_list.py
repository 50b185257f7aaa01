"""Whom a station may let charge without asking."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import redis
from pytest_django import Settings

from ocpp_gateway import local_list, requests, schemas
from ocpp_gateway.frames import Version
from ocpp_gateway.models import Station
from ocpp_gateway.registry import CallRequest
from tests.factories import NOW, LocationFactory, TokenFactory
from tests.ocpp_gateway.gateways import FakeGateway, running
from tests.ocpp_gateway.placing import BOTH, place

pytestmark = pytest.mark.django_db

STAMP = int(NOW.timestamp())
OLD, NEW = BOTH


class Emsps:
    """All are connected but NL*OFF."""

    def is_connected(self, *, country_code: str, party_id: str) -> bool:
        return (country_code, party_id) != ("NL", "OFF")


@pytest.fixture(autouse=True)
def emsps(settings: Settings) -> None:
    settings.REALTIME_AUTHORIZER = f"{__name__}.Emsps"


@pytest.fixture
def station() -> Station:
    return place(LocationFactory())


def listed(station: Station, version: Version = OLD) -> list[dict[str, Any]]:
    payloads = local_list.payloads(station, version, now=NOW)
    for payload in payloads:
        schemas.check(version, "SendLocalList", payload)
    return payloads


def tags(payloads: list[dict[str, Any]]) -> list[str]:
    return [entry["idTag"] for one in payloads for entry in one.get("localAuthorizationList", [])]


def test_both_versions_list_a_card_with_its_group(station: Station) -> None:
    TokenFactory(uid="04AA", group_id="G1")

    assert listed(station) == [
        {
            "listVersion": STAMP,
            "updateType": "Full",
            "localAuthorizationList": [
                {"idTag": "04AA", "idTagInfo": {"status": "Accepted", "parentIdTag": "G1"}}
            ],
        }
    ]
    assert listed(station, NEW) == [
        {
            "versionNumber": STAMP,
            "updateType": "Full",
            "localAuthorizationList": [
                {
                    "idToken": {"idToken": "04AA", "type": "ISO14443"},
                    "idTokenInfo": {
                        "status": "Accepted",
                        "groupIdToken": {"idToken": "G1", "type": "Central"},
                    },
                }
            ],
        }
    ]


def test_only_who_may_charge_without_a_question_is_listed(station: Station) -> None:
    for whitelist in ("ALWAYS", "ALLOWED", "ALLOWED_OFFLINE", "NEVER"):
        TokenFactory(uid=whitelist, whitelist=whitelist)
    TokenFactory(uid="INVALID", valid=False)
    TokenFactory(uid="GONE", party_id="OFF")
    TokenFactory(uid="APP", type="APP_USER")
    TokenFactory(uid="X" * 21)
    TokenFactory(uid="allowed", party_id="TWO")

    found = {tag.upper() for tag in tags(listed(station))}

    assert found == {"ALWAYS", "ALLOWED", "ALLOWED_OFFLINE"}
    assert len(tags(listed(station))) == 3


def test_the_newest_come_first_and_no_more_than_the_station_takes(station: Station) -> None:
    for number in range(5):
        TokenFactory(uid=f"T{number}", last_updated=NOW + timedelta(minutes=number))
    station.configuration = {"SendLocalListMaxLength": "2", "LocalAuthListMaxLength": "3"}

    first, second = payloads = listed(station)

    assert tags(payloads) == ["T4", "T3", "T2"]
    assert (first["updateType"], first["listVersion"]) == ("Full", STAMP)
    assert (second["updateType"], second["listVersion"]) == ("Differential", STAMP + 1)


def test_2_0_1_says_otherwise_how_much_it_takes(station: Station) -> None:
    TokenFactory(uid="T1")
    TokenFactory(uid="T2")
    station.configuration = {"LocalAuthListCtrlr/ItemsPerMessage": "1"}

    assert [len(one["localAuthorizationList"]) for one in listed(station, NEW)] == [1, 1]


@pytest.mark.parametrize("version", BOTH)
def test_an_empty_list_empties_the_stations(station: Station, version: Version) -> None:
    (payload,) = listed(station, version)

    assert payload["updateType"] == "Full"
    assert "localAuthorizationList" not in payload


@pytest.fixture
def gateway(broker: redis.Redis, station: Station) -> Iterator[FakeGateway]:
    TokenFactory(uid="T1")
    TokenFactory(uid="T2")
    station.configuration = {"SendLocalListMaxLength": "1"}
    with running("gateway", {"SendLocalList": {"status": "Accepted"}}) as gateway:
        gateway.claim(station.pk)
        yield gateway


def test_the_whole_list_is_sent(gateway: FakeGateway, station: Station) -> None:
    call = requests.send_local_list(station, asked_by="anna", now=NOW)

    assert [one.payload for one in gateway.asked] == listed(station)
    assert call.answer == {"status": "Accepted"}


def test_what_a_station_does_not_take_ends_it(gateway: FakeGateway, station: Station) -> None:
    def fail(_request: CallRequest) -> dict[str, str]:
        return {"status": "Failed"}

    gateway.script["SendLocalList"] = fail

    call = requests.send_local_list(station, asked_by="anna", now=NOW)

    assert len(gateway.asked) == 1
    assert call.answer == {"status": "Failed"}
