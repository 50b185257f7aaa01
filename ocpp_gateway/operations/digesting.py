"""Transactions of stations become sessions: what was said of one is read whole, and followed.

What the facts mean is said by `ocpp_gateway.transactions`. What becomes of it:

| what there is | rule |
|---|---|
| a token that is allowed, an outlet, a register | a session: PENDING from the transaction's start, ACTIVE from when energy could flow, by the station's times |
| a reservation that the token had there then | it is used: its session goes on |
| another session at the EVSE | the transaction waits and is tried again after 30 seconds; its news stay |
| several transactions of one outlet | in order of pk; one that is open is looked at before the next one begins, whose start may end it |
| no token yet | no session yet; when it comes, the session begins with the transaction's own start |
| a token that was refused, none at all, no contract, no connector of ours | no session, and a reason; alert UNBILLED where energy flowed |
| readings that change what was told before | the running session is told anew; its CDR has it all |
| its end, told or concluded | the session ends then, with its CDR, held or issued; one that was never active is INVALID |
| news after the end of the session, by whomever it was ended | session and CDR stay; alert LATE_FACTS where its energy or end would be another |
| a signed value | kept as it is, judged once; alert BROKEN_SIGNATURE where the meter did not sign it; what was signed by the end is in the CDR |
| a transaction that fails | its news are put off for as long as they have waited, a minute at least; others go on. Alert FAILED from the second time on, until it is understood |

All that one transaction's news change is one database transaction, and so is that they were seen:
what is interrupted begins again as if it had not begun. A transaction is in the hands of one worker
at a time.
"""  # noqa: E501  a table

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from operator import itemgetter

from django.db import transaction
from django.db.models import Exists, Min, OuterRef

from cpo_platform.common.saying import say
from ocpp_gateway.models import AlertKind, News, StationMessage, Transaction
from ocpp_gateway.operations import alerts
from ocpp_gateway.operations.following import follow
from ocpp_gateway.operations.gathering import facts_of
from ocpp_gateway.transactions import understand
from sessions_app.authorization import Allowed

OCCUPIED_AGAIN = timedelta(seconds=30)
FAILED_AGAIN = timedelta(seconds=60)
FAILED_AGAIN_AT_MOST = timedelta(hours=1)
MOST_DUE = 100

# What the gateway does not write.
_OURS = [
    *("session", "started_at", "ended_at", "end_reason", "energy", "findings", "unbilled_reason"),
    *("digested_at", "look_again_at"),
]


class Outcome(StrEnum):
    """What came of looking at a transaction. TAKEN: another worker has it, or there is none."""

    DONE = "DONE"
    WAITING = "WAITING"
    NOTHING_NEW = "NOTHING_NEW"
    TAKEN = "TAKEN"


@dataclass(frozen=True, slots=True)
class Due:
    """A transaction that is to be looked at."""

    transaction_id: int
    outlet_id: int | None


def digest(*, transaction_id: int, now: datetime) -> Outcome:
    """Make the session of a transaction say all that is known of it by now.

    Raises:
        Exception: whatever is wrong with it. Nothing was changed then: `put_off` it.

    """
    with transaction.atomic():
        row = _locked(transaction_id)
        if row is None:
            return Outcome.TAKEN
        # First: what is noted as seen was committed with the messages that are read now.
        # What is due later stays: until then nobody says again that there is more.
        news = list(row.news.filter(due_at__lte=now).values_list("pk", flat=True))
        if not news and not _is_due(row, now):
            return Outcome.NOTHING_NEW
        facts = facts_of(row, now=now)
        row.look_again_at = None
        can_go_on = not facts or follow(row, understand(facts, now=now), now=now)
        if row.digested_at is None or now - row.digested_at >= FAILED_AGAIN:
            _tell_of_success(row, now)
        row.digested_at = now
        row.save(update_fields=_OURS)
        News.objects.filter(pk__in=news).delete()
        if not can_go_on:
            News.objects.create(transaction=row, due_at=now + OCCUPIED_AGAIN)
    return Outcome.DONE if can_go_on else Outcome.WAITING


