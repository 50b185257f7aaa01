"""Charging profiles: what stations are told of them, and what they say that they plan."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import redis

from cpo_platform.common.shapes import ActiveChargingProfile, ChargingProfile, ShapeError, parse
from locations.models import Connector
from ocpp_gateway import charging_profiles, schemas
from ocpp_gateway.charging_profiles import Supply
from ocpp_gateway.frames import Version
from ocpp_gateway.models import Transaction
from ocpp_gateway.registry import CallOutcome, OutcomeKind
from ocpp_gateway.station_control import OcppStations
from roaming.models import Change
from sessions_app.models import Session
from sessions_app.operations import sessions
from sessions_app.signals import charging_profile_changed
from sessions_app.stations import ProfileAnswer, ProfileResult
from tests.factories import NOW, LocationFactory, SessionFactory
from tests.ocpp_gateway.gateways import FakeGateway, refused, running
from tests.ocpp_gateway.placing import BOTH, open_transaction, place

AC = Supply(watts=Decimal(22000), amperes=Decimal(32), phases=3)
SINGLE = Supply(watts=Decimal(7360), amperes=Decimal(32), phases=1)
ACCEPTED: dict[str, Any] = {"status": "Accepted"}

control = OcppStations()


def profile(**fields: Any) -> ChargingProfile:
    values: dict[str, Any] = {
        "charging_rate_unit": "A",
        "charging_profile_period": [{"start_period": 0, "limit": Decimal("16.1")}],
    }
    return parse(ChargingProfile, values | fields)


def to_set(version: Version, given: ChargingProfile, supply: Supply = AC) -> dict[str, Any]:
    is_1_6 = version is Version.V1_6
    payload = charging_profiles.to_set(
        version,
        given,
        number={"connectorId": 1} if is_1_6 else {"evseId": 1},
        profile_id=5,
        transaction_id=5 if is_1_6 else "TX-1",
        supply=supply,
    )
    schemas.check(version, "SetChargingProfile", payload)
    return payload


def schedule(version: Version, payload: dict[str, Any]) -> dict[str, Any]:
    if version is Version.V1_6:
        found: dict[str, Any] = payload["csChargingProfiles"]["chargingSchedule"]
        return found
    (found,) = payload["chargingProfile"]["chargingSchedule"]
    return found


def test_1_6_is_told_of_a_profile_of_the_transaction() -> None:
    given = profile(start_date_time=NOW, duration=3600, min_charging_rate=Decimal("6.0"))

    assert to_set(Version.V1_6, given) == {
        "connectorId": 1,
        "csChargingProfiles": {
            "chargingProfileId": 5,
            "transactionId": 5,
            "stackLevel": 0,
            "chargingProfilePurpose": "TxProfile",
            "chargingProfileKind": "Absolute",
            "chargingSchedule": {
                "duration": 3600,
                "startSchedule": "2026-06-01T08:00:00Z",
                "chargingRateUnit": "A",
                "minChargingRate": Decimal("6.0"),
                "chargingSchedulePeriod": [{"startPeriod": 0, "limit": Decimal("16.1")}],
            },
        },
    }


def test_2_0_1_is_told_of_a_profile_that_counts_from_the_start() -> None:
    assert to_set(Version.V2_0_1, profile(charging_rate_unit="W")) == {
        "evseId": 1,
        "chargingProfile": {
            "id": 5,
            "transactionId": "TX-1",
            "stackLevel": 0,
            "chargingProfilePurpose": "TxProfile",
            "chargingProfileKind": "Relative",
            "chargingSchedule": [
                {
                    "id": 5,
                    "chargingRateUnit": "W",
                    "chargingSchedulePeriod": [{"startPeriod": 0, "limit": Decimal("16.1")}],
                }
            ],
        },
    }


@pytest.mark.parametrize("version", BOTH)
def test_periods_are_in_order_from_nought_on_with_the_phases_there_are(version: Version) -> None:
    given = profile(
        charging_profile_period=[
            {"start_period": 60, "limit": 10},
            {"start_period": 30, "limit": 20},
        ]
    )

    assert schedule(version, to_set(version, given, SINGLE))["chargingSchedulePeriod"] == [
        {"startPeriod": 0, "limit": 32, "numberPhases": 1},
        {"startPeriod": 30, "limit": 20, "numberPhases": 1},
        {"startPeriod": 60, "limit": 10, "numberPhases": 1},
    ]


def composite(version: Version, **fields: Any) -> dict[str, Any]:
    periods = [
        {"startPeriod": 0, "limit": Decimal("16.19")},
        {"startPeriod": 600, "limit": Decimal(0)},
    ]
    common = {"duration": 900, "chargingRateUnit": "A", "chargingSchedulePeriod": periods}
    if version is Version.V1_6:
        return {
            "status": "Accepted",
            "connectorId": 1,
            "scheduleStart": "2026-06-01T08:00:05Z",
            "chargingSchedule": common | fields,
        }
    told = {"evseId": 1, "scheduleStart": "2026-06-01T08:00:05Z", **common, **fields}
    return {"status": "Accepted", "schedule": told}


def planned(start: datetime, duration: int = 900) -> ActiveChargingProfile:
    return parse(
        ActiveChargingProfile,
        {
            "start_date_time": start,
            "charging_profile": {
                "start_date_time": start,
                "duration": duration,
                "charging_rate_unit": "A",
                "charging_profile_period": [
                    {"start_period": 0, "limit": Decimal("16.1")},
                    {"start_period": 600, "limit": Decimal("0.0")},
                ],
            },
        },
    )


def test_a_plan_is_told_for_as_long_as_was_asked() -> None:
    answer = composite(Version.V1_6)
    answer["chargingSchedule"]["duration"] = 8_638_204_227_180

    found = charging_profiles.active(Version.V1_6, answer, duration=1800, now=NOW)

    assert found.charging_profile.duration == 1800


@pytest.mark.parametrize("version", BOTH)
def test_what_a_station_plans_is_told_rounded_down(version: Version) -> None:
    found = charging_profiles.active(version, composite(version), duration=1800, now=NOW)

    assert found == planned(NOW + timedelta(seconds=5))


def test_what_1_6_leaves_out_is_what_was_asked_for() -> None:
    answer = composite(Version.V1_6)
    del answer["scheduleStart"], answer["chargingSchedule"]["duration"]

    found = charging_profiles.active(Version.V1_6, answer, duration=1800, now=NOW)

    assert found == planned(NOW, 1800)


@pytest.mark.parametrize("version", BOTH)
def test_a_plan_that_makes_no_sense_is_none(version: Version) -> None:
    with pytest.raises(ShapeError):
        charging_profiles.active(version, {"status": "Accepted"}, duration=1800, now=NOW)


@pytest.fixture(params=BOTH)
def version(request: Any) -> Version:
    found: Version = request.param
    return found


@pytest.fixture
def charging(db: None, version: Version) -> Transaction:
    location = LocationFactory()
    place(location, version)
    connector = Connector.objects.select_related("evse").get(evse__location=location)
    return open_transaction(SessionFactory(connector=connector))


@pytest.fixture
def session(charging: Transaction) -> Session:
    assert charging.session is not None
    return charging.session


@pytest.fixture
def gateway(broker: redis.Redis, charging: Transaction) -> Iterator[FakeGateway]:
    script: Any = {"SetChargingProfile": ACCEPTED, "ClearChargingProfile": ACCEPTED}
    with running("gateway", script) as gateway:
        gateway.claim(charging.station_id)
        yield gateway


@pytest.fixture
def told(db: None) -> Iterator[list[int]]:
    sessions_told: list[int] = []

    def note(*, session_id: int, **_kwargs: Any) -> None:
        sessions_told.append(session_id)

    charging_profile_changed.connect(note)
    yield sessions_told
    charging_profile_changed.disconnect(note)


def test_a_limit_is_set_and_lifted_and_partners_hear_of_both(
    gateway: FakeGateway, charging: Transaction, session: Session, told: list[int]
) -> None:
    version = charging.station.version
    assert version is not None

    answer = control.set_charging_profile(session_id=session.pk, profile=profile(), now=NOW)
    cleared = control.clear_charging_profile(session_id=session.pk, now=NOW)

    assert answer == cleared == ProfileAnswer(ProfileResult.ACCEPTED)
    assert told == [session.pk, session.pk]
    set_, clear = gateway.asked
    number = {"connectorId": 1} if version is Version.V1_6 else {"evseId": 1}
    transaction_id = charging.pk if version is Version.V1_6 else "TX-1"
    assert set_.payload == charging_profiles.to_set(
        version,
        profile(),
        number=number,
        profile_id=charging.pk,
        transaction_id=transaction_id,
        supply=AC,
    )
    name = "id" if version is Version.V1_6 else "chargingProfileId"
    assert clear.payload == {name: charging.pk}


def test_a_profile_without_periods_limits_nothing(gateway: FakeGateway, session: Session) -> None:
    gateway.script["ClearChargingProfile"] = {"status": "Unknown"}
    empty = profile(charging_profile_period=None)

    answer = control.set_charging_profile(session_id=session.pk, profile=empty, now=NOW)

    assert answer == ProfileAnswer(ProfileResult.ACCEPTED)
    assert [one.action for one in gateway.asked] == ["ClearChargingProfile"]


@pytest.mark.parametrize(
    ("outcome", "text"),
    [
        ({"status": "Rejected"}, "The station has rejected it."),
        ({"status": "NotSupported"}, "The station does not support charging profiles."),
        (refused("NotSupported"), "The station does not support charging profiles."),
        (refused("GenericError: x"), "The station has failed: GenericError."),
        (CallOutcome(OutcomeKind.OFFLINE), "The station is offline."),
        (CallOutcome(OutcomeKind.TIMEOUT), "The station has not answered in time."),
    ],
)
def test_a_limit_that_is_refused_says_why_and_nobody_hears_of_it(
    gateway: FakeGateway, session: Session, told: list[int], outcome: Any, text: str
) -> None:
    gateway.script["SetChargingProfile"] = outcome

    answer = control.set_charging_profile(session_id=session.pk, profile=profile(), now=NOW)

    assert answer == ProfileAnswer(ProfileResult.REJECTED, text)
    assert told == []
    assert not Change.objects.filter(module="chargingprofiles").exists()


def test_there_may_be_nothing_to_lift(gateway: FakeGateway, session: Session) -> None:
    gateway.script["ClearChargingProfile"] = {"status": "Unknown"}

    assert control.clear_charging_profile(session_id=session.pk, now=NOW) == ProfileAnswer(
        ProfileResult.UNKNOWN, "The session has no profile."
    )


def test_a_station_says_what_it_plans_and_is_not_waited_for_long(
    gateway: FakeGateway, version: Version, session: Session
) -> None:
    gateway.script["GetCompositeSchedule"] = composite(version)

    answer = control.active_charging_profile(session_id=session.pk, duration=1800, now=NOW)

    assert answer == ProfileAnswer(
        ProfileResult.ACCEPTED, profile=planned(NOW + timedelta(seconds=5))
    )
    number = {"connectorId": 1} if version is Version.V1_6 else {"evseId": 1}
    assert gateway.asked[0].payload == {**number, "duration": 1800}

    gateway.script["GetCompositeSchedule"] = {"status": "Accepted"}
    odd = control.active_charging_profile(session_id=session.pk, duration=1800, now=NOW)
    assert odd.result is ProfileResult.REJECTED


def test_a_session_that_has_ended_cannot_be_limited_and_its_connector_can_give_all(
    gateway: FakeGateway, session: Session
) -> None:
    sessions.stop_session(session_id=session.pk, ended_at=NOW, now=NOW)

    set_ = control.set_charging_profile(session_id=session.pk, profile=profile(), now=NOW)
    cleared = control.clear_charging_profile(session_id=session.pk, now=NOW)
    found = control.active_charging_profile(session_id=session.pk, duration=60, now=NOW)

    assert set_ == cleared == ProfileAnswer(ProfileResult.REJECTED, "The session does not charge.")
    assert found.profile is not None
    periods = found.profile.charging_profile.charging_profile_period or []
    assert [(one.start_period, one.limit) for one in periods] == [(0, Decimal("22000.0"))]
    assert gateway.asked == []
