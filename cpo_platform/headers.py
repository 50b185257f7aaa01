"""What browsers may do with our pages, by headers.

No page of ours runs a script that is not a file of ours. The admin's own pages need `unsafe-eval`,
because its library evaluates attributes of elements; pages for partners do without.
"""

from collections.abc import Callable
from urllib.parse import urlsplit

from csp.constants import NONE, SELF, UNSAFE_EVAL, UNSAFE_INLINE
from django.http import HttpRequest
from django.http.response import HttpResponseBase

PERMISSIONS_POLICY = ", ".join(
    f"{name}=()"
    for name in (
        *("accelerometer", "autoplay", "camera", "display-capture", "encrypted-media"),
        *("geolocation", "gyroscope", "magnetometer", "microphone", "midi", "payment"),
        *("usb", "xr-spatial-tracking"),
    )
)


def for_staff(tile_url: str) -> dict[str, dict[str, list[str]]]:
    """Return the policy of pages for staff; tiles of the map come from another origin."""
    tiles = origin_of(tile_url)
    return {
        "DIRECTIVES": {
            "default-src": [SELF],
            "script-src": [SELF, UNSAFE_EVAL],
            # The admin writes its colours into the page, and shows and hides by style attributes.
            "style-src": [SELF, UNSAFE_INLINE],
            "img-src": [SELF, "data:", *([tiles] if tiles else [])],
            "frame-ancestors": [NONE],
            "form-action": [SELF],
            "base-uri": [NONE],
            "object-src": [NONE],
        }
    }


def origin_of(tile_url: str) -> str:
    """Return the origin of an address such as `https://{s}.tiles.example/{z}/{x}/{y}.png`.

    `{s}` stands for several hosts: a policy writes that as `*`.
    """
    parts = urlsplit(tile_url)
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        return ""
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2].replace('{s}', '*')}"


class PermissionsPolicy:
    """Say that our pages use no camera, no place and no device."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Add the header to every answer."""
        response = self._get_response(request)
        response.headers.setdefault("Permissions-Policy", PERMISSIONS_POLICY)
        return response
