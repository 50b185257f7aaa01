"""How many objects a second bulk changes check and apply: `python -m bench.bulk`.

    python -m bench.bulk [--evses 2000] [--tariffs 500] [--workers 2] [--profile]

A platform of its own on loopback: an embedded database in an empty directory, the Procfile's worker
with so many processes, a partner that is to be told of each change. A job of each list is made as
its pages make it, and timed from there to the end of the dry run, and from the click to the end of
the change. `--profile` does the work in this process instead, and prints where its time goes.
"""

import argparse
import cProfile
import os
import pstats
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from bench.stack import Stack, environment, wait_until
from cpo_platform.runner import servers

if TYPE_CHECKING:
    from cpo_platform.bulk.models import Job

PER_LOCATION = 4
# No row takes longer than this, at the worst; a job that does is stuck.
SLOWEST_ROW = 0.5
START_SECONDS = 60.0


@dataclass(frozen=True)
class Timed:
    """A job: how many objects; of both halves the seconds, and the workers' seconds of CPU."""

    name: str
    objects: int
    check: tuple[float, float]
    apply: tuple[float, float]


def main() -> int:
    options = _options()
    signal.signal(signal.SIGTERM, _end)
    with tempfile.TemporaryDirectory(prefix="cpo-bench-") as directory:
        var = Path(directory)
        var.chmod(0o755)  # PostgreSQL may have to run as another user
        environ = environment(var, {"WORKER_CONCURRENCY": str(options.workers)})
        os.environ.clear()
        os.environ.update(environ)
        with servers.attached(os.environ, var):
            stack = Stack(os.environ, var / "log")
            try:
                print(_report([*_run(stack, options)], options))
            except BaseException:
                print(stack.last_lines("worker"), file=sys.stderr)
                raise
            finally:
                stack.close()
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.bulk", description=__doc__)
    parser.add_argument("--evses", type=int, default=2000)
    parser.add_argument("--tariffs", type=int, default=500)
    parser.add_argument("--workers", type=int, default=2, help="processes of the worker")
    parser.add_argument("--profile", action="store_true", help="in this process, and where it goes")
    return parser.parse_args()


