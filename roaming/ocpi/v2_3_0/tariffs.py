"""OCPI 2.3.0, mod_tariffs: what differs from 2.2.1. A tariff says whether its prices hold tax."""

from decimal import Decimal
from typing import Any

from roaming.ocpi.common.rendering import present
from roaming.ocpi.v2_2_1 import tariffs
from tariffs.shapes import PriceComponentShape, PriceLimitShape, TariffShape

Json = dict[str, Any]


class TariffRenderer(tariffs.TariffRenderer):
    environmental_impacts = None

    def document(self, tariff: TariffShape, *, last_updated: str | None) -> Json:
        document = super().document(tariff, last_updated=last_updated)
        return document | {"tax_included": tariff.tax_included}

    def limit(self, limit: PriceLimitShape) -> Json:
        return present({"before_taxes": limit.before_taxes, "after_taxes": limit.after_taxes})

    def price(self, component: PriceComponentShape, tax_included: str) -> Decimal:
        return component.price


render_tariff = TariffRenderer().tariff