def due(*, now: datetime, most: int = MOST_DUE) -> list[Due]:
    """Return the transactions that have waited longest, in order of pk.

    Those that are open at an outlet where a later one has yet to begin are among them: it ends
    them.
    """
    news = (
        News.objects.filter(due_at__lte=now)
        .values_list("transaction_id")
        .annotate(since=Min("due_at"))
        .order_by("since")[:most]
    )
    again = (
        Transaction.objects.filter(look_again_at__lte=now)
        .order_by("look_again_at")
        .values_list("pk", "look_again_at")[:most]
    )
    since = sorted([*news, *again], key=itemgetter(1))
    oldest = list(dict.fromkeys(pk for pk, _at in since))[:most]
    rows = Transaction.objects.filter(pk__in=oldest)
    found = [Due(pk, outlet_id) for pk, outlet_id in rows.values_list("pk", "outlet_id")]
    found += _open_before(oldest)
    return sorted(set(found), key=lambda one: one.transaction_id)


def put_off(*, transaction_id: int, why: str, now: datetime) -> None:
    """Look again later at a transaction that could not be digested: each time, twice as late.

    Staff is told `why` when it was tried before: it will not go away by itself.
    """
    row = Transaction.objects.only("opened_at", "look_again_at", "station_id").get(
        pk=transaction_id
    )
    newest = (
        StationMessage.objects.filter(
            transaction_id=transaction_id, at__gte=row.opened_at - timedelta(days=1)
        )
        .order_by("-at")
        .values_list("at", flat=True)
        .first()
    )
    waited = now - (newest or row.opened_at)
    again = now + min(max(waited, FAILED_AGAIN), FAILED_AGAIN_AT_MOST)
    if waited >= FAILED_AGAIN:
        alerts.raise_alert(
            kind=AlertKind.FAILED,
            station_id=row.station_id,
            transaction_id=row.pk,
            saying=say(
                "What was said of it could not be made a session, and is tried again: %(why)s",
                why=why,
            ),
            now=now,
        )
    News.objects.filter(transaction_id=transaction_id, due_at__lte=now).update(due_at=again)
    Transaction.objects.filter(pk=transaction_id, look_again_at__lte=now).update(
        look_again_at=again
    )


def _tell_of_success(row: Transaction, now: datetime) -> None:
    alerts.resolve_alert(
        kind=AlertKind.FAILED, station_id=row.station_id, transaction_id=row.pk, now=now
    )


def _locked(transaction_id: int) -> Transaction | None:
    return (
        # What refers to it may be written meanwhile.
        Transaction.objects.select_for_update(skip_locked=True, of=("self",), no_key=True)
        .select_related("station", "outlet__connector__evse", "remote_start")
        .filter(pk=transaction_id)
        .first()
    )


def _is_due(row: Transaction, now: datetime) -> bool:
    if row.look_again_at is not None and row.look_again_at <= now:
        return True
    # Nobody says so to the one that is open when the next one at its outlet begins.
    return (
        row.ended_at is None
        and row.outlet_id is not None
        and Transaction.objects.filter(
            station_id=row.station_id, outlet_id=row.outlet_id, pk__gt=row.pk
        ).exists()
    )


def _open_before(transaction_ids: Sequence[int]) -> list[Due]:
    """Return what is open at the outlets where one of these has yet to begin, and older."""
    # One whose token was refused begins nothing, and takes nobody's place.
    beginning = Transaction.objects.filter(
        pk__in=transaction_ids,
        session=None,
        verdict=Allowed.ALLOWED.value,
        station=OuterRef("station"),
        outlet=OuterRef("outlet"),
        pk__gt=OuterRef("pk"),
    )
    rows = Transaction.objects.filter(
        Exists(beginning),
        station__in=Transaction.objects.filter(pk__in=transaction_ids).values("station"),
        ended_at=None,
    )
    return [Due(pk, outlet_id) for pk, outlet_id in rows.values_list("pk", "outlet_id")]
