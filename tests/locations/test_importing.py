"""Whole imports: what is in the database afterwards, and what the report says."""

import io
import json
import resource
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from cpo_platform.common.operations import Outcome
from locations import canonical, operations
from locations.importing import (
    Action,
    Entry,
    Kind,
    PartyKey,
    Progress,
    UnreadableFile,
    import_locations,
)
from locations.models import Connector, Evse, Location
from locations.shapes import LocationShape
from tariffs.models import Party, Tariff
from tariffs.operations import shape_of
from tests.factories import PartyFactory, TariffFactory
from tests.locations import feeds
from tests.locations.feeds import LATER, NOW, counts, mends, refusals, run

pytestmark = pytest.mark.django_db


def last_updated() -> list[tuple[str, Any]]:
    return [
        (f"{model.__name__} {row.pk}", row.last_updated)
        for model in (Tariff, Location, Evse, Connector)
        for row in model.objects.order_by("pk")
    ]


def everything() -> tuple[int, ...]:
    return tuple(model.objects.count() for model in (Party, Tariff, Location, Evse, Connector))


# Versions and envelopes


@pytest.mark.parametrize(
    "content",
    [
        [feeds.location()],
        {"data": [feeds.location()], "status_code": 1000},
        {"items": [feeds.location()], "next": "abc"},
        {"data": feeds.location()},
        feeds.location(),
    ],
)
def test_every_envelope_is_taken(content: Any) -> None:
    assert counts(run(content)) == {
        "party": {"created": 1},
        "location": {"created": 1},
        "evse": {"created": 1},
    }
    assert Location.objects.get().party == "NL*TST"


def test_ocpi_2_1_1_is_taken_under_the_party_that_is_named() -> None:
    TariffFactory(country_code="NL", party_id="TST", id="DAY")
    report = run([feeds.location_2_1_1()], party="NL*TST")
    assert report.versions == {"2.1.1": 1}
    assert counts(report) == {"location": {"created": 1}, "evse": {"created": 1}}
    shape = canonical.shape_of(Location.objects.get())
    assert (shape.country_code, shape.party_id, shape.publish) == ("NL", "TST", True)
    assert shape.parking_type == "PARKING_GARAGE"
    assert shape.opening_times is not None
    assert shape.opening_times.twentyfourseven is False
    assert shape.energy_mix is not None
    assert shape.energy_mix.environ_impact is not None
    assert shape.energy_mix.environ_impact[0].category == "CARBON_DIOXIDE"
    connector = shape.evses[0].connectors[0]  # type: ignore[index]
    assert (connector.max_voltage, connector.max_amperage) == (230, 16)
    assert connector.tariff_ids == ["DAY"]


@pytest.mark.parametrize("kind", ["OTHER", "UNKNOWN"])
def test_a_2_1_1_type_that_says_nothing_is_left_out(kind: str) -> None:
    run([feeds.location_2_1_1(type=kind)], party="NL*TST")
    assert Location.objects.get().parking_type == ""


def test_ocpi_2_2_1_price_limits_are_taken() -> None:
    tariff = feeds.tariff(min_price={"excl_vat": 1.00, "incl_vat": 1.21})
    run([feeds.location(evses=[feeds.evse(tariffs=[tariff])])])
    limit = shape_of(Tariff.objects.get()).min_price
    assert limit is not None
    assert (str(limit.before_taxes), str(limit.after_taxes)) == ("1.0000", "1.2100")


def test_ocpi_2_3_0_parking_places_are_taken_and_unknown_references_are_left_out() -> None:
    place = {
        "id": "P1",
        "vehicle_types": ["VAN"],
        "restricted_to_type": False,
        "reservation_required": False,
    }
    report = run(
        [
            feeds.location(
                parking_places=[place, {**place, "id": "P2", "vehicle_types": []}, place],
                evses=[feeds.evse(parking=[{"parking_id": "p1"}, {"parking_id": "P9"}])],
            )
        ]
    )
    assert report.versions == {"2.3.0": 1}
    assert [(kind, path) for kind, path, _reason in refusals(report)] == [
        ("parking", "[0].parking_places[1].vehicle_types"),
        ("parking", "[0].parking_places[2]"),
    ]
    assert mends(report) == [
        (
            "evse",
            "[0].evses[0].parking[1].parking_id",
            "parking_id names a parking place that does not exist: left out (P9)",
        )
    ]
    evse = canonical.evse_shape_of(Evse.objects.get())
    assert evse.parking is not None
    assert [parking.parking_id for parking in evse.parking] == ["P1"]


