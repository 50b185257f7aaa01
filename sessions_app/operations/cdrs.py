"""The CDR of a session: made of the settlement that completes it, and never changed again.

Both take their totals from that settlement, in one transaction: they cannot differ. The charging
periods are the settlement's as well, whatever was stored for the running session. A draft is a CDR
that is not saved: staff sees it before it is issued.
"""

from datetime import datetime
from typing import Any
from uuid import uuid4

from cpo_platform.common.clock import truncate
from cpo_platform.common.json import format_datetime
from sessions_app.models import Cdr, Reservation, Session
from sessions_app.operations.settlement import Settlement, dimensions_json, price_json
from sessions_app.signals import cdr_issued
from tariffs.pricing.results import CdrDimensionType


def issue(draft: Cdr, now: datetime) -> Cdr:
    """Issue a CDR: from now on nobody can change it. A step of an operation."""
    draft.save(force_insert=True)
    cdr_issued.send(sender=Cdr, cdr_id=draft.pk, now=now)
    return draft


def draft_cdr(
    session: Session,
    settlement: Settlement,
    now: datetime,
    *,
    replaces: Cdr | None = None,
    correction: dict[str, Any] | None = None,
) -> Cdr:
    """Return the CDR of a session that was completed and settled; it is not saved.

    A CDR begins with the reservation, where there was one (OCPI 2.3.0, mod_cdrs,
    CDR.start_date_time).
    """
    assert session.end_date_time is not None  # noqa: S101  it is completed
    reservation: Reservation | None = getattr(session, "reservation", None)
    began = reservation.reserved_at if reservation else session.start_date_time
    location = dict(session.frozen_location)
    location.pop("time_zone", None)
    total = settlement.costs["total_cost"]
    cdr = Cdr(
        country_code=session.country_code,
        party_id=session.party_id,
        ocpi_id=str(uuid4()),
        start_date_time=began,
        end_date_time=session.end_date_time,
        session=session,
        session_ocpi_id=session.ocpi_id,
        auth_method=session.auth_method,
        authorization_reference=session.authorization_reference,
        cdr_location=location,
        meter_id=session.meter_id,
        currency=session.currency,
        tariffs=session.tariffs,
        charging_periods=[
            {
                "start_date_time": format_datetime(truncate(period.start_date_time)),
                "dimensions": dimensions_json(period),
                **({"tariff_id": period.tariff_id} if period.tariff_id else {}),
            }
            for period in settlement.periods
        ]
        or [_instant(session)],
        signed_data=session.signed_data,
        total_cost_before_taxes=total.before_taxes,
        total_cost_after_taxes=total.after_taxes,
        costs={name: price_json(price) for name, price in settlement.costs.items()},
        price_lines=session.price_details["lines"],
        total_energy=settlement.energy,
        total_time=settlement.hours,
        total_parking_time=settlement.parking_hours,
        remark=_remark(session, replaces),
        replaces=replaces,
        correction=correction,
    )
    cdr.cdr_token = session.cdr_token
    cdr.touch(now)
    # No tariff, and no line of a price, is a CDR's right; Django's forms call it blank.
    cdr.full_clean(
        exclude={"tariffs", "price_lines"}, validate_unique=False, validate_constraints=False
    )
    return cdr


def _remark(session: Session, replaces: Cdr | None) -> str:
    """Return what partners read beside the numbers: OCPI has no field for what a CDR replaces."""
    remarks = [
        f"Replaces CDR {replaces.ocpi_id}." if replaces else "",
        "" if session.tariffs else "No tariff applied.",
    ]
    return " ".join(filter(None, remarks))


def _instant(session: Session) -> dict[str, Any]:
    """Return the one period of a session that ended as it began: a CDR needs at least one."""
    return {
        "start_date_time": format_datetime(session.start_date_time),
        "dimensions": [{"type": CdrDimensionType.TIME.value, "volume": "0"}],
    }
