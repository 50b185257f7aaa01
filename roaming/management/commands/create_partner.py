"""Invite a partner: `manage.py create_partner "Example eMSP" --party NL*EMS --role EMSP`."""

import json
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from cpo_platform.common import clock
from roaming.models import Role
from roaming.ocpi.versions import versions_url
from roaming.operations import partners


class Command(BaseCommand):
    help = "Create a partner that will register with us; print its token A (once) and our URL."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="what staff calls the partner")
        parser.add_argument("--party", required=True, help="its party, such as NL*EMS")
        parser.add_argument("--role", default=Role.EMSP.value, choices=Role.values)
        parser.add_argument(
            "--auto-grant",
            action="store_true",
            help="for a hub that you trust: grant the parties that it names",
        )
        parser.add_argument("--json", action="store_true", help="print JSON only")

    def handle(self, *_args: Any, **options: Any) -> None:
        country_code, star, party_id = options["party"].partition("*")
        if not star:
            raise CommandError("--party: must look like NL*EMS")
        try:
            invitation = partners.invite_partner(
                name=options["name"],
                role=options["role"],
                country_code=country_code,
                party_id=party_id,
                auto_grant=options["auto_grant"] or None,
                now=clock.now(),
            )
        except ValidationError as error:
            raise CommandError("; ".join(error.messages)) from error
        except partners.PartyTaken as error:
            raise CommandError(str(error)) from error
        told = {"token_a": invitation.token_a, "versions_url": versions_url()}
        if options["json"]:
            self.stdout.write(json.dumps(told))
            return
        self.stdout.write(f"{options['name']} can register now. Give it, by a safe way:")
        self.stdout.write(f"  versions URL  {told['versions_url']}")
        self.stdout.write(f"  token A       {told['token_a']}   (shown only now)")