# Twice, dry, and in time


def test_a_second_import_changes_nothing() -> None:
    content = [
        feeds.location(
            name="Ä ",
            coordinates={"latitude": "52.1", "longitude": "5.1102701"},
            directions=[{"language": "NL", "text": "Links"}],
            energy_mix={
                "is_green_energy": True,
                "energy_sources": [{"source": "WIND", "percentage": 100.0}],
                "environ_impact": [{"category": "CARBON_DIOXIDE", "amount": 1.50}],
            },
            evses=[
                feeds.evse(
                    physical_reference="",
                    tariffs=[feeds.with_restrictions([{"end_time": "19:59:59"}])],
                    status_schedule=[{"period_begin": "2026-07-01T00:00:00", "status": "PLANNED"}],
                )
            ],
        )
    ]
    first = run(content)
    before = last_updated()
    second = run(content, now=LATER)
    assert counts(second) == {
        "tariff": {"unchanged": 1, "mended": 1},
        "location": {"unchanged": 1, "mended": 1},
        "evse": {"unchanged": 1, "mended": 1},
    }
    assert last_updated() == before
    assert mends(second) == mends(first)


def test_a_feed_carries_the_status_of_each_evse() -> None:
    content = [feeds.location(evses=[feeds.evse("E1"), feeds.evse("E2")])]
    run(content)
    content[0]["evses"][1]["status"] = "CHARGING"
    report = run(content, now=LATER)
    assert counts(report) == {
        "location": {"changed": 1},
        "evse": {"unchanged": 1, "changed": 1},
    }
    assert Evse.objects.get(uid="E2").status == "CHARGING"
    assert Evse.objects.get(uid="E1").last_updated == NOW
    assert Location.objects.get().last_updated == LATER


def test_a_dry_run_says_the_same_and_writes_nothing() -> None:
    content = [
        feeds.location("L1", evses=[feeds.evse("E1", tariffs=[feeds.tariff("DAY")])]),
        # Sees the party and the tariff that the location before it brought.
        feeds.location(
            "L2", evses=[feeds.evse("E2", connectors=[feeds.connector(tariff_ids=["DAY"])])]
        ),
        # This uid is taken by then.
        feeds.location("L3", evses=[feeds.evse("E1")]),
    ]
    dry = run(content, dry_run=True)
    assert everything() == (0, 0, 0, 0, 0)
    wet = run(content)
    assert everything() == (1, 1, 3, 2, 2)
    assert (
        counts(dry)
        == counts(wet)
        == {
            "party": {"created": 1},
            "tariff": {"created": 1},
            "location": {"created": 3},
            "evse": {"created": 2, "refused": 1},
        }
    )
    assert dry.entries == wet.entries
    assert (dry.dry_run, wet.dry_run) == (True, False)
    assert connection.in_atomic_block  # the test's own transaction is untouched


def test_a_file_that_breaks_off_changes_nothing() -> None:
    text = json.dumps([feeds.location("L1"), feeds.location("L2")])
    with pytest.raises(UnreadableFile):
        import_locations(io.BytesIO(text[:-10].encode()), party=None, now=lambda: NOW)
    assert everything() == (0, 0, 0, 0, 0)


def test_each_location_is_dated_when_it_is_written() -> None:
    moments = (NOW + timedelta(minutes=minute) for minute in range(10))
    content = [feeds.location("L1", evses=[]), feeds.location("L2", evses=[])]
    import_locations(
        io.BytesIO(json.dumps(content).encode()), party=None, now=lambda: next(moments)
    )
    dates: list[datetime] = list(
        Location.objects.order_by("ocpi_id").values_list("last_updated", flat=True)
    )
    assert dates == [NOW, NOW + timedelta(minutes=1)]


