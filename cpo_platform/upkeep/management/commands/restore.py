"""`manage.py restore FILE`: a backup into an empty database, made fit for use."""

from argparse import ArgumentParser
from pathlib import Path

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from cpo_platform.common import clock
from cpo_platform.upkeep import backup


class Command(BaseCommand):
    """Do all that a database needs which goes back in time; start the processes afterwards.

    Without FILE it was brought in by other means, and the rest is done.
    """

    help = "Restore FILE into an empty database, and have partners told what holds now."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("file", type=Path, nargs="?", help="none: it was brought in already")

    def handle(self, *, file: Path | None, **_: object) -> None:
        """Restore, migrate, check, and tell partners.

        Raises:
            CommandError: something is in the way; it says what.

        """
        try:
            if file is not None:
                backup.restore(file)
                self.stdout.write(f"{file} is restored.")
            call_command("migrate", interactive=False, verbosity=0)
            backup.check()
            self.stdout.write("What guards bills is there, and secrets can be read.")
            for told in backup.tell_partners(now=clock.now()):
                self.stdout.write(f"On their way to {told.partner}: {told.objects} objects.")
        except (backup.BackupFailed, backup.NotEmpty, backup.NotSound) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            "Start the processes. Then let drift checks find CDRs that partners have and you not."
        )
