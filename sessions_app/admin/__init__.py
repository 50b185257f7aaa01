"""The admin pages of sessions, CDRs and tokens: nobody edits them, everybody can read them."""

from sessions_app.admin.cdrs import CdrAdmin
from sessions_app.admin.display import STATUS_TONES, session_pill
from sessions_app.admin.filters import EndedFilter, StartedFilter, StateFilter
from sessions_app.admin.holds import CdrHoldAdmin, hold_pill
from sessions_app.admin.panels import (
    COST_LABELS,
    DIMENSION_LABELS,
    costs_panel,
    lines_panel,
    periods_panel,
    tariff_panel,
)
from sessions_app.admin.replays import ReplayAdmin
from sessions_app.admin.reservations import ReservationAdmin, reservation_pill
from sessions_app.admin.sessions import READINGS_SHOWN, SessionAdmin
from sessions_app.admin.tokens import TokenAdmin

__all__ = [
    "COST_LABELS",
    "DIMENSION_LABELS",
    "READINGS_SHOWN",
    "STATUS_TONES",
    "CdrAdmin",
    "CdrHoldAdmin",
    "EndedFilter",
    "ReplayAdmin",
    "ReservationAdmin",
    "SessionAdmin",
    "StartedFilter",
    "StateFilter",
    "TokenAdmin",
    "costs_panel",
    "hold_pill",
    "lines_panel",
    "periods_panel",
    "reservation_pill",
    "session_pill",
    "tariff_panel",
]
