"""Let a partner speak for a party: `manage.py grant_role "Example eMSP" --party 'NL*EMS'`."""

from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from roaming.models import Partner, Role
from roaming.operations import partners


class Command(BaseCommand):
    help = "Grant a partner a party: it sees that eMSP's sessions, CDRs and tokens from now on."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="what staff calls the partner")
        parser.add_argument("--party", required=True, help="the party, such as 'NL*EMS'")
        parser.add_argument("--role", default=Role.EMSP.value, choices=Role.values)

    def handle(self, *_args: Any, **options: Any) -> None:
        partner = Partner.objects.filter(name=options["name"]).first()
        if partner is None:
            raise CommandError(f"there is no partner {options['name']}")
        country_code, _star, party_id = options["party"].partition("*")
        try:
            partners.grant(partner, partners.TheirRole(options["role"], country_code, party_id))
        except ValidationError as error:
            raise CommandError("; ".join(error.messages)) from error
        except partners.PartyTaken as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{partner} may speak for {options['party']} ({options['role']}).")