def _run(stack: Stack, options: argparse.Namespace) -> Iterator[Timed]:
    # The settings read the environment, and the parts need the models: only now is it there.
    import django
    from django.core.management import call_command
    from django.db import connection

    django.setup()
    call_command("migrate", interactive=False, verbosity=0)
    from bench import network

    network.fill(locations=-(-options.evses // PER_LOCATION), evses=PER_LOCATION)
    network.add_partner("Reader", number=0, url="https://emsp.example")
    _copy_tariffs(options.tariffs)
    if not options.profile:
        stack.start("worker")
        wait_until(
            lambda: any("ready" in line for line in stack.lines("worker")) or _answers(),
            seconds=START_SECONDS,
            what="the worker",
        )
    try:
        for name, label, number, values in _jobs(options):
            yield _timed(stack, name, label, number, values)
    finally:
        connection.close()


def _answers() -> bool:
    from cpo_platform.celery import app

    return bool(app.control.ping(timeout=1.0))


def _jobs(options: argparse.Namespace) -> list[tuple[str, str, int, dict[str, Any]]]:
    return [
        (
            "EVSEs: floor, a capability",
            "locations.evse",
            options.evses,
            {
                "floor_level": {"data": ["7"], "how": "set"},
                "capabilities": {"data": ["START_SESSION_CONNECTOR_REQUIRED"], "how": "add"},
            },
        ),
        (
            "tariffs: texts",
            "tariffs.tariff",
            options.tariffs,
            {"texts": {"data": ["en: Ask us."], "how": "set"}},
        ),
    ]


def _copy_tariffs(number: int) -> None:
    from bench.network import COUNTRY_CODE, PARTY_ID
    from cpo_platform.common import clock
    from cpo_platform.common.shapes import parse
    from tariffs.operations import put_tariff
    from tariffs.shapes import TariffShape

    component = {"type": "ENERGY", "price": "0.40", "vat": "21", "step_size": 1}
    for one in range(2, number + 1):
        tariff = {
            "country_code": COUNTRY_CODE,
            "party_id": PARTY_ID,
            "id": f"T{one}",
            "currency": "EUR",
            "tax_included": "NO",
            "elements": [{"price_components": [component]}],
        }
        put_tariff(tariff=parse(TariffShape, tariff), now=clock.now())


def _timed(stack: Stack, name: str, label: str, number: int, values: dict[str, Any]) -> Timed:
    from cpo_platform.bulk import operations
    from cpo_platform.bulk.lists import list_of
    from cpo_platform.bulk.models import JobState
    from cpo_platform.common import clock

    listed = list_of(label)
    assert listed is not None
    rows = listed.model._default_manager.order_by("pk")  # noqa: SLF001  Django's own public name
    keys = list(rows.values_list("pk", flat=True)[:number])
    job = operations.start_change(label=label, targets=keys, person=_person(), now=clock.now())
    work = _by_workers if stack.runs("worker") else _here
    operations.describe(job_id=job.pk, values=values, now=clock.now())
    check = _seconds(stack, lambda: work(job, JobState.READY, len(keys)))
    operations.begin_apply(job_id=job.pk, now=clock.now())
    applied = _seconds(stack, lambda: work(job, JobState.DONE, len(keys)))
    job.refresh_from_db()
    if job.counts != {"CHANGED": len(keys)}:
        raise RuntimeError(f"{name}: {job.counts}")
    return Timed(name, len(keys), check, applied)


def _person() -> Any:
    from django.contrib.auth.models import User

    from cpo_platform.bulk.operations import Person
    from cpo_platform.staff import operations as staff

    user, created = User.objects.get_or_create(username="bench", defaults={"is_staff": True})
    if created:
        staff.set_roles(user_id=user.pk, roles=["operations", "finance"])
    return Person(user.pk, user.username)


def _seconds(stack: Stack, work: Callable[[], object]) -> tuple[float, float]:
    """Return how long it takes, and the CPU that the workers take for it."""
    begin, used = time.perf_counter(), _used(stack)
    work()
    return time.perf_counter() - begin, _used(stack) - used


def _used(stack: Stack) -> float:
    """Return the seconds of CPU of the worker's processes so far, or of this one."""
    if not stack.runs("worker"):
        return time.process_time()
    ticks = 0
    for pid in stack.pids("worker"):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _by_workers(job: "Job", state: str, rows: int) -> None:
    from cpo_platform.bulk.tasks import run_soon

    run_soon(job.pk)
    wait_until(
        lambda: _state(job) == state,
        seconds=START_SECONDS + rows * SLOWEST_ROW,
        what=f"job {job.pk} {state}",
    )


def _here(job: "Job", state: str, _rows: int) -> None:
    from cpo_platform.bulk import running
    from cpo_platform.common import clock

    profile = cProfile.Profile()
    with profile:
        while running.step(job_id=job.pk, clock=clock.now):
            pass
    if _state(job) != state:
        raise RuntimeError(f"job {job.pk}: {_state(job)}")
    pstats.Stats(profile).sort_stats("cumulative").print_stats(70)


def _state(job: "Job") -> str:
    return str(type(job).objects.values_list("state", flat=True).get(pk=job.pk))


def _report(timed: list[Timed], options: argparse.Namespace) -> str:
    lines = [
        f"{options.workers} worker processes, one partner that is told",
        "",
        f"{'':28}{'objects':>8}{'dry run':>25}{'change':>25}",
    ]
    lines += [
        f"{one.name:28}{one.objects:8}{_rate(one.objects, *one.check)}"
        f"{_rate(one.objects, *one.apply)}"
        for one in timed
    ]
    return "\n".join(lines)


def _rate(objects: int, seconds: float, cpu: float) -> str:
    return f"{objects / seconds:8.1f}/s {cpu / objects * 1000:6.1f} ms CPU"


def _end(_number: int, _frame: object) -> NoReturn:
    raise SystemExit(1)


if __name__ == "__main__":
    sys.exit(main())
