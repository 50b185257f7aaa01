"""`manage.py backup FILE`: the whole database in one file."""

from argparse import ArgumentParser
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError

from cpo_platform.upkeep import backup


class Command(BaseCommand):
    """Run pg_dump against the platform's database, also the embedded one, while it is in use."""

    help = "Write the whole database to FILE (pg_dump's custom format)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("file", type=Path)

    def handle(self, *, file: Path, **_: object) -> None:
        """Write it.

        Raises:
            CommandError: pg_dump did not do it.

        """
        try:
            backup.back_up(file)
        except (backup.BackupFailed, OSError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{file}: {file.stat().st_size / 1e6:,.1f} MB.")
