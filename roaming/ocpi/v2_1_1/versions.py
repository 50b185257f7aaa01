"""OCPI 2.1.1, version_information_endpoint: an Endpoint has no role."""

from typing import Any


def render_endpoint(identifier: str, _role: str, url: str) -> dict[str, Any]:
    return {"identifier": identifier, "url": url}
