"""A session as staff corrects it: what goes into its price is changed, and it is priced anew.

A step of operations, and of previews: the session is changed in memory and not saved.
"""

from datetime import datetime
from typing import Any

from cpo_platform.common.clock import truncate
from sessions_app.corrections import Correction, ImpossibleCorrection, without_parking
from sessions_app.models import Reservation, ReservationStatus, Session
from sessions_app.operations.freezing import frozen_tariff
from sessions_app.operations.settlement import Settlement, reprice
from tariffs.models import Tariff


def corrected(session: Session, correction: Correction, now: datetime) -> Settlement:
    """Set on a session what a correction says, and settle it.

    The session was fetched with its reservation, where it has one.

    Raises:
        ImpossibleCorrection: the correction contradicts itself or the session.

    """
    reservation: Reservation | None = getattr(session, "reservation", None)
    if reservation is not None and reservation.status != ReservationStatus.USED:
        _require_tariff_alone(correction)
    start = truncate(correction.start or session.start_date_time)
    end = truncate(correction.end or session.end_date_time or now)
    _require_order(start, end, reservation, now)
    if correction.energy is not None and correction.energy < 0:
        raise ImpossibleCorrection("energy", "must not be negative")
    session.start_date_time, session.end_date_time = start, end
    _keep_tariffs_between(session, start, end)
    if correction.tariff_id is not None:
        _set_tariff(session, correction.tariff_id)
    if correction.without_parking:
        _leave_out_parking(session)
    return reprice(session, until=end, correction=correction)


def correction_json(correction: Correction, *, by: str, note: str) -> dict[str, Any]:
    """Return what a CDR keeps of its correction."""
    return {"changes": correction.to_json(), "by": by, "note": note}


def _require_tariff_alone(correction: Correction) -> None:
    if correction != Correction(tariff_id=correction.tariff_id):
        raise ImpossibleCorrection(
            "", "of a reservation that nobody came for, only the tariff can be another"
        )


def _require_order(
    start: datetime, end: datetime, reservation: Reservation | None, now: datetime
) -> None:
    if end < start:
        raise ImpossibleCorrection("end", "must not be before the start")
    if end > now:
        raise ImpossibleCorrection("end", "must not be in the future")
    used = reservation is not None and reservation.status == ReservationStatus.USED
    if reservation is not None and used and start < (reservation.ended_at or start):
        raise ImpossibleCorrection("start", "must not be before the end of the reservation")


def _set_tariff(session: Session, tariff_id: int) -> None:
    tariff = (
        Tariff.objects.in_use()
        .with_elements()
        .filter(pk=tariff_id, country_code=session.country_code, party_id=session.party_id)
        .first()
    )
    if tariff is None:
        raise ImpossibleCorrection("tariff", "is none of this party's")
    if session.frozen_tariff is not None and tariff.currency != session.currency:
        raise ImpossibleCorrection("tariff", f"must be in {session.currency}")
    session.tariff, session.currency = tariff, tariff.currency
    session.frozen_tariff = frozen_tariff(tariff)
    # It is meant for the whole of the session.
    session.tariff_switches = []


def _keep_tariffs_between(session: Session, start: datetime, end: datetime) -> None:
    """Leave out the tariffs that the corrected time has nothing of."""
    switches = [(datetime.fromisoformat(s["at"]), s) for s in session.tariff_switches]
    for at, switch in switches:
        if at <= start:
            session.frozen_tariff = switch["tariff"]
    session.tariff_switches = [switch for at, switch in switches if start < at < end]


def _leave_out_parking(session: Session) -> None:
    if session.frozen_tariff is not None:
        session.frozen_tariff = without_parking(session.frozen_tariff)
    session.tariff_switches = [
        switch | {"tariff": without_parking(switch["tariff"])} for switch in session.tariff_switches
    ]
