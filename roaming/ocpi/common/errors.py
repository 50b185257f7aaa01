"""What can go wrong in an OCPI request, as pairs of an HTTP status and an OCPI status code.

A request that is JSON, authenticated and addresses something that exists gets HTTP 200, whatever
is wrong with it; the trouble is told in `status_code` (OCPI, transport_and_format and status_codes;
the codes are those of all versions).
"""

from collections.abc import Mapping


class OcpiError(Exception):
    """A request that cannot be done; rendered as an envelope."""

    http_status = 200
    status_code = 2000
    headers: Mapping[str, str] = {}

    def __init__(self, message: str, *, data: object = None) -> None:
        self.message = message
        self.data = data
        super().__init__(message)


class ClientError(OcpiError):
    """2000: generic client error."""


class InvalidParameters(OcpiError):
    """2001: invalid or missing parameters."""

    status_code = 2001


class UnknownLocation(OcpiError):
    """2003: a command names a location that is not there; the request itself was fine."""

    status_code = 2003


class NotFound(OcpiError):
    """HTTP 404, with the code that says what was not found."""

    http_status = 404
    status_code = 2001

    def __init__(self, message: str, *, status_code: int = 2001) -> None:
        super().__init__(message)
        self.status_code = status_code


class BadJson(OcpiError):
    """HTTP 400: the body is not JSON."""

    http_status = 400
    status_code = 2001


class Unauthorized(OcpiError):
    """HTTP 401: no token, an unknown one, or one that is not for this module."""

    http_status = 401


class MethodNotAllowed(OcpiError):
    """HTTP 405: not in this interface, or not in this state of the registration."""

    http_status = 405


class TooManyRequests(OcpiError):
    """HTTP 429: asked too often; `seconds` until it is worth asking again."""

    http_status = 429

    def __init__(self, message: str, *, seconds: int) -> None:
        super().__init__(message)
        self.headers = {"Retry-After": str(seconds)}
