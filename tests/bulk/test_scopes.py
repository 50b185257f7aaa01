"""Whoever sees a part of the network changes that part, and no more, at every step."""

import pytest
from django.contrib.auth.models import User
from django.urls import reverse

from cpo_platform.bulk.models import Job
from cpo_platform.staff import operations as staff
from locations.models import Evse, Location, LocationGroup
from tariffs.models import Party
from tests.bulk.jobs import (
    apply,
    change,
    client_of,
    imported,
    outcomes,
    person,
    reasons,
    undo,
    upload,
    value,
)
from tests.factories import LocationFactory, evse
from tests.ocpp_gateway.placing import place
from tests.staff.world import checksums

pytestmark = pytest.mark.django_db


def two_parties() -> tuple[Party, Location, Location]:
    own = LocationFactory(id="OWN", party_id="TST", evses=[evse("E-OWN")])
    other = LocationFactory(id="OTH", party_id="OTH", evses=[evse("E-OTH")])
    return Party.objects.get(party_id="TST"), own, other


def test_what_is_out_of_scope_is_refused_as_if_it_were_not_there() -> None:
    party, own, other = two_parties()
    user = person("scoped", "operations", party_ids=[party.pk])
    keys = [own.evses.get().pk, other.evses.get().pk]
    job = apply(change(user, "locations.evse", keys, floor_level=value("1")))
    assert outcomes(job) == ["CHANGED", "REFUSED"]
    assert reasons(job) == [": It is not there any more, or is not yours to see."]
    assert "E-OTH" not in str(list(job.rows.values()))


def test_a_file_neither_changes_nor_takes_over_another_partys_location() -> None:
    party, _own, _other = two_parties()
    user = person("scoped", "operations", party_ids=[party.pk])
    text = "party,ocpi_id,city\nNL*OTH,OTH,Mine\nNL*OTH,NEW,Mine\n"
    job = imported(user, "locations.location", text)
    assert outcomes(job) == ["REFUSED", "REFUSED"]
    assert not Location.objects.filter(city="Mine").exists()
    line = "uid,location__ocpi_id,floor_level\nE-OTH,OTH,7\nNEW,OTH,7\n"
    job = imported(user, "locations.evse", line)
    assert outcomes(job) == ["REFUSED", "REFUSED"]


def test_a_row_that_names_the_location_of_another_party_by_the_same_id_is_refused() -> None:
    own = LocationFactory(id="SAME", party_id="TST", evses=[evse("E-OWN")])
    LocationFactory(id="SAME", party_id="OTH", evses=[evse("E-OTH")])
    place(own, identity="CP-OWN")
    user = person()
    at = "location__ocpi_id,location__party"
    job = imported(user, "locations.evse", f"uid,{at},floor_level\nE-OWN,SAME,NL*OTH,7\n")
    assert reasons(job) == [
        "location__ocpi_id: This EVSE is at the location NL*TST*SAME, and cannot be moved."
    ]
    line = "CP-OWN,SAME,NL*OTH,true"
    job = imported(user, "ocpp_gateway.station", f"identity,{at},in_maintenance\n{line}\n")
    assert reasons(job) == [
        "location__ocpi_id: This station is at the location NL*TST*SAME, and cannot be moved."
    ]
    job = imported(user, "locations.evse", f"uid,{at},floor_level\nE-OWN,same,nl*tst,7\n")
    assert outcomes(job) == ["WOULD_CHANGE"]


def test_a_scope_that_shrank_since_the_dry_run_counts() -> None:
    party, own, other = two_parties()
    user = person("both", "operations")
    keys = [own.evses.get().pk, other.evses.get().pk]
    job = change(user, "locations.evse", keys, floor_level=value("1"))
    assert outcomes(job) == ["WOULD_CHANGE", "WOULD_CHANGE"]
    staff.set_scope(user_id=user.pk, everything=False, party_ids=[party.pk])
    assert outcomes(apply(job)) == ["CHANGED", "REFUSED"]
    # Nor does its page tell any more what was found there.
    page = client_of(user).get(reverse("admin:bulk_job_change", args=[job.pk])).content.decode()
    assert "This is outside of what you may see." in page


def test_a_role_that_was_lost_since_the_dry_run_counts() -> None:
    _party, own, _other = two_parties()
    user = person()
    job = change(user, "locations.evse", [own.evses.get().pk], floor_level=value("1"))
    staff.set_roles(user_id=user.pk, roles=["read_only"])
    assert outcomes(apply(job)) == ["REFUSED"]
    assert Evse.objects.get(uid="E-OWN").floor_level == ""


