"""Take secrets out of what is written down of a message.

Secret are the tokens that partners and we call each other with, wherever they stand, and whatever
else the query of an address holds: a `response_url` may carry a key of the partner's. The `uid` of
a charging token is no secret here: it is what the message is about.
"""

import re
from typing import Any
from urllib.parse import quote, unquote

from cpo_platform.common import json

MASK = "***"
# Modules whose bodies hold CREDENTIALS_TOKENs; "" is a URL that is none of ours.
CREDENTIAL_MODULES = frozenset({"", "credentials", "versions"})
# What OCPI itself has in queries, and how partners number their pages: worth reading, no secret.
PLAIN_PARAMETERS = frozenset(
    {"after", "cursor", "date_from", "date_to", "duration", "limit", "offset", "page", "type"}
)
# How members of a credentials document are called whose value is nobody's business.
SECRET_NAMES = ("token", "secret", "password", "authorization")
# Credentials are flat; nobody has to recurse for what a hostile partner sends.
MAX_DEPTH = 20

# Details of a version with every module are some kilobytes.
LONGEST_DOCUMENT = 64 * 1024

# A string of JSON, to its end or to where the text was cut.
_STRING = r'(?:[^"\\]++|\\.)*+'
# They begin with a plain text, which is what makes a search of many bodies fast.
_TOKEN = re.compile(rf'oken"\s*+:\s*+"{_STRING}')
_RESPONSE_URL = re.compile(rf'(response_url"\s*+:\s*+")({_STRING})')
# Error pages of frameworks repeat the headers of the request. A word after `Token` is no token
# unless it has a digit or a capital.
_HEADER = re.compile(r"Token (?=[\w.~+/=-]*[A-Z0-9])[\w.~+/=-]{8,}")
_QUERY = re.compile(r"\?[^\s'\"<>)]+")


def redact_url(url: str, *, is_inner: bool = False) -> str:
    """Return an address with the values of unknown parameters, and a password, masked.

    `is_inner`: it stands in the query of another one, and what stands in its own is masked.
    """
    if "?" not in url and "@" not in url:
        return url
    address, mark, query = url.partition("?")
    scheme, slashes, rest = address.partition("://")
    host, slash, path = rest.partition("/")
    if "@" in host:
        address = f"{scheme}{slashes}{MASK}@{host.rpartition('@')[2]}{slash}{path}"
    parameters = (_redact_parameter(one, is_inner=is_inner) for one in query.split("&"))
    return address + mark + "&".join(parameters)


def _redact_parameter(parameter: str, *, is_inner: bool) -> str:
    name, equals, value = parameter.partition("=")
    if not parameter or name in PLAIN_PARAMETERS or (equals and not value):
        return parameter
    if name == "response_url" and not is_inner:
        return f"{name}={quote(redact_url(unquote(value), is_inner=True), safe='')}"
    # What has no name may be a key itself.
    return f"{name}={MASK}" if equals else MASK


def redact_body(module: str, body: str) -> str:
    """Return a body without secrets; "" where it may hold some and cannot be read.

    Bodies that hold credentials are read as JSON. The others, which are many, and may be cut, are
    only searched.
    """
    if not body:
        return ""
    if module in CREDENTIAL_MODULES:
        return _redact_document(body) if len(body) <= LONGEST_DOCUMENT else ""
    if _TOKEN.search(body):
        body = _TOKEN.sub(f'oken":"{MASK}', body)
    if "response_url" in body:
        body = _RESPONSE_URL.sub(lambda found: found[1] + redact_url(found[2]), body)
    return _redact_headers(body)


def redact_text(text: str) -> str:
    """Return a text for people, such as an error, without headers and queries of addresses."""
    if "?" in text:
        text = _QUERY.sub(lambda found: redact_url(found[0]), text)
    return _redact_headers(text)


def _redact_headers(text: str) -> str:
    return _HEADER.sub(f"Token {MASK}", text) if "Token " in text else text


def _redact_document(body: str) -> str:
    try:
        return json.dump_text(_without_secrets(json.loads(body), "", 0))
    except (json.InvalidJson, TypeError):
        return ""


def _without_secrets(value: Any, name: str, depth: int) -> Any:
    if depth > MAX_DEPTH:
        return MASK
    if isinstance(value, dict):
        return {key: _without_secrets(item, key, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_secrets(item, name, depth + 1) for item in value]
    if not isinstance(value, str) or not value:
        return value
    if name.lower().endswith(SECRET_NAMES):
        return MASK
    return redact_text(redact_url(value) if "://" in value else value)
