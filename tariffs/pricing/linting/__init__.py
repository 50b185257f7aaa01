"""The tariff linter: what a tariff says that its owner will hardly have meant.

`lint` is pure. `phrases` says a finding in words, in English or through `gettext`.
"""

from tariffs.pricing.linting.findings import Example, Finding, Rule, Severity
from tariffs.pricing.linting.linter import lint
from tariffs.pricing.linting.phrases import example_lines, sentence, severity_name

__all__ = [
    "Example",
    "Finding",
    "Rule",
    "Severity",
    "example_lines",
    "lint",
    "sentence",
    "severity_name",
]
