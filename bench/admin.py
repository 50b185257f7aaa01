"""How long the server needs for every page of the admin: `python -m bench.admin`.

It measures the database that it finds (`VAR_DIR=... manage.py seed_scale` makes a large one), in
this process, without a network: what Django, the templates and PostgreSQL take.
"""

import argparse
import logging
import os
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import django

BUDGET_MS = 300


@dataclass(frozen=True)
class Timed:
    """What a page took."""

    path: str
    status: int
    milliseconds: float
    queries: int
    kilobytes: float


def main() -> int:
    """Time the pages and print them, slowest first; return 1 if one is over the budget."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="pages whose address holds this")
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cpo_platform.settings")
    from django.core.management import call_command

    from cpo_platform import environment
    from cpo_platform.runner import servers

    with servers.attached(os.environ, environment.var_dir()):
        django.setup()
        logging.disable(logging.CRITICAL)  # pages that want a form are refused
        # Names of static files are looked up on every page.
        call_command("collectstatic", interactive=False, verbosity=0)
        timed = [*_timings(options.rounds, options.only)]
    timed.sort(key=lambda one: -one.milliseconds)
    sys.stdout.write(f"{'ms':>8} {'queries':>8} {'KB':>7} status  page\n")
    for one in timed:
        sys.stdout.write(
            f"{one.milliseconds:8.1f} {one.queries:8} {one.kilobytes:7.0f} {one.status:6}"
            f"  {one.path}\n"
        )
    over = [one for one in timed if one.milliseconds > BUDGET_MS or one.status >= 500]
    sys.stdout.write(f"{len(timed)} pages, {len(over)} over {BUDGET_MS} ms.\n")
    return 1 if over else 0


def _timings(rounds: int, only: str) -> Iterator[Timed]:
    from django.contrib.auth.models import User
    from django.db import connection
    from django.test import Client

    from bench import admin_pages

    user, _ = User.objects.get_or_create(
        username="bench", defaults={"is_staff": True, "is_superuser": True}
    )
    client = Client(HTTP_HOST="localhost", raise_request_exception=False)
    client.force_login(user)
    for path in admin_pages.paths():
        if only not in path:
            continue
        asked: list[str] = []
        with connection.execute_wrapper(partial(_note, asked)):
            response = client.get(path)
        taken = []
        for _round in range(rounds):
            begin = time.perf_counter()
            client.get(path)
            taken.append((time.perf_counter() - begin) * 1000)
            if taken[-1] > 20 * BUDGET_MS:
                break
        size = 0 if response.streaming else len(response.content) / 1024
        yield Timed(path, response.status_code, statistics.median(taken), len(asked), size)


def _note(asked: list[str], execute: Any, sql: str, *how: Any) -> Any:
    """Remember a query, and make it."""
    asked.append(sql)
    return execute(sql, *how)


if __name__ == "__main__":
    sys.exit(main())
