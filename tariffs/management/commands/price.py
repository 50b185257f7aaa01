"""`manage.py price`: price OCPI CDRs from outside, without a database."""

import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
from django.core.management.base import BaseCommand, CommandError

from cpo_platform.common.json import InvalidJson, dump_text, loads
from tariffs.pricing.documents import InvalidDocument, price_case

# A CDR of a thousand periods is a tenth of this.
LONGEST_CASE = 16 * 1024 * 1024


class Command(BaseCommand):
    """Price one case, or with --batch one case a line."""

    help = (
        "Price a CDR by a tariff: CASE.json is "
        '{"version", "timezone", "tariff": {...}, "input": {"cdr": {...}}}; "-" or nothing reads '
        "standard input. Prints the costs and their explanation as JSON."
    )
    requires_system_checks = []
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("case", nargs="?", default="-", help="a file with one case")
        parser.add_argument(
            "--batch",
            metavar="FILE.jsonl",
            help="a file with one case a line (or -): one result a line comes back, in that order",
        )

    def handle(self, *, case: str, batch: str | None, **_options: Any) -> None:
        if batch is not None:
            self._price_all(batch)
            return
        document = _result(b"".join(_lines(case)))
        if "error" in document:
            raise CommandError(document["error"])
        self.stdout.write(
            orjson.dumps(orjson.loads(dump_text(document)), option=orjson.OPT_INDENT_2).decode()
        )

    def _price_all(self, batch: str) -> None:
        failed = 0
        for line in _lines(batch):
            if not line.strip():
                continue
            document = _result(line)
            failed += "error" in document
            self.stdout.write(dump_text(document))
        if failed:
            raise CommandError(f"{failed} cases could not be priced: see their lines")


def _result(text: bytes) -> dict[str, Any]:
    if len(text) > LONGEST_CASE:
        return {"error": f"a case of more than {LONGEST_CASE} bytes is refused"}
    try:
        case = loads(text)
        return price_case(case) if isinstance(case, dict) else {"error": "a case is a JSON object"}
    except (InvalidJson, InvalidDocument) as error:
        return {"error": str(error)}


def _lines(name: str) -> Iterator[bytes]:
    """Read a file line by line, or standard input."""
    try:
        if name == "-":
            yield from sys.stdin.buffer
            return
        with Path(name).open("rb") as file:
            yield from file
    except OSError as error:
        raise CommandError(f"{name}: {error.strerror}") from error
