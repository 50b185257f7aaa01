"""A replay prices the past again: exactly, once each, in bounded memory, from where it stopped."""

import csv
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from openpyxl import load_workbook

from sessions_app import replay_exports, tasks
from sessions_app.models import Cdr, Replay, ReplayResult, ReplayStatus, Session
from sessions_app.operations import replays
from sessions_app.operations.credits import credit_cdr
from sessions_app.replaying import Tally, bounds_of, joined
from tariffs.models import Tariff
from tariffs.operations import delete_tariff
from tariffs.pricing.types import Segment
from tests.admin_data import NOW, make_location, make_party, make_session, make_tariff
from tests.cdr_copies import copy_cdr

START, END = NOW - timedelta(days=1), NOW + timedelta(days=30)
PAGE = "/admin/sessions_app/replay/"


@pytest.fixture
def cdr() -> Cdr:
    """Return the CDR of 11 kWh in an hour at 0.50 EUR/kWh plus 19 %: 5.50 EUR."""
    make_party()
    make_tariff()
    make_session(make_location(tariff_ids=["T1"]))
    return Cdr.objects.get()


@pytest.fixture(autouse=True)
def sent(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the replays that a worker was asked for; there is no broker here."""
    asked: list[int] = []

    def ask(*, kwargs: dict[str, int], **_options: Any) -> None:
        asked.append(kwargs["replay_id"])

    def ask_again(*, replay_id: int) -> None:
        asked.append(replay_id)

    monkeypatch.setattr(tasks.run_replay, "apply_async", ask)
    monkeypatch.setattr(tasks.run_replay, "delay", ask_again)
    return asked


def candidate(tariff_id: str = "NEW", price: str = "0.60", **values: Any) -> Tariff:
    component = {"type": "ENERGY", "price": price, "vat": "19", "step_size": 1}
    return make_tariff(tariff_id, **({"elements": [{"price_components": [component]}]} | values))


def start(tariff: Tariff, **values: Any) -> Replay:
    given: dict[str, Any] = {
        "tariff_id": tariff.pk,
        "period_start": START,
        "period_end": END,
        "now": NOW,
    }
    return replays.start_replay(**(given | values))


def finish(replay: Replay, size: int = replays.BATCH) -> Replay:
    while replays.replay_batch(replay_id=replay.pk, now=NOW, size=size):
        pass
    replay.refresh_from_db()
    return replay


def sums(replay: Replay) -> tuple[Any, ...]:
    return (
        replay.done,
        replay.before_taxes,
        replay.new_before_taxes,
        replay.after_taxes,
        replay.new_after_taxes,
        replay.histogram,
    )


@pytest.mark.django_db
class TestReplay:
    def test_the_tariff_that_billed_changes_nothing(self, cdr: Cdr) -> None:
        for readings in (True, False):
            replay = finish(start(Tariff.objects.get(), use_readings=readings))
            assert replay.status == ReplayStatus.DONE
            assert replay.new_before_taxes == replay.before_taxes == Decimal("5.5")
            assert replay.new_after_taxes == replay.after_taxes == Decimal("6.545")

    def test_the_sums_are_exact(self, cdr: Cdr) -> None:
        copy_cdr(cdr, 6, readings=True)

        replay = finish(start(candidate()), size=3)

        assert (replay.total, replay.done, replay.skipped, replay.taxed) == (7, 7, 0, 7)
        assert replay.before_taxes == 7 * Decimal("5.5")
        assert replay.new_before_taxes == 7 * Decimal("6.6")
        assert replay.after_taxes == 7 * Decimal("6.545")
        assert replay.new_after_taxes == 7 * Decimal("7.854")
        # 1.10 more: between 1 and 2.
        assert replay.histogram[bounds_of("EUR").index(Decimal(1)) + 1] == 7
        assert sum(replay.histogram) == 7
        differences = set(ReplayResult.objects.values_list("difference", flat=True))
        assert differences == {Decimal("1.1")}

    def test_taxes_that_are_not_known_are_not_added_up(self, cdr: Cdr) -> None:
        component = {"type": "ENERGY", "price": "0.60", "step_size": 1}
        replay = finish(start(candidate(elements=[{"price_components": [component]}])))

        assert replay.new_before_taxes == Decimal("6.6")
        assert replay.taxed == 0
        assert ReplayResult.objects.get().new_after_taxes is None

    def test_credits_and_what_they_credit_are_left_out(self, cdr: Cdr) -> None:
        copy_cdr(cdr, 2)
        credit_cdr(cdr_id=cdr.pk, now=NOW)

        replay = finish(start(candidate()))

        assert (replay.total, replay.skipped) == (3, 1)
        assert replay.before_taxes == 2 * Decimal("5.5")
        assert replay.problems == []

    def test_a_credit_after_the_start_changes_nothing_of_it(self, cdr: Cdr) -> None:
        replay = start(candidate())
        credit_cdr(cdr_id=cdr.pk, now=NOW)

        assert finish(replay).before_taxes == Decimal("5.5")

    def test_the_tariff_is_tried_as_it_was_at_the_start(self, cdr: Cdr) -> None:
        replay = start(candidate())
        candidate(price="9")

        assert finish(replay).new_before_taxes == Decimal("6.6")

    def test_only_the_period_and_the_locations_count(self, cdr: Cdr) -> None:
        other = make_location("L2", tariff_ids=["T1"])
        make_session(other)
        tariff = candidate()

        assert start(tariff).total == 2
        assert start(tariff, location_ids=[other.pk]).total == 1
        assert start(tariff, party=("DE", "ABC")).total == 2
        with pytest.raises(replays.NothingToReplay):
            start(tariff, party=("DE", "XYZ"))
        with pytest.raises(replays.NothingToReplay):
            start(tariff, period_end=cdr.end_date_time)
        with pytest.raises(replays.NotReplayable, match="must end after"):
            start(tariff, period_end=START)

    def test_another_currency_is_refused(self, cdr: Cdr) -> None:
        with pytest.raises(replays.OtherCurrency, match=r"1 of 1 CDRs .* \(EUR\)"):
            start(candidate(currency="CHF"))
        assert not Replay.objects.exists()

    def test_a_deleted_tariff_is_refused(self, cdr: Cdr) -> None:
        tariff = candidate()
        delete_tariff(tariff_id=tariff.pk, now=NOW)

        with pytest.raises(Tariff.DoesNotExist):
            start(tariff)

    def test_one_cdr_that_cannot_be_priced_does_not_keep_the_others(self, cdr: Cdr) -> None:
        copy_cdr(cdr, 1)
        session = Session.objects.get(pk=cdr.session_id or 0)
        session.frozen_location = {"time_zone": "No/Where"}
        session.touch(NOW + timedelta(days=1))
        session.save()

        replay = finish(start(candidate()))

        assert (replay.done, replay.skipped) == (2, 1)
        assert replay.before_taxes == Decimal("5.5")
        assert cdr.ocpi_id in replay.problems[0]

    def test_it_goes_on_after_a_crash_between_batches(
        self, cdr: Cdr, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        copy_cdr(cdr, 9)
        tariff = candidate()
        whole = sums(finish(start(tariff), size=4))
        broken = start(tariff)
        priced = replays._Batch.priced
        calls = 0

        def crash(batch: replays._Batch) -> Any:
            nonlocal calls
            calls += 1
            if calls == 2:
                raise MemoryError
            return priced(batch)

        monkeypatch.setattr(replays._Batch, "priced", crash)
        with pytest.raises(MemoryError):
            finish(broken, size=4)
        broken.refresh_from_db()
        assert (broken.done, broken.status) == (4, ReplayStatus.RUNNING)

        assert sums(finish(broken, size=4)) == whole

    def test_a_crash_while_a_batch_is_saved_leaves_no_part_of_it(
        self, cdr: Cdr, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        replay = start(candidate())
        with monkeypatch.context() as patched:
            patched.setattr(Replay, "save", _raise_memory_error)
            with pytest.raises(MemoryError):
                replays.replay_batch(replay_id=replay.pk, now=NOW)

        assert not ReplayResult.objects.exists()
        assert finish(replay).new_before_taxes == Decimal("6.6")

    def test_two_workers_on_one_batch_count_it_once(
        self, cdr: Cdr, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        copy_cdr(cdr, 4)
        replay = start(candidate())
        priced = replays._Batch.priced

        def overtaken(batch: replays._Batch) -> Any:
            monkeypatch.setattr(replays._Batch, "priced", priced)
            replays.replay_batch(replay_id=replay.pk, now=NOW, size=3)
            return priced(batch)

        monkeypatch.setattr(replays._Batch, "priced", overtaken)

        assert finish(replay, size=3).new_before_taxes == 5 * Decimal("6.6")
        assert ReplayResult.objects.count() == 5

    def test_a_stopped_one_stays_where_it_is_until_it_is_resumed(self, cdr: Cdr) -> None:
        copy_cdr(cdr, 4)
        replay = start(candidate())
        replays.replay_batch(replay_id=replay.pk, now=NOW, size=2)
        replays.cancel_replay(replay_id=replay.pk, now=NOW)
        assert not replays.replay_batch(replay_id=replay.pk, now=NOW)
        with pytest.raises(replays.ReplayNotRunning):
            replays.cancel_replay(replay_id=replay.pk, now=NOW)

        replays.resume_replay(replay_id=replay.pk, now=NOW)

        assert finish(replay, size=2).new_before_taxes == 5 * Decimal("6.6")
        with pytest.raises(replays.ReplayNotRunning):
            replays.resume_replay(replay_id=replay.pk, now=NOW)

    def test_a_batch_takes_the_same_queries_whatever_it_holds(self, cdr: Cdr) -> None:
        copy_cdr(cdr, 40, readings=True)
        tariff = candidate()
        counts = []
        for size in (2, 30):
            replay = start(tariff)
            with CaptureQueriesContext(
                connection,
            ) as queries:
                replays.replay_batch(replay_id=replay.pk, now=NOW, size=size)
            counts.append(len(queries))

        assert counts[0] == counts[1] <= 10

    def test_the_same_question_twice_is_one_replay(self, cdr: Cdr) -> None:
        tariff = candidate()

        first, second = start(tariff), start(tariff)
        finish(first)

        assert first == second
        assert start(tariff) != first

    @pytest.mark.usefixtures("garbage_as_usual")
    def test_memory_does_not_grow_with_the_cdrs(self, cdr: Cdr) -> None:
        copy_cdr(cdr, 800)
        tariff = candidate()
        # What the engine keeps of a tariff depends on the tariff, and is not what this is about.
        self._work(tariff, timedelta(minutes=250))
        # Both are many batches, and more rows than are fetched at a time.
        few = _peak(partial(self._work, tariff, timedelta(minutes=400)))
        many = _peak(partial(self._work, tariff, timedelta(minutes=800)))

        assert ReplayResult.objects.count() == 1450
        assert many < few * 1.3

    def _work(self, tariff: Tariff, length: timedelta) -> None:
        replay = start(tariff, period_start=NOW, period_end=NOW + timedelta(hours=1) + length)
        finish(replay, size=100)
        assert sum(len(line) for line in replay_exports.as_csv(replay)) > 0
        with replay_exports.as_xlsx(replay):
            pass


def _raise_memory_error(*_args: object, **_kwargs: object) -> None:
    raise MemoryError


def _peak(work: Callable[[], None]) -> int:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.django_db
class TestTasks:
    def test_a_worker_does_all_of_it(self, cdr: Cdr) -> None:
        copy_cdr(cdr, 3)
        replay = start(candidate())

        tasks.run_replay(replay_id=replay.pk)

        replay.refresh_from_db()
        assert replay.status == ReplayStatus.DONE

    def test_a_worker_lets_others_have_their_turn(
        self, cdr: Cdr, monkeypatch: pytest.MonkeyPatch, sent: list[int]
    ) -> None:
        copy_cdr(cdr, 3)
        replay = start(candidate())
        monkeypatch.setattr(tasks, "TURN", -1.0)

        tasks.run_replay(replay_id=replay.pk)

        assert sent == [replay.pk]

    def test_one_that_somebody_works_on_is_left_alone(
        self, cdr: Cdr, monkeypatch: pytest.MonkeyPatch, sent: list[int]
    ) -> None:
        replay = start(candidate())
        monkeypatch.setattr(tasks, "advisory_lock", _taken)

        tasks.run_replay(replay_id=replay.pk)

        replay.refresh_from_db()
        assert (replay.done, sent) == (0, [])

    def test_one_whose_worker_is_gone_is_found_by_the_beat(self, cdr: Cdr, sent: list[int]) -> None:
        replay = start(candidate(), now=datetime(2026, 5, 4, tzinfo=UTC))
        tasks.tend_replays()
        assert sent == [replay.pk]

        finish(replay)
        tasks.tend_replays()
        assert sent == [replay.pk]

    def test_one_that_was_deleted_meanwhile_is_no_matter(self, cdr: Cdr) -> None:
        replay = start(candidate())
        replays.delete_replay(replay_id=replay.pk)

        tasks.run_replay(replay_id=replay.pk)


@contextmanager
def _taken(*_key: int) -> Iterator[bool]:
    yield False


@pytest.mark.django_db
class TestExport:
    def test_csv_and_excel_hold_every_cdr(self, cdr: Cdr) -> None:
        copy_cdr(cdr, 2)
        replay = finish(start(candidate()))

        lines = list(csv.reader(StringIO("".join(replay_exports.as_csv(replay)).lstrip("\ufeff"))))
        with replay_exports.as_xlsx(replay) as file:
            sheet = load_workbook(BytesIO(file.read())).active
        assert sheet is not None

        assert len(lines) == sheet.max_row == 4
        assert lines[0][9:12] == [
            "before taxes (EUR)",
            "before taxes, by this tariff (EUR)",
            "difference (EUR)",
        ]
        assert lines[1][0] == cdr.ocpi_id
        assert lines[1][6:] == [
            *("11.0000", "1.0000", "0.0000", "5.5000", "6.6000", "1.1000", "6.5450", "7.8540"),
        ]
        assert [cell.value for cell in sheet[2]][9:12] == [5.5, 6.6, 1.1]

    def test_no_text_is_a_formula(self) -> None:
        assert replay_exports._plain("=1+1") == "'=1+1"


@pytest.mark.django_db
class TestPages:
    FORM = {"first": "2026-05-01", "last": "2026-05-31", "locations": "", "use_readings": "on"}

    def test_an_empty_list_says_what_it_is_for(self, admin_client: Client) -> None:
        assert "every session of the past is priced again" in text_of(admin_client, PAGE)
        assert "There is no tariff yet" in text_of(admin_client, f"{PAGE}add/")

    def test_it_is_started_and_watched(
        self,
        admin_client: Client,
        cdr: Cdr,
        sent: list[int],
        django_capture_on_commit_callbacks: Any,
    ) -> None:
        tariff = candidate()
        with django_capture_on_commit_callbacks(execute=True):
            response = admin_client.post(f"{PAGE}add/", self.FORM | {"tariff": tariff.pk})
        replay = Replay.objects.get()

        assert response.headers["Location"] == f"{PAGE}{replay.pk}/change/"
        assert sent == [replay.pk]
        assert (replay.started_by, replay.total) == ("admin", 1)
        assert replay.period_end == datetime(2026, 6, 1, tzinfo=UTC)
        page = text_of(admin_client, f"{PAGE}{replay.pk}/change/")
        assert "0 of 1 CDRs, 0 %" in page
        assert "refresh.js" in page

    def test_the_result_shows_what_changed(self, admin_client: Client, cdr: Cdr) -> None:
        replay = finish(start(candidate()))

        page = text_of(admin_client, f"{PAGE}{replay.pk}/change/")

        for expected in (
            *("5.50 EUR", "6.60 EUR", "+1.10 EUR", "+20.0%", "<svg", "7.85 EUR after taxes"),
            "0 sessions would have been cheaper, 0 as they were, 1 dearer.",
            f"/admin/sessions_app/cdr/{cdr.pk}/change/",
        ):
            assert expected in page
        assert "refresh.js" not in page

    def test_what_cannot_be_priced_is_refused_in_words(
        self, admin_client: Client, cdr: Cdr
    ) -> None:
        tariff = candidate(currency="CHF")
        for values, reason in (
            ({"tariff": tariff.pk}, "another currency"),
            ({"tariff": tariff.pk, "first": "2020-01-01", "last": "2020-02-01"}, "No session"),
            ({"tariff": tariff.pk, "last": "2020-02-01"}, "before the first"),
            ({"tariff": tariff.pk, "locations": "NOWHERE"}, "no location nowhere"),
        ):
            response = admin_client.post(f"{PAGE}add/", self.FORM | values)
            assert reason in response.content.decode()
        assert not Replay.objects.exists()

    def test_it_is_stopped_resumed_exported_and_deleted(
        self, admin_client: Client, cdr: Cdr
    ) -> None:
        replay = start(candidate())
        page = f"{PAGE}{replay.pk}/"
        admin_client.post(f"{page}cancel/")
        assert Replay.objects.get().status == ReplayStatus.CANCELED
        assert "Go on" in text_of(admin_client, f"{page}change/")
        admin_client.post(f"{page}resume/")
        finish(replay)

        lines = b"".join(admin_client.get(f"{page}csv/")).decode().splitlines()
        book = b"".join(admin_client.get(f"{page}xlsx/"))
        assert len(lines) == 2
        assert book[:2] == b"PK"

        assert "Delete this replay?" in text_of(admin_client, f"{page}remove/")
        admin_client.post(f"{page}remove/")
        assert not Replay.objects.exists()
        assert Cdr.objects.count() == 1

    def test_who_may_only_look_can_change_nothing(self, client: Client, cdr: Cdr) -> None:
        replay = start(candidate())
        user = User.objects.create_user("looker", password="x", is_staff=True)
        client.force_login(user)
        assert client.get(f"{PAGE}{replay.pk}/csv/").status_code == 403
        user.user_permissions.add(Permission.objects.get(codename="view_replay"))

        page = text_of(client, f"{PAGE}{replay.pk}/change/")

        assert "Stop" not in page
        assert client.get(f"{PAGE}{replay.pk}/csv/").status_code == 200
        for url in (f"{PAGE}add/", f"{PAGE}{replay.pk}/remove/"):
            assert client.get(url).status_code == 403
        assert client.post(f"{PAGE}{replay.pk}/cancel/").status_code == 403


@pytest.mark.django_db
class TestCommand:
    def run(self, *args: str) -> str:
        out = StringIO()
        call_command("replay", *args, stdout=out, stderr=StringIO())
        return out.getvalue()

    def test_it_says_what_changes_and_writes_it(self, cdr: Cdr, tmp_path: Path) -> None:
        candidate()
        file, book = tmp_path / "replay.csv", tmp_path / "replay.xlsx"
        text = self.run(
            *("--tariff", "DE*ABC/NEW", "--from", "2026-05-01", "--until", "2026-06-01"),
            *("--location", "L1", "--csv", str(file), "--xlsx", str(book)),
        )

        assert "before taxes (EUR)                  5.50            6.60           +1.10" in text
        assert len(file.read_text(encoding="utf-8").splitlines()) == 2
        assert book.stat().st_size

    def test_it_goes_on_with_one_that_was_stopped(self, cdr: Cdr) -> None:
        replay = start(candidate())
        replays.cancel_replay(replay_id=replay.pk, now=NOW)

        assert "+1.10" in self.run("--resume", str(replay.pk))

    @pytest.mark.parametrize(
        ("args", "reason"),
        [
            ([], "are needed"),
            (["--resume", "9"], "There is no replay 9"),
            (["--tariff", "X", "--from", "2026-05-01", "--until", "2026-06-01"], "no tariff X"),
            (
                ["--tariff", "T1", "--from", "2026-05-01", "--until", "2026-06-01", "--group", "G"],
                "no group of locations G",
            ),
        ],
    )
    def test_what_is_missing_is_said(self, cdr: Cdr, args: list[str], reason: str) -> None:
        with pytest.raises(CommandError, match=reason):
            self.run(*args)


def text_of(client: Client, url: str) -> str:
    response = client.get(url)
    assert response.status_code == 200
    return response.content.decode()


class TestSegments:
    def test_neighbours_with_one_rate_are_one_and_others_are_not(self) -> None:
        minutes = [
            Segment(
                start=NOW + timedelta(minutes=n),
                end=NOW + timedelta(minutes=n + 1),
                energy=Decimal(energy),
                power=Decimal(power),
                requesting_power=power != "0",
            )
            for n, (energy, power) in enumerate(
                [("0.2", "12"), ("0.2", "12"), ("0.3", "12"), ("0", "0"), ("0", "0"), ("0", "0")]
            )
        ]

        fast, slower, parked = joined(minutes)

        assert (fast.energy, slower.energy) == (Decimal("0.4"), Decimal("0.3"))
        assert parked.end - parked.start == timedelta(minutes=3)

    def test_a_yen_is_not_a_cent(self) -> None:
        assert bounds_of("JPY")[-1] == 5000
        tally = Tally("JPY")
        assert tally.histogram == []
