"""The tariff check says what is wrong, whoever it knows it from, in a bounded number of queries."""

import json
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import translation

from cpo_platform.common.shapes import parse
from cpo_platform.translations import read_catalogue
from tariffs.admin import findings
from tariffs.checking import Remark, check_tariffs, checked_tariffs
from tariffs.models import Tariff
from tariffs.pricing.linting import phrases
from tariffs.shapes import TariffShape
from tests.admin_data import NOW, make_location, make_party, make_tariff
from tests.cpo_platform.test_translations import CATALOGUE

PAGE = "/admin/tariffs/tariff/check/"
FREE_BY_DAY = {"start_time": "08:00", "end_time": "20:00"}
Json = dict[str, Any]


def price(dimension: str, amount: str, vat: str | None = "19") -> Json:
    component = {"type": dimension, "price": amount, "step_size": 1}
    return component if vat is None else component | {"vat": vat}


def blocked() -> Json:
    """Return the elements of a tariff whose blocking fee nobody ever pays."""
    return {
        "elements": [
            {"price_components": [price("ENERGY", "0.59")]},
            {"price_components": [price("PARKING_TIME", "0")], "restrictions": FREE_BY_DAY},
            {
                "price_components": [price("PARKING_TIME", "4.80")],
                "restrictions": FREE_BY_DAY | {"min_duration": 14460},
            },
            {"price_components": [price("PARKING_TIME", "0")]},
        ]
    }


def shape(**values: Any) -> TariffShape:
    document = {"country_code": "DE", "party_id": "ABC", "id": "T1", "currency": "EUR"}
    return parse(TariffShape, document | values)


def remarks(tariff: Tariff) -> dict[str, Remark]:
    rows = list(checked_tariffs(NOW).filter(pk=tariff.pk))
    return {remark.rule: remark for remark in check_tariffs(rows, now=NOW)[tariff.pk]}


def test_a_tariff_that_is_not_saved_is_judged_as_well() -> None:
    found = findings(shape(**blocked()), "Europe/Berlin")

    assert [(one.rule, one.element) for one in found] == [("UNREACHABLE", 2)]
    assert found[0].story[-1].endswith("a difference of 4.80 EUR.")


def test_every_phrase_of_the_linter_is_translated() -> None:
    known = {entry.message for entry in read_catalogue(CATALOGUE.read_text(encoding="utf-8"))}
    spoken = {
        *phrases.SENTENCES.values(),
        *phrases.SEVERITIES.values(),
        *phrases.DIMENSIONS.values(),
        *phrases.PHRASES.values(),
        *phrases.EXTRA,
        *phrases.UNITS,
    }
    assert spoken - known == set()


def test_remarks_are_in_the_language_of_the_reader() -> None:
    with translation.override("ja"):
        (found,) = findings(shape(**blocked()), "Asia/Tokyo")

    assert "never" not in found.text
    assert "4.80 EUR" in found.text


@pytest.mark.django_db
class TestUse:
    @pytest.fixture(autouse=True)
    def _party(self) -> None:
        make_party()

    def test_a_tariff_that_no_connector_uses_is_told(self) -> None:
        assert "UNUSED" in remarks(make_tariff())

    def test_a_tariff_that_is_used_is_fine(self) -> None:
        tariff = make_tariff()
        make_location(tariff_ids=["T1"])

        assert remarks(tariff) == {}

    def test_a_tariff_that_has_ended_and_is_still_named_is_told(self) -> None:
        tariff = make_tariff(end_date_time=(NOW - timedelta(1)).isoformat())
        make_location(tariff_ids=["T1"])

        assert remarks(tariff)["DANGLING"].text == (
            "1 connector still names this tariff, which does not hold any more."
        )

    def test_a_tariff_that_ends_without_a_successor_is_told(self) -> None:
        end = NOW + timedelta(30)
        tariff = make_tariff(end_date_time=end.isoformat())
        make_location(tariff_ids=["T1"])
        assert remarks(tariff)["NO_SUCCESSOR"].text.startswith("When it ends on 2026-06-03, 1 ")

        make_tariff("T2", start_date_time=end.isoformat())
        make_location(tariff_ids=["T1", "T2"])

        assert "NO_SUCCESSOR" not in remarks(tariff)

    def test_a_power_that_no_connector_gives_is_told(self) -> None:
        fast = {"price_components": [price("ENERGY", "0.79")], "restrictions": {"min_power": "50"}}
        slow = {"price_components": [price("ENERGY", "0.59")]}
        tariff = make_tariff(elements=[fast, slow])
        make_location(tariff_ids=["T1"])

        found = remarks(tariff)["POWER_NEVER_REACHED"]

        assert found.element == 0
        assert "from 50 kW on" in found.text
        assert "more than 22.08 kW" in found.text

    def test_the_queries_do_not_grow_with_the_tariffs(self, django_assert_num_queries: Any) -> None:
        for number in range(7):
            make_tariff(f"T{number}", **blocked())
        make_location(tariff_ids=["T1"])

        with django_assert_num_queries(8):
            found = check_tariffs(list(checked_tariffs(NOW)), now=NOW)

        assert len(found) == 7


