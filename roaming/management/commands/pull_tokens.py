"""Pull partners' tokens now: `manage.py pull_tokens "Example eMSP" --full`."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from roaming import pulling
from roaming.models import Partner, PartnerStatus


class Command(BaseCommand):
    help = "Pull the tokens of a partner, or of all that are registered; say what came."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", nargs="?", help="the partner; without it, all")
        parser.add_argument(
            "--full",
            action="store_true",
            help="the whole list: tokens that it does not hold become invalid",
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        chosen = Partner.objects.filter(status=PartnerStatus.REGISTERED).order_by("name")
        if options["name"]:
            chosen = chosen.filter(name=options["name"])
            if not chosen:
                raise CommandError(f"there is no registered partner {options['name']}")
        failed = [partner.name for partner in chosen if not self._pull(partner, options["full"])]
        if failed:
            raise CommandError(f"not pulled: {', '.join(failed)}")

    def _pull(self, partner: Partner, full: bool) -> bool:  # noqa: FBT001  an option of the command
        try:
            pulled = pulling.pull_partner(partner.pk, full=True if full else None)
        except pulling.PullFailed as error:
            self.stderr.write(f"{partner.name}: {error}")
            return False
        if pulled is None:
            self.stdout.write(f"{partner.name}: nothing to pull, or being pulled already")
            return True
        kind = "the whole list" if pulled.full else "what changed"
        self.stdout.write(
            f"{partner.name}: {kind}, {pulled.pages} pages, {pulled.stored} tokens,"
            f" {pulled.skipped} skipped, {pulled.invalid} made invalid"
        )
        return True
