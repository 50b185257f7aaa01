"""OCPI 2.1.1, mod_tariffs: Tariff. Prices are net, without a word about tax.

What a 2.1.1 tariff has no field for is told to drivers in `tariff_alt_text`, as far as there is
room: price limits, and the elements that are left out.
"""

from typing import Any

from cpo_platform.common.money import trimmed
from roaming.ocpi.common.rendering import net_price, present, restrictions
from roaming.ocpi.common.tariffs import is_known_in_2_1_1, sayable, with_sentences
from roaming.ocpi.v2_1_1.locations import render_energy_mix, whole_seconds, whole_text
from tariffs.models import Tariff
from tariffs.operations import shape_of
from tariffs.shapes import (
    PriceComponentShape,
    PriceLimitShape,
    TariffElementShape,
    TariffShape,
)

Json = dict[str, Any]


def render_tariff(row: Tariff) -> Json:
    return tariff_document(shape_of(row), last_updated=whole_seconds(row.last_updated))


def frozen_tariff(tariff: Json) -> Json:
    """Return a tariff that a CDR holds (canonical) as a 2.1.1 Tariff."""
    last_updated = tariff.get("last_updated")
    return tariff_document(
        TariffShape.model_validate(tariff),
        last_updated=whole_text(last_updated) if last_updated else None,
    )


def tariff_document(tariff: TariffShape, *, last_updated: str | None) -> Json:
    """Return a canonical tariff as a 2.1.1 Tariff.

    One whose every element is left out has no `elements`: it is no Tariff, and is not sent.
    """
    tariff = sayable(tariff)
    return present(
        {
            "id": tariff.id,
            "currency": tariff.currency,
            "tariff_alt_text": with_sentences(
                [text.model_dump() for text in tariff.tariff_alt_text or []], _untold(tariff)
            ),
            "tariff_alt_url": tariff.tariff_alt_url,
            "elements": [
                _element(element, tariff.tax_included)
                for element in tariff.elements
                if is_known_in_2_1_1(element)
            ],
            "energy_mix": render_energy_mix(
                tariff.energy_mix.model_dump(exclude_none=True) if tariff.energy_mix else None
            ),
            "last_updated": last_updated,
        }
    )


def _untold(tariff: TariffShape) -> list[str]:
    sentences = [
        f"{name} price per session: {_limit(limit, tariff.currency)}."
        for name, limit in (("Minimum", tariff.min_price), ("Maximum", tariff.max_price))
        if limit is not None
    ]
    stated = [element.restrictions for element in tariff.elements]
    if any(item and item.reservation for item in stated):
        sentences.append("Reservations have a price of their own.")
    if any(item and not (item.min_current is None and item.max_current is None) for item in stated):
        sentences.append("Other prices apply depending on the current.")
    return sentences


def _limit(limit: PriceLimitShape, currency: str) -> str:
    if limit.after_taxes is not None:
        return f"{trimmed(limit.after_taxes)} {currency}"
    return f"{trimmed(limit.before_taxes)} {currency} before taxes"


def _element(element: TariffElementShape, tax_included: str) -> Json:
    return present(
        {
            "price_components": [
                _component(component, tax_included) for component in element.price_components
            ],
            "restrictions": restrictions(element.restrictions),
        }
    )


def _component(component: PriceComponentShape, tax_included: str) -> Json:
    return {
        "type": component.type,
        "price": net_price(component, tax_included),
        "step_size": component.step_size,
    }
