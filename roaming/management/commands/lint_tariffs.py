"""Check tariffs: those of the database, or those of an OCPI file."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from cpo_platform.common import clock
from locations.importing import PartyKey, UnreadableFile
from roaming.tariff_files import NamedRemarks, remarks_of_file, remarks_of_rows
from tariffs.checking import Remark
from tariffs.pricing.linting import Severity

ERRORS, UNREADABLE = 1, 2


class Command(BaseCommand):
    """`manage.py lint_tariffs [FILE]`; the code of exit is 0, 1 (errors) or 2 (unreadable)."""

    help = (
        "Say what is wrong or doubtful about tariffs, each with a session that shows it: those of "
        "the platform, or those in a file of OCPI tariffs or locations. Nothing is written."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", nargs="?", type=Path, help="JSON: tariffs, locations or CDRs")
        parser.add_argument("--party", metavar="DE*ABC", help="only the tariffs of this party")
        parser.add_argument("--time-zone", default="UTC", help="of a file's tariffs (UTC)")
        parser.add_argument("--json", action="store_true", help="one JSON object per tariff")
        parser.add_argument("--no-hints", action="store_true", help="errors and warnings only")

    def handle(self, *_args: Any, **options: Any) -> None:
        counts: Counter[Severity] = Counter()
        total = 0
        try:
            for named in self._checked(options):
                total += 1
                kept = [one for one in named.remarks if _is_wanted(one, options)]
                counts.update(remark.severity for remark in kept)
                self._show(NamedRemarks(named.name, kept), as_json=options["json"])
        except UnreadableFile as error:
            raise CommandError(f"{options['file']}: {error}", returncode=UNREADABLE) from error
        except OSError as error:
            text = f"{options['file']} cannot be opened: {error.strerror}."
            raise CommandError(text, returncode=UNREADABLE) from error
        if not options["json"]:
            self.stdout.write(f"{total} tariffs: {_sum(counts)}.")
        if counts[Severity.ERROR]:
            raise CommandError(f"{counts[Severity.ERROR]} errors.", returncode=ERRORS)

    def _checked(self, options: dict[str, Any]) -> Iterator[NamedRemarks]:
        party = _party(options["party"])
        if options["file"] is None:
            return remarks_of_rows(party, now=clock.now())
        return remarks_of_file(
            options["file"], party, time_zone=options["time_zone"], now=clock.now()
        )

    def _show(self, named: NamedRemarks, *, as_json: bool) -> None:
        if as_json:
            document = {"tariff": named.name, "findings": [one.to_json() for one in named.remarks]}
            self.stdout.write(json.dumps(document, ensure_ascii=False))
            return
        if not named.remarks:
            return
        self.stdout.write(named.name)
        for remark in named.remarks:
            place = f" ({remark.path})" if remark.path else ""
            self.stdout.write(f"  {remark.severity}: {remark.text}{place}")
            for line in remark.story:
                self.stdout.write(f"      {line}")
        self.stdout.write("")


def _is_wanted(remark: Remark, options: dict[str, Any]) -> bool:
    return not options["no_hints"] or remark.severity is not Severity.HINT


def _party(text: str | None) -> PartyKey | None:
    if text is None:
        return None
    try:
        return PartyKey.parse(text)
    except ValueError as error:
        raise CommandError(str(error), returncode=UNREADABLE) from error


def _sum(counts: Counter[Severity]) -> str:
    names = {Severity.ERROR: "errors", Severity.WARNING: "warnings", Severity.HINT: "hints"}
    return ", ".join(f"{counts[severity]} {name}" for severity, name in names.items())
