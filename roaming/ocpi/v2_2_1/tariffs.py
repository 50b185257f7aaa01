"""OCPI 2.2.1, mod_tariffs: Tariff as partners read it. Prices are always before VAT here."""

from decimal import Decimal
from typing import Any

from cpo_platform.common.money import round_money
from roaming.ocpi.common.rendering import energy_mix, moment, present
from tariffs.models import Tariff
from tariffs.operations import shape_of
from tariffs.shapes import (
    PriceComponentShape,
    PriceLimitShape,
    TariffElementShape,
    TariffRestrictionsShape,
    TariffShape,
)

Json = dict[str, Any]


def render_tariff(row: Tariff) -> Json:
    return tariff_document(shape_of(row), last_updated=moment(row.last_updated))


def tariff_document(tariff: TariffShape, *, last_updated: str | None) -> Json:
    """Return a canonical tariff as a 2.2.1 Tariff."""
    return present(
        {
            "country_code": tariff.country_code,
            "party_id": tariff.party_id,
            "id": tariff.id,
            "currency": tariff.currency,
            "type": tariff.type,
            "tariff_alt_text": [text.model_dump() for text in tariff.tariff_alt_text or []],
            "tariff_alt_url": tariff.tariff_alt_url,
            "min_price": _limit(tariff.min_price),
            "max_price": _limit(tariff.max_price),
            "elements": [_element(element, tariff.tax_included) for element in tariff.elements],
            "start_date_time": moment(tariff.start_date_time),
            "end_date_time": moment(tariff.end_date_time),
            "energy_mix": energy_mix(
                tariff.energy_mix.model_dump(exclude_none=True) if tariff.energy_mix else None
            ),
            "last_updated": last_updated,
        }
    )


def _limit(limit: PriceLimitShape | None) -> Json | None:
    if limit is None:
        return None
    document: Json = {"excl_vat": limit.before_taxes}
    if limit.after_taxes is not None:
        document["incl_vat"] = limit.after_taxes
    return document


def _element(element: TariffElementShape, tax_included: str) -> Json:
    return present(
        {
            "price_components": [
                _component(component, tax_included) for component in element.price_components
            ],
            "restrictions": _restrictions(element.restrictions),
        }
    )


def _component(component: PriceComponentShape, tax_included: str) -> Json:
    price = component.price
    if tax_included == "YES" and component.vat:
        # 2.2.1 has net prices only.
        price = round_money(price / (1 + component.vat / Decimal(100)))
    document: Json = {"type": component.type, "price": price}
    # Absent means that no VAT applies, which is not the same as 0.
    if component.vat is not None and tax_included != "N/A":
        document["vat"] = component.vat
    document["step_size"] = component.step_size
    return document


def _restrictions(restrictions: TariffRestrictionsShape | None) -> Json | None:
    if restrictions is None:
        return None
    document = restrictions.model_dump(exclude_none=True)
    for name in ("start_time", "end_time"):
        if name in document:
            document[name] = document[name].strftime("%H:%M")
    for name in ("start_date", "end_date"):
        if name in document:
            document[name] = document[name].isoformat()
    return present(document)
