"""OCPI 2.1.1: shapes only, by itself: little of it looks like the later ones."""

from roaming.ocpi.common.shapes import Shapes
from roaming.ocpi.v2_1_1 import (
    commands,
    credentials,
    locations,
    sessions,
    tariffs,
    tokens,
    versions,
)

SHAPES = Shapes(
    location=locations.render_location,
    evse_status=locations.render_evse_status,
    tariff=tariffs.render_tariff,
    session=sessions.render_session,
    cdr=sessions.render_cdr,
    token=tokens.render_token,
    endpoint=versions.render_endpoint,
    credentials=credentials.render_credentials,
    command_response=commands.render_command_response,
    command_result=commands.render_command_result,
    location_references=tokens.render_location_references,
    read_token=tokens.read_token,
    read_token_patch=tokens.read_token_patch,
    token_type=tokens.token_type,
    read_credentials=credentials.read_credentials,
    read_start_session=commands.read_start_session,
    read_stop_session=commands.read_stop_session,
    read_reserve_now=commands.read_reserve_now,
    read_unlock_connector=commands.read_unlock_connector,
    read_cancel_reservation=None,
    token_by_uid=True,
)
