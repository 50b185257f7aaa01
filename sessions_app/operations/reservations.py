"""Reservations from RESERVE_NOW to their end: used, expired, or canceled by either side.

A reservation has a session from its first second (OCPI 2.2.1, mod_sessions: status RESERVATION).
Used, that session goes on as ACTIVE; unused, it is COMPLETED, with a CDR where that costs. Whoever
ends a reservation holds its row: use, expiry and cancellation cannot all have happened.

Rows are locked in this order, as everywhere: location, reservation, session.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from uuid import uuid4

from django.db import IntegrityError, connection, transaction
from django.db.models import Exists, OuterRef, Q

from cpo_platform.common.clock import truncate
from cpo_platform.common.shapes import CdrToken
from locations.models import Capability, Connector, Evse, Location, Status
from sessions_app.metering import Reading
from sessions_app.models import (
    AuthMethod,
    Cdr,
    Reservation,
    ReservationQuerySet,
    ReservationStatus,
    Session,
    SessionStatus,
)
from sessions_app.operations.freezing import tariff_for
from sessions_app.operations.holds import examine, issue_or_hold
from sessions_app.operations.sessions import (
    add_readings,
    append_periods,
    freeze,
    locked,
    save_alone,
)
from sessions_app.operations.settlement import reprice
from sessions_app.signals import reservation_canceled, session_changed
from tariffs.models import Tariff

# OCPI 2.2.1, mod_sessions and mod_cdrs: what an EVSE is called that is not known yet.
NOT_AVAILABLE = "#NA"
OUT_OF_SERVICE = (Status.INOPERATIVE, Status.OUTOFORDER, Status.REMOVED)


class ReservationOver(ValueError):
    """The reservation has been used, has expired, or was canceled."""


class NothingFree(ValueError):
    """The EVSE, or every EVSE of the location, is kept free for somebody else already."""


class IdInUse(ValueError):
    """The eMSP has another active reservation with this id of its own."""


def next_number() -> int:
    """Draw the number of a reservation that is about to be made: stations are told this one.

    It is the row's later id, so that it is unique over all eMSPs (OCPI 2.2.1, mod_commands,
    ReserveNow.reservation_id). A reservation that the station refuses leaves a gap.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval(pg_get_serial_sequence('sessions_app_reservation', 'id'))")
        (number,) = cursor.fetchone()
    return int(number)


def make_reservation(
    *,
    number: int,
    reservation_id: str,
    location_id: int,
    evse_id: int | None,
    cdr_token: CdrToken,
    expiry_date: datetime,
    now: datetime,
    group_id: str = "",
    connector_id: int | None = None,
    authorization_reference: str = "",
) -> Reservation:
    """Keep an EVSE free, or one of a location (`evse_id` None), for a token until a moment.

    A reservation that has this `number` and is active is changed to what is asked now; its time
    goes on counting from when it was first made (OCPI 2.2.1, mod_commands: RESERVE_NOW with a
    known `reservation_id` replaces it).

    Raises:
        ReservationOver: the reservation with this number has ended.
        NothingFree: no EVSE can be kept free.
        IdInUse: another reservation of this eMSP has this id.

    """
    with transaction.atomic():
        location = Location.objects.select_for_update(no_key=True).get(pk=location_id)
        _expire_overdue(location, now)
        reservation = Reservation.objects.select_for_update().filter(pk=number).first()
        if reservation is None:
            reservation = _new(number, location, cdr_token, reservation_id, now)
        elif reservation.status != ReservationStatus.ACTIVE:
            raise ReservationOver(f"reservation {number} is {reservation.status}")
        else:
            _join(reservation, locked(reservation.session_id))
        _require_free(location, reservation, evse_id)
        session = reservation.session
        session.cdr_token = cdr_token
        _place(session, location, evse_id, connector_id, now)
        # The last one that the eMSP gave counts (OCPI 2.2.1, Session.authorization_reference).
        session.authorization_reference = authorization_reference or session.authorization_reference
        reservation.evse, reservation.connector = session.evse, session.connector
        reservation.group_id = group_id
        reservation.expiry_date = truncate(expiry_date)
        reprice(session, until=truncate(now))
        session.touch(now)
        session.full_clean(validate_constraints=False)
        session.save()
        _save_alone(reservation)
        session_changed.send(sender=Session, session_id=session.pk, now=now)
    return reservation


