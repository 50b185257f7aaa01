"""A tariff in use is superseded: no gap, no overlap, and no running session pays another price."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from cpo_platform.common.shapes import ShapeError, parse
from locations.models import Connector, Location
from roaming import visibility
from roaming.models import Change
from sessions_app.operations import freezing
from sessions_app.operations import sessions as session_operations
from tariffs import operations
from tariffs.models import Tariff, best_of
from tariffs.shapes import TariffShape
from tests.admin_data import NOW, make_location, make_party, make_session, make_tariff
from tests.roaming.conftest import make_partner

pytestmark = pytest.mark.django_db
SOON = NOW + timedelta(days=3)
LATER = NOW + timedelta(minutes=5)


@pytest.fixture
def old() -> Tariff:
    make_party()
    return make_tariff()


def dearer(tariff_id: str = "T1-2", **values: Any) -> TariffShape:
    component = {"type": "ENERGY", "price": "0.70", "vat": "19", "step_size": 1}
    document = {
        "country_code": "DE",
        "party_id": "ABC",
        "id": tariff_id,
        "currency": "EUR",
        "elements": [{"price_components": [component]}],
    }
    return parse(TariffShape, document | values)


def supersede(old: Tariff, shape: TariffShape | None = None, **values: Any) -> Tariff:
    return operations.supersede_tariff(
        tariff_id=old.pk, successor=shape or dearer(), **({"at": SOON, "now": LATER} | values)
    )


def test_the_price_switches_at_the_moment_without_a_gap(old: Tariff) -> None:
    new = supersede(old)
    old.refresh_from_db()
    assert (old.end_date_time, new.start_date_time, new.end_date_time) == (SOON, SOON, None)
    assert (new.supersedes_id, new.ocpi_id, new.party, new.public) == (
        old.pk,
        "T1-2",
        "DE*ABC",
        True,
    )
    for moment, price in (
        (SOON - timedelta(milliseconds=1), Decimal("0.5")),
        (SOON, Decimal("0.7")),
    ):
        found = best_of(Tariff.objects.with_elements(), types=("REGULAR", ""), now=moment)
        assert found is not None
        assert found.elements.get().price_components.get().price == price


def test_connectors_get_the_successor_and_their_locations_are_announced_once(old: Tariff) -> None:
    locations = [make_location(name, evses=2, tariff_ids=["T1"]) for name in ("L1", "L2")]
    other = make_location("L3")
    before = {row.pk: row.last_updated for row in Location.objects.all()}
    newest = Change.objects.order_by("-pk").first()
    assert newest is not None
    new = supersede(old)
    with_old = set(Connector.objects.filter(tariffs=old).values_list("pk", flat=True))
    assert set(Connector.objects.filter(tariffs=new).values_list("pk", flat=True)) == with_old
    assert len(with_old) == 2
    for row in Location.objects.all():
        assert (row.last_updated > before[row.pk]) == (row.pk != other.pk)
    for connector in Connector.objects.filter(tariffs=new):
        assert connector.last_updated == LATER
        assert connector.evse.last_updated == LATER
    told = Change.objects.filter(pk__gt=newest.pk).order_by("pk")
    assert list(told.values_list("module", "object_id")) == [
        ("tariffs", new.pk),
        *(("locations", location.pk) for location in locations),
        ("tariffs", old.pk),
    ]


@pytest.mark.parametrize("evses", [1, 6])
def test_the_number_of_queries_does_not_depend_on_the_connectors(
    old: Tariff, django_assert_num_queries: Any, evses: int
) -> None:
    make_location(evses=evses)
    for connector in Connector.objects.all():
        connector.tariffs.add(old)
    with django_assert_num_queries(46):
        supersede(old)


def test_a_running_session_keeps_its_price_and_the_next_has_the_new_one(old: Tariff) -> None:
    location = make_location(tariff_ids=["T1"], evses=2)
    running = make_session(location, end=False)
    new = supersede(old, at=LATER)
    end = NOW + timedelta(hours=1)
    session_operations.stop_session(session_id=running.pk, ended_at=end, now=end)
    running.refresh_from_db()
    assert running.tariff_id == old.pk
    assert running.total_cost_before_taxes == Decimal("5.5")
    connector = Connector.objects.get(tariffs=new)
    chosen = freezing.tariff_for(connector, running.cdr_token, LATER)
    assert chosen == new


def test_partners_that_had_the_old_one_get_the_successor(old: Tariff) -> None:
    old, _outcome = operations.put_tariff(tariff=operations.shape_of(old), now=NOW, public=False)
    partner = make_partner("A", "AAA").partner
    other = make_partner("B", "BBB").partner
    partner.tariffs.add(old)
    new = supersede(old)
    assert not new.public
    assert set(visibility.tariffs_for(partner, now=LATER)) == {old, new}
    assert set(visibility.tariffs_for(other, now=LATER)) == set()


def test_a_2_1_1_partner_always_sees_one_valid_tariff(old: Tariff) -> None:
    partner = make_partner("A", "AAA").partner
    partner.version = "2.1.1"
    new = supersede(old)
    for moment, seen in ((LATER, old), (SOON - timedelta(milliseconds=1), old), (SOON, new)):
        assert list(visibility.tariffs_for(partner, now=moment)) == [seen]


def test_the_successor_turns_before_the_tariff_that_it_supersedes(old: Tariff) -> None:
    new = supersede(old)
    assert operations.due_turns(now=SOON) == [new.pk, old.pk]


@pytest.mark.parametrize(
    ("values", "refusal"),
    [
        ({"at": NOW}, operations.NotValidThen),
        ({"shape": dearer("t1")}, operations.TariffExists),
        ({"shape": dearer(type="REGULAR")}, operations.OtherType),
        ({"shape": dearer(end_date_time="2026-05-05T00:00:00Z")}, ShapeError),
    ],
)
def test_what_would_make_a_gap_is_refused_and_nothing_changes(
    old: Tariff, values: dict[str, Any], refusal: type[Exception]
) -> None:
    make_location(tariff_ids=["T1"])
    before = (Tariff.objects.get(), Change.objects.count())
    with pytest.raises(refusal):
        supersede(old, **values)
    after = Tariff.objects.get()
    assert (after, Change.objects.count()) == before
    assert (after.end_date_time, after.last_updated) == (None, before[0].last_updated)


@pytest.mark.parametrize(
    "validity",
    [
        {"end_date_time": SOON.isoformat()},
        {"start_date_time": SOON.isoformat()},
    ],
)
def test_a_tariff_that_does_not_hold_then_is_not_superseded(validity: dict[str, Any]) -> None:
    make_party()
    with pytest.raises(operations.NotValidThen):
        supersede(make_tariff(**validity))


def test_a_tariff_is_superseded_once_and_its_successor_again(old: Tariff) -> None:
    new = supersede(old)
    with pytest.raises(operations.AlreadySuperseded):
        supersede(old, dearer("T1-3"))
    third = supersede(new, dearer("T1-3"), at=SOON + timedelta(days=1))
    assert third.supersedes_id == new.pk
    assert old.successor() == new


def test_another_tariff_of_the_type_that_begins_earlier_is_in_the_way(old: Tariff) -> None:
    old.end_date_time = SOON + timedelta(days=1)
    old.touch(NOW)
    old.save()
    make_tariff("T2", start_date_time=(SOON + timedelta(days=1)).isoformat())
    make_location(tariff_ids=["T1", "T2"])
    with pytest.raises(operations.SuccessorRefused):
        supersede(old)
    assert Tariff.objects.count() == 2
    new = supersede(old, dearer(end_date_time=(SOON + timedelta(days=1)).isoformat()))
    assert Connector.objects.get().tariffs.count() == 3
    assert new.end_date_time == SOON + timedelta(days=1)


def test_a_change_that_is_put_off_moves_the_end_of_the_old_one(old: Tariff) -> None:
    new = supersede(old)
    put_off = SOON + timedelta(days=4)
    shape = operations.shape_of(new).model_copy(update={"start_date_time": put_off})
    operations.put_tariff(tariff=shape, now=LATER)
    old.refresh_from_db()
    assert old.end_date_time == put_off


def test_a_change_that_is_taken_back_lets_the_old_one_go_on(old: Tariff) -> None:
    new = supersede(old)
    operations.delete_tariff(tariff_id=new.pk, now=LATER)
    old.refresh_from_db()
    assert old.end_date_time is None
    assert old.successor() is None
    again = supersede(old, dearer("T1-3"))
    assert old.successor() == again


@pytest.mark.parametrize(
    ("tariff_id", "proposal"),
    [
        ("NIGHT", "NIGHT-2"),
        ("NIGHT-2", "NIGHT-3"),
        ("A-2026", "A-2026-2"),
        ("x" * 36, "x" * 34 + "-2"),
        ("-5", "-5-2"),
    ],
)
def test_the_next_id_is_proposed(tariff_id: str, proposal: str) -> None:
    make_party()
    assert operations.proposed_id(make_tariff(tariff_id)) == proposal


def test_an_id_that_was_ever_used_is_not_proposed(old: Tariff) -> None:
    make_tariff("t1-2")
    operations.delete_tariff(tariff_id=make_tariff("T1-3").pk, now=NOW)
    assert operations.proposed_id(old) == "T1-4"


@pytest.mark.parametrize(
    ("values", "is_other"),
    [
        ({"tariff_alt_text": [{"language": "en", "text": "Hello"}]}, False),
        ({"tariff_alt_url": "https://example.com/"}, False),
        ({"end_date_time": "2030-01-01T00:00:00Z"}, False),
        ({"currency": "CHF"}, True),
        ({"max_price": {"before_taxes": "50"}}, True),
        ({"tax_included": "YES"}, True),
        ({"type": "REGULAR"}, True),
    ],
)
def test_a_price_is_another_by_what_sessions_cost(values: dict[str, Any], is_other: bool) -> None:  # noqa: FBT001
    assert operations.is_other_price(dearer(), dearer(**values)) is is_other
