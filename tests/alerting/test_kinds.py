"""Each kind of rule finds what it is for, and nothing else."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection

from cpo_platform.alerting import texts, wrongs
from cpo_platform.alerting.kinds import ABOUT, DEFAULTS
from cpo_platform.alerting.models import Kind
from cpo_platform.alerting.wrongs import Wanted, Wrong
from cpo_platform.common.saying import say
from cpo_platform.upkeep import readiness
from locations import operations as location_operations
from locations.models import Connector, Evse, LocationGroup
from ocpp_gateway.models import AlertKind, Station
from ocpp_gateway.operations.alerts import raise_alert
from roaming.models import Change, Feed, Lane, Partner, PartnerStatus
from sessions_app.models import CdrHold, MeterReading
from sessions_app.operations import sessions
from tests.alerting.conftest import go_offline, site
from tests.factories import NOW, LocationFactory, SessionFactory, evse
from tests.ocpp_gateway.placing import place
from tests.roaming.lanes import open_lanes

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def look(kind: Kind, *, at: timedelta = HOUR, **fields: Any) -> list[Wrong]:
    found = wrongs.look(Wanted(kind, **fields), NOW + at)
    for one in found:
        # Each has a sentence.
        assert texts.sentence(kind, one.params)
    return found


def test_every_kind_is_described_and_looked_for() -> None:
    assert set(ABOUT) == set(Kind) == set(wrongs._LOOKS)
    assert {one.kind for one in DEFAULTS} <= set(Kind)


def test_an_evse_in_a_bad_status_knows_its_station() -> None:
    location = LocationFactory(evses=[evse("E1"), evse("E2", status="OUTOFORDER")])
    station = place(location)
    (found,) = look(Kind.EVSE_STATUS, choices=["OUTOFORDER"])
    assert (found.subject_id, found.station_id) == (Evse.objects.get(uid="E2").pk, station.pk)
    assert (found.location_id, found.party_id) == (location.pk, "TST")
    assert found.params["name"] == "NL*TST*E2"


def test_a_station_offline_is_one_in_service_that_has_been_there() -> None:
    there, gone = site(1), site(2)
    kept = site(3)
    Station.objects.filter(location=kept).update(in_maintenance=True, online_until=NOW)
    place(LocationFactory(), identity="NEVER-SEEN")
    go_offline(gone)
    (found,) = look(Kind.STATION_OFFLINE)
    assert found.since == NOW
    assert found.location_id == gone.pk != there.pk


def test_an_alert_of_a_station_is_taken_over_by_its_kind() -> None:
    station = place(LocationFactory())
    for kind in (AlertKind.FLOOD, AlertKind.STUCK):
        raise_alert(kind=kind, station_id=station.pk, saying=say("%(n)s kWh", n="7"), now=NOW)
    (found,) = look(Kind.STATION_ALERT, choices=["FLOOD"])
    assert (found.subject, found.station_id) == ("stationalert", station.pk)
    # What was seen is told by the alert's page: here it would be a sentence with gaps.
    assert "%(" not in str(found.params)


def partner(name: str = "eMSP") -> Partner:
    row = Partner.objects.create(
        name=name,
        status=PartnerStatus.REGISTERED,
        version="2.2.1",
        versions_url="https://emsp.example/versions",
        token_encrypted="x",
    )
    open_lanes(row)
    return row


def test_a_partner_that_is_told_late() -> None:
    row = partner()
    change = Change.objects.create(lane=Lane.NETWORK, module="locations", object_id=1)
    Change.objects.filter(pk=change.pk).update(created_at=NOW)
    assert look(Kind.PARTNER_LAG, limit=Decimal(7200)) == []
    (found,) = look(Kind.PARTNER_LAG, limit=Decimal(60))
    assert (found.partner_id, found.location_id) == (row.pk, None)
    Feed.objects.update(paused_at=NOW)
    assert look(Kind.PARTNER_LAG, limit=Decimal(60)) == []


def test_partners_that_fail_and_that_refuse_our_token() -> None:
    failing, refusing = partner("A"), partner("B")
    Feed.objects.filter(partner=failing).update(failures=4, last_error="refused")
    Feed.objects.filter(partner=refusing).update(unauthorized_at=NOW, failures=9)
    (found,) = look(Kind.PARTNER_FAILING, limit=Decimal(3))
    assert (found.partner_id, found.params["text"]) == (failing.pk, "refused")
    assert look(Kind.PARTNER_FAILING, limit=Decimal(5)) == []
    (token,) = look(Kind.PARTNER_TOKEN)
    assert (token.partner_id, token.since) == (refusing.pk, NOW)


def test_sessions_that_are_silent_or_too_long() -> None:
    session = SessionFactory()
    assert look(Kind.SESSION_SILENT, limit=Decimal(90)) == []
    (silent,) = look(Kind.SESSION_SILENT, limit=Decimal(30))
    assert (silent.subject_id, silent.since) == (session.pk, NOW + HOUR / 2)
    MeterReading.objects.create(session=session, at=NOW + HOUR * 0.9, kwh=1)
    assert look(Kind.SESSION_SILENT, limit=Decimal(30)) == []
    assert look(Kind.SESSION_LONG, limit=Decimal(2)) == []
    assert len(look(Kind.SESSION_LONG, limit=Decimal("0.5"))) == 1


def test_held_cdrs_by_number_and_by_age() -> None:
    session = SessionFactory()
    sessions.stop_session(session_id=session.pk, ended_at=NOW + HOUR, now=NOW + HOUR)
    CdrHold.objects.create(session=session, reasons=[{"rule": "x"}], held_at=NOW)
    assert look(Kind.HELD_COUNT, limit=Decimal(1)) == []
    assert look(Kind.HELD_COUNT, limit=Decimal(0))[0].params == {"count": 1}
    assert look(Kind.HELD_AGE, limit=Decimal(2)) == []
    assert look(Kind.HELD_AGE, limit=Decimal(2), at=3 * HOUR)[0].since == NOW + 2 * HOUR


def test_an_expensive_cdr() -> None:
    session = SessionFactory()
    sessions.stop_session(session_id=session.pk, ended_at=NOW + HOUR, now=NOW + HOUR)
    assert look(Kind.CDR_COST, limit=Decimal(-1), currency="EUR")[0].subject == "cdr"
    assert look(Kind.CDR_COST, limit=Decimal(1), currency="EUR") == []
    assert look(Kind.CDR_COST, limit=Decimal(-1), currency="USD") == []


def test_revenue_is_compared_with_the_same_weekday() -> None:
    weeks = {week: Decimal(100) for week in range(1, 9)}
    assert wrongs._percent_of_usual(weeks | {0: Decimal(40)}) == 40
    assert wrongs._percent_of_usual(weeks) == 0
    assert wrongs._percent_of_usual({0: Decimal(5), 1: Decimal(5)}) is None
    low_or_high = Wanted(Kind.REVENUE, limit=Decimal(50), upper=Decimal(200))
    assert wrongs._is_out_of_line(low_or_high, Decimal(49))
    assert wrongs._is_out_of_line(low_or_high, Decimal(201))
    assert not wrongs._is_out_of_line(low_or_high, Decimal(100))


def test_revenue_of_nothing_is_no_alert() -> None:
    assert look(Kind.REVENUE, limit=Decimal(50)) == []


def test_parts_of_the_platform_that_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    checks = {
        "beat": {"status": "missing"},
        "gateway": {"status": "ok"},
        "feed": {"status": "late"},
    }
    monkeypatch.setattr(readiness, "look", lambda _now: checks)
    assert [one.key for one in look(Kind.PLATFORM, choices=["beat", "gateway"])] == [
        "platform:beat"
    ]


def test_a_rule_looks_at_its_parties_and_groups_only() -> None:
    own, other = site(1), site(2, party_id="OTH")
    go_offline(own, other)
    group = location_operations.put_group(
        group=LocationGroup(name="G"), location_ids=[other.pk], now=NOW
    )
    second = location_operations.put_group(
        group=LocationGroup(name="H"), location_ids=[other.pk], now=NOW
    )
    by_party = look(Kind.STATION_OFFLINE, parties=[("NL", "TST")])
    assert [one.location_id for one in by_party] == [own.pk]
    by_group = look(Kind.STATION_OFFLINE, group_ids=[group.pk, second.pk])
    assert [one.location_id for one in by_group] == [other.pk]


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.PLATFORM])
def test_a_kind_is_one_query_however_much_it_finds(
    kind: Kind, django_assert_num_queries: Any
) -> None:
    go_offline(*(site(number, stations=3) for number in range(3)))
    assert Connector.objects.exists()
    with django_assert_num_queries(1):
        wrongs.look(Wanted(kind, choices=[], limit=Decimal(1)), NOW + HOUR)
    assert connection.connection is not None