def use_reservation(
    *,
    number: int,
    connector_id: int,
    cdr_token: CdrToken,
    auth_method: str,
    meter_start: Decimal,
    now: datetime,
    authorization_reference: str = "",
    meter_id: str = "",
    started_at: datetime | None = None,
) -> Session:
    """Begin to charge on a reservation: its session becomes ACTIVE and starts anew at this moment.

    The reserved time stays a part of its price and is its first charging period. The tariff is
    that of the reservation, or of the connector where none had been assigned before. `started_at`
    is when that was, where a station tells so later: nobody comes before he has reserved.

    Raises:
        ReservationOver: it has ended, or its time is up.
        sessions_app.operations.sessions.EvseOccupied: another session is running at the EVSE.
        Connector.DoesNotExist: there is no such connector.

    """
    connector = Connector.objects.select_related("evse__location").get(pk=connector_id)
    with transaction.atomic():
        reservation = _active(number, started_at or now)
        moment = max(truncate(started_at or now), reservation.reserved_at)
        session = reservation.session
        if session.connector_id != connector.pk:
            _assign(session, connector, now)
        session.status = SessionStatus.ACTIVE
        session.start_date_time = moment
        session.cdr_token = cdr_token
        session.auth_method = AuthMethod(auth_method).value
        session.authorization_reference = authorization_reference or session.authorization_reference
        session.meter_start = meter_start
        session.meter_id = meter_id or session.meter_id
        reservation.status, reservation.ended_at = ReservationStatus.USED, moment
        reservation.evse, reservation.connector = connector.evse, connector
        add_readings(session, [Reading(at=moment, kwh=meter_start)], moment)
        settlement = reprice(session, until=moment)
        if reservation.reserved_at < moment:
            append_periods(session, settlement.periods)
        session.touch(now)
        save_alone(session)
        reservation.save()
        session_changed.send(sender=Session, session_id=session.pk, now=now)
    return session


def expire_reservation(*, number: int, now: datetime) -> tuple[Session, Cdr | None]:
    """End a reservation that nobody came for in its time; a CDR is issued where that costs.

    Raises:
        ReservationOver: it has ended otherwise, or its time is not up yet.

    """
    with transaction.atomic():
        reservation = _held(number)
        if reservation.status != ReservationStatus.ACTIVE or now < reservation.expiry_date:
            raise ReservationOver(f"reservation {number} is {reservation.status}, or not due")
        return _end(reservation, ReservationStatus.EXPIRED, reservation.expiry_date, now)


def cancel_reservation(*, number: int, now: datetime) -> tuple[Session, Cdr | None]:
    """End a reservation for its eMSP; the time until now is billed where the tariff says so.

    Raises:
        ReservationOver: it has ended already.

    """
    with transaction.atomic():
        return _end(_active(number, now), ReservationStatus.CANCELED, truncate(now), now)


def withdraw_reservation(*, number: int, now: datetime) -> Session:
    """End a reservation ourselves (a defect, roadworks): it costs nothing, and its eMSP is told.

    Raises:
        ReservationOver: it has ended already.

    """
    with transaction.atomic():
        reservation = _active(number, now)
        session, _cdr = _end(reservation, ReservationStatus.CANCELED_BY_CPO, truncate(now), now)
        reservation_canceled.send(sender=Reservation, reservation_id=reservation.pk, now=now)
    return session


def overdue(*, now: datetime) -> list[int]:
    """Return the numbers of the reservations whose time is up."""
    rows = Reservation.objects.active().filter(expiry_date__lte=now).order_by("expiry_date")
    return list(rows.values_list("pk", flat=True)[:1000])


def out_of_service() -> list[int]:
    """Return the numbers of the reservations that cannot be kept: no EVSE is in service.

    Neither the one that is reserved nor, where none is, any that is reservable at the location.
    """
    in_service = Evse.objects.filter(
        location=OuterRef("location"), capabilities__contains=[Capability.RESERVABLE.value]
    ).exclude(status__in=OUT_OF_SERVICE)
    rows = Reservation.objects.active().filter(
        Q(evse__status__in=OUT_OF_SERVICE) | Q(~Exists(in_service), evse__isnull=True)
    )
    return list(rows.order_by("pk").values_list("pk", flat=True)[:1000])


def usable_at(
    *, evse: Evse, cdr_token: CdrToken, group_id: str, now: datetime
) -> Reservation | None:
    """Return the reservation that a token may use at an EVSE: its own, or one of its group.

    One of this very EVSE goes before one of the whole location.
    """
    rows = _reservations_of(cdr_token, group_id, now).filter(location_id=evse.location_id)
    found = rows.filter(Q(evse=evse) | Q(evse__isnull=True)).order_by("pk")
    return min(found, key=lambda row: row.evse_id is None, default=None)


