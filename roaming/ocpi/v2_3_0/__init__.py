"""OCPI 2.3.0 (edition 2): shapes only, and only what differs from 2.2.1."""

from roaming.ocpi.common.shapes import Shapes
from roaming.ocpi.v2_2_1 import charging_profiles, commands, hub_client_info, versions
from roaming.ocpi.v2_3_0 import credentials, locations, sessions, tariffs, tokens

SHAPES = Shapes(
    location=locations.render_location,
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
    read_cancel_reservation=commands.read_cancel_reservation,
    charging_profiles=charging_profiles.SHAPES,
    client_info=hub_client_info.render_client_info,
    read_client_info=hub_client_info.read_client_info,
)
