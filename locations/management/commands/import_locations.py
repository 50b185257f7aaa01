"""Import OCPI locations, EVSEs, connectors and tariffs from a JSON file."""

import json
import sys
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, BinaryIO

from django.core.management.base import BaseCommand, CommandError

from cpo_platform.common import clock
from locations.importing import (
    Action,
    Entry,
    ImportReport,
    Kind,
    PartyKey,
    Progress,
    UnreadableFile,
    import_locations,
)

REFUSED, UNREADABLE = 1, 2
BAR = 30
EACH = 1000


class Command(BaseCommand):
    """`manage.py import_locations FILE`; the code of exit is 0, 1 (refusals) or 2 (unreadable)."""

    help = (
        "Import OCPI locations (2.1.1, 2.2.1 or 2.3.0) with their EVSEs, connectors and tariffs "
        "from a JSON file. Importing a file twice changes nothing."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="a list of locations, or data/items with one")
        parser.add_argument(
            "--party",
            type=_party,
            metavar="DE*SLB",
            help="the owner of objects that name none (OCPI 2.1.1); refuse those of others",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="say what would happen; write nothing"
        )
        parser.add_argument(
            "--report", type=Path, metavar="FILE", help="write each line of the report as JSON"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        with _opened(options["file"], "rb") as stream:
            report = self._import(stream, options)
        self._show(report, verbose=options["verbosity"] > 1)
        if report.refused:
            raise CommandError(
                f"{report.refused} objects were refused; all others were taken.",
                returncode=REFUSED,
            )

    def _import(self, stream: BinaryIO, options: dict[str, Any]) -> ImportReport:
        progress = _Progress(self.stderr, terminal=_is_terminal())
        lines = _Lines(options["report"])
        try:
            with lines:
                report = import_locations(
                    stream,
                    party=options["party"],
                    now=clock.now,
                    dry_run=options["dry_run"],
                    on_progress=progress.show,
                    on_entry=lines.write,
                )
                lines.close(report)
        except UnreadableFile as error:
            raise CommandError(f"{options['file']}: {error}", returncode=UNREADABLE) from error
        finally:
            progress.end()
        return report

    def _show(self, report: ImportReport, *, verbose: bool) -> None:
        title = "Dry run: nothing was written." if report.dry_run else "Imported."
        self.stdout.write(f"{title} {_versions(report)}".strip())
        self.stdout.write("")
        for line in _table(report):
            self.stdout.write(line)
        if report.mends:
            self.stdout.write("\nMended:")
            for mend in report.mends:
                self.stdout.write(f"{mend.times:>8} × {mend}")
        shown = [Action.REFUSED]
        if verbose:
            shown = [Action.CREATED, Action.CHANGED, Action.MENDED, Action.REFUSED]
        for action in shown:
            self._show_entries(report, action)

    def _show_entries(self, report: ImportReport, action: Action) -> None:
        entries = report.entries[action]
        if not entries:
            return
        self.stdout.write(f"\n{action.label}:")
        for entry in entries:
            self.stdout.write(f"  {entry}")
        if omitted := report.omitted(action):
            self.stdout.write(f"  … and {omitted} more: --report FILE writes them all.")


def _is_terminal() -> bool:
    return sys.stderr.isatty()


def _party(text: str) -> PartyKey:
    try:
        return PartyKey.parse(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from error


@contextmanager
def _opened(path: Path, mode: str) -> Iterator[Any]:
    try:
        with path.open(mode, encoding=None if "b" in mode else "utf-8") as file:
            yield file
    except OSError as error:
        raise CommandError(
            f"{path} cannot be opened: {error.strerror}.", returncode=UNREADABLE
        ) from error


def _versions(report: ImportReport) -> str:
    counts = (f"{count} of OCPI {version}" for version, count in sorted(report.versions.items()))
    text = ", ".join(counts)
    return f"Locations: {text}." if text else "The file holds no locations."


def _table(report: ImportReport) -> Iterator[str]:
    yield " " * 14 + "".join(f"{action.label:>11}" for action in Action)
    for kind in Kind:
        counts = report.counts[kind]
        if counts:
            yield f"{kind.label:<14}" + "".join(f"{counts[action] or '':>11}" for action in Action)


class _Progress:
    """A bar on a terminal; elsewhere a line for each thousand objects."""

    def __init__(self, stream: Any, *, terminal: bool) -> None:
        self._stream = stream
        self._terminal = terminal
        self._last = 0

    def show(self, progress: Progress) -> None:
        text = f"{progress.locations}/{progress.total} locations, {progress.evses} EVSEs"
        if self._terminal:
            percent = 100 * progress.locations // progress.total
            if percent > self._last:
                self._last = percent
                bar = "#" * (percent * BAR // 100)
                self._stream.write(f"\r[{bar:<{BAR}}] {percent:>3} %  {text}", ending="")
                self._stream.flush()
            return
        step = (progress.locations + progress.evses) // EACH
        if step > self._last:
            self._last = step
            self._stream.write(text)

    def end(self) -> None:
        """Leave the bar's line."""
        if self._terminal and self._last:
            self._stream.write("")


class _Lines:
    """The report file: one JSON object a line, the summary last; nothing without a path."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._file: IO[str] | None = None

    def __enter__(self) -> "_Lines":
        if self._path is not None:
            try:
                self._file = self._path.open("w", encoding="utf-8")
            except OSError as error:
                raise CommandError(
                    f"{self._path} cannot be written: {error.strerror}.", returncode=UNREADABLE
                ) from error
        return self

    def __exit__(self, *_error: object) -> None:
        if self._file is not None:
            self._file.close()

    def write(self, entry: Entry) -> None:
        self._write(entry.to_json())

    def close(self, report: ImportReport) -> None:
        """Write the summary."""
        self._write({"summary": report.to_json()})

    def _write(self, value: dict[str, Any]) -> None:
        if self._file is not None:
            self._file.write(json.dumps(value, ensure_ascii=False) + "\n")