def of_token(
    *,
    evse: Evse,
    uid: str,
    type: str,  # noqa: A002  OCPI's name
    now: datetime,
) -> Reservation | None:
    """Return the reservation that was made with a token at an EVSE or its location, if any is."""
    return (
        Reservation.objects.active()
        .filter(
            Q(evse=evse) | Q(evse__isnull=True, location_id=evse.location_id),
            session__token_uid=uid,
            session__token_type=type,
            expiry_date__gt=now,
        )
        .select_related("session")
        .order_by("pk")
        .first()
    )


def reserved_evses(*, location_id: int, cdr_token: CdrToken, now: datetime) -> list[int]:
    """Return the ids of the EVSEs of a location that are reserved for a token."""
    rows = _reservations_of(cdr_token, "", now).filter(location_id=location_id, evse__isnull=False)
    return list(rows.values_list("evse_id", flat=True))


def is_kept_free(*, evse: Evse, taken: Sequence[int], now: datetime) -> bool:
    """Tell whether an EVSE must stay free for somebody who reserved any EVSE of its location.

    `taken` are the ids of EVSEs that look free and will not be for long. Call it in a transaction:
    it locks the location, so that two cannot take the last free EVSE.
    """
    waiting = _anywhere(evse.location_id).filter(expiry_date__gt=now)
    if Capability.RESERVABLE not in evse.capabilities or not waiting.exists():
        return False
    Location.objects.select_for_update(no_key=True).get(pk=evse.location_id)
    left = set(_free(evse.location_id)) - {*taken, evse.pk}
    return len(left) < waiting.count()


def _reservations_of(token: CdrToken, group_id: str, now: datetime) -> ReservationQuerySet:
    same_token = Q(session__token_uid=token.uid, session__token_type=token.type)
    entitled = same_token | Q(group_id=group_id) if group_id else same_token
    return Reservation.objects.active().filter(
        entitled,
        owner_country_code=token.country_code,
        owner_party_id=token.party_id,
        expiry_date__gt=now,
    )


def _new(
    number: int, location: Location, token: CdrToken, reservation_id: str, now: datetime
) -> Reservation:
    session = Session(
        country_code=location.country_code,
        party_id=location.party_id,
        ocpi_id=str(uuid4()),
        start_date_time=truncate(now),
        auth_method=AuthMethod.COMMAND.value,
        location=location,
        status=SessionStatus.RESERVATION,
    )
    return Reservation(
        pk=number,
        owner_country_code=token.country_code,
        owner_party_id=token.party_id,
        reservation_id=reservation_id,
        session=session,
        location=location,
        reserved_at=session.start_date_time,
    )


def _save_alone(reservation: Reservation) -> None:
    try:
        with transaction.atomic():
            reservation.save()
    except IntegrityError as error:
        if "reservation_identity" not in str(error):
            raise
        raise IdInUse(f"reservation_id: {reservation.reservation_id} is in use") from error


def _held(number: int) -> Reservation:
    reservation = Reservation.objects.select_for_update().get(pk=number)
    _join(reservation, locked(reservation.session_id))
    return reservation


def _active(number: int, now: datetime) -> Reservation:
    reservation = _held(number)
    if reservation.status != ReservationStatus.ACTIVE or reservation.expiry_date <= now:
        raise ReservationOver(f"reservation {number} is {reservation.status}, or its time is up")
    return reservation


def _join(reservation: Reservation, session: Session) -> None:
    """Let both rows know each other: what is set on one is what the price of the other reads."""
    session.reservation = reservation
    reservation.session = session


def _end(
    reservation: Reservation, status: ReservationStatus, ended_at: datetime, now: datetime
) -> tuple[Session, Cdr | None]:
    reservation.status, reservation.ended_at = status, max(ended_at, reservation.reserved_at)
    reservation.save()
    session = reservation.session
    session.status = SessionStatus.COMPLETED
    session.end_date_time = reservation.ended_at
    settlement = reprice(session, until=reservation.ended_at)
    append_periods(session, settlement.periods)
    session.touch(now)
    session.save()
    session_changed.send(sender=Session, session_id=session.pk, now=now)
    if not session.total_cost_before_taxes:
        return session, None
    found = examine(session, settlement, stopped_at=reservation.ended_at)
    return session, issue_or_hold(session, settlement, found, now)


