"""Every rule of OCPI that we must keep has a test that shows it, and the page says which."""

from collections import Counter

from tests.conformance import catalogue, table
from tests.conformance.collecting import Shown


def test_every_rule_that_we_must_keep_has_a_test(shown: Shown) -> None:
    missing = table.uncovered(catalogue.sections(), shown)
    assert [f"{rule.id}: {rule.says}" for rule in missing] == []


def test_markers_name_rules_that_there_are(shown: Shown) -> None:
    unknown = shown.keys() - catalogue.rules().keys()
    assert {rule: shown[rule] for rule in unknown} == {}


def test_what_is_shown_by_a_test_is_not_called_not_applicable(shown: Shown) -> None:
    rules = catalogue.rules().values()
    assert [rule.id for rule in rules if rule.not_applicable and rule.id in shown] == []


def test_the_page_is_what_the_tests_say(shown: Shown) -> None:
    written = table.page(catalogue.sections(), shown)
    assert table.PAGE.read_text(encoding="utf-8") == written, "run `make conformance`"


def test_the_catalogue_is_in_order() -> None:
    every = [rule for section in catalogue.sections() for rule in section.rules]
    assert [rule_id for rule_id, n in Counter(rule.id for rule in every).items() if n > 1] == []
    assert {rule.level for rule in every} <= set(catalogue.LEVELS)
    assert {version for rule in every for version in rule.versions} == set(table.ALL_VERSIONS)


def test_a_rule_without_a_test_is_told() -> None:
    rule = catalogue.Rule("XX-01", "M", ("2.2.1",), "Something.")
    section = catalogue.Section("Something", (rule,))
    assert table.uncovered([section], {}) == [rule]
    assert table.uncovered([section], {"XX-01": ["tests/test_x.py::test_it"]}) == []
    assert "[test_it](../tests/test_x.py)" in table.page(
        [section], {"XX-01": ["tests/test_x.py::test_it"]}
    )
