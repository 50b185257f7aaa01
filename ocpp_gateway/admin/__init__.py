"""The admin pages of chargers: placing them, how they are, what they say and are asked."""

from ocpp_gateway.admin.alerts import StationAlertAdmin
from ocpp_gateway.admin.message_log import StationMessageAdmin
from ocpp_gateway.admin.session_panels import register as register_session_panels
from ocpp_gateway.admin.stations import StationAdmin
from ocpp_gateway.admin.transactions import TransactionAdmin

__all__ = ["StationAdmin", "StationAlertAdmin", "StationMessageAdmin", "TransactionAdmin"]

register_session_panels()
