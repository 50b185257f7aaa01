"""Causes, quiet hours: computed with no database."""

from datetime import UTC, datetime, time
from typing import Any

import pytest

from cpo_platform.alerting import quiet
from cpo_platform.alerting.grouping import Item, World, group


def station(number: int, place: int, **fields: Any) -> Item:
    return Item(
        id=number,
        rule_id=fields.pop("rule_id", 1),
        key=f"station:{number}",
        station_id=number,
        location_id=place,
        is_offline=True,
        of_connection=True,
        **fields,
    )


def evse(number: int, station_id: int, place: int, *, of_connection: bool = True) -> Item:
    return Item(
        id=1000 + number,
        rule_id=2,
        key=f"evse:{number}",
        station_id=station_id,
        location_id=place,
        of_connection=of_connection,
    )


def partner(number: int) -> Item:
    return Item(number, 3, f"partner:{number}", partner_id=number, is_failing=True)


def causes(items: list[Item], world: World) -> list[tuple[str, str, int]]:
    return [(one.cause, one.key, len(one.items)) for one in group(items, world)]


WORLD = World(stations={1: 14, 2: 2, 3: 1}, sites=50, partners=4)


def test_stations_of_a_site_are_its_router() -> None:
    (found,) = group([station(n, 1) for n in range(1, 13)], WORLD)
    assert (found.cause, found.key, found.count, found.total) == ("SITE", "site:1", 12, 14)


def test_two_of_two_stations_are_a_site_and_two_of_many_are_not() -> None:
    assert causes([station(1, 2), station(2, 2)], WORLD) == [("SITE", "site:2", 2)]
    assert causes([station(1, 1), station(2, 1)], WORLD) == [
        ("ALONE", "station:1", 1),
        ("ALONE", "station:2", 1),
    ]


def test_the_only_station_of_a_site_is_that_station() -> None:
    assert causes([station(1, 3)], WORLD) == [("ALONE", "station:1", 1)]


def test_evses_of_a_dark_station_belong_to_the_site_and_others_do_not() -> None:
    items = [*(station(n, 1) for n in range(1, 4)), evse(1, 2, 1), evse(2, 9, 1)]
    assert causes(items, WORLD) == [("SITE", "site:1", 4), ("ALONE", "station:9", 1)]


def test_many_evses_of_one_station_are_the_station() -> None:
    assert causes([evse(1, 7, 1), evse(2, 7, 1)], WORLD) == [("STATION", "station:7", 2)]


def test_whole_sites_that_go_together_are_the_gateway() -> None:
    world = World(stations={1: 1, 2: 1, 3: 1, 4: 1}, sites=6)
    items = [station(n, n) for n in range(1, 5)]
    assert causes(items, world) == [("GATEWAY", "gateway", 4)]
    # Four of sixty sites may be anything.
    assert {one[0] for one in causes(items, World(stations=world.stations, sites=60))} == {"ALONE"}


def test_a_gateway_that_is_missing_explains_every_station() -> None:
    missing = Item(99, 4, "platform:gateway")
    assert causes([station(1, 1), missing], WORLD) == [("GATEWAY", "gateway", 2)]


def test_partners_that_fail_together_are_our_own_way_out() -> None:
    assert causes([partner(1), partner(2), partner(3)], WORLD) == [("OUTBOUND", "outbound", 3)]
    assert causes([partner(1), partner(2)], WORLD) == [
        ("ALONE", "partner:1", 1),
        ("ALONE", "partner:2", 1),
    ]
    assert len(causes([partner(n) for n in range(3)], World(partners=20))) == 3


def test_what_one_rule_finds_at_very_many_places_is_one() -> None:
    items = [evse(n, n, n) for n in range(1, 40)]
    assert causes(items, WORLD) == [("MANY", "many:2", 39)]


def test_what_joins_an_open_incident_of_its_site() -> None:
    world = World(stations={1: 14}, sites=50, open_keys=frozenset(["site:1"]))
    assert causes([station(13, 1)], world) == [("SITE", "site:1", 1)]


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2026-06-01T20:59", None),
        ("2026-06-01T21:00", "2026-06-02T05:00"),
        ("2026-06-02T04:59", "2026-06-02T05:00"),
        ("2026-06-02T05:00", None),
    ],
)
def test_quiet_hours_go_over_midnight_in_their_time_zone(at: str, expected: str | None) -> None:
    # 23:00 to 7:00 in Amsterdam, which is two hours ahead in summer.
    now = datetime.fromisoformat(at).replace(tzinfo=UTC)
    end = quiet.ends_at(now, time(23), time(7), "Europe/Amsterdam")
    assert end == (datetime.fromisoformat(expected).replace(tzinfo=UTC) if expected else None)


def test_quiet_hours_within_a_day_and_none() -> None:
    now = datetime(2026, 6, 1, 12, tzinfo=UTC)
    assert quiet.ends_at(now, time(11), time(13), "UTC") == datetime(2026, 6, 1, 13, tzinfo=UTC)
    assert quiet.ends_at(now, time(13), time(14), "UTC") is None
    assert quiet.ends_at(now, time(9), time(9), "UTC") is None
    assert quiet.ends_at(now, None, None, "UTC") is None