def _expire_overdue(location: Location, now: datetime) -> None:
    """End what has expired at a location and was not tended yet: it stands in nobody's way."""
    rows = Reservation.objects.active().filter(location=location, expiry_date__lte=now)
    for number in list(rows.order_by("pk").values_list("pk", flat=True)):
        reservation = _held(number)
        if reservation.status == ReservationStatus.ACTIVE:
            _end(reservation, ReservationStatus.EXPIRED, reservation.expiry_date, now)


def _anywhere(location_id: int) -> ReservationQuerySet:
    """Return the active reservations of any EVSE of a location."""
    return Reservation.objects.active().filter(location_id=location_id, evse__isnull=True)


def _free(location_id: int) -> list[int]:
    """Return the EVSEs that can be kept free: reservable, available, and not reserved."""
    rows = Evse.objects.filter(
        location_id=location_id,
        status=Status.AVAILABLE,
        capabilities__contains=[Capability.RESERVABLE.value],
    ).exclude(reservations__status=ReservationStatus.ACTIVE)
    return list(rows.values_list("pk", flat=True))


def _require_free(location: Location, reservation: Reservation, evse_id: int | None) -> None:
    others = Reservation.objects.active().exclude(pk=reservation.pk)
    if evse_id is not None and others.filter(evse_id=evse_id).exists():
        raise NothingFree("the EVSE is reserved already")
    left = set(_free(location.pk)) - {evse_id}
    if reservation.evse_id is not None and reservation.evse_id != evse_id:
        # It is given back.
        left.add(reservation.evse_id)
    wanted = _anywhere(location.pk).exclude(pk=reservation.pk).count() + (evse_id is None)
    if len(left) < wanted:
        raise NothingFree("every EVSE that is free is kept free for somebody already")


def _place(
    session: Session,
    location: Location,
    evse_id: int | None,
    connector_id: int | None,
    now: datetime,
) -> None:
    """Set where the session is, as far as that is known, and by which tariff it is priced."""
    connectors = _connectors(location, evse_id)
    chosen = [one for one in connectors if connector_id in {None, one.pk}]
    if not chosen:
        raise NothingFree("there is no connector that could be reserved")
    session.evse = chosen[0].evse if evse_id is not None else None
    session.connector = chosen[0] if evse_id is not None and len(chosen) == 1 else None
    freeze(session, chosen[0], _common_tariff(chosen, session.cdr_token, now))
    if session.connector is None:
        session.frozen_location["connector_id"] = NOT_AVAILABLE
    if session.evse is None:
        session.frozen_location |= {"evse_uid": NOT_AVAILABLE, "evse_id": NOT_AVAILABLE}


def _connectors(location: Location, evse_id: int | None) -> list[Connector]:
    """Return the connectors that the driver may come to charge at."""
    rows = Connector.objects.select_related("evse").prefetch_related("tariffs").order_by("pk")
    if evse_id is not None:
        return list(rows.filter(evse_id=evse_id))
    return list(
        rows.filter(
            evse__location=location,
            evse__capabilities__contains=[Capability.RESERVABLE.value],
        ).exclude(evse__status=Status.REMOVED)
    )


def _common_tariff(
    connectors: Sequence[Connector], token: CdrToken, now: datetime
) -> Tariff | None:
    """Return the tariff of all the connectors; None where they differ: nobody agreed to either."""
    alike = {
        frozenset(tariff.pk for tariff in connector.tariffs.all()): connector
        for connector in connectors
    }
    tariffs = [tariff_for(connector, token, now) for connector in alike.values()]
    first = tariffs[0]
    same = first is not None and all(one is not None and one.pk == first.pk for one in tariffs)
    return first if same else None


def _assign(session: Session, connector: Connector, now: datetime) -> None:
    """Set the connector that is used; a tariff that was agreed to before stays as it was then."""
    tariff = tariff_for(connector, session.cdr_token, now)
    agreed, frozen = _agreed(session, tariff), session.frozen_tariff
    session.evse, session.connector = connector.evse, connector
    freeze(session, connector, agreed or tariff)
    session.frozen_tariff = frozen if agreed else session.frozen_tariff


def _agreed(session: Session, tariff: Tariff | None) -> Tariff | None:
    """Return the tariff that was agreed to, if this is that, or took over from it since."""
    while tariff is not None and tariff.pk != session.tariff_id:
        begun = tariff.start_date_time
        since = begun is not None and begun > session.start_date_time
        tariff = tariff.supersedes if since else None
    return tariff
