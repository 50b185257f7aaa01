"""Writes: rows written to the database, and statements, for one status change.

With 1, 10 and 50 partners. Rows are inserts and updates as PostgreSQL counts them, of the
operation, the feed and the deliveries together; statements are those that its log shows.
"""

import argparse
import time
from collections import Counter
from pathlib import Path

from django.db import connection

from bench import network
from bench.push_matching import arrivals, make_changes
from bench.push_world import World
from bench.stack import wait_until

EVSES = 4
LOCATIONS = 50
STEPS = (1, 10, 50)
RATE = 20
# PostgreSQL's processes tell their counts once a second, or after a while of rest.
SETTLING = 12.0

Rows = Counter[str]


def run(here: World, options: argparse.Namespace) -> str:
    seconds = options.seconds or (5 if options.quick else 15)
    steps = STEPS[:2] if options.quick else STEPS
    network.fill(locations=LOCATIONS, evses=EVSES)
    with connection.cursor() as cursor:
        cursor.execute("ALTER DATABASE cpo SET log_statement = 'all'")
    connection.close()
    lines = ["Rows written and statements for one status change", ""]
    partners: list[str] = []
    for number in steps:
        partners += _more_partners(here, number - len(partners), first=len(partners))
        here.start()
        make_changes(here, rate=10, seconds=2, evses=EVSES)
        here.sink.wait_for_quiet()
        time.sleep(SETTLING)
        rows, statements = _rows(), _statements(here)
        changes = make_changes(here, rate=RATE, seconds=seconds, evses=LOCATIONS * EVSES)
        arrivals(here, changes, partners)
        spent = _statements(here) - statements
        time.sleep(SETTLING)
        written = _rows() - rows
        here.stop()
        share = {table: count / len(changes) for table, count in written.most_common()}
        tables = ", ".join(f"{table} {count:.2f}" for table, count in share.items() if count > 0.01)
        lines += [
            f"{number:3} partners: {sum(share.values()):7.2f} rows,"
            f" {spent / len(changes):8.1f} statements   ({tables})"
        ]
    return "\n".join(lines)


def _more_partners(here: World, number: int, *, first: int) -> list[str]:
    return [partner.name for partner in here.partners(number, locations=LOCATIONS, first=first)]


def _rows() -> Rows:
    """Return the rows that were written so far, by table."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute("SELECT relname, n_tup_ins + n_tup_upd FROM pg_stat_user_tables")
        return Counter(dict(cursor.fetchall()))


def _statements(here: World) -> int:
    """Return how many statements the server's log shows so far, without the settings' own."""
    log = Path(here.stack.environ["VAR_DIR"]) / "log" / "postgres.log"
    wait_until(log.exists, seconds=5, what="the log of PostgreSQL")
    with log.open("rb") as lines:
        return sum(b"LOG:  statement: " in line or b"LOG:  execute " in line for line in lines)
