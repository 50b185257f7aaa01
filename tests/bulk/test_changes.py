"""Changes of many objects: shown first, then made exactly so, each announced once, and put back."""

import pytest

from cpo_platform.audit.models import Entry
from cpo_platform.bulk.models import Job, JobState
from cpo_platform.common import clock
from locations import operations as locations
from locations.models import Evse, Location
from roaming.models import Change
from tariffs.operations import shape_of
from tests.bulk.jobs import apply, change, outcomes, person, reasons, rows, undo, value
from tests.factories import LocationFactory, TariffFactory, evse
from tests.staff.world import checksums

pytestmark = pytest.mark.django_db

OBJECTS = [Location, Evse, Entry, Change]


def make_evses(total: int = 3, location_id: str = "L1") -> list[int]:
    location = LocationFactory(
        id=location_id, evses=[evse(f"{location_id}-E{number}") for number in range(total)]
    )
    return list(location.evses.order_by("pk").values_list("pk", flat=True))


def by_somebody(key: int, **values: str) -> None:
    Evse.objects.filter(pk=key).update(last_updated=clock.now(), **values)


def test_a_dry_run_changes_nothing_and_shows_before_and_after() -> None:
    keys, user = make_evses(), person()
    before = checksums(OBJECTS)
    job = change(user, "locations.evse", keys, floor_level=value("-1"))
    assert checksums(OBJECTS) == before
    assert job.state == JobState.READY
    assert job.counts == {"WOULD_CHANGE": 3}
    assert (rows(job)[0].before, rows(job)[0].after) == (
        {"floor_level": [""]},
        {"floor_level": ["-1"]},
    )


def test_what_is_applied_is_what_was_shown_and_each_is_announced_once() -> None:
    keys = make_evses()
    by_somebody(keys[0], floor_level="-1")
    job = change(person(), "locations.evse", keys, floor_level=value("-1"))
    assert outcomes(job) == ["UNCHANGED", "WOULD_CHANGE", "WOULD_CHANGE"]
    announced = Change.objects.count()
    job = apply(job)
    assert (job.state, job.counts) == (JobState.DONE, {"UNCHANGED": 1, "CHANGED": 2})
    assert set(Evse.objects.values_list("floor_level", flat=True)) == {"-1"}
    assert Change.objects.count() == announced + 2


def test_the_audit_names_the_person_the_way_and_the_job() -> None:
    keys = make_evses(1)
    user = person()
    job = apply(change(user, "locations.evse", keys, floor_level=value("2")))
    entry = Entry.objects.filter(table="locations_evse", action="update").latest("id")
    assert (entry.actor_id, entry.way, entry.request_id) == (user.pk, "admin", f"bulk-{job.pk}")


def test_tariffs_of_all_connectors_and_words_that_are_added() -> None:
    keys = make_evses(2)
    TariffFactory(id="T9")
    job = apply(
        change(
            person(),
            "locations.evse",
            keys,
            connectors__tariff_ids=value("T9"),
            capabilities=value("RESERVABLE", how="add"),
        )
    )
    assert job.counts == {"CHANGED": 2}
    for row in Evse.objects.all():
        assert "RESERVABLE" in row.capabilities
        assert "RFID_READER" in row.capabilities
        assert [tariff.ocpi_id for tariff in row.connectors.get().tariffs.all()] == ["T9"]


def test_what_the_page_would_refuse_is_refused_in_its_words() -> None:
    make_evses(1)
    location = Location.objects.get()
    job = change(
        person(), "locations.location", [location.pk], open_always=value("no"), monday=value("")
    )
    assert job.state == JobState.DONE
    assert reasons(job) == ["Open: Give the hours below."]


def test_opening_hours_of_many_locations() -> None:
    make_evses(1, "L1")
    make_evses(1, "L2")
    keys = list(Location.objects.values_list("pk", flat=True))
    job = apply(
        change(
            person(),
            "locations.location",
            keys,
            open_always=value("no"),
            monday=value("08:00-18:00"),
        )
    )
    assert job.counts == {"CHANGED": 2}
    period = {"weekday": 1, "period_begin": "08:00", "period_end": "18:00"}
    for row in Location.objects.all():
        assert (row.opening_times or {})["regular_hours"] == [period]


def test_what_somebody_changed_since_the_dry_run_is_left_alone() -> None:
    keys = make_evses(2)
    job = change(person(), "locations.evse", keys, floor_level=value("-1"))
    by_somebody(keys[0], physical_reference="new")
    job = apply(job)
    assert outcomes(job) == ["REFUSED", "CHANGED"]
    assert "changed since this was checked" in reasons(job)[0]
    assert Evse.objects.get(pk=keys[0]).floor_level == ""


def test_a_status_that_a_station_reports_meanwhile_is_no_change() -> None:
    keys = make_evses(1)
    job = change(person(), "locations.evse", keys, floor_level=value("-1"))
    locations.set_evse_status(evse_id=keys[0], status="CHARGING", now=clock.now())
    assert apply(job).counts == {"CHANGED": 1}
    assert Evse.objects.get(pk=keys[0]).status == "CHARGING"


def test_a_removed_evse_is_refused() -> None:
    keys = make_evses(1)
    locations.set_evse_status(evse_id=keys[0], status="REMOVED", now=clock.now())
    job = change(person(), "locations.evse", keys, floor_level=value("-1"))
    assert outcomes(job) == ["REFUSED"]


def test_undo_puts_back_what_is_still_as_it_was_left() -> None:
    keys = make_evses(3)
    user = person()
    job = apply(
        change(
            user,
            "locations.evse",
            keys,
            floor_level=value("-1"),
            capabilities=value("RFID_READER", how="remove"),
        )
    )
    by_somebody(keys[0], physical_reference="new")
    back = undo(job, user)
    assert outcomes(back) == ["REFUSED", "WOULD_CHANGE", "WOULD_CHANGE"]
    assert reasons(back) == [": It has changed since: it is not put back."]
    back = apply(back)
    assert back.counts == {"REFUSED": 1, "CHANGED": 2}
    levels = Evse.objects.order_by("pk").values_list("floor_level", flat=True)
    assert list(levels) == ["-1", "", ""]
    assert "RFID_READER" in Evse.objects.get(pk=keys[1]).capabilities
    job = Job.objects.get(pk=job.pk)
    assert job.counts == {"CHANGED": 1, "UNDONE": 2}


def test_an_undo_can_be_undone() -> None:
    keys = make_evses(1)
    user = person()
    job = apply(change(user, "locations.evse", keys, floor_level=value("-1")))
    back = apply(undo(job, user))
    apply(undo(back, user))
    assert Evse.objects.get(pk=keys[0]).floor_level == "-1"


def test_texts_of_tariffs_change_and_their_prices_stay() -> None:
    tariff = TariffFactory(id="T1")
    before = shape_of(tariff).elements
    user = person("fin", "finance")
    job = apply(change(user, "tariffs.tariff", [tariff.pk], texts=value("en: Hello")))
    assert job.counts == {"CHANGED": 1}
    tariff.refresh_from_db()
    assert tariff.tariff_alt_text == [{"language": "en", "text": "Hello"}]
    assert shape_of(tariff).elements == before
