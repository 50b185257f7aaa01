"""`manage.py prepare`: bring database and static files to where the processes can start."""

from argparse import ArgumentParser

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    """What `make run` does before it starts the processes; a deployment can do the same."""

    help = "Migrate, collect static files, load the demonstration (--demo), make the staff user."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "--demo", action="store_true", help="load the demonstration network if there is none"
        )

    def handle(self, *, demo: bool, **_: object) -> None:
        """Do it all; every step may be repeated."""
        self.stdout.write("Migrating the database")
        call_command("migrate", interactive=False, verbosity=0)
        if not settings.DEBUG:
            self.stdout.write("Collecting static files")
            call_command("collectstatic", interactive=False, verbosity=0)
        if demo:
            self.stdout.write("Loading the demonstration network")
            call_command("load_demo")
            call_command("invite_sandbox")
        call_command("ensure_staff_user")