def test_a_restriction_to_no_days_is_none_the_second_time_too() -> None:
    tariff = feeds.with_restrictions({"day_of_week": [], "min_kwh": 1})
    content = [feeds.location(evses=[feeds.evse(tariffs=[tariff])])]
    run(content)
    assert counts(run(content, now=LATER))["tariff"] == {"unchanged": 1}


# Parties


def test_a_party_is_created_with_the_operators_name() -> None:
    report = run(
        [
            feeds.location("L1", operator={"name": "Test Energy"}),
            feeds.location("L2", party_id="XYZ", evses=[]),
        ]
    )
    assert [
        (entry.name, entry.path)
        for entry in report.entries[Action.CREATED]
        if entry.kind == "party"
    ] == [("NL*TST Test Energy", "[0]"), ("NL*XYZ NL*XYZ", "[1]")]
    assert sorted(map(str, Party.objects.all())) == ["NL*TST Test Energy", "NL*XYZ NL*XYZ"]


def test_a_party_that_exists_keeps_its_name() -> None:
    PartyFactory(country_code="NL", party_id="TST", name="Ours")
    assert "party" not in counts(run([feeds.location(operator={"name": "Theirs"})]))
    assert Party.objects.get().name == "Ours"


def test_no_party_is_created_for_what_is_refused() -> None:
    assert counts(run([feeds.location(country="?")])) == {
        "location": {"refused": 1},
        "evse": {"refused": 1},
    }
    assert everything() == (0, 0, 0, 0, 0)


def test_2_1_1_without_a_party_is_refused() -> None:
    assert refusals(run([feeds.location_2_1_1()])) == [
        (
            "location",
            "[0].party_id",
            "is required; for OCPI 2.1.1, which has none, name the party",
        )
    ]


def test_objects_of_other_parties_are_refused_when_a_party_is_named() -> None:
    report = run(
        {"items": [feeds.location("L1"), feeds.location("L2", party_id="XYZ")]}, party="NL*TST"
    )
    assert refusals(report) == [
        (
            "location",
            "items[1].party_id",
            "belongs to NL*XYZ, but this import is for NL*TST only",
        )
    ]
    assert [row.ocpi_id for row in Location.objects.all()] == ["L1"]


def test_a_party_that_is_no_party_is_refused() -> None:
    (refusal,) = refusals(run([feeds.location(country_code="Netherlands")]))
    assert refusal == (
        "location",
        "[0].party_id",
        "country_code and party_id: 'NETHERLANDS*TST' is not a party such as DE*SLB",
    )


@pytest.mark.parametrize("text", ["DE*SLB", "de-slb", " DESLB "])
def test_a_party_is_written_in_three_ways(text: str) -> None:
    assert PartyKey.parse(text) == ("DE", "SLB")


@pytest.mark.parametrize("text", ["", "D*SLB", "DE*SLBX", "D3*SLB", "DE**SLB"])
def test_other_texts_are_no_party(text: str) -> None:
    with pytest.raises(ValueError, match="is not a party such as"):
        PartyKey.parse(text)


# Tariffs


def test_tariffs_on_an_evse_become_ids_on_all_its_connectors() -> None:
    report = run(
        [
            feeds.location(
                evses=[
                    feeds.evse(
                        "E1",
                        connectors=[feeds.connector("1"), feeds.connector("2")],
                        tariffs=[feeds.tariff("DAY")],
                    ),
                    feeds.evse("E2", tariffs=[feeds.tariff("DAY")]),
                ]
            )
        ]
    )
    assert counts(report)["tariff"] == {"created": 1}
    assert [
        [tariff.ocpi_id for tariff in connector.tariffs.all()]
        for connector in Connector.objects.all()
    ] == [["DAY"], ["DAY"], ["DAY"]]


def test_the_first_tariff_with_an_id_wins_and_each_other_content_is_reported_once() -> None:
    dearer = feeds.tariff("day")
    dearer["elements"][0]["price_components"][0]["price"] = 0.99
    content = [
        feeds.location(
            evses=[
                feeds.evse("E1", tariffs=[feeds.tariff("DAY")]),
                feeds.evse("E2", tariffs=[dearer]),
                feeds.evse("E3", tariffs=[dearer]),
            ]
        )
    ]
    report = run(content)
    assert refusals(report) == [
        (
            "tariff",
            "[0].evses[1].tariffs[0]",
            "has other content than the same id at [0].evses[0].tariffs[0], which is used",
        )
    ]
    tariff = Tariff.objects.get()
    assert str(tariff.elements.get().price_components.get().price) == "0.5900"
    assert tariff.connectors.count() == 3
    assert counts(run(content, now=LATER))["tariff"] == {"unchanged": 1, "refused": 1}


