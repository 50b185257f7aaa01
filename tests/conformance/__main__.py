"""Write docs/conformance.md, and say what no test shows yet: `make conformance`."""

import sys

from tests.conformance import catalogue, collecting, table


def main() -> int:
    """Return 0 when every rule that we must keep has a test."""
    sections = catalogue.sections()
    shown = collecting.collect(tolerant="--tolerant" in sys.argv)
    table.PAGE.write_text(table.page(sections, shown), encoding="utf-8")
    missing = table.uncovered(sections, shown)
    unknown = sorted(shown.keys() - catalogue.rules().keys())
    sys.stdout.write(f"{table.PAGE.name}: {len(shown)} rules are shown by tests.\n")
    for rule in missing:
        sys.stdout.write(f"no test: {rule.id} ({', '.join(rule.versions)}): {rule.says}\n")
    for rule_id in unknown:
        sys.stdout.write(f"no such rule: {rule_id} ({shown[rule_id][0]})\n")
    return 1 if missing or unknown else 0


if __name__ == "__main__":
    sys.exit(main())
