"""`manage.py seed_scale`: a large network to measure with."""

from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError

from cpo_platform.common import clock
from cpo_platform.upkeep import scale


class Command(BaseCommand):
    """Make a network of 100 000 EVSEs and 1 000 000 sessions, for measuring only."""

    help = (
        "Fill a database with copies of the demonstration, to see how pages behave at scale. "
        "Takes some ten minutes; when interrupted, it goes on where it stopped."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--evses", type=int, default=100_000)
        parser.add_argument("--sessions", type=int, default=1_000_000)

    def handle(self, *, evses: int, sessions: int, **_: object) -> None:
        """Seed, and say how far it is after each step."""
        try:
            for step in scale.seed(evses=evses, sessions=sessions, now=clock.now()):
                self.stdout.write(f"{step.what}: {step.done:,} of {step.total:,}")
                self.stdout.flush()
        except (scale.NotEmpty, scale.NoSuperuser) as error:
            raise CommandError(str(error)) from error
        self.stdout.write("Done.")