def test_who_may_not_change_a_list_gets_no_button_no_action_and_no_page() -> None:
    two_parties()
    client = client_of(person("reader", "read_only"))
    page = client.get(reverse("admin:locations_evse_changelist")).content.decode()
    assert "import-file" not in page
    assert 'value="change_many"' not in page
    assert client.get(reverse("admin:locations_evse_bulk_import")).status_code == 403
    assert upload(client, "locations.evse", b"uid,floor_level\nE-OWN,1\n").status_code == 403
    assert not Job.objects.exists()


def test_jobs_of_others_are_seen_by_who_sees_the_audit_and_applied_by_nobody_else() -> None:
    _party, own, _other = two_parties()
    job = change(person(), "locations.evse", [own.evses.get().pk], floor_level=value("1"))
    url = reverse("admin:bulk_job_change", args=[job.pk])
    stranger = client_of(person("fin", "finance"))
    assert stranger.get(url).status_code == 200  # finance sees the audit
    stranger.post(reverse("admin:bulk_job_apply", args=[job.pk]))
    assert Job.objects.get(pk=job.pk).state == "READY"
    narrow = client_of(person("narrow", "operations", party_ids=[Party.objects.first().pk]))  # type: ignore[union-attr]
    assert narrow.get(url).status_code == 302


def test_an_undo_by_another_person_stays_in_that_persons_scope() -> None:
    party, own, other = two_parties()
    keys = [own.evses.get().pk, other.evses.get().pk]
    job = apply(change(person(), "locations.evse", keys, floor_level=value("1")))
    narrow = person("narrow", "operations", party_ids=[party.pk])
    assert outcomes(undo(job, narrow)) == ["WOULD_CHANGE", "REFUSED"]


def of_group() -> tuple[User, Location, Location]:
    """Return who sees one location by its group, that location, and another of the same party."""
    own = LocationFactory(id="OWN", party_id="TST", evses=[evse("E-OWN")])
    other = LocationFactory(id="SAME", party_id="TST", evses=[evse("E-SAME")])
    group = LocationGroup.objects.create(name="North")
    group.locations.set([own])
    return person("north", "operations", group_ids=[group.pk]), own, other


def test_who_is_bound_to_a_group_changes_what_is_in_it_and_learns_nothing_else() -> None:
    user, own, other = of_group()
    keys = [own.evses.get().pk, other.evses.get().pk]
    job = apply(change(user, "locations.evse", keys, floor_level=value("1")))
    assert outcomes(job) == ["CHANGED", "REFUSED"]
    assert reasons(job) == [": It is not there any more, or is not yours to see."]
    assert "SAME" not in str(list(job.rows.values()))
    assert Evse.objects.get(uid="E-SAME").floor_level == ""


def test_a_file_of_who_is_bound_to_a_group_reaches_nothing_outside_of_it() -> None:
    user, _own, _other = of_group()
    before = checksums([Location, Evse])
    line = "uid,location__ocpi_id,floor_level\nE-SAME,SAME,7\nNEW,SAME,7\n"
    job = imported(user, "locations.evse", line)
    assert outcomes(job) == ["REFUSED", "REFUSED"]
    # An EVSE that it may not see is one that does not exist: so is its location.
    assert reasons(job) == ["location__ocpi_id: There is no location SAME."] * 2
    job = imported(user, "locations.location", "ocpi_id,city\nSAME,Mine\n")
    assert outcomes(job) == ["REFUSED"]
    assert "E-SAME" not in str(list(job.rows.values()))
    assert checksums([Location, Evse]) == before


def test_a_location_is_not_made_outside_of_the_groups_that_one_sees() -> None:
    user, own, _other = of_group()
    # All that a location needs, as the list gives it out.
    url = reverse("admin:locations_location_bulk_template")
    content = client_of(user).post(url, {"format": "csv", "filled": "1"}).content
    text = content.decode("utf-8-sig").replace("OWN", "NEW")
    job = imported(user, "locations.location", text)
    # It would be in no group of this person, who could never see it again.
    assert reasons(job) == [
        ": This is outside of what you may work on: choose a party, and locations, of yours."
    ]
    assert not Location.objects.filter(ocpi_id="NEW").exists()
    assert Location.objects.get(ocpi_id="OWN").pk == own.pk


def test_a_group_gets_no_location_that_its_person_does_not_see() -> None:
    user, _own, _other = of_group()
    text = "name,add_locations\nNorth,SAME\n"
    job = imported(user, "locations.locationgroup", text)
    assert outcomes(job) == ["REFUSED"]
    assert reasons(job)[0].startswith("add_locations: No location has this id")
    assert set(Location.objects.filter(groups__name="North").values_list("ocpi_id", flat=True)) == {
        "OWN"
    }


def test_an_undo_by_who_is_bound_to_a_group_stays_in_it() -> None:
    user, own, other = of_group()
    keys = [own.evses.get().pk, other.evses.get().pk]
    job = apply(change(person(), "locations.evse", keys, floor_level=value("1")))
    assert outcomes(undo(job, user)) == ["WOULD_CHANGE", "REFUSED"]
