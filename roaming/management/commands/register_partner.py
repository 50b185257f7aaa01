"""Register with a partner that gave us its versions URL and token A."""

from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from cpo_platform.common import clock
from roaming.ocpi import handshake
from roaming.ocpi.versions import VERSIONS
from roaming.operations import partners


class Command(BaseCommand):
    help = "Register with a partner (the OCPI handshake, started by us)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="what staff calls the partner")
        parser.add_argument("--versions-url", required=True, help="the partner's versions URL")
        parser.add_argument(
            "--token-a", required=True, help="the token it gave us (--token-a=TOKEN)"
        )
        parser.add_argument(
            "--ocpi", default="", choices=["", *VERSIONS], help="without it, the latest of both"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            partner = handshake.register_with_partner(
                name=options["name"],
                versions_url=options["versions_url"],
                token_a=options["token_a"],
                now=clock.now(),
                version=options["ocpi"],
            )
        except handshake.HandshakeFailed as error:
            self._tell(error.steps)
            raise CommandError(f"the handshake failed: {error}") from error
        except ValidationError as error:
            raise CommandError("; ".join(error.messages)) from error
        except partners.PartyTaken as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{partner.name} is registered, OCPI {partner.version}.")
        for role in partner.roles.filter(granted=False).order_by("id"):
            party = f"{role.country_code}*{role.party_id}"
            self.stdout.write(f"Not granted: {party} ({role.role}), see `manage.py grant_role`.")

    def _tell(self, steps: list[partners.Step]) -> None:
        for step in steps:
            mark = "ok " if step.ok else "NO "
            self.stdout.write(f"{mark} {step.saying}" + (f": {step.detail}" if step.detail else ""))
