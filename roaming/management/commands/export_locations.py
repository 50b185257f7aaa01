"""Write what we would serve of our locations: `manage.py export_locations --version 2.2.1`."""

import sys
from pathlib import Path
from typing import IO, Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from cpo_platform.common import clock
from locations.models import Location
from roaming.ocpi.common.audience import Audience
from roaming.ocpi.documents import bodies
from roaming.ocpi.versions import VERSIONS, Version

PAGE = 200


class Command(BaseCommand):
    help = "Export all locations as the JSON list that partners of a version are served."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        # `--version` is Django's own option of every command; here it is the OCPI version.
        return super().create_parser(prog_name, subcommand, conflict_handler="resolve", **kwargs)

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--version", default="2.2.1", choices=sorted(VERSIONS))
        parser.add_argument("--output", help="a file; without it, standard output")

    def handle(self, *_args: Any, **options: Any) -> None:
        version = VERSIONS[options["version"]]
        if not options["output"]:
            _write(sys.stdout, version)
            return
        try:
            with Path(options["output"]).open("w", encoding="utf-8") as stream:
                count = _write(stream, version)
        except OSError as error:
            raise CommandError(f"--output: {error}") from error
        self.stdout.write(f"{count} locations written to {options['output']}")


def _write(stream: IO[str], version: Version) -> int:
    """Write the list a page at a time; return the number of locations."""
    count, last = 0, 0
    stream.write("[")
    while rows := list(
        Location.objects.filter(pk__gt=last).order_by("pk").values_list("pk", "last_updated")[:PAGE]
    ):
        found = bodies(rows, module="locations", version=version, audience=Audience(clock.now()))
        for pk, _moment in rows:
            if pk in found:
                stream.write(("\n" if count == 0 else ",\n") + found[pk])
                count += 1
        last = rows[-1][0]
    stream.write("\n]\n")
    return count
