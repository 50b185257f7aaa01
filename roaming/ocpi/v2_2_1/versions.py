"""OCPI 2.2.1, version_information_endpoint: Endpoint."""

from typing import Any


def render_endpoint(identifier: str, role: str, url: str) -> dict[str, Any]:
    return {"identifier": identifier, "role": role, "url": url}
