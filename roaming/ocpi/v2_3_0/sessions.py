"""OCPI 2.3.0, mod_sessions and mod_cdrs: what differs from 2.2.1. Each tax is told by itself."""

from decimal import Decimal
from typing import Any

from roaming.ocpi.common.rendering import present
from roaming.ocpi.v2_2_1 import sessions
from roaming.ocpi.v2_3_0.tariffs import TariffRenderer

Json = dict[str, Any]


class SessionRenderer(sessions.SessionRenderer):
    connector_types = None
    token_types = None
    tariffs = TariffRenderer()

    def price(self, price: Json) -> Json:
        """Return a Price; no `taxes` where there are none, or where they are not known."""
        return present(
            {
                "before_taxes": Decimal(price["before_taxes"]),
                "taxes": [_tax(tax) for tax in price.get("taxes", [])],
            }
        )


def _tax(tax: Json) -> Json:
    return present(
        {
            "name": tax["name"],
            "account_number": tax.get("account_number"),
            "percentage": Decimal(tax["percentage"]) if "percentage" in tax else None,
            "amount": Decimal(tax["amount"]),
        }
    )


_RENDERER = SessionRenderer()
render_session = _RENDERER.session
render_cdr = _RENDERER.cdr
