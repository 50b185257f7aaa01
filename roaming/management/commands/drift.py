"""Compare what a partner holds with what it should: `manage.py drift "Example eMSP" --heal`."""

import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from roaming.management.drift_report import CheckFailed, check_partner
from roaming.models import Partner
from roaming.operations.drift_objects import MODULES
from roaming.operations.partners import NotRegistered

MOST = 100_000


class Command(BaseCommand):
    help = (
        "GET our objects from a partner and compare them with what we would send. Ends with 1 if "
        "there is a difference. The result is also in the admin: Roaming, Drift checks."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="the partner")
        chosen = parser.add_mutually_exclusive_group()
        chosen.add_argument("--sample", type=int, help="objects of each kind (DRIFT_SAMPLE)")
        chosen.add_argument("--all", action="store_true", help="every object")
        parser.add_argument("--module", choices=MODULES, action="append", help="only this one")
        parser.add_argument(
            "--heal", action="store_true", help="send again what differs (CDRs are left to staff)"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        partner = Partner.objects.filter(name=options["name"]).first()
        if partner is None:
            raise CommandError(f"there is no partner {options['name']}")
        try:
            drifts = check_partner(
                partner,
                sample=None if options["all"] else _sample(options["sample"]),
                modules=options["module"],
                heal=options["heal"],
                write=self.stdout.write,
            )
        except (CheckFailed, NotRegistered) as error:
            raise CommandError(str(error)) from error
        if drifts:
            sys.exit(1)


def _sample(wanted: int | None) -> int:
    sample = settings.DRIFT_SAMPLE or 100 if wanted is None else wanted
    if not 1 <= sample <= MOST:
        raise CommandError(f"--sample is 1 to {MOST}")
    return int(sample)
