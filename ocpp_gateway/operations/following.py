"""The session of a transaction: begun, followed and ended as the transaction is understood.

A step of `digesting`, whose table has the rules. It changes the transaction's row and does not
save it.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from cpo_platform.common.clock import in_utc, truncate
from cpo_platform.common.money import OCPI_PLACES, round_money
from cpo_platform.common.saying import Saying, say
from cpo_platform.common.shapes import CdrToken, parse
from ocpp_gateway.facts import Code, Finding
from ocpp_gateway.models import AlertKind, SignedMeterValue, Transaction
from ocpp_gateway.operations import alerts
from ocpp_gateway.operations.signing import keep_signed, key_of
from ocpp_gateway.signatures import Verdict
from ocpp_gateway.signed_data import signed_data
from ocpp_gateway.transactions import Understood
from sessions_app.authorization import Allowed
from sessions_app.metering import Reading
from sessions_app.models import AuthMethod, Reservation, Session, SessionStatus, Token
from sessions_app.models.sessions import ENDED
from sessions_app.operations import reservations, sessions

# How far a station's clock may be behind ours when its driver comes for what he has reserved.
MAX_CLOCK_LAG = timedelta(minutes=2)


def follow(row: Transaction, understood: Understood, *, now: datetime) -> bool:
    """Make the session say what is understood; False: it waits for the EVSE to be free.

    Raises:
        ShapeError: the contract of the transaction is none.

    """
    findings = list(understood.findings)
    session = _session(row, understood, now)
    is_waiting = session is None and _may_begin(row, understood)
    broken = [
        value
        for value in keep_signed(row, understood.signed, now=now)
        if value.verdict == Verdict.BROKEN
    ]
    if session is not None and session.status in ENDED:
        findings += _late(row, session, understood, now)
    elif session is not None:
        _go_on(row, session, understood, now)
    if broken:
        _tell_of_broken(row, session, broken, now)
    _note(row, understood, findings)
    _tell_of_unbilled(row, findings, now)
    return not is_waiting


def four_places(value: Decimal) -> Decimal:
    """Return energy as it is stored."""
    return round_money(value, OCPI_PLACES)


def _session(row: Transaction, understood: Understood, now: datetime) -> Session | None:
    """Return the session, locked; begun, if it may and can."""
    if row.session_id is not None:
        return sessions.locked(row.session_id)
    row.unbilled_reason = _unbilled_reason(row, understood).text
    if not _may_begin(row, understood):
        return None
    try:
        row.session = _begin(row, understood, now)
    except sessions.EvseOccupied:
        return None
    alerts.resolve_alert(
        kind=AlertKind.UNBILLED, station_id=row.station_id, transaction_id=row.pk, now=now
    )
    return row.session


def _unbilled_reason(row: Transaction, understood: Understood) -> Saying:
    """Return why there can be no session; an empty sentence where there can, or may yet."""
    has_ended = understood.ended_at is not None
    if row.verdict not in {"", Allowed.ALLOWED}:
        return say("The token was refused: %(verdict)s.", verdict=row.verdict)
    if row.outlet is None:
        return say(
            "It is not known which connector of ours it was at: the station's is not placed."
        )
    if row.verdict == Allowed.ALLOWED and row.cdr_token is None:
        return say("It is not known which contract pays for the token.")
    if not row.verdict and has_ended:
        return say("Nobody presented a token.")
    if understood.meter_start is None and has_ended:
        return say("The station told no register: it is not known how much energy flowed.")
    return Saying("")


def _may_begin(row: Transaction, understood: Understood) -> bool:
    is_known = row.verdict == Allowed.ALLOWED and understood.meter_start is not None
    return is_known and not row.unbilled_reason


def _begin(row: Transaction, understood: Understood, now: datetime) -> Session:
    """Use the reservation that the driver has; without one, or if it is over, open a session."""
    assert row.outlet is not None  # noqa: S101  there would be a reason not to begin
    token = parse(CdrToken, row.cdr_token)
    start: dict[str, Any] = {
        "connector_id": row.outlet.connector_id,
        "cdr_token": token,
        "auth_method": row.auth_method or AuthMethod.WHITELIST,
        "authorization_reference": row.authorization_reference,
        "meter_id": row.station.serial_number,
        "meter_start": four_places(understood.meter_start or Decimal(0)),
        "started_at": understood.started_at,
        "now": now,
    }
    reservation = _reservation(row, token, understood)
    if reservation is not None:
        with suppress(reservations.ReservationOver):
            return reservations.use_reservation(number=reservation.pk, **start)
    return sessions.start_session(**start)


def _reservation(row: Transaction, token: CdrToken, understood: Understood) -> Reservation | None:
    """Return the reservation that the token had at the EVSE when it began."""
    assert row.outlet is not None  # noqa: S101  the caller has looked
    found = reservations.usable_at(
        evse=row.outlet.connector.evse,
        cdr_token=token,
        group_id=_group_of(row, token),
        now=understood.started_at,
    )
    # A station that was offline tells of what began before it was reserved.
    if found is None or understood.started_at < found.reserved_at - MAX_CLOCK_LAG:
        return None
    return found


def _group_of(row: Transaction, token: CdrToken) -> str:
    if row.remote_start is not None and row.remote_start.group_id:
        return str(row.remote_start.group_id)
    rows = Token.objects.filter(
        country_code=token.country_code,
        party_id=token.party_id,
        uid=token.uid,
        type=token.type,
    )
    return rows.values_list("group_id", flat=True).first() or ""


def _go_on(row: Transaction, session: Session, understood: Understood, now: datetime) -> None:
    """Take a session that is ongoing as far as the transaction is."""
    if session.status == SessionStatus.PENDING and understood.active_at is not None:
        session = sessions.activate_session(
            session_id=session.pk, active_at=understood.active_at, now=now
        )
    since = _since(session, understood)
    readings = _readings(understood, since)
    if understood.ended_at is not None:
        sessions.stop_session(
            session_id=session.pk,
            ended_at=understood.ended_at,
            readings=readings,
            since=since,
            signed_data=signed_data(understood.signed, public_key=key_of(row)),
            now=now,
        )
    elif session.status == SessionStatus.ACTIVE:
        sessions.record_meter_values(session_id=session.pk, readings=readings, since=since, now=now)


def _since(session: Session, understood: Understood) -> datetime:
    """Return when the session starts, as it is known by now.

    Not that of one that was reserved: its reservation ends where it starts.
    """
    is_reserved = getattr(session, "reservation", None) is not None
    if is_reserved or understood.active_at is None:
        return session.start_date_time
    return truncate(understood.active_at)


def _readings(understood: Understood, since: datetime) -> list[Reading]:
    """Return what the meter showed, as it is stored; before `since` no energy flowed."""
    shown = [
        replace(
            reading,
            kwh=four_places(reading.kwh),
            power_kw=None if reading.power_kw is None else four_places(reading.power_kw),
            current_a=None if reading.current_a is None else four_places(reading.current_a),
        )
        for reading in understood.readings
    ]
    if understood.meter_start is None or any(reading.at == since for reading in shown):
        return shown
    return [*shown, Reading(at=since, kwh=four_places(understood.meter_start))]


def _late(
    row: Transaction, session: Session, understood: Understood, now: datetime
) -> Sequence[Finding]:
    """Return what news say after the end of the session, and tell staff where that is new."""
    energy = four_places(understood.energy)
    if (energy, understood.ended_at) == (row.energy, row.ended_at):
        return [
            Finding(Code.LATE_FACTS, Saying.from_json(found))
            for found in row.findings
            if found["code"] == Code.LATE_FACTS
        ]
    more = energy - session.kwh
    if not more and not _ends_otherwise(session, understood):
        alerts.resolve_alert(
            kind=AlertKind.LATE_FACTS, station_id=row.station_id, transaction_id=row.pk, now=now
        )
        return []
    saying = _late_saying(session, understood, energy)
    alerts.raise_alert(
        kind=AlertKind.LATE_FACTS,
        station_id=row.station_id,
        transaction_id=row.pk,
        saying=saying,
        now=now,
    )
    return [Finding(Code.LATE_FACTS, saying)]


def _late_saying(session: Session, understood: Understood, energy: Decimal) -> Saying:
    values: dict[str, str | Saying] = {
        "session": session.ocpi_id,
        "kwh": f"{energy.normalize():f}",
        "more": f"{(energy - session.kwh).normalize():+f}",
    }
    if understood.ended_at is None or not _ends_otherwise(session, understood):
        return say(
            "News came after session %(session)s had ended: by them it took %(kwh)s kWh, "
            "%(more)s kWh to what it has.",
            **values,
        )
    return say(
        "News came after session %(session)s had ended: by them it took %(kwh)s kWh, "
        "%(more)s kWh to what it has. It ended at %(at)s.",
        **values,
        at=in_utc(understood.ended_at),
    )


def _ends_otherwise(session: Session, understood: Understood) -> bool:
    if understood.ended_at is None or session.status != SessionStatus.COMPLETED:
        return False
    return max(truncate(understood.ended_at), session.start_date_time) != session.end_date_time


def _note(row: Transaction, understood: Understood, findings: Sequence[Finding]) -> None:
    row.started_at = understood.started_at
    row.ended_at = understood.ended_at
    row.end_reason = understood.end_reason
    row.energy = four_places(understood.energy)
    row.findings = [finding.to_json() for finding in dict.fromkeys(findings)]
    row.look_again_at = understood.look_again_at


def _tell_of_unbilled(row: Transaction, findings: Sequence[Finding], now: datetime) -> None:
    absurd = [one.saying for one in findings if one.code == Code.ABSURD_REGISTER]
    if row.unbilled_reason and row.energy > 0:
        saying = say(
            "%(kwh)s kWh without a bill. %(why)s",
            kwh=f"{row.energy.normalize():f}",
            why=row.reason_unbilled,
        )
    elif row.ended_at is not None and absurd:
        saying = say("It is not known how much energy flowed. %(why)s", why=absurd[0])
    else:
        return
    alerts.raise_alert(
        kind=AlertKind.UNBILLED,
        station_id=row.station_id,
        transaction_id=row.pk,
        saying=saying,
        now=now,
    )


def _tell_of_broken(
    row: Transaction, session: Session | None, broken: Sequence[SignedMeterValue], now: datetime
) -> None:
    last = broken[-1]
    at, why = in_utc(last.at), Saying(last.reason)
    if session is not None:
        saying = say(
            "Session %(session)s: the signed value of %(at)s: %(why)s.",
            session=session.ocpi_id,
            at=at,
            why=why,
        )
    else:
        saying = say(
            "Transaction %(transaction)s, without a session: the signed value of %(at)s: %(why)s.",
            transaction=str(row.pk),
            at=at,
            why=why,
        )
    alerts.raise_alert(
        kind=AlertKind.BROKEN_SIGNATURE,
        station_id=row.station_id,
        transaction_id=row.pk,
        saying=saying,
        now=now,
    )
