"""CDRs that are held before they are sent: found doubtful, then issued as they are or corrected.

A session that is COMPLETED has a CDR or a hold. Who decides holds the hold's row: of two who decide
at once, one does. Whatever is held is nowhere yet but here: nothing was announced, nothing sent.

Rows are locked in this order: hold, session.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.conf import settings
from django.db import transaction

from cpo_platform.common.clock import truncate
from sessions_app.corrections import Correction, ImpossibleCorrection, usable
from sessions_app.models import Cdr, CdrHold, ChargingPeriod, HoldState, Reservation, Session
from sessions_app.models.reservations import ReservationStatus
from sessions_app.operations.cdrs import draft_cdr, issue
from sessions_app.operations.correcting import corrected, correction_json
from sessions_app.operations.settlement import (
    Settlement,
    dimensions_json,
    readings_of,
    reprice,
)
from sessions_app.preflight import OF_THE_METER, Ended, Finding, Limits, findings
from sessions_app.signals import session_changed


class HoldDecided(ValueError):
    """The CDR is not held any more: somebody has released or corrected it."""


@dataclass(frozen=True)
class Draft:
    """A CDR as it would be issued now, not saved, and what is doubtful about it."""

    cdr: Cdr
    findings: tuple[Finding, ...]


def examine(
    session: Session,
    settlement: Settlement,
    *,
    stopped_at: datetime,
    correction: Correction | None = None,
) -> tuple[Finding, ...]:
    """Return what is doubtful about a session that has ended and was settled."""
    assert session.end_date_time is not None  # noqa: S101  it has ended
    reservation: Reservation | None = getattr(session, "reservation", None)
    charged = reservation is None or reservation.status == ReservationStatus.USED
    readings = usable(readings_of(session), correction or Correction()) if charged else None
    ended = Ended(
        start=session.start_date_time,
        end=session.end_date_time,
        stopped_at=stopped_at,
        readings=readings,
        power_kw=session.connector.power_kw if session.connector else None,
        energy=settlement.energy,
        cost=settlement.costs["total_cost"].before_taxes,
        reservation_cost=settlement.costs["total_reservation_cost"].before_taxes,
    )
    found = findings(ended, limits())
    if correction is None or correction.energy is None:
        return found
    # The meter does not decide any more.
    return tuple(finding for finding in found if finding.code not in OF_THE_METER)


def limits() -> Limits:
    """Return what is plausible, as the settings say."""
    return Limits(
        longest=timedelta(hours=settings.CDR_LONGEST_HOURS) or None,
        silence=timedelta(minutes=settings.CDR_SILENT_MINUTES) or None,
        most_cost=Decimal(settings.CDR_MOST_COST) or None,
    )


def issue_or_hold(
    session: Session, settlement: Settlement, found: Sequence[Finding], now: datetime
) -> Cdr | None:
    """Issue the CDR of a session that was just completed; None: it is held for staff.

    A step of the operation that completes the session, in its transaction.
    """
    if not any(finding.holds for finding in found):
        return issue(draft_cdr(session, settlement, now), now)
    CdrHold.objects.create(
        session=session, reasons=[finding.to_json() for finding in found], held_at=now
    )
    return None


def release_cdr(*, hold_id: int, by: str, now: datetime, note: str = "") -> Cdr:
    """Issue a held CDR as it is.

    Raises:
        CdrHold.DoesNotExist: there is no such hold.
        HoldDecided: it was released or corrected before.

    """
    with transaction.atomic():
        hold, session = _waiting(hold_id)
        before = _totals(session)
        settlement = reprice(session, until=_end_of(session))
        if _totals(session) != before:
            # Priced by a newer engine than when it ended: session and CDR still agree.
            _save(session, settlement, now)
        cdr = issue(draft_cdr(session, settlement, now), now)
        _decide(hold, HoldState.RELEASED, by=by, note=note, now=now)
    return cdr


def correct_cdr(
    *, hold_id: int, correction: Correction, by: str, now: datetime, note: str = ""
) -> Cdr:
    """Price the session of a held CDR anew with a correction, and issue the CDR.

    The session says the same as its CDR afterwards, and its partner is told: the one change of a
    session that is COMPLETED (docs/adr/0012-held-cdrs-and-rebilling.md).

    Raises:
        CdrHold.DoesNotExist: there is no such hold.
        HoldDecided: it was released or corrected before.
        ImpossibleCorrection: it is empty, or contradicts itself or the session.

    """
    _require_something(correction)
    with transaction.atomic():
        hold, session = _waiting(hold_id)
        settlement = corrected(session, correction, now)
        _save(session, settlement, now)
        done = correction_json(correction, by=by, note=note)
        cdr = issue(draft_cdr(session, settlement, now, correction=done), now)
        _decide(hold, HoldState.CORRECTED, by=by, note=note, now=now)
    return cdr


def draft_of(*, hold_id: int, now: datetime, correction: Correction | None = None) -> Draft:
    """Return the CDR that a decision would issue. Nothing is saved.

    Raises:
        CdrHold.DoesNotExist: there is no such hold.
        ImpossibleCorrection: the correction contradicts itself or the session.

    """
    hold = CdrHold.objects.select_related("session__reservation", "session__connector").get(
        pk=hold_id
    )
    session = hold.session
    if correction is None:
        settlement = reprice(session, until=_end_of(session))
    else:
        _require_something(correction)
        settlement = corrected(session, correction, now)
    found = examine(session, settlement, stopped_at=_end_of(session), correction=correction)
    return Draft(draft_cdr(session, settlement, now), found)


def _waiting(hold_id: int) -> tuple[CdrHold, Session]:
    hold = CdrHold.objects.select_for_update().get(pk=hold_id)
    if hold.state != HoldState.HELD:
        raise HoldDecided(f"the CDR of hold {hold_id} is {hold.state}")
    session = (
        Session.objects.select_for_update(of=("self",))
        .select_related("reservation")
        .get(pk=hold.session_id)
    )
    return hold, session


def _end_of(session: Session) -> datetime:
    assert session.end_date_time is not None  # noqa: S101  only what has ended is held
    return session.end_date_time


def _require_something(correction: Correction) -> None:
    if correction.is_empty:
        raise ImpossibleCorrection("", "nothing is corrected")


def _totals(session: Session) -> tuple[object, ...]:
    return (session.kwh, session.total_cost_before_taxes, session.total_cost_after_taxes)


def _save(session: Session, settlement: Settlement, now: datetime) -> None:
    """Save a session with its periods anew, and tell its partner."""
    session.charging_periods.all().delete()
    ChargingPeriod.objects.bulk_create(
        ChargingPeriod(
            session=session,
            position=position,
            start_date_time=truncate(period.start_date_time),
            dimensions=dimensions_json(period),
            tariff_id=period.tariff_id,
        )
        for position, period in enumerate(settlement.periods)
    )
    session.touch(now)
    session.save()
    session_changed.send(sender=Session, session_id=session.pk, now=now)


def _decide(hold: CdrHold, state: HoldState, *, by: str, note: str, now: datetime) -> None:
    hold.state, hold.decided_at = state, now
    hold.decided_by, hold.note = by, note
    hold.save()
