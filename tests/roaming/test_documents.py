"""Documents: rendered from what was true at one moment, also while it changes."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import orjson
import pytest

from roaming.models import Document
from roaming.ocpi import documents
from roaming.ocpi.versions import VERSIONS
from tariffs.models import Tariff
from tests.audiences import EVERYBODY
from tests.concurrency import just_before
from tests.factories import NOW, TariffFactory, price

pytestmark = pytest.mark.django_db(transaction=True)

V221 = VERSIONS["2.2.1"]


def gross(row: Tariff) -> None:
    """Change 0.40 without tax to 0.50 with it."""
    TariffFactory(
        id=row.ocpi_id,
        tax_included="YES",
        elements=[{"price_components": [price("ENERGY", "0.50")]}],
        now=row.last_updated + timedelta(minutes=1),
    )


def gross_again(row: Tariff) -> None:
    TariffFactory(id=row.ocpi_id, currency="SEK", now=row.last_updated + timedelta(minutes=1))


def render(row: Tariff) -> dict[str, Any]:
    wanted = [(row.pk, row.last_updated)]
    rendered: dict[str, Any] = orjson.loads(
        documents.bodies(wanted, module="tariffs", version=V221, audience=EVERYBODY)[row.pk]
    )
    return rendered


@pytest.mark.parametrize("table", ["tariffs_tariffelement", "tariffs_pricecomponent"])
def test_a_tariff_that_changes_while_it_is_read_is_rendered_as_one_of_both(table: str) -> None:
    tariff: Tariff = TariffFactory()

    with just_before(f'FROM "{table}"', lambda: gross(tariff)):
        document = render(tariff)

    # 0.50 with 21 % is 0.4132 without; 0.50 would be the new price as of the old tax.
    [component] = document["elements"][0]["price_components"]
    assert component == {"type": "ENERGY", "price": 0.4132, "vat": 21, "step_size": 1}
    tariff.refresh_from_db()
    assert Document.objects.get(module="tariffs").last_updated == tariff.last_updated
    assert document["last_updated"] == "2026-06-01T08:01:00Z"


def test_what_never_stands_still_is_told_as_it_last_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tariff: Tariff = TariffFactory()
    before = render(tariff)
    gross(tariff)
    tariff.refresh_from_db()
    monkeypatch.setattr(documents, "MOST_READS", 1)

    with just_before('FROM "tariffs_tariffelement"', lambda: gross_again(tariff)):
        document = render(tariff)

    assert document == before
    assert Document.objects.get().last_updated == NOW


def test_what_never_stood_still_yet_is_left_out_and_not_stored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tariff: Tariff = TariffFactory()
    calm: Tariff = TariffFactory()
    monkeypatch.setattr(documents, "MOST_READS", 1)

    with just_before('FROM "tariffs_tariffelement"', lambda: gross(tariff)):
        found = documents.bodies(
            [(tariff.pk, NOW), (calm.pk, NOW)], module="tariffs", version=V221, audience=EVERYBODY
        )

    assert set(found) == {calm.pk}
    assert [document.object_id for document in Document.objects.all()] == [calm.pk]


def test_a_net_price_is_rounded_half_up() -> None:
    tariff: Tariff = TariffFactory(
        tax_included="YES",
        elements=[{"price_components": [price("ENERGY", "0.0005", vat="100")]}],
        now=NOW,
    )

    [component] = render(tariff)["elements"][0]["price_components"]

    # 0.00025; to the even digit would be 0.0002.
    assert component["price"] == 0.0003


def test_a_corrected_renderer_renders_anew_what_has_not_changed() -> None:
    tariff: Tariff = TariffFactory()
    before = render(tariff)
    corrected_body = before | {"currency": "SEK"}
    shapes = replace(V221.shapes, tariff=lambda _row: corrected_body)
    corrected = replace(V221, shapes=shapes, revision=V221.revision + 1)

    bodies = documents.bodies(
        [(tariff.pk, tariff.last_updated)], module="tariffs", version=corrected, audience=EVERYBODY
    )

    assert orjson.loads(bodies[tariff.pk]) == corrected_body
    assert render(tariff) == before
