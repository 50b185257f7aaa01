"""Compile the translations: locale/*/LC_MESSAGES/django.po to django.mo beside it."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from cpo_platform.translations import compile_file


class Command(BaseCommand):
    help = "Compile our translations; gettext's own tools are not needed."
    requires_system_checks = []

    def handle(self, *_args: Any, **_options: Any) -> None:
        for source in sorted(settings.BASE_DIR.glob("locale/*/LC_MESSAGES/django.po")):
            target = source.with_suffix(".mo")
            target.write_bytes(compile_file(source))
            self.stdout.write(f"compiled {target.relative_to(settings.BASE_DIR)}")