def test_one_tariff_in_two_spellings_is_one_tariff() -> None:
    one = feeds.with_restrictions({"end_time": "20:00"})
    other = feeds.with_restrictions([{"end_time": "19:59:59"}])
    report = run(
        [feeds.location(evses=[feeds.evse("E1", tariffs=[one]), feeds.evse("E2", tariffs=[other])])]
    )
    assert counts(report)["tariff"] == {"created": 1}


def test_a_bad_tariff_leaves_its_reference_out_and_the_evse_in() -> None:
    bad = feeds.tariff("BAD", elements=[])
    content = [
        feeds.location(
            evses=[
                feeds.evse("E1", tariffs=[bad, feeds.tariff("DAY")]),
                feeds.evse("E2", tariffs=[bad]),
            ]
        )
    ]
    report = run(content)
    ((kind, path, reason),) = refusals(report)
    assert (kind, path) == ("tariff", "[0].evses[0].tariffs[0].elements")
    assert reason.startswith("elements: ")
    assert [(kind, path) for kind, path, _reason in mends(report)] == [
        ("evse", "[0].evses[0].tariffs[0]"),
        ("evse", "[0].evses[1].tariffs[0]"),
    ]
    assert [
        [tariff.ocpi_id for tariff in row.tariffs.all()]
        for row in Connector.objects.order_by("evse__uid")
    ] == [["DAY"], []]


def test_a_bad_tariff_that_the_platform_has_from_earlier_stays_named() -> None:
    run([feeds.location(evses=[feeds.evse(tariffs=[feeds.tariff("DAY")])])])
    bad = feeds.tariff("DAY", elements=[])
    report = run([feeds.location(evses=[feeds.evse(tariffs=[bad])])], now=LATER)
    assert counts(report) == {
        "tariff": {"refused": 1},
        "location": {"unchanged": 1},
        "evse": {"unchanged": 1},
    }


@pytest.mark.parametrize(
    "change",
    [
        {"currency": "euro"},
        {"elements": "x"},
        {"id": "x" * 37},
        {"min_price": {"before_taxes": -1}},
        {"type": "CHEAP"},
        {"start_date_time": "soon"},
        feeds.with_restrictions({"end_time": "20:00:30"}),
        feeds.with_restrictions([{"min_kwh": 1}, {"min_kwh": 2}]),
    ],
)
def test_nothing_that_bears_on_the_price_is_left_out(change: dict[str, Any]) -> None:
    tariff = feeds.tariff() | change
    report = run([feeds.location(evses=[feeds.evse(tariffs=[tariff])])])
    assert counts(report)["tariff"] == {"refused": 1}
    assert Tariff.objects.count() == 0
    assert Evse.objects.count() == 1


def test_a_tariff_loses_a_text_that_is_wrong_but_not_its_price() -> None:
    tariff = feeds.tariff(tariff_alt_url="x", tariff_alt_text=[{"language": "dutch", "text": "t"}])
    report = run([feeds.location(evses=[feeds.evse(tariffs=[tariff])])])
    assert counts(report)["tariff"] == {"created": 1, "mended": 1}
    assert [path for _kind, path, _reason in mends(report)] == [
        "[0].evses[0].tariffs[0].tariff_alt_url",
        "[0].evses[0].tariffs[0].tariff_alt_text[0]",
    ]


def test_taxes_that_are_not_mentioned_are_added_to_the_price() -> None:
    tariff = feeds.tariff()
    del tariff["tax_included"]
    report = run([feeds.location(evses=[feeds.evse(tariffs=[tariff])])])
    assert mends(report) == [
        (
            "tariff",
            "[0].evses[0].tariffs[0].tax_included",
            "tax_included was missing: took NO (taxes are added to the prices)",
        )
    ]
    assert Tariff.objects.get().tax_included == "NO"


