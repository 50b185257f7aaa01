"""What charges at a station in a session of ours, and how the station calls it."""

from decimal import Decimal

from locations.models import Connector, PowerType
from ocpp_gateway.charging_profiles import Supply
from ocpp_gateway.frames import Version
from ocpp_gateway.models import Outlet, Transaction
from sessions_app.models import Session, SessionStatus


def transaction_of(session: Session) -> Transaction | None:
    """Return what goes on at the station in a session that has not ended."""
    if session.status not in {SessionStatus.PENDING, SessionStatus.ACTIVE}:
        return None
    return (
        Transaction.objects.filter(session=session, ended_at__isnull=True)
        .select_related("station", "outlet__connector__evse")
        .first()
    )


def charging_of(session_id: int) -> Transaction | None:
    """Return the transaction of a session whose limits can be told: it charges, at an outlet."""
    session = Session.objects.filter(pk=session_id, status=SessionStatus.ACTIVE).first()
    charging = transaction_of(session) if session else None
    has_place = charging and charging.outlet and charging.station.version
    return charging if has_place else None


def place_of(charging: Transaction) -> tuple[Outlet, Version]:
    """Return where a transaction that `charging_of` has found goes on, and the version to speak."""
    outlet, version = charging.outlet, charging.station.version
    assert outlet is not None and version is not None  # noqa: S101, PT018  `charging_of` has looked
    return outlet, version


def id_of(charging: Transaction, version: Version) -> int | str:
    """Return what the station calls a transaction; in 1.6 the number that it was given.

    Where it never told us of the start, it is the number that it names (`#` and the number).
    """
    if version is Version.V2_0_1:
        return charging.ref
    named = charging.ref.removeprefix("#")
    return int(named) if charging.ref.startswith("#") and named.isdecimal() else charging.pk


def connector_number(outlet: Outlet) -> dict[str, int]:
    """Return how the station's version names a connector."""
    if outlet.station.version is Version.V1_6:
        return {"connectorId": outlet.ordinal}
    return {"evseId": outlet.evse_number, "connectorId": outlet.connector_number}


def evse_number(outlet: Outlet, version: Version) -> dict[str, int]:
    """Return how a version names what a charging profile is for."""
    if version is Version.V1_6:
        return {"connectorId": outlet.ordinal}
    return {"evseId": outlet.evse_number}


def supply_of(connector: Connector) -> Supply:
    """Return what a connector gives at most."""
    is_dc = connector.power_type == PowerType.DC
    return Supply(
        watts=connector.power_kw * 1000,
        amperes=Decimal(connector.max_amperage),
        phases=0 if is_dc else connector.phases,
    )
