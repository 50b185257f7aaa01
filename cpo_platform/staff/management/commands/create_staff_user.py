"""`manage.py create_staff_user`: somebody who works here, with roles and a scope."""

import secrets
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from cpo_platform import environment as env
from cpo_platform.staff import operations
from cpo_platform.staff.roles import BY_KEY
from locations.models import LocationGroup
from tariffs.models import Party


class Command(BaseCommand):
    """Make a person; STAFF_PASSWORD is the password, else a random one is printed once."""

    help = "Make somebody who may sign in, with roles and, if wanted, a scope."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--email", default="")
        parser.add_argument("--role", action="append", required=True, choices=sorted(BY_KEY))
        parser.add_argument("--party", action="append", default=[], help="such as DE*ABC")
        parser.add_argument("--group", action="append", default=[], help="a location group")

    @transaction.atomic
    def handle(self, **options: Any) -> None:
        """Make the person, or say what is wrong; nothing has changed then."""
        username: str = options["username"]
        if User.objects.filter(username=username).exists():
            raise CommandError(f"username: {username} exists already")
        parties = [_party(text) for text in options["party"]]
        groups = [_group(name) for name in options["group"]]
        given = env.text("STAFF_PASSWORD")
        password = given or secrets.token_urlsafe(12)
        user = User.objects.create_user(
            username, email=options["email"], password=password, is_staff=True
        )
        operations.set_roles(user_id=user.pk, roles=options["role"])
        operations.set_scope(
            user_id=user.pk,
            everything=not (parties or groups),
            party_ids=[party.pk for party in parties],
            group_ids=[group.pk for group in groups],
        )
        self.stdout.write(f"Made the user {username}")
        if not given:
            self.stdout.write(f"Password: {password}")


def _party(text: str) -> Party:
    country_code, _star, party_id = text.partition("*")
    row = Party.objects.filter(country_code=country_code, party_id=party_id).first()
    if row is None:
        raise CommandError(f"--party: there is no party {text}")
    return row


def _group(name: str) -> LocationGroup:
    row = LocationGroup.objects.filter(name=name).first()
    if row is None:
        raise CommandError(f"--group: there is no location group {name}")
    return row
