"""`manage.py invite_sandbox`: let the sandbox eMSP of the demonstration register with us."""

import json
import os

from django.conf import settings
from django.core.management.base import BaseCommand

from cpo_platform.common import clock
from roaming.models import Partner, Role
from roaming.ocpi.versions import versions_url
from roaming.operations import partners

NAME = "Sandbox eMSP"
INVITATION = "sandbox-invitation.json"


class Command(BaseCommand):
    """Invite it unless it is registered; it finds the token in `var/sandbox-invitation.json`."""

    help = "Invite the sandbox eMSP of the demonstration, unless it is registered."

    def handle(self, **_: object) -> None:
        """Write the invitation where the sandbox process looks for it."""
        path = settings.VAR_DIR / INVITATION
        if Partner.objects.filter(name=NAME, status__in=partners.HAS_A_REGISTRATION).exists():
            self.stdout.write(f"{NAME} is registered.")
            return
        invitation = partners.invite_partner(
            name=NAME, role=Role.EMSP, country_code="NL", party_id="EMS", now=clock.now()
        )
        told = {"token_a": invitation.token_a, "versions_url": versions_url()}
        # Written aside and moved, so that the sandbox never reads half of it.
        aside = path.with_suffix(".new")
        with open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:  # noqa: PTH123
            json.dump(told, file)
        aside.replace(path)
        self.stdout.write(f"{NAME} is invited: it registers by itself.")
