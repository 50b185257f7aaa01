"""The drift check: what partners hold of ours is asked for, compared, shown and healed."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pytest_django import DjangoAssertNumQueries, Settings

from cpo_platform.common import clock
from locations.canonical import shape_of
from locations.models import Evse, Location
from locations.operations import put_location, set_evse_status
from roaming import drifting, tasks
from roaming.drifting import asking
from roaming.models import (
    Change,
    Delivery,
    Drift,
    DriftCheck,
    DriftState,
    Feed,
    Message,
    Partner,
    PartnerStatus,
)
from roaming.operations import drift, drift_healing, drift_objects, partners
from tariffs.models import Tariff
from tariffs.operations import delete_tariff
from tests.factories import TariffFactory
from tests.roaming.holding import Holder, fields_of, found, holding, make_cdr, make_network

pytestmark = pytest.mark.django_db(transaction=True)

VERSIONS = ("2.1.1", "2.2.1", "2.3.0")
EVERY_VERSION = pytest.mark.parametrize("version", VERSIONS)
Run = Callable[..., AbstractContextManager[Holder]]


@pytest.fixture
def run(settings: Settings, tmp_path: Path) -> Run:
    settings.OUTBOUND_ALLOW_PRIVATE = True
    return lambda version="2.2.1": holding(tmp_path, version)


@pytest.fixture
def holder(run: Run) -> Iterator[Holder]:
    """A 2.2.1 partner that holds the network, a session and its CDR."""
    with run() as running:
        make_network()
        make_cdr()
        running.drain()
        yield running


def heal(check: DriftCheck) -> dict[str, int]:
    ids = list(check.drifts.values_list("pk", flat=True))
    return drift_healing.heal(check_id=check.pk, drift_ids=ids, now=clock.now())


def deny(holder: Holder, status: int, module: str = "*", **fault: Any) -> None:
    holder.emsp.misbehave("status", module=module, status=status, **fault)


def block(uid: str) -> None:
    set_evse_status(evse_id=Evse.objects.get(uid=uid).pk, status="BLOCKED", now=clock.now())


def hide(location_id: str) -> None:
    shape = shape_of(Location.objects.complete().get(ocpi_id=location_id))
    put_location(location=shape.model_copy(update={"publish": False}), now=clock.now())


# What is compared


@EVERY_VERSION
def test_there_is_no_drift_after_what_we_sent(run: Run, version: str) -> None:
    with run(version) as holder:
        make_network()
        make_cdr()
        holder.drain()
        block("E1B")
        holder.drain()

        check = holder.check()

        assert check.state == DriftState.DONE, check.reason
        assert found(check) == [], list(check.drifts.values("module", "differences"))
        expected = {"tariffs": 1, "locations": 2, "sessions": 1, "cdrs": 1}
        assert {
            module: check.tallies[module]["equal"] for module in drift_objects.MODULES
        } == expected
        assert (check.total, check.compared, check.percent) == (5, 5, 100)
        assert Message.objects.filter(method="GET", direction="OUT", http_status=200).count() == 5
        assert holder.emsp.violations(severity="refused") == []


@EVERY_VERSION
def test_a_copy_that_differs_is_found_and_healed(run: Run, version: str) -> None:
    with run(version) as holder:
        make_network()
        make_cdr()
        holder.drain()
        evses = (holder.copy("locations", "SITE1") or {})["evses"]
        holder.spoil("locations", "SITE1", evses=[evses[0] | {"status": "BLOCKED"}, evses[1]])
        holder.spoil("tariffs", "DAY", currency="USD")
        session_id = holder.emsp.objects("sessions")[0]["id"]
        holder.spoil("sessions", session_id, kwh=1)

        check = holder.check()

        assert found(check) == [
            ("locations", "DIFFERENT"),
            ("sessions", "DIFFERENT"),
            ("tariffs", "DIFFERENT"),
        ]
        site = check.drifts.get(module="locations")
        difference = {"path": "evses[E1A].status", "ours": "AVAILABLE", "theirs": "BLOCKED"}
        assert site.differences == [difference]
        assert fields_of(check.drifts.get(module="tariffs")) == ["currency"]
        assert fields_of(check.drifts.get(module="sessions")) == ["kwh"]

        assert heal(check) == {"locations": 1, "sessions": 1, "tariffs": 1}
        holder.drain()
        again = holder.check()
        assert (again.state, found(again), again.compared) == (DriftState.DONE, [], 5)


@EVERY_VERSION
def test_an_object_that_the_partner_lost_is_found_and_sent_again(run: Run, version: str) -> None:
    with run(version) as holder:
        make_network()
        make_cdr()
        holder.drain()
        holder.lose("locations", "SITE2")
        cdr_id = holder.emsp.objects("cdrs")[0]["id"]
        holder.lose("cdrs", cdr_id)

        check = holder.check()

        # No other CDR could be read, but the answer is one of OCPI, and other things are there.
        assert found(check) == [("cdrs", "MISSING"), ("locations", "MISSING")]
        assert heal(check) == {"cdrs": 1, "locations": 1}
        holder.drain()
        assert holder.copy("locations", "SITE2") is not None
        assert [cdr["id"] for cdr in holder.emsp.objects("cdrs")] == [cdr_id]
        assert found(holder.check()) == []


@EVERY_VERSION
def test_what_was_withdrawn_and_is_still_there_is_found_and_withdrawn_again(
    run: Run, version: str
) -> None:
    with run(version) as holder:
        make_network()
        extra = TariffFactory(id="GONE")
        holder.drain()
        before = {
            name: holder.copy(name, key) or {}
            for name, key in (("locations", "SITE1"), ("tariffs", "GONE"))
        }
        hide("SITE1")
        delete_tariff(tariff_id=extra.pk, now=clock.now())
        holder.drain()
        assert holder.copy("tariffs", "GONE") is None
        assert found(holder.check()) == []
        holder.spoil("locations", "SITE1", **before["locations"])
        holder.spoil("tariffs", "GONE", **before["tariffs"])

        check = holder.check()

        assert found(check) == [("locations", "UNEXPECTED"), ("tariffs", "UNEXPECTED")]
        assert heal(check) == {"locations": 1, "tariffs": 1}
        holder.drain()
        assert holder.copy("tariffs", "GONE") is None
        site = holder.copy("locations", "SITE1") or {}
        removed = all(evse["status"] == "REMOVED" for evse in site["evses"])
        assert removed if version == "2.1.1" else site["publish"] is False
        assert found(holder.check()) == []


def test_fields_of_the_partners_own_are_named_and_are_no_drift(holder: Holder) -> None:
    holder.spoil("locations", "SITE1", crm_number=7)

    check = holder.check()

    assert found(check) == []
    assert check.tallies["locations"]["extra"] == ["crm_number"]


def test_a_cdr_that_differs_is_found_and_is_not_sent_again(holder: Holder) -> None:
    cdr_id = holder.emsp.objects("cdrs")[0]["id"]
    holder.spoil("cdrs", cdr_id, total_energy=1)

    check = holder.check()

    assert found(check) == [("cdrs", "DIFFERENT")]
    assert heal(check) == {}
    assert not Change.objects.filter(module="cdrs", partner__isnull=False).exists()
    assert check.drifts.get().healed_at is None


def test_a_cdr_that_is_there_after_all_is_not_booked_twice(holder: Holder) -> None:
    cdr_id = holder.emsp.objects("cdrs")[0]["id"]
    copy = holder.copy("cdrs", cdr_id) or {}
    holder.lose("cdrs", cdr_id)
    check = holder.check()
    holder.spoil("cdrs", cdr_id, **copy)

    heal(check)
    holder.drain()

    assert len(holder.emsp.objects("cdrs")) == 1
    delivery = Delivery.objects.get(module="cdrs")
    assert (delivery.refused_at, delivery.sent) == (None, {"delivered": True})


# What is no drift


def test_what_is_on_its_way_is_not_looked_at(holder: Holder) -> None:
    block("E1A")

    check = holder.check()

    assert found(check) == []
    assert check.tallies["locations"]["skipped"] == 1
    assert check.compared == 4


def test_what_changes_while_we_ask_is_left_out(
    holder: Holder, monkeypatch: pytest.MonkeyPatch
) -> None:
    holder.spoil("locations", "SITE1", name="Spoilt")
    ask = asking.ask

    def ask_late(target: Any, wanted: Any) -> Any:
        block("E1A")
        return ask(target, wanted)

    monkeypatch.setattr(asking, "ask", ask_late)
    check = holder.check(modules=["locations"])

    assert found(check) == []
    assert check.tallies["locations"]["skipped"] == 1


def test_what_was_sent_while_we_asked_is_left_out(
    holder: Holder, monkeypatch: pytest.MonkeyPatch
) -> None:
    holder.spoil("locations", "SITE1", name="Spoilt")
    ask = asking.ask

    def ask_early(target: Any, wanted: Any) -> Any:
        answers = ask(target, wanted)
        Delivery.objects.filter(module="locations").update(delivered_at=clock.now())
        return answers

    monkeypatch.setattr(asking, "ask", ask_early)

    assert found(holder.check()) == []


def test_modules_that_are_not_sent_are_not_asked_for(holder: Holder) -> None:
    Partner.objects.update(dialect={"push_off": ["sessions"]})
    holder.partner.endpoints.filter(identifier="cdrs").delete()

    check = holder.check()

    assert check.modules == ["tariffs", "locations"]
    assert check.tallies["sessions"] == {"total": 0, "note": "push_off"}
    assert check.tallies["cdrs"] == {"total": 0, "note": "no_endpoint"}
    assert holder.emsp.messages(direction="in", module="sessions", method="GET") == []


def test_the_dialect_is_what_the_copy_is_compared_with(run: Run) -> None:
    with run() as holder:
        Partner.objects.update(dialect={"omit": ["locations.name"], "ascii_only": True})
        make_network()
        holder.drain()
        assert "name" not in (holder.copy("locations", "SITE1") or {})
        assert found(holder.check()) == []


def test_a_copy_is_asked_for_only_at_the_host_that_the_partner_registered(holder: Holder) -> None:
    Delivery.objects.filter(module="cdrs").update(url="http://127.0.0.1:9/elsewhere")

    check = holder.check()

    assert (
        check.tallies["cdrs"] | {"total": 1, "unreadable": 1, "reason": "other_host"}
        == (check.tallies["cdrs"])
    )
    assert not Message.objects.filter(url__contains=":9/").exists()


# Partners that cannot be asked


@pytest.mark.parametrize("status", [404, 405, 501])
def test_a_partner_without_get_is_called_so_and_not_one_that_lost_everything(
    holder: Holder, status: int
) -> None:
    deny(holder, status)

    check = holder.check()

    assert (check.state, found(check), check.compared) == (DriftState.DONE, [], 0)
    assert {tally["note"] for tally in check.tallies.values()} == {drift.NO_GET}
    assert check.count("unreadable") == check.total == 5


def test_a_module_without_get_is_called_so_beside_others_that_have_it(holder: Holder) -> None:
    deny(holder, 404, "sessions")

    check = holder.check()

    assert found(check) == []
    assert check.tallies["sessions"]["note"] == drift.NO_GET
    assert "note" not in check.tallies["locations"]
    assert check.compared == 4


def test_not_found_for_all_is_not_believed_even_as_an_ocpi_answer(holder: Holder) -> None:
    holder.emsp.forget()

    check = holder.check()

    assert found(check) == []
    assert {tally["note"] for tally in check.tallies.values()} == {drift.NO_GET}


def test_a_partner_without_get_is_not_asked_for_all(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "CHUNK", 2)
    monkeypatch.setattr(drift, "ENOUGH", 4)
    with run() as holder:
        make_network(sites=9)
        holder.drain()
        deny(holder, 405)

        check = holder.check(modules=["locations"])

        asked = holder.emsp.messages(direction="in", module="locations", method="GET")
        assert Message.objects.filter(method="GET").count() == 4, asked
        assert (check.total, check.count("unreadable")) == (9, 9)


@pytest.mark.parametrize("status", [401, 403, 429, 503])
def test_a_partner_that_has_enough_is_left_alone_and_asked_on_later(
    holder: Holder, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "CONCURRENCY", 1)
    deny(holder, status, "locations")

    check = holder.check()

    assert check.state == DriftState.STOPPED
    assert check.reason == f"HTTP {status}"
    assert Message.objects.filter(method="GET", module="locations").count() == 1
    assert (check.module, check.compared) == ("locations", 1)

    holder.emsp.behave()
    drift.resume_check(check_id=check.pk, now=clock.now())
    drifting.work_on(check.pk, seconds=None)
    check.refresh_from_db()
    assert (check.state, check.compared, found(check)) == (DriftState.DONE, 5, [])


def test_a_partner_that_fails_at_everything_is_left_alone(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "CONCURRENCY", 1)
    with run() as holder:
        make_network(sites=6)
        holder.drain()
        deny(holder, 500, "locations")

        check = holder.check(modules=["locations"])

        assert (check.state, check.reason) == (DriftState.STOPPED, "HTTP 500")
        assert Message.objects.filter(method="GET").count() == 3


def test_one_object_that_makes_the_partner_fail_keeps_none_of_the_others(holder: Holder) -> None:
    deny(holder, 500, "locations", count=1)

    check = holder.check()

    assert (check.state, check.compared) == (DriftState.DONE, 4)
    assert check.tallies["locations"]["reason"] == "HTTP 500"


@pytest.mark.parametrize("kind", ["html", "truncated"])
def test_an_answer_that_is_no_ocpi_answer_is_unreadable(holder: Holder, kind: str) -> None:
    holder.emsp.misbehave(kind, module="sessions")

    check = holder.check()

    assert found(check) == []
    assert check.tallies["sessions"]["unreadable"] == 1


def test_a_partner_that_is_suspended_meanwhile_is_not_asked(holder: Holder) -> None:
    check = drift.start_check(partner_id=holder.partner.pk, sample=None, now=clock.now())
    Partner.objects.update(status=PartnerStatus.SUSPENDED)

    drifting.work_on(check.pk, seconds=None)

    check.refresh_from_db()
    assert (check.state, check.reason) == (DriftState.STOPPED, "not_registered")
    assert not Message.objects.filter(method="GET").exists()
    with pytest.raises(partners.NotRegistered):
        drift.start_check(partner_id=holder.partner.pk, sample=None, now=clock.now())


def test_a_partner_with_a_limit_is_asked_one_by_one_and_only_while_nothing_is_sent(
    holder: Holder,
) -> None:
    Partner.objects.update(dialect={"requests_per_minute": 6000})
    Feed.objects.update(lease_until=clock.now() + timedelta(minutes=1))
    check = holder.check()
    assert (check.state, check.compared) == (DriftState.RUNNING, 0)
    assert check.due_at > clock.now()

    Feed.objects.update(lease_until=None)
    drifting.work_on(check.pk, seconds=None)

    check.refresh_from_db()
    assert (check.state, check.compared) == (DriftState.DONE, 5)


# Going on


def test_a_check_goes_on_behind_the_last_chunk_when_its_worker_is_gone(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "CHUNK", 2)
    with run() as holder:
        make_network(sites=5)
        holder.drain()
        holder.spoil("locations", "SITE4", name="Spoilt")
        check = drift.start_check(
            partner_id=holder.partner.pk, sample=None, modules=["locations"], now=clock.now()
        )
        assert drifting.check_chunk(check.pk)
        with monkeypatch.context() as killed:
            killed.setattr(drift, "note_chunk", _die)
            with pytest.raises(KeyboardInterrupt):
                drifting.work_on(check.pk)
        check.refresh_from_db()
        assert (check.state, check.compared) == (DriftState.RUNNING, 2)
        assert drift.due_checks(now=clock.now()) == []
        assert drift.due_checks(now=clock.now() + drift.STALLED_AFTER) == [check.pk]

        drifting.work_on(check.pk, seconds=None)

        check.refresh_from_db()
        assert (check.state, check.compared, check.total) == (DriftState.DONE, 5, 5)
        assert found(check) == [("locations", "DIFFERENT")]


def _die(**_kwargs: object) -> bool:
    raise KeyboardInterrupt


def test_what_a_second_worker_did_is_thrown_away(holder: Holder) -> None:
    check = drift.start_check(partner_id=holder.partner.pk, sample=None, now=clock.now())
    before = drift.take_up(check_id=check.pk, now=clock.now())
    assert before is not None
    drifting.check_chunk(check.pk)
    late = drift.Chunk(following="9", last=True)
    late.counts["equal"] = 1

    assert drift.note_chunk(check=before, chunk=late, now=clock.now())

    check.refresh_from_db()
    assert (check.module, check.compared) == ("locations", 1)


def test_an_error_of_ours_stops_the_check_and_says_so(
    holder: Holder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_args: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(asking, "ask", broken)

    check = holder.check()

    assert (check.state, check.reason) == (
        DriftState.STOPPED,
        "internal error: RuntimeError: broken",
    )


def test_a_check_that_staff_stopped_goes_on_where_it_was(holder: Holder) -> None:
    check = drift.start_check(partner_id=holder.partner.pk, sample=None, now=clock.now())
    drifting.check_chunk(check.pk)
    drift.stop_check(check_id=check.pk, now=clock.now())
    with pytest.raises(drift.CheckNotOpen):
        drift.stop_check(check_id=check.pk, now=clock.now())
    assert not drifting.check_chunk(check.pk)

    drift.resume_check(check_id=check.pk, now=clock.now())
    with pytest.raises(drift.CheckNotOpen):
        drift.resume_check(check_id=check.pk, now=clock.now())
    drifting.work_on(check.pk, seconds=None)

    check.refresh_from_db()
    assert (check.state, check.compared) == (DriftState.DONE, 5)


# Samples


def test_a_sample_is_chosen_by_its_seed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "CHUNK", 3)
    with run() as holder:
        make_network(sites=12)
        holder.drain()

        def asked(seed: int) -> set[int | None]:
            last = Message.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
            check = holder.check(sample=5, seed=seed, modules=["locations"])
            assert (check.total, check.compared) == (5, 5)
            new = Message.objects.filter(pk__gt=last)
            return set(new.values_list("object_id", flat=True))

        first = asked(1)
        assert len(first) == 5
        assert asked(1) == first
        assert asked(2) != first


def test_the_objects_are_counted_before(
    holder: Holder, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    partner = Partner.objects.prefetch_related("roles", "endpoints").get(pk=holder.partner.pk)
    with django_assert_num_queries(4):
        counts = drift_objects.count_objects(partner, now=clock.now())
    assert counts == {"tariffs": 1, "locations": 2, "sessions": 1, "cdrs": 1}


def test_a_chunk_takes_as_many_queries_whatever_its_size(
    run: Run, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with run() as holder:
        make_network(sites=20)
        holder.drain()
        for number in range(1, 21):
            holder.spoil("locations", f"SITE{number}", name="Spoilt")
        check = drift.start_check(
            partner_id=holder.partner.pk, sample=None, modules=["locations"], now=clock.now()
        )
        with django_assert_num_queries(33):
            drifting.check_chunk(check.pk)
        check.refresh_from_db()
        assert check.drifted == 20


def test_one_partner_is_checked_once_at_a_time(holder: Holder) -> None:
    first = drift.start_check(
        partner_id=holder.partner.pk, sample=5, started_by="a", now=clock.now()
    )
    second = drift.start_check(
        partner_id=holder.partner.pk, sample=None, started_by="b", now=clock.now()
    )
    assert second.pk == first.pk
    assert DriftCheck.objects.get().sample == 5


# At night


def test_every_partner_is_checked_at_night_at_a_moment_of_its_own(
    holder: Holder, settings: Settings
) -> None:
    settings.DRIFT_SAMPLE = 7
    now = clock.now()

    tasks.check_drift_nightly()
    tasks.check_drift_nightly()

    check = DriftCheck.objects.get()
    assert (check.sample, check.started_by, check.state) == (7, "", DriftState.WAITING)
    assert now <= check.due_at <= now + drift.NIGHT + timedelta(minutes=1)
    assert drift.due_checks(now=now + drift.NIGHT + timedelta(minutes=1)) == [check.pk]
    # Who wants to know now does not wait for the night.
    assert holder.check().compared == 5
    assert DriftCheck.objects.get().started_by == "tester"


def test_nothing_is_checked_at_night_where_that_is_switched_off(
    holder: Holder, settings: Settings
) -> None:
    settings.DRIFT_SAMPLE = 0
    tasks.check_drift_nightly()
    assert not DriftCheck.objects.exists()


def test_the_beat_begins_what_is_due_and_the_task_works_it_off(
    holder: Holder, settings: Settings
) -> None:
    settings.CELERY_TASK_ALWAYS_EAGER = True
    check = drift.start_check(
        partner_id=holder.partner.pk, sample=None, now=clock.now(), due_at=clock.now()
    )
    assert drift.due_checks(now=clock.now()) == [check.pk]
    tasks.check_drift(check_id=check.pk)
    check.refresh_from_db()
    assert check.state == DriftState.DONE


def test_checks_are_forgotten_after_a_month(holder: Holder) -> None:
    holder.spoil("tariffs", "DAY", currency="USD")
    check = holder.check()
    assert drift.forget_old_checks(now=clock.now()) == 0
    later = clock.now() + drift.KEEP + timedelta(hours=1)
    assert drift.forget_old_checks(now=later) == 1
    assert not DriftCheck.objects.filter(pk=check.pk).exists()
    assert not Drift.objects.exists()
    assert Tariff.objects.filter(ocpi_id="DAY").exists()


def test_findings_are_bounded_and_the_rest_is_counted(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drift, "MOST_KEPT", 3)
    with run() as holder:
        make_network(sites=5)
        holder.drain()
        for number in range(1, 6):
            holder.spoil("locations", f"SITE{number}", name="Spoilt")
        check = holder.check()
        assert (check.drifts.count(), check.drifted) == (3, 5)


# Healing


def test_nothing_is_healed_of_a_partner_that_is_not_registered(holder: Holder) -> None:
    holder.spoil("tariffs", "DAY", currency="USD")
    check = holder.check()
    Partner.objects.update(status=PartnerStatus.SUSPENDED)
    with pytest.raises(partners.NotRegistered):
        heal(check)
    assert check.drifts.get().healed_at is None


def test_what_was_healed_is_not_sent_once_more(
    holder: Holder, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in (1, 2):
        holder.spoil("locations", f"SITE{number}", name="Spoilt")
    check = holder.check()
    with django_assert_max_num_queries(12):
        assert heal(check) == {"locations": 2}
    changes = Change.objects.count()
    assert heal(check) == {}
    assert Change.objects.count() == changes


def test_nobody_else_is_told_of_what_is_healed(holder: Holder) -> None:
    holder.spoil("tariffs", "DAY", currency="USD")
    check = holder.check()
    before = set(Change.objects.values_list("pk", flat=True))
    heal(check)
    new = Change.objects.exclude(pk__in=before)
    assert [(one.module, one.partner_id) for one in new] == [("tariffs", holder.partner.pk)]


# From the command line


def run_command(*arguments: str) -> tuple[str, int]:
    """Return what the command printed, and the code that it ended with."""
    out = StringIO()
    try:
        call_command("drift", *arguments, stdout=out)
    except SystemExit as end:
        return out.getvalue(), int(end.code or 0)
    return out.getvalue(), 0


def test_the_command_prints_a_table_and_ends_with_1_where_there_is_drift(holder: Holder) -> None:
    name = holder.partner.name
    assert run_command(name)[1] == 0
    holder.spoil("tariffs", "DAY", currency="USD")
    holder.lose("locations", "SITE1")

    text, code = run_command(name, "--all")

    assert code == 1
    assert "different   tariffs DAY  currency" in text
    assert "missing     locations SITE1" in text
    assert run_command(name, "--module", "sessions", "--sample", "1")[1] == 0

    text, code = run_command(name, "--all", "--heal")
    assert (code, "sent again: 2" in text) == (1, True)
    holder.drain()
    assert run_command(name, "--all")[1] == 0


def test_the_command_says_what_it_cannot_do(holder: Holder) -> None:
    name = holder.partner.name
    with pytest.raises(CommandError, match="there is no partner Nobody"):
        run_command("Nobody")
    with pytest.raises(CommandError, match="--sample is 1 to"):
        run_command(name, "--sample", "0")
    deny(holder, 401)
    with pytest.raises(CommandError, match="stopped, HTTP 401"):
        run_command(name)
    drift.start_check(partner_id=holder.partner.pk, sample=1, started_by="me", now=clock.now())
    with pytest.raises(CommandError, match="another check of it is under way"):
        run_command(name)
    Partner.objects.update(status=PartnerStatus.SUSPENDED)
    with pytest.raises(CommandError, match="not registered"):
        run_command(name)


def test_the_command_leaves_missing_cdrs_to_staff(holder: Holder) -> None:
    holder.lose("cdrs", holder.emsp.objects("cdrs")[0]["id"])

    text, _code = run_command(holder.partner.name, "--all", "--heal")

    assert "sent again: 0" in text
    assert "missing CDRs, which staff sends again" in text
    assert Drift.objects.get().healed_at is None
