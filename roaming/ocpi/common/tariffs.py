"""What all versions say of tariffs: the nearest to what we charge that OCPI has words for."""

from collections.abc import Sequence
from typing import Any

from tariffs.pricing.told import UNKNOWN_IN_2_1_1, without_grace
from tariffs.pricing.types import Tariff
from tariffs.shapes import TariffElementShape, TariffShape

Json = dict[str, Any]

# OCPI, types: DisplayText.text.
LONGEST_TEXT = 512


def has_grace(tariff: TariffShape) -> bool:
    """Tell whether some parking is free for a while, which OCPI cannot say."""
    return any(c.grace_period for element in tariff.elements for c in element.price_components)


def sayable(tariff: TariffShape) -> TariffShape:
    """Return the tariff that partners are told; what it cannot say is told to drivers in words."""
    if not has_grace(tariff):
        return tariff
    nearest = without_grace(Tariff.from_json(tariff.model_dump(mode="json", exclude_none=True)))
    elements = [TariffElementShape.model_validate(e.to_json()) for e in nearest.elements]
    texts = [text.model_dump() for text in tariff.tariff_alt_text or []]
    told = with_sentences(texts, _free_parking(tariff))
    return TariffShape.model_validate(
        tariff.model_dump() | {"elements": elements, "tariff_alt_text": told}
    )


def with_sentences(texts: Sequence[Json], sentences: Sequence[str]) -> list[Json]:
    """Return texts for drivers with English sentences added, as far as there is room."""
    if not sentences:
        return list(texts)
    added = " ".join(sentences)
    found = [dict(text) for text in texts]
    for text in found:
        if text["language"].lower() == "en":
            joined = f"{text['text']} {added}"
            if len(joined) <= LONGEST_TEXT:
                text["text"] = joined
            return found
    return [*found, {"language": "en", "text": added}]


def is_known_in_2_1_1(element: TariffElementShape) -> bool:
    """Tell whether 2.1.1 has every restriction that the element has."""
    stated = element.restrictions
    return stated is None or all(getattr(stated, name) is None for name in UNKNOWN_IN_2_1_1)


def _free_parking(tariff: TariffShape) -> list[str]:
    periods = sorted(
        {c.grace_period for e in tariff.elements for c in e.price_components if c.grace_period}
    )
    return [f"The first {_minutes(seconds)} of parking cost nothing." for seconds in periods[:1]]


def _minutes(seconds: int) -> str:
    minutes, rest = divmod(seconds, 60)
    return f"{minutes} minutes" if minutes and not rest else f"{seconds} seconds"
