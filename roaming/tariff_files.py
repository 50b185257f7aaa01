"""Tariffs to be checked, from rows or from OCPI JSON of any version, a few at a time."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from locations.importing import PartyKey
from locations.importing.mending import mend, shown
from locations.importing.reader import read_items
from locations.importing.versions import respell_tariff
from tariffs.checking import Remark, check_tariffs, checked_tariffs, in_words
from tariffs.models import TaxIncluded
from tariffs.pricing.linting import Severity
from tariffs.pricing.types import InvalidTariff
from tariffs.pricing.types import Tariff as PricingTariff
from tariffs.shapes import TariffShape

BATCH = 100


@dataclass(frozen=True, slots=True)
class NamedRemarks:
    """What is to be said of one tariff."""

    name: str
    remarks: Sequence[Remark]


def remarks_of_rows(party: PartyKey | None, *, now: datetime) -> Iterator[NamedRemarks]:
    """Yield the remarks on all tariffs of the platform, in a few queries per hundred."""
    rows = checked_tariffs(now)
    if party is not None:
        rows = rows.filter(country_code=party.country_code, party_id=party.party_id)
    keys = list(rows.values_list("pk", flat=True))
    for start in range(0, len(keys), BATCH):
        batch = list(rows.filter(pk__in=keys[start : start + BATCH]))
        found = check_tariffs(batch, now=now)
        for row in batch:
            yield NamedRemarks(f"{row.party} {row.ocpi_id}", found.get(row.pk, []))


def remarks_of_file(
    path: Path, party: PartyKey | None, *, time_zone: str, now: datetime
) -> Iterator[NamedRemarks]:
    """Yield the remarks on the tariffs in a file, each content once, wherever they stand in it.

    What an import would mend is mended before. `party` leaves out those that name another one.

    Raises:
        UnreadableFile: it is not JSON.
        OSError: it cannot be opened.

    """
    seen: set[str] = set()
    with path.open("rb") as stream:
        for item in read_items(stream):
            for raw in _tariffs(item.value):
                text = json.dumps(raw, sort_keys=True, default=str)
                if text not in seen and _is_of(raw, party):
                    seen.add(text)
                    yield _of_document(raw, time_zone, now)


def _tariffs(value: Any) -> Iterator[dict[str, Any]]:
    """Yield the objects that are tariffs by their looks, at any depth."""
    if isinstance(value, list):
        for entry in value:
            yield from _tariffs(entry)
    elif isinstance(value, dict):
        if isinstance(value.get("elements"), list) and "currency" in value:
            yield value
            return
        for entry in value.values():
            yield from _tariffs(entry)


def _is_of(raw: Mapping[str, Any], party: PartyKey | None) -> bool:
    named = (raw.get("country_code"), raw.get("party_id"))
    return party is None or None in named or named == tuple(party)


def _of_document(raw: dict[str, Any], time_zone: str, now: datetime) -> NamedRemarks:
    owner = "*".join(str(raw[name]) for name in ("country_code", "party_id") if raw.get(name))
    name = f"{owner} {shown(raw.get('id', ''))}".strip()
    document = mend(TariffShape, respell_tariff(raw), [])
    document.setdefault("tax_included", TaxIncluded.NO.value)
    texts = [
        str(text.get("text", ""))
        for text in document.get("tariff_alt_text") or []
        if isinstance(text, dict)
    ]
    try:
        tariff = PricingTariff.from_json(document)
    except (InvalidTariff, AttributeError, TypeError, KeyError) as error:
        return NamedRemarks(name, [Remark(Severity.ERROR, "INVALID", str(error))])
    return NamedRemarks(name, in_words(tariff, time_zone=time_zone, now=now, texts=texts))
