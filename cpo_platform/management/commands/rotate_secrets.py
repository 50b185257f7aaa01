"""`manage.py rotate_secrets`: encrypt all secrets under the first of FIELD_ENCRYPTION_KEYS."""

from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError

from cpo_platform.secret_columns import COLUMNS, Column, Failure, outdated, rotate


class Command(BaseCommand):
    """May be stopped and started again at any time: what was done is not done again."""

    help = "Encrypt all secrets anew under the first of FIELD_ENCRYPTION_KEYS."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "--check",
            action="store_true",
            help="change nothing; name the rows that still use another key, and fail if there are",
        )

    def handle(self, *, check: bool, **_: object) -> None:
        """Do it, or look.

        Raises:
            CommandError: something is under another key, or under one that is gone.

        """
        left = sum(self._look(column) if check else self._rotate(column) for column in COLUMNS)
        if left:
            raise CommandError(
                f"{left} rows are under another key than the first: run rotate_secrets."
                if check
                else f"{left} rows are under a key that FIELD_ENCRYPTION_KEYS does not hold."
            )
        self.stdout.write("All secrets are under the first key.")

    def _look(self, column: Column) -> int:
        keys = [str(pk) for pk in outdated(column)]
        self.stdout.write(f"{column}: {len(keys)} under another key {' '.join(keys)}".rstrip())
        return len(keys)

    def _rotate(self, column: Column) -> int:
        done, failed = 0, 0
        for step in rotate(column):
            if isinstance(step, Failure):
                failed += 1
                self.stderr.write(f"{column}: row {step.pk} is under a key that is gone")
            elif step:
                done += step
                self.stdout.write(f"{column}: {done} encrypted anew")
        return failed
