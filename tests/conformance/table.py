"""Write `docs/conformance.md` from the catalogue and from what the tests say that they show."""

from collections import Counter
from collections.abc import Sequence

from tests.conformance.catalogue import LEVELS, Rule, Section
from tests.conformance.collecting import ROOT, Shown

PAGE = ROOT / "docs" / "conformance.md"
ALL_VERSIONS = ("2.1.1", "2.2.1", "2.3.0")
HEAD = """# Conformance

What OCPI 2.1.1, 2.2.1 and 2.3.0 (edition 2) ask of a charge point operator, rule by rule in our own
words, and the tests that show that we keep it. `make conformance` writes this page from
`tests/conformance/rules.toml` and from the markers `@pytest.mark.rule(...)` of the tests; a test
fails when a rule that we must keep has no test, and when this page is not up to date.

Levels: {levels}.

{summary}
"""


def page(sections: Sequence[Section], shown: Shown) -> str:
    """Return the whole page."""
    parts = [HEAD.format(levels=_levels(), summary=_summary(sections, shown))]
    for section in sections:
        parts.append(f"\n## {section.title}\n\n| rule | level | versions | says | shown by |\n")
        parts.append("|---|---|---|---|---|\n")
        parts.extend(_row(rule, shown.get(rule.id, [])) for rule in section.rules)
    return "".join(parts)


def uncovered(sections: Sequence[Section], shown: Shown) -> list[Rule]:
    """Return the rules that we must keep and that no test shows."""
    return [
        rule
        for section in sections
        for rule in section.rules
        if rule.needs_a_test and rule.id not in shown
    ]


def _levels() -> str:
    return "; ".join(f"**{level}** {meaning}" for level, meaning in LEVELS.items())


def _summary(sections: Sequence[Section], shown: Shown) -> str:
    lines = ["| level | rules | shown by tests | not applicable | open |", "|---|---|---|---|---|"]
    every = [rule for section in sections for rule in section.rules]
    for level in LEVELS:
        counts = Counter(_state(rule, shown) for rule in every if rule.level == level)
        cells = (counts.total(), counts["shown"], counts["not applicable"], counts["open"])
        lines.append(f"| {level} | " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


def _state(rule: Rule, shown: Shown) -> str:
    if rule.id in shown:
        return "shown"
    return "not applicable" if rule.not_applicable else "open"


def _row(rule: Rule, tests: Sequence[str]) -> str:
    versions = "all" if rule.versions == ALL_VERSIONS else ", ".join(rule.versions)
    shown_by = "<br>".join(_link(test) for test in tests)
    if not tests:
        shown_by = f"*not applicable*: {rule.not_applicable}" if rule.not_applicable else "–"
    return f"| {rule.id} | {rule.level} | {versions} | {rule.says} | {shown_by} |\n"


def _link(test: str) -> str:
    path, _, name = test.partition("::")
    return f"[{name.replace('::', '.')}](../{path})"
