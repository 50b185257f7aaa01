"""`manage.py write_openapi`: write the OpenAPI descriptions of what we serve to docs/openapi."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from roaming.ocpi.description.generator import as_yaml
from roaming.ocpi.versions import VERSIONS


class Command(BaseCommand):
    help = "Write the OpenAPI description of each OCPI version that we serve."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--to", type=Path, default=settings.BASE_DIR / "docs" / "openapi", metavar="DIRECTORY"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        directory: Path = options["to"]
        directory.mkdir(parents=True, exist_ok=True)
        for number in VERSIONS:
            target = directory / f"ocpi-{number}.yaml"
            target.write_text(as_yaml(number), encoding="utf-8")
            self.stdout.write(str(target))
