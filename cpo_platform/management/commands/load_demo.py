"""`manage.py load_demo`: the demonstration network, for a platform that is empty."""

from django.core.management.base import BaseCommand

from cpo_platform import demo
from cpo_platform.common import clock


class Command(BaseCommand):
    """Make the network of `cpo_platform.demo`; a platform with parties is left as it is."""

    help = "Load the demonstration network: parties, tariffs, locations and past sessions."

    def handle(self, **_: object) -> None:
        """Load it, and say what was done."""
        for sentence in demo.load(now=clock.now()):
            self.stdout.write(sentence)
