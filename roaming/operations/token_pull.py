"""How far the pull of a partner's tokens has got: begun, page by page, done (OCPI mod_tokens).

`Partner.token_pull` holds the progress, so that a worker that dies is followed by one that goes
on. Keys: `full`, `began_at`, `next` (the page to read, "" at the end), `pages`, `stored`,
`skipped`, `refused` (the first entries that could not be read, with the reason), `seen` (ids of a
full list, as runs of first and last), and of the pulls before it: `since`, `full_at`, `done_at`,
`next_at`, `error`, `failures`, and for hubs `clients_at`.
"""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction

from roaming.models import Partner, PartnerStatus
from sessions_app.operations import tokens
from sessions_app.shapes import TokenShape

# A partner's clock may be behind ours, and what it stamped may be committed late.
OVERLAP = timedelta(minutes=10)
# The whole list again after so long: what it does not hold is no longer valid.
FULL_EVERY = timedelta(days=7)
# A page link of so long ago may lead anywhere by now.
RESUMABLE = timedelta(hours=6)
SPLAY = 0.25
RETRY_AFTER = timedelta(minutes=15)
MOST_REFUSED_KEPT = 20

Progress = dict[str, Any]


@dataclass(frozen=True)
class Refused:
    """An entry of a list that could not be read; the others were."""

    page: int
    position: int
    reason: str
    uid: str = ""


def due_partners(*, now: datetime) -> list[int]:
    """Return the ids of registered partners whose tokens are to be pulled now. One query."""
    if settings.TOKEN_PULL_HOURS == 0:
        return []
    rows = Partner.objects.filter(
        status=PartnerStatus.REGISTERED, endpoints__identifier="tokens", endpoints__role="SENDER"
    ).values_list("pk", "token_pull")
    return [pk for pk, progress in rows if (_moment(progress, "next_at") or now) <= now]


def begin(*, partner_id: int, full: bool | None, now: datetime) -> Progress:
    """Begin a pull, or go on with the one that was interrupted; return its progress.

    `full`: the whole list, or only what changed (False); None: whichever is due.
    """
    with transaction.atomic():
        partner = Partner.objects.select_for_update().get(pk=partner_id)
        progress: Progress = dict(partner.token_pull)
        began_at = _moment(progress, "began_at")
        fresh = began_at is not None and now - began_at < RESUMABLE
        if progress.get("next") and fresh and full in {None, progress.get("full")}:
            return progress
        since, full_at = _moment(progress, "since"), _moment(progress, "full_at")
        if full is None:
            full = since is None or full_at is None or now - full_at >= FULL_EVERY
        progress |= {
            "full": full or since is None,
            "began_at": now.isoformat(),
            "next": "",
            "pages": 0,
            "stored": 0,
            "skipped": 0,
            "refused": [],
            "seen": [],
        }
        _save(partner, progress)
    return progress


def date_from(progress: Progress) -> datetime | None:
    """Return since when to ask; None: for the whole list."""
    since = _moment(progress, "since")
    return None if progress["full"] or since is None else since - OVERLAP


def store_page(
    *,
    partner_id: int,
    page: Sequence[TokenShape],
    refused: Iterable[Refused],
    following: str,
    by_uid: bool,
) -> Progress:
    """Store a page of tokens, and where the next one is ("": this was the last)."""
    refused = list(refused)
    ids = tokens.put_tokens(tokens=page, by_uid=by_uid) if page else []
    bad = [f"page {one.page}, entry {one.position}: {one.reason}" for one in refused]
    with transaction.atomic():
        partner = Partner.objects.select_for_update().get(pk=partner_id)
        progress: Progress = dict(partner.token_pull)
        progress["pages"] += 1
        progress["stored"] += len(ids)
        progress["skipped"] += len(bad)
        progress["refused"] = (progress["refused"] + bad)[:MOST_REFUSED_KEPT]
        progress["next"] = following
        if progress["full"]:
            # One that cannot be read is in the list all the same: it stays as it is.
            unread = tokens.ids_of(uids=[one.uid for one in refused if one.uid])
            progress["seen"] = merged_runs(progress["seen"], [*ids, *unread])
        _save(partner, progress)
    return progress


def finish(
    *, partner_id: int, owners: Sequence[tuple[str, str]], now: datetime
) -> tuple[Progress, int]:
    """Note that the list was read to its end; return how many tokens are invalid since."""
    progress: Progress = dict(Partner.objects.get(pk=partner_id).token_pull)
    began_at = _moment(progress, "began_at") or now
    invalid = 0
    if progress["full"]:
        invalid = tokens.invalidate_absent(
            owners=owners, present=[tuple(run) for run in progress["seen"]], began_at=began_at
        )
    with transaction.atomic():
        partner = Partner.objects.select_for_update().get(pk=partner_id)
        progress |= {
            "next": "",
            "seen": [],
            "since": progress["began_at"],
            "done_at": now.isoformat(),
            "next_at": (now + splayed(timedelta(hours=settings.TOKEN_PULL_HOURS))).isoformat(),
            "error": "",
            "failures": 0,
        }
        if progress["full"]:
            progress["full_at"] = progress["began_at"]
        _save(partner, progress)
    return progress, invalid


def fail(*, partner_id: int, error: str, now: datetime) -> None:
    """Note why a pull stopped; it goes on from the same page a while later."""
    with transaction.atomic():
        partner = Partner.objects.select_for_update().get(pk=partner_id)
        progress: Progress = dict(partner.token_pull)
        failures = int(progress.get("failures", 0)) + 1
        pause = splayed(RETRY_AFTER * min(failures, 16))
        progress |= {
            "error": error[:1000],
            "failures": failures,
            "next_at": (now + pause).isoformat(),
        }
        _save(partner, progress)


def clients_are_due(partner: Partner) -> bool:
    """Tell whether a hub's list of parties is still to be read: at the start, and not after."""
    return bool(partner.hub_party_id) and not partner.token_pull.get("clients_at")


def note_clients(*, partner_id: int, now: datetime) -> None:
    """Note that a hub's list of parties was read."""
    with transaction.atomic():
        partner = Partner.objects.select_for_update().get(pk=partner_id)
        _save(partner, dict(partner.token_pull) | {"clients_at": now.isoformat()})


def splayed(pause: timedelta) -> timedelta:
    """Return about this long: not all partners of all platforms are to be asked at one moment."""
    return pause * random.uniform(1 - SPLAY, 1 + SPLAY)  # noqa: S311  no secret


def merged_runs(runs: Iterable[Sequence[int]], ids: Iterable[int]) -> list[list[int]]:
    """Return runs of consecutive ids (first, last) that hold the given runs and ids."""
    merged: list[list[int]] = []
    for first, last in sorted([*((run[0], run[1]) for run in runs), *((pk, pk) for pk in ids)]):
        if merged and first <= merged[-1][1] + 1:
            merged[-1][1] = max(merged[-1][1], last)
        else:
            merged.append([first, last])
    return merged


def _save(partner: Partner, progress: Progress) -> None:
    partner.token_pull = progress
    partner.save(update_fields=["token_pull"])


def _moment(progress: Progress, name: str) -> datetime | None:
    text = progress.get(name)
    return datetime.fromisoformat(text) if text else None
