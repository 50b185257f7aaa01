"""OCPI 2.2.1, mod_tokens: Token as its owner gave it."""

from typing import Any

from cpo_platform.common.json import format_datetime
from cpo_platform.common.shapes import parse
from sessions_app.models import Token
from sessions_app.operations.tokens import token_document
from sessions_app.shapes import TokenShape


def render_token(row: Token) -> dict[str, Any]:
    document = token_document(row)
    return document | {"last_updated": format_datetime(row.last_updated)}


def read_token(document: object) -> TokenShape:
    return parse(TokenShape, document)
