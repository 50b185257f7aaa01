"""Exchange tokens with a partner: `manage.py renew_partner "Example eMSP" --ocpi 2.3.0`."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from cpo_platform.common import clock
from roaming.models import Partner
from roaming.ocpi import handshake
from roaming.ocpi.versions import VERSIONS
from roaming.operations import partners


class Command(BaseCommand):
    help = "Exchange tokens with a partner (PUT credentials), and read its endpoints anew."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="what staff calls the partner")
        parser.add_argument(
            "--ocpi", default="", choices=["", *VERSIONS], help="the version to speak from now on"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        partner = Partner.objects.filter(name=options["name"]).first()
        if partner is None:
            raise CommandError(f"there is no partner {options['name']}")
        try:
            partner = handshake.update_registration(
                partner_id=partner.pk, now=clock.now(), version=options["ocpi"]
            )
        except handshake.HandshakeFailed as error:
            for step in error.steps:
                mark = "ok " if step.ok else "NO "
                self.stdout.write(f"{mark} {step.saying}" + f": {step.detail}" * bool(step.detail))
            raise CommandError(f"the exchange failed: {error}") from error
        except partners.NotRegistered as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"New tokens are in use with {partner.name}, OCPI {partner.version}.")
