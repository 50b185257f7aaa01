"""OCPI 2.3.0 (edition 2): shapes only, and only what differs from 2.2.1."""

from dataclasses import replace

from roaming.ocpi import v2_2_1
from roaming.ocpi.v2_3_0 import credentials, locations, sessions, tariffs, tokens

SHAPES = replace(
    v2_2_1.SHAPES,
    location=locations.render_location,
    tariff=tariffs.render_tariff,
    session=sessions.render_session,
    cdr=sessions.render_cdr,
    token=tokens.render_token,
    read_token=tokens.read_token,
    token_type=tokens.token_type,
    read_credentials=credentials.read_credentials,
)
