"""OCPI 2.3.0, mod_tokens: as 2.2.1, but the types of tokens are open."""

from cpo_platform.common.json import format_datetime
from cpo_platform.common.shapes import parse
from roaming.ocpi.common.shapes import Owner
from sessions_app.models import Token
from sessions_app.operations.tokens import token_document
from sessions_app.shapes import TokenShape


def token_type(canonical: str) -> str:
    return canonical


def render_token(row: Token) -> dict[str, object]:
    return token_document(row) | {"last_updated": format_datetime(row.last_updated)}


def read_token(document: object, _owner: Owner | None = None) -> TokenShape:
    return parse(TokenShape, document)
