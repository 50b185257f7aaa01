"""Charges that are begun or ended from here, for a driver who cannot do it at the station."""

from datetime import datetime

from ocpp_gateway.calling import call_station, version_of
from ocpp_gateway.charging import id_of
from ocpp_gateway.frames import Version
from ocpp_gateway.models import Outlet, StationCall, Transaction
from ocpp_gateway.remote_starts import ask_to_start
from sessions_app.authorization import Allowed, Authorization, authorize_token
from sessions_app.models import Token
from sessions_app.stations import StartRequest


class NotAllowed(Exception):
    """The token may not charge there; `authorization` says what was found, and who said so."""

    def __init__(self, authorization: Authorization) -> None:
        super().__init__(f"token: {authorization.allowed}")
        self.authorization = authorization


class KeptForOthers(Exception):
    """The EVSE is reserved for somebody else."""


def start_charge(outlet: Outlet, token: Token, *, asked_by: str, now: datetime) -> StationCall:
    """Ask for a start with a token that has been found to be allowed, by its eMSP where it asks.

    Another eMSP may have given out the same uid: nobody else's token pays than the one named.

    Raises:
        KeptForOthers: the EVSE is reserved.
        NeverConnected: there is no version to speak.
        NotAllowed: by the token's rules, or its eMSP's word.

    """
    # Before its eMSP is asked for nothing.
    version_of(outlet.station)
    connector = outlet.connector
    found = authorize_token(token, evse=connector.evse, connector_id=connector.ocpi_id)
    if found.allowed is not Allowed.ALLOWED or found.cdr_token is None:
        raise NotAllowed(found)
    request = StartRequest(
        connector_id=connector.pk,
        cdr_token=found.cdr_token,
        authorization_reference=found.authorization_reference,
        group_id=token.group_id if found.cdr_token == token.cdr_token else "",
    )
    call = ask_to_start(outlet, request, asked_by=asked_by, now=now, auth_method=found.auth_method)
    if call is None:
        raise KeptForOthers
    return call


def stop_charge(charging: Transaction, *, asked_by: str, now: datetime) -> StationCall:
    """Ask for the end of a transaction (OCPP 1.6, 5.12; OCPP 2.0.1, F03).

    Raises:
        NeverConnected: there is no version to speak.

    """
    version = version_of(charging.station)
    is_1_6 = version is Version.V1_6
    return call_station(
        station=charging.station,
        action="RemoteStopTransaction" if is_1_6 else "RequestStopTransaction",
        payload={"transactionId": id_of(charging, version)},
        asked_by=asked_by,
        now=now,
        session_id=charging.session_id,
    )
