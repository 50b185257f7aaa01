"""The rules of OCPI, as `rules.toml` lists them."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

RULES = Path(__file__).with_name("rules.toml")
LEVELS = {
    "M": "must",
    "S": "should",
    "O": "may",
    "R": "our choice, where the specification is silent",
    "G": "a gap or a contradiction that we had to decide",
    "-": "a remark",
}


@dataclass(frozen=True)
class Rule:
    id: str
    level: str
    versions: tuple[str, ...]
    says: str
    # Why there is nothing to show; empty: the rule is ours to keep.
    not_applicable: str = ""

    @property
    def needs_a_test(self) -> bool:
        return self.level == "M" and not self.not_applicable


@dataclass(frozen=True)
class Section:
    title: str
    rules: tuple[Rule, ...]


def sections() -> list[Section]:
    """Return the catalogue in its order."""
    document = tomllib.loads(RULES.read_text(encoding="utf-8"))
    return [
        Section(
            section["title"],
            tuple(
                Rule(**rule | {"versions": tuple(rule["versions"])}) for rule in section["rules"]
            ),
        )
        for section in document["sections"]
    ]


def rules() -> dict[str, Rule]:
    """Return every rule by its id."""
    return {rule.id: rule for section in sections() for rule in section.rules}