def test_a_tariff_belongs_to_the_locations_party() -> None:
    tariff = feeds.tariff(country_code="DE", party_id="XYZ")
    report = run([feeds.location(evses=[feeds.evse(tariffs=[tariff])])])
    assert Tariff.objects.get().party == "NL*TST"
    assert mends(report) == [
        (
            "tariff",
            "[0].evses[0].tariffs[0].party_id",
            "party_id names another party: the location's party owns the tariff (DE*XYZ)",
        )
    ]


def test_ids_of_tariffs_that_do_not_exist_are_left_out() -> None:
    evse = feeds.evse(connectors=[feeds.connector(tariff_ids=["NONE", "DAY"])])
    TariffFactory(country_code="NL", party_id="TST", id="DAY")
    report = run([feeds.location(evses=[evse])])
    assert mends(report) == [
        (
            "connector",
            "[0].evses[0].connectors[0].tariff_ids[0]",
            "tariff_ids names a tariff that the party does not have: left out (NONE)",
        )
    ]
    assert [row.ocpi_id for row in Connector.objects.get().tariffs.all()] == ["DAY"]


@pytest.mark.rule("LOC-17")
def test_a_second_tariff_of_one_type_at_one_time_is_left_out() -> None:
    evse = feeds.evse(
        tariffs=[
            feeds.tariff("A"),
            feeds.tariff("B"),
            feeds.tariff("C", type="AD_HOC_PAYMENT"),
        ]
    )
    report = run([feeds.location(evses=[evse])])
    assert counts(report)["tariff"] == {"created": 3}
    assert mends(report) == [
        (
            "connector",
            "[0].evses[0].connectors[0].tariffs[1]",
            "tariffs is a second tariff of one type for the same time: left out (B)",
        )
    ]
    assert sorted(row.ocpi_id for row in Connector.objects.get().tariffs.all()) == ["A", "C"]


# Refusals: one object never loses another


def test_a_bad_connector_does_not_lose_its_evse() -> None:
    bad = feeds.connector("2", power_type="STEAM")
    twin = feeds.connector("1", max_amperage=16)
    report = run([feeds.location(evses=[feeds.evse(connectors=[feeds.connector("1"), bad, twin])])])
    (steam, double) = refusals(report)
    assert steam[:2] == ("connector", "[0].evses[0].connectors[1].power_type")
    assert "AC_3_PHASE" in steam[2]
    assert double == (
        "connector",
        "[0].evses[0].connectors[2]",
        "has the same id as one before it, which is used",
    )
    assert [(row.ocpi_id, row.max_amperage) for row in Connector.objects.all()] == [("1", 32)]


def test_an_evse_without_a_good_connector_is_refused() -> None:
    report = run(
        [
            feeds.location(
                evses=[
                    feeds.evse("E1", connectors=[feeds.connector(max_voltage=None), "x"]),
                    feeds.evse("E2", connectors=[]),
                    feeds.evse("E3"),
                ]
            )
        ]
    )
    assert refusals(report) == [
        ("connector", "[0].evses[0].connectors[0].max_voltage", "is required"),
        ("connector", "[0].evses[0].connectors[1]", "is not a JSON object"),
        ("evse", "[0].evses[0].connectors", "no connector is left: each was refused"),
        ("evse", "[0].evses[1].connectors", "at least one connector is required"),
    ]
    assert [row.uid for row in Evse.objects.all()] == ["E3"]


def test_a_connector_that_is_refused_is_not_removed() -> None:
    good = [feeds.connector("1"), feeds.connector("2")]
    run([feeds.location(evses=[feeds.evse(connectors=good)])])
    bad = [feeds.connector("1", max_amperage=16), feeds.connector("2", format="?")]
    report = run([feeds.location(evses=[feeds.evse(connectors=bad)])], now=LATER)
    assert counts(report) == {
        "location": {"changed": 1},
        "evse": {"changed": 1},
        "connector": {"refused": 1},
    }
    assert [(row.ocpi_id, row.max_amperage) for row in Connector.objects.order_by("ocpi_id")] == [
        ("1", 16),
        ("2", 32),
    ]


