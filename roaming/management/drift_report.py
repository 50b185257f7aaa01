"""A drift check in the foreground, and its result as a table: what `manage.py drift` does."""

import time
from collections.abc import Callable, Sequence

from cpo_platform.common import clock
from roaming import drifting
from roaming.models import DriftCheck, DriftState, Partner
from roaming.models.drift import OPEN_STATES
from roaming.operations import drift, drift_healing, drift_objects

STARTED_BY = "manage.py"
# How long to wait for a feed that is being sent to, in seconds.
PAUSE = 1.0
# Findings that are printed; all are in the admin.
SHOWN = 50
_COLUMNS = ("total", *drift.OUTCOMES)
_NOTES = {
    drift_objects.NO_ENDPOINT: "it has no such interface",
    drift_objects.PUSH_OFF: "not sent: it pulls",
    drift.NO_GET: "none could be read: it answers no GET, or has lost them all",
}

Write = Callable[[str], object]


class CheckFailed(Exception):
    """The check did not come to its end; the message says why."""


def check_partner(
    partner: Partner,
    *,
    sample: int | None,
    write: Write,
    modules: Sequence[str] | None = None,
    heal: bool = False,
) -> bool:
    """Check what a partner holds, say what was found and heal it if wanted; tell if it drifts.

    `sample` objects of each module, None for all. CDRs are not healed here: staff decides, one by
    one, on the check's page.

    Raises:
        NotRegistered: the partner is not registered.
        CheckFailed: another check of it is under way, or it cannot be asked now.

    """
    now = clock.now()
    check = drift.start_check(
        partner_id=partner.pk,
        sample=sample,
        modules=modules,
        started_by=STARTED_BY,
        now=now,
        # It is worked on here; should this process die, the beat goes on with it.
        due_at=now + drift.STALLED_AFTER,
    )
    if check.created_at != now:
        raise CheckFailed(f"{partner.name}: another check of it is under way")
    _work(check)
    _show(check, write)
    if check.state == DriftState.STOPPED:
        raise CheckFailed(f"{partner.name}: stopped, {check.reason}")
    if heal:
        _heal(check, write)
    return check.drifted > 0


def _work(check: DriftCheck) -> None:
    """Work on a check to its end; where the partner's feed goes first, wait for that."""
    while True:
        drifting.work_on(check.pk, seconds=None)
        check.refresh_from_db()
        if check.state not in OPEN_STATES:
            return
        time.sleep(PAUSE)


def _show(check: DriftCheck, write: Write) -> None:
    write(f"{'':10}" + "".join(f"{name:>12}" for name in _COLUMNS))
    for module in drift_objects.MODULES:
        tally = check.tallies.get(module)
        if tally is None:
            continue
        counts = "".join(f"{tally.get(name, 0):12}" for name in _COLUMNS)
        note = _NOTES.get(tally.get("note", ""), tally.get("reason", ""))
        write(f"{module:10}{counts}  {note}".rstrip())
    drifts = check.drifts.order_by("module", "pk")[:SHOWN]
    names = drift_healing.names_of(drifts)
    for row in drifts:
        fields = ", ".join(str(one["path"]) for one in row.differences[:5])
        write(f"{row.kind.lower():12}{row.module} {names[row.pk]}  {fields}".rstrip())
    if check.drifted > SHOWN:
        write(f"… and {check.drifted - SHOWN} more")


def _heal(check: DriftCheck, write: Write) -> None:
    chosen = drift_healing.to_heal(check).values_list("pk", flat=True)
    healed = drift_healing.heal(check_id=check.pk, drift_ids=chosen, now=clock.now())
    write(f"sent again: {sum(healed.values())}")
    if left := drift_healing.to_heal(check, cdrs=True).count():
        write(f"missing CDRs, which staff sends again on the page of check {check.pk}: {left}")
