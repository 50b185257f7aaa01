"""OCPI 2.2.1, mod_tariffs: Tariff as partners read it. Prices are always before VAT here."""

from decimal import Decimal
from typing import Any

from roaming.ocpi.common.rendering import (
    ENVIRONMENTAL_IMPACTS,
    energy_mix,
    moment,
    net_price,
    present,
    restrictions,
)
from roaming.ocpi.common.tariffs import sayable
from tariffs.models import Tariff
from tariffs.operations import shape_of
from tariffs.shapes import PriceComponentShape, PriceLimitShape, TariffElementShape, TariffShape

Json = dict[str, Any]


class TariffRenderer:
    """Turns tariffs into Tariffs; later versions are subclasses that say what differs."""

    environmental_impacts: frozenset[str] | None = ENVIRONMENTAL_IMPACTS

    def tariff(self, row: Tariff) -> Json:
        return self.document(shape_of(row), last_updated=moment(row.last_updated))

    def frozen(self, tariff: Json) -> Json:
        """Return a tariff that a CDR holds (canonical)."""
        return self.document(
            TariffShape.model_validate(tariff), last_updated=tariff.get("last_updated")
        )

    def document(self, tariff: TariffShape, *, last_updated: str | None) -> Json:
        """Return a canonical tariff."""
        tariff = sayable(tariff)
        mix = tariff.energy_mix.model_dump(exclude_none=True) if tariff.energy_mix else None
        return present(
            {
                "country_code": tariff.country_code,
                "party_id": tariff.party_id,
                "id": tariff.id,
                "currency": tariff.currency,
                "type": tariff.type,
                "tariff_alt_text": [text.model_dump() for text in tariff.tariff_alt_text or []],
                "tariff_alt_url": tariff.tariff_alt_url,
                "min_price": self.limit(tariff.min_price) if tariff.min_price else None,
                "max_price": self.limit(tariff.max_price) if tariff.max_price else None,
                "elements": [
                    self._element(element, tariff.tax_included) for element in tariff.elements
                ],
                "start_date_time": moment(tariff.start_date_time),
                "end_date_time": moment(tariff.end_date_time),
                "energy_mix": energy_mix(mix, self.environmental_impacts),
                "last_updated": last_updated,
            }
        )

    def limit(self, limit: PriceLimitShape) -> Json:
        """Return a limit of the price, as a Price here."""
        return present({"excl_vat": limit.before_taxes, "incl_vat": limit.after_taxes})

    def price(self, component: PriceComponentShape, tax_included: str) -> Decimal:
        """Return a component's price: net here, whatever the tariff says."""
        return net_price(component, tax_included)

    def _element(self, element: TariffElementShape, tax_included: str) -> Json:
        return present(
            {
                "price_components": [
                    self._component(component, tax_included)
                    for component in element.price_components
                ],
                "restrictions": restrictions(element.restrictions),
            }
        )

    def _component(self, component: PriceComponentShape, tax_included: str) -> Json:
        return present(
            {
                "type": component.type,
                "price": self.price(component, tax_included),
                # Absent means that no VAT applies, which is not the same as 0.
                "vat": component.vat if tax_included != "N/A" else None,
                "step_size": component.step_size,
            }
        )


render_tariff = TariffRenderer().tariff