def test_a_bad_evse_does_not_lose_its_location() -> None:
    report = run(
        [
            feeds.location(
                evses=[
                    "E0",
                    feeds.evse(""),
                    feeds.evse("x" * 37),
                    feeds.evse("E4"),
                    feeds.evse("e4", status="CHARGING"),
                ]
            )
        ]
    )
    assert [(kind, path) for kind, path, _reason in refusals(report)] == [
        ("evse", "[0].evses[0]"),
        ("evse", "[0].evses[1].uid"),
        ("evse", "[0].evses[2].uid"),
        ("evse", "[0].evses[4]"),
    ]
    assert [(row.uid, row.status) for row in Evse.objects.all()] == [("E4", "AVAILABLE")]


def test_an_evse_of_another_location_is_refused_by_itself() -> None:
    run([feeds.location("L1", evses=[feeds.evse("E1")])])
    content = [feeds.location("L2", evses=[feeds.evse("E1"), feeds.evse("E2")])]
    report = run(content)
    assert counts(report) == {
        "location": {"created": 1},
        "evse": {"created": 1, "refused": 1},
    }
    assert refusals(report) == [("evse", "[0].evses[0]", "uid: E1 belongs to another location")]
    before = last_updated()
    assert counts(run(content, now=LATER)) == {
        "location": {"unchanged": 1},
        "evse": {"unchanged": 1, "refused": 1},
    }
    assert last_updated() == before


def test_a_removed_evse_does_not_come_back() -> None:
    run([feeds.location(evses=[feeds.evse("E1", status="REMOVED"), feeds.evse("E2")])])
    report = run(
        [feeds.location(evses=[feeds.evse("E1"), feeds.evse("E2", status="BLOCKED")])], now=LATER
    )
    assert refusals(report) == [
        ("evse", "[0].evses[0]", "status: EVSE E1 is REMOVED and cannot come back")
    ]
    assert counts(report)["location"] == {"changed": 1}
    assert dict(Evse.objects.values_list("uid", "status")) == {"E1": "REMOVED", "E2": "BLOCKED"}


def test_a_status_that_is_missing_is_unknown() -> None:
    evse = feeds.evse()
    del evse["status"]
    report = run([feeds.location(evses=[evse])])
    assert mends(report) == [
        ("evse", "[0].evses[0].status", "status was no OCPI status: took UNKNOWN")
    ]


@pytest.mark.parametrize(
    ("change", "path", "reason"),
    [
        ({"id": None}, "items[0].id", "is required"),
        ({"publish": None}, "items[0].publish", "is required"),
        ({"city": "x" * 46}, "items[0].city", "string should have at most 45 characters"),
        ({"country": "Holland"}, "items[0].country", "must be three capital letters"),
        ({"time_zone": "Utrecht"}, "items[0].time_zone", "is not an IANA time zone name"),
        ({"publish_allowed_to": [{"uid": "1", "type": "RFID"}]}, "items[0]", "publish_allowed_to"),
        ({"publish": False, "publish_allowed_to": [{}]}, "items[0].publish_allowed_to[0]", "one"),
    ],
)
def test_a_location_is_refused_with_the_path_and_its_evses(
    change: dict[str, Any], path: str, reason: str
) -> None:
    report = run({"items": [feeds.location("L1", **change), feeds.location("L2", evses=[])]})
    (location, evse) = refusals(report)
    assert location[:2] == ("location", path)
    assert location[2].startswith(reason)
    assert evse == ("evse", "items[0].evses[0]", "its location was refused")
    assert [row.ocpi_id for row in Location.objects.all()] == ["L2"]


def test_a_location_off_the_earth_does_not_stop_the_import() -> None:
    north = {"latitude": "95.000000", "longitude": "5.000000"}
    report = run([feeds.location("L1", coordinates=north), feeds.location("L2", evses=[])])
    assert refusals(report) == [
        ("location", "[0].coordinates", "latitude must be between -90 and 90"),
        ("evse", "[0].evses[0]", "its location was refused"),
    ]
    assert [row.ocpi_id for row in Location.objects.all()] == ["L2"]


def test_a_location_that_comes_twice_is_taken_once() -> None:
    report = run([feeds.location("L1"), feeds.location("l1", name="Other", evses=[])])
    assert refusals(report) == [
        ("location", "[1]", "is in this file a second time: the first was used")
    ]
    assert Location.objects.get().name == ""


