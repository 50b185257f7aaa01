"""What has to be so in the database after stations and processes were wrecked.

Imported when Django is set up.
"""

from collections.abc import Collection, Iterator, Sequence
from decimal import Decimal

from django.db.models import F

from ocpp_gateway.models import News, StationMessage, Transaction
from sessions_app.models import Cdr, CdrHold, Session, SessionStatus


def left_undone() -> list[str]:
    """Return what is still to be made of what was said, a line each.

    What waits for its EVSE is not undone: another session is running there.
    """
    busy = Session.objects.ongoing().values("evse")
    left = News.objects.exclude(transaction__outlet__connector__evse__in=busy)
    rows = left.values_list("transaction_id", "transaction__ref", "due_at")
    return [f"news of transaction {pk} ({ref}), due {due_at}" for pk, ref, due_at in rows[:20]]


def foreign() -> Iterator[str]:
    """Yield what was mixed up: messages, or sessions, of another station's transaction."""
    mixed = StationMessage.objects.filter(transaction__isnull=False).exclude(
        station=F("transaction__station")
    )
    for pk in mixed.values_list("pk", flat=True)[:20]:
        yield f"message {pk} is of another station's transaction"
    elsewhere = Transaction.objects.filter(session__isnull=False).exclude(
        session__evse=F("outlet__connector__evse")
    )
    for pk in elsewhere.values_list("pk", flat=True)[:20]:
        yield f"the session of transaction {pk} is at another EVSE"
    for session in Session.objects.filter(ocpp_transaction__isnull=True)[:20]:
        yield f"session {session.pk} is of no transaction"


def sessions_elsewhere(identities: Collection[str]) -> list[str]:
    """Return the sessions at stations other than these."""
    rows = Session.objects.exclude(ocpp_transaction__station__identity__in=identities)
    return [f"session {row.pk} at {row.evse}: nobody charged there" for row in rows[:20]]


def energy(identity: str, charges: Sequence[Decimal]) -> Iterator[str]:
    """Yield how a station's sessions differ from its charges, Wh each in order."""
    rows = Session.objects.filter(ocpp_transaction__station__identity=identity)
    sessions = list(rows.order_by("start_date_time", "pk"))
    if len(sessions) != len(charges):
        yield f"{identity} charged {len(charges)} times and has {len(sessions)} sessions"
    for session, wh in zip(sessions, charges, strict=False):
        if session.status != SessionStatus.COMPLETED:
            yield f"{identity}: session {session.pk} is {session.status}"
        elif session.kwh * 1000 != wh:
            yield f"{identity}: session {session.pk} has {session.kwh * 1000} Wh, charged {wh}"
        yield from _bill(identity, session, wh)


def _bill(identity: str, session: Session, wh: Decimal) -> Iterator[str]:
    cdrs = list(Cdr.objects.filter(session=session))
    if len(cdrs) != 1:
        held = CdrHold.objects.filter(session=session).values_list("reasons", flat=True)
        yield f"{identity}: session {session.pk} has {len(cdrs)} CDRs; held: {list(held)}"
    for cdr in cdrs:
        if cdr.total_energy * 1000 != wh:
            yield f"{identity}: CDR {cdr.pk} has {cdr.total_energy * 1000} Wh, charged {wh}"
