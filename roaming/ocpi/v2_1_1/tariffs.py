"""OCPI 2.1.1, mod_tariffs: Tariff."""

from typing import Any

from tariffs.models import Tariff


def render_tariff(row: Tariff) -> dict[str, Any]:
    raise NotImplementedError