def test_what_is_no_location_is_refused() -> None:
    report = run(["x", feeds.location(evses={"uid": "E1"})])
    assert refusals(report) == [
        ("location", "[0]", "is not a JSON object"),
        ("evse", "[1].evses", "is not a list"),
    ]


def test_a_time_zone_that_is_missing_is_the_countrys() -> None:
    report = run(
        [feeds.location("L1", time_zone=None), feeds.location("L2", time_zone="", country="ESP")]
    )
    assert Location.objects.get().time_zone == "Europe/Amsterdam"
    assert ("location", "[1].time_zone", "is required") in refusals(report)
    assert ("location", "[0].time_zone") in {(kind, path) for kind, path, _ in mends(report)}


# Reports and size


def test_the_report_keeps_the_first_lines_and_counts_the_rest() -> None:
    lines: list[Entry] = []
    content = [feeds.location(f"L{number}", evses=[], name="") for number in range(5)]
    report = import_locations(
        io.BytesIO(json.dumps(content).encode()),
        party=None,
        now=lambda: NOW,
        on_entry=lines.append,
        keep=2,
    )
    assert [entry.name for entry in report.entries[Action.MENDED]] == ["NL*TST L0", "NL*TST L1"]
    assert report.omitted(Action.MENDED) == 3
    assert report.counts[Kind.LOCATION] == {Action.CREATED: 5, Action.MENDED: 5}
    assert len(lines) == 11
    assert lines[-1].to_json() == {
        "action": "mended",
        "kind": "location",
        "name": "NL*TST L4",
        "path": "[4].name",
        "rule": "empty",
        "reason": "name was empty: left out",
    }
    assert [(mend.kind, mend.field, mend.times) for mend in report.mends] == [
        (Kind.LOCATION, "name", 5)
    ]
    assert report.to_json() == {
        "dry_run": False,
        "versions": {"2.2.1": 5},
        "counts": {"party": {"created": 1}, "location": {"created": 5, "mended": 5}},
        "mends": [{"kind": "location", "field": "name", "rule": "empty", "count": 5}],
    }


class Generated(io.RawIOBase):
    """A file that exists only while it is read: `count` locations of ten EVSEs."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.largest_read = 0
        self.seek(0)

    def seek(self, offset: int, whence: int = 0) -> int:
        assert (offset, whence) == (0, 0)
        self._pieces = self._write()
        self._rest = b""
        return 0

    def _write(self) -> Any:
        yield b'{"items": ['
        for number in range(self.count):
            evses = [feeds.evse(f"L{number}-{one}", floor_level="") for one in range(10)]
            piece = json.dumps(feeds.location(f"L{number}", evses=evses)).encode()
            yield piece if number == 0 else b"," + piece
        yield b"]}"

    def read(self, size: int = -1) -> bytes:
        self.largest_read = max(self.largest_read, size)
        while len(self._rest) < size and (piece := next(self._pieces, None)) is not None:
            self._rest += piece
        data, self._rest = self._rest[:size], self._rest[size:]
        return data


@pytest.mark.usefixtures("garbage_as_usual")
def test_three_thousand_evses_stream_in_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[int] = []

    def put_location(*, location: LocationShape, now: datetime) -> operations.LocationOutcome:
        evses = {evse.uid: Outcome.CREATED for evse in location.evses or []}
        written.append(len(evses))
        return operations.LocationOutcome(Location(), Outcome.CREATED, evses)

    # What is written is tested above; here it would only cost time.
    monkeypatch.setattr(operations, "put_location", put_location)
    stream = Generated(300)
    seen: list[Progress] = []
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    report = import_locations(
        stream,  # type: ignore[arg-type]
        party=None,
        now=lambda: NOW,
        on_progress=seen.append,
        keep=10,
    )
    assert counts(report) == {
        "party": {"created": 1},
        "location": {"created": 300},
        "evse": {"created": 3000, "mended": 3000},
    }
    assert written == [10] * 300
    assert seen[-1] == Progress(locations=300, evses=3000, total=300)
    assert stream.largest_read <= 1 << 16
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 60 * 1024  # KiB
