"""OCPI 2.2.1: shapes only."""

from roaming.ocpi.common.shapes import Shapes
from roaming.ocpi.v2_2_1 import commands, credentials, locations, sessions, tariffs, tokens

SHAPES = Shapes(
    location=locations.render_location,
    tariff=tariffs.render_tariff,
    session=sessions.render_session,
    cdr=sessions.render_cdr,
    token=tokens.render_token,
    credentials=credentials.render_credentials,
    command_response=commands.render_command_response,
    command_result=commands.render_command_result,
    read_token=tokens.read_token,
    read_credentials=credentials.read_credentials,
    read_start_session=commands.read_start_session,
    read_stop_session=commands.read_stop_session,
)