@pytest.mark.django_db
class TestPage:
    def test_an_empty_platform_says_what_to_do(self, admin_client: Client) -> None:
        page = admin_client.get(PAGE).content.decode()
        assert "Create a tariff, or import locations" in page

    def test_it_shows_the_remark_and_the_session(self, admin_client: Client) -> None:
        make_party()
        tariff = make_tariff(**blocked())
        make_location(tariff_ids=["T1"])

        page = admin_client.get(PAGE).content.decode()

        assert "its price for parking (4.80 EUR) is never charged" in page
        assert "A session that shows it" in page
        assert f"/admin/tariffs/tariff/{tariff.pk}/change/" in page

    def test_connectors_without_a_price_and_mixed_currencies_are_told(
        self, admin_client: Client
    ) -> None:
        make_party()
        make_tariff()
        make_tariff("T2", currency="CHF", type="AD_HOC_PAYMENT")
        make_location("L1")
        make_location("L2", tariff_ids=["T1", "T2"], prefix="M")

        page = admin_client.get(PAGE).content.decode()

        assert "Connectors without a price" in page
        assert "CHF, EUR" in page

    def test_it_is_for_people_who_may_see_tariffs(self, client: Client) -> None:
        client.force_login(User.objects.create_user("staff", password="x", is_staff=True))
        assert client.get(PAGE).status_code == 403

    def test_it_takes_a_bounded_number_of_queries(
        self, admin_client: Client, django_assert_max_num_queries: Any
    ) -> None:
        make_party()
        for number in range(30):
            make_tariff(f"T{number:02}", **blocked())

        with django_assert_max_num_queries(25):
            page = admin_client.get(PAGE).content.decode()

        assert "Page 1 of 2" in page


@pytest.mark.django_db
class TestCommand:
    def run(self, *args: str) -> str:
        out = StringIO()
        call_command("lint_tariffs", *args, stdout=out)
        return out.getvalue()

    def test_an_error_in_a_row_is_a_failure(self) -> None:
        make_party()
        make_tariff(**blocked())

        out = StringIO()
        with pytest.raises(CommandError, match="1 errors") as error:
            call_command("lint_tariffs", stdout=out)

        assert error.value.returncode == 1
        assert "DE*ABC T1" in out.getvalue()

    def test_a_party_is_checked_by_itself(self) -> None:
        make_party()
        make_tariff(**blocked())

        assert self.run("--party", "DE*XYZ") == "0 tariffs: 0 errors, 0 warnings, 0 hints.\n"

    def test_tariffs_within_locations_are_found_and_mended(self, tmp_path: Path) -> None:
        tariff = {"id": "X1", "currency": "EUR", **blocked()}
        for element in tariff["elements"]:
            if "restrictions" in element:
                element["restrictions"] = [
                    element["restrictions"] | {"start_time": "08:00:00", "end_time": "19:59:59"}
                ]
        location = {"id": "L1", "evses": [{"uid": "E1", "tariffs": [tariff]}] * 2}
        file = tmp_path / "feed.json"
        file.write_text(json.dumps({"items": [location]}))

        out = StringIO()
        with pytest.raises(CommandError):
            call_command("lint_tariffs", str(file), "--json", "--no-hints", stdout=out)

        (line,) = out.getvalue().splitlines()
        document = json.loads(line)
        assert document["tariff"] == "X1"
        assert [found["rule"] for found in document["findings"]] == ["UNREACHABLE"]
        assert document["findings"][0]["path"] == "elements[2].price_components"

    def test_what_cannot_be_priced_is_an_error_of_that_tariff(self, tmp_path: Path) -> None:
        file = tmp_path / "tariffs.json"
        file.write_text(json.dumps([{"id": "X", "currency": "EUR", "elements": [{}]}]))

        out = StringIO()
        with pytest.raises(CommandError):
            call_command("lint_tariffs", str(file), stdout=out)

        assert "price_components: at least one is required" in out.getvalue()

    def test_a_file_that_is_no_json_is_unreadable(self, tmp_path: Path) -> None:
        file = tmp_path / "no.json"
        file.write_text("<html>")

        with pytest.raises(CommandError) as error:
            self.run(str(file))

        assert error.value.returncode == 2
