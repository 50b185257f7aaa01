"""What charging leaves behind when a station falls silent: seen once a minute, closed by rule.

| what is seen | rule |
|---|---|
| a session is PENDING for two hours | it ends as INVALID: nobody charged. Staff is told |
| nothing is said of a transaction for an hour, its station is connected | staff is told: STUCK |
| nothing is said of a transaction for a day | its session ends with the last reading and is billed; staff is told. What the station tells later is a LATE_FACTS alert |
| it says for half an hour that it charges, and the register stands | staff is told: NO_PROGRESS; it is taken back when energy flows, or the transaction ends |
| a station is not connected for longer than the grace | its EVSEs are UNKNOWN (`publishing`); staff is told: OFFLINE, taken back when it returns |

Partners hear of each end as of any other: by the session, and its CDR.
"""  # noqa: E501  a table

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.db import transaction
from django.db.models import Max, QuerySet

from cpo_platform.common.saying import say
from ocpp_gateway.models import AlertKind, StationAlert, StationMessage, Transaction
from ocpp_gateway.operations.alerts import raise_alert
from sessions_app.models import MeterReading, Session, SessionStatus
from sessions_app.operations import sessions

PENDING_AT_MOST = timedelta(hours=2)
SILENT = timedelta(hours=1)
GIVEN_UP = timedelta(hours=24)
STANDING = timedelta(minutes=30)
# What was said a moment ago is digested within.
SOON = timedelta(seconds=30)
# Transactions that are looked at in one query.
AT_ONCE = 500

logger = logging.getLogger(__name__)


