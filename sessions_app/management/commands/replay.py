"""`manage.py replay`: try a tariff on the CDRs of the past, in the foreground."""

import sys
import time
from argparse import ArgumentTypeError
from datetime import UTC, date, datetime
from datetime import time as clock_time
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from cpo_platform.common import clock
from cpo_platform.common.locks import advisory_lock
from locations.models import Location, LocationGroup
from sessions_app.models import Replay, ReplayStatus
from sessions_app.operations import replays
from sessions_app.replay_exports import as_csv, as_xlsx
from sessions_app.tasks import REPLAYS
from tariffs.models import Tariff

CHUNK = 1 << 16
# Where there is no terminal, a line for each so many percent.
STEP = 5


class Command(BaseCommand):
    """Start a replay, or go on with one, until it is done."""

    shown = 0
    help = (
        "Price the CDRs of a period by another tariff and say what that changes. Ctrl-C stops it; "
        "--resume goes on. The result is also in the admin: Prices, Replays."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--tariff", metavar="ID", help="the tariff's id, or DE*ABC/ID")
        parser.add_argument("--from", dest="start", type=_day, metavar="2026-05-01")
        parser.add_argument("--until", dest="end", type=_day, metavar="2026-06-01")
        parser.add_argument("--party", metavar="DE*ABC", help="only CDRs of this party")
        parser.add_argument(
            "--location", action="append", default=[], metavar="ID", help="several times for more"
        )
        parser.add_argument("--group", action="append", default=[], help="a group of locations")
        parser.add_argument(
            "--no-readings", action="store_true", help="price CDRs by their charging periods only"
        )
        parser.add_argument("--resume", type=int, metavar="NUMBER", help="go on with this replay")
        parser.add_argument("--csv", type=Path, metavar="FILE", help="write every CDR's result")
        parser.add_argument("--xlsx", type=Path, metavar="FILE", help="the same, for Excel")
        parser.add_argument("--batch", type=int, default=replays.BATCH, help="CDRs at a time (500)")

    def handle(self, *_args: Any, **options: Any) -> None:
        replay = self._resumed(options) if options["resume"] else self._started(options)
        self.stdout.write(f"Replay {replay.pk}: {replay.total} CDRs by {replay.candidate['id']}.")
        with advisory_lock(REPLAYS, replay.pk) as alone:
            if not alone:
                raise CommandError(f"Somebody else is working on replay {replay.pk}.")
            self._work(replay, options["batch"])
        replay.refresh_from_db()
        if replay.status != ReplayStatus.DONE:
            raise CommandError(f"Stopped. Go on with: --resume {replay.pk}")
        self._show(replay)
        self._write(replay, options)

    def _resumed(self, options: dict[str, Any]) -> Replay:
        try:
            return replays.resume_replay(replay_id=options["resume"], now=clock.now())
        except Replay.DoesNotExist as error:
            raise CommandError(f"There is no replay {options['resume']}.") from error
        except replays.ReplayNotRunning:
            return Replay.objects.get(pk=options["resume"])

    def _started(self, options: dict[str, Any]) -> Replay:
        if not options["tariff"] or options["start"] is None or options["end"] is None:
            raise CommandError("--tariff, --from and --until are needed (or --resume).")
        names = [*options["group"], *options["location"]]
        try:
            return replays.start_replay(
                tariff_id=_tariff(options["tariff"]).pk,
                period_start=options["start"],
                period_end=options["end"],
                party=_party(options["party"]),
                location_ids=_locations(options) if names else None,
                place=", ".join(names),
                use_readings=not options["no_readings"],
                started_by="manage.py",
                now=clock.now(),
            )
        except replays.NotReplayable as error:
            raise CommandError(str(error)) from error

    def _work(self, replay: Replay, size: int) -> None:
        began, replay_id = time.monotonic(), replay.pk
        more = True
        try:
            while more:
                more = replays.replay_batch(replay_id=replay_id, now=clock.now(), size=size)
                self._progress(replay, began)
        except KeyboardInterrupt as error:
            replays.cancel_replay(replay_id=replay_id, now=clock.now())
            raise CommandError(f"Stopped. Go on with: --resume {replay_id}") from error
        finally:
            if sys.stderr.isatty():
                self.stderr.write("")

    def _progress(self, replay: Replay, began: float) -> None:
        row = Replay.objects.only("done", "total").get(pk=replay.pk)
        rate = (row.done - replay.done) / max(time.monotonic() - began, 0.001)
        text = f"{row.done}/{row.total} CDRs, {row.percent} %, {rate:.0f} a second"
        if sys.stderr.isatty():
            self.stderr.write(f"\r{text}   ", ending="")
            self.stderr.flush()
        elif row.percent // STEP > self.shown:
            self.shown = row.percent // STEP
            self.stderr.write(text)

    def _show(self, replay: Replay) -> None:
        currency = replay.currency
        self.stdout.write(f"{'':24}{'before':>16}{'by the tariff':>16}{'difference':>16}")
        for title, before, after in (
            ("before taxes", replay.before_taxes, replay.new_before_taxes),
            ("after taxes", replay.after_taxes, replay.new_after_taxes),
        ):
            label = f"{title} ({currency})"
            self.stdout.write(f"{label:24}{before:16.2f}{after:16.2f}{after - before:+16.2f}")
        if replay.taxed < replay.done - replay.skipped:
            self.stdout.write(f"Taxes are known of {replay.taxed} CDRs.")
        if replay.skipped:
            self.stdout.write(f"Left out: {replay.skipped} (credited, or not to be priced).")
            for problem in replay.problems:
                self.stdout.write(f"  {problem}")

    def _write(self, replay: Replay, options: dict[str, Any]) -> None:
        if options["csv"]:
            with options["csv"].open("w", encoding="utf-8", newline="") as file:
                file.writelines(as_csv(replay))
        if options["xlsx"]:
            with as_xlsx(replay) as book, options["xlsx"].open("wb") as file:
                while chunk := book.read(CHUNK):
                    file.write(chunk)


def _day(text: str) -> datetime:
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text} is not a date such as 2026-05-01") from error
    return datetime.combine(day, clock_time(), tzinfo=UTC)


def _tariff(name: str) -> Tariff:
    owner, _slash, ocpi_id = name.rpartition("/")
    rows = Tariff.objects.in_use().filter(ocpi_id=ocpi_id)
    if owner:
        country_code, party_id = _party(owner) or ("", "")
        rows = rows.filter(country_code=country_code, party_id=party_id)
    found = list(rows[:2])
    if len(found) != 1:
        kind = "no tariff" if not found else "more than one tariff"
        raise CommandError(f"There is {kind} {name}.")
    return found[0]


def _party(text: str | None) -> tuple[str, str] | None:
    if text is None:
        return None
    country_code, star, party_id = text.partition("*")
    if not star:
        raise CommandError(f"{text} is not a party such as DE*ABC.")
    return country_code, party_id


def _locations(options: dict[str, Any]) -> list[int]:
    found: set[int] = set()
    for name in options["group"]:
        group = LocationGroup.objects.filter(name=name).first()
        if group is None:
            raise CommandError(f"There is no group of locations {name}.")
        found.update(group.locations.values_list("pk", flat=True))
    for name in options["location"]:
        keys = list(Location.objects.filter(ocpi_id=name).values_list("pk", flat=True))
        if not keys:
            raise CommandError(f"There is no location {name}.")
        found.update(keys)
    return sorted(found)