class Verdict(StrEnum):
    FINE = "FINE"
    NEVER_BEGAN = "NEVER_BEGAN"
    SILENT = "SILENT"
    GIVEN_UP = "GIVEN_UP"
    STANDING = "STANDING"


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of a transaction under way; `moved_at` is when its register last rose."""

    status: str
    began_at: datetime
    said_at: datetime
    moved_at: datetime
    is_online: bool
    says_it_charges: bool


def judge(seen: Seen, *, now: datetime) -> Verdict:
    """Return what is wrong with a transaction, the worst first."""
    silent_for = now - seen.said_at
    if seen.status == SessionStatus.PENDING and now - seen.began_at >= PENDING_AT_MOST:
        return Verdict.NEVER_BEGAN
    if silent_for >= GIVEN_UP:
        return Verdict.GIVEN_UP
    if silent_for >= SILENT and seen.is_online:
        return Verdict.SILENT
    if (
        seen.status == SessionStatus.ACTIVE
        and seen.says_it_charges
        and seen.is_online
        and now - seen.moved_at >= STANDING
    ):
        return Verdict.STANDING
    return Verdict.FINE


def watch(*, now: datetime) -> list[str]:
    """Look at every transaction under way; return what was done, a sentence each."""
    done: list[str] = []
    last = 0
    while True:
        batch = list(_under_way(last))
        if not batch:
            break
        last = batch[-1].pk
        verdicts = _verdicts(batch, now)
        _resolve([one for one, verdict in verdicts if verdict is Verdict.FINE], now)
        for one, verdict in verdicts:
            try:
                done += _act(one, verdict, now)
            except Exception:  # one that cannot be closed must not keep the others
                logger.exception("transaction %s was not looked at", one.pk)
    resolve_gone(now=now)
    return done


def _under_way(after: int) -> QuerySet[Transaction]:
    return (
        Transaction.objects.filter(ended_at__isnull=True, session__isnull=False, pk__gt=after)
        .select_related("station", "outlet", "session")
        .order_by("pk")[:AT_ONCE]
    )


def _said_at(batch: list[Transaction]) -> dict[int, datetime]:
    """Return when each transaction was last spoken of, by our clock."""
    earliest = min(one.opened_at for one in batch)
    found = (
        StationMessage.objects.filter(
            transaction__in=[one.pk for one in batch], at__gte=earliest - timedelta(days=1)
        )
        .values_list("transaction")
        .annotate(Max("at"))
    )
    return dict(found)


def _moved_at(batch: list[Transaction]) -> dict[int, datetime]:
    """Return when the register of each session last rose: the first moment of its top."""
    found = (
        MeterReading.objects.filter(session__in=[one.session_id for one in batch])
        .order_by("session", "-kwh", "at")
        .distinct("session")
        .values_list("session", "at")
    )
    return dict(found)


def _verdicts(batch: list[Transaction], now: datetime) -> list[tuple[Transaction, Verdict]]:
    said, moved = _said_at(batch), _moved_at(batch)
    return [
        (
            one,
            judge(
                Seen(
                    status=one.session.status,
                    began_at=max(one.opened_at, one.session.start_date_time),
                    said_at=said.get(one.pk, one.opened_at),
                    moved_at=max(moved.get(one.session.pk, one.opened_at), one.opened_at),
                    is_online=one.station.is_online(now=now),
                    says_it_charges=_charges(one),
                ),
                now=now,
            ),
        )
        for one in batch
        if one.session is not None
    ]


def _act(one: Transaction, verdict: Verdict, now: datetime) -> list[str]:
    if verdict is Verdict.FINE or one.session is None:
        return []
    is_over = verdict in {Verdict.NEVER_BEGAN, Verdict.GIVEN_UP}
    if is_over and not _close(one, one.session, now):
        return []
    saying = _SAYINGS[verdict]
    kind = AlertKind.NO_PROGRESS if verdict is Verdict.STANDING else AlertKind.STUCK
    is_news = raise_alert(
        kind=kind, station_id=one.station_id, transaction_id=one.pk, saying=saying, now=now
    )
    return [f"{one}: {saying.text}"] if is_news else []


_SAYINGS = {
    Verdict.NEVER_BEGAN: say(
        "No energy flowed for two hours: the session was ended, without a bill."
    ),
    Verdict.SILENT: say("The station has said nothing of this transaction for an hour."),
    Verdict.GIVEN_UP: say(
        "Nothing was heard for a day: the session was ended with its last reading."
    ),
    Verdict.STANDING: say("It says that it charges, and the register has stood for half an hour."),
}


def _charges(one: Transaction) -> bool:
    outlet = one.outlet
    return outlet is not None and "Charging" in {outlet.charging_state, outlet.reported_status}


def _close(one: Transaction, session: Session, now: datetime) -> bool:
    """End a session with what is known of it, and expect nothing more of its transaction.

    False: something has become of it since it was looked at.
    """
    with transaction.atomic():
        # What arrives meanwhile is digested before, or finds the session ended.
        held = Transaction.objects.select_for_update(no_key=True).get(pk=one.pk)
        is_other = (held.ended_at, held.digested_at) != (one.ended_at, one.digested_at)
        # What could not be digested is put off for longer than that, and must not keep it open.
        if is_other or held.news.filter(due_at__lte=now + SOON).exists():
            return False
        newest = session.meter_readings.order_by("-at").values_list("at", flat=True).first()
        ended_at = newest or session.start_date_time
        try:
            sessions.stop_session(session_id=session.pk, ended_at=ended_at, now=now)
        except sessions.SessionNotOngoing:
            logger.debug("session %s has ended already", session.pk)
        held.ended_at, held.end_reason = ended_at, "Watchdog"
        held.save(update_fields=["ended_at", "end_reason"])
    return True


def _resolve(fine: list[Transaction], now: datetime) -> None:
    StationAlert.objects.filter(
        transaction__in=fine,
        kind__in=[AlertKind.NO_PROGRESS, AlertKind.STUCK],
        resolved_at__isnull=True,
    ).update(resolved_at=now)


def resolve_gone(*, now: datetime) -> None:
    """Take back what has gone by itself: stations that are back, transactions that have ended."""
    still = StationAlert.objects.filter(resolved_at__isnull=True)
    still.filter(kind=AlertKind.OFFLINE, station__offline_shown=False).update(resolved_at=now)
    still.filter(kind=AlertKind.NO_PROGRESS, transaction__ended_at__isnull=False).update(
        resolved_at=now
    )
