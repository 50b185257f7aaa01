"""What is wrong with a tariff, said in the reader's language: the linter at the edge.

The pages and the command show remarks. Apps above add theirs, of what they know of tariffs
(`register_check`): which connectors use them, what an OCPI version cannot say.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext

from tariffs.models import Tariff, TariffQuerySet
from tariffs.operations import shape_of
from tariffs.pricing.linting import Finding, Severity, example_lines, lint, sentence
from tariffs.pricing.linting.findings import ORDER
from tariffs.pricing.types import Tariff as PricingTariff
from tariffs.shapes import TariffShape

# Where no connector says in which time zone a tariff is used.
NO_ZONE = "UTC"


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing to say about a tariff: how bad, what, where in its JSON, and a session to show it.

    `element` is the index of the element at fault, from 0; `rule` is for programs.
    """

    severity: Severity
    rule: str
    text: str
    path: str = ""
    element: int | None = None
    story: tuple[str, ...] = ()

    def to_json(self) -> dict[str, object]:
        """Return the remark for a report; what is empty is left out."""
        values: dict[str, object] = {
            "severity": self.severity.value,
            "rule": self.rule,
            "path": self.path,
            "text": self.text,
            "example": list(self.story),
        }
        return {name: value for name, value in values.items() if value}


Check = Callable[[Sequence[Tariff], datetime], Mapping[int, Iterable[Remark]]]
Zones = Callable[[Sequence[Tariff]], Mapping[int, str]]
_CHECKS: list[Check] = []
_CHECKS_OF_USE: list[Check] = []
_ZONES: list[Zones] = []


def register_check(check: Check, *, of_use: bool = False) -> None:
    """Add what an app above has to say of tariffs, by their keys, in a few queries.

    `of_use`: it looks at the connectors of all locations.
    """
    (_CHECKS_OF_USE if of_use else _CHECKS).append(check)


def register_zones(zones: Zones) -> None:
    """Add who knows in which time zone tariffs are used."""
    _ZONES.append(zones)


def remarks_of(shape: TariffShape, *, time_zone: str, now: datetime) -> list[Remark]:
    """Return what is to be said of a tariff by itself, the worst first. No queries."""
    tariff = PricingTariff.from_json(shape.model_dump(mode="json", exclude_none=True))
    texts = [text.text for text in shape.tariff_alt_text or []]
    return in_words(tariff, time_zone=time_zone, now=now, texts=texts)


def in_words(
    tariff: PricingTariff, *, time_zone: str, now: datetime, texts: Iterable[str] = ()
) -> list[Remark]:
    """Return what the linter finds, in words."""
    found = lint(tariff, time_zone=time_zone, now=now, texts=texts)
    return [_remark(finding, tariff.currency) for finding in found]


def _remark(finding: Finding, currency: str) -> Remark:
    story = example_lines(finding.example, currency, gettext) if finding.example else ()
    return Remark(
        severity=finding.severity,
        rule=finding.rule.value,
        text=sentence(finding, gettext),
        path=finding.path,
        element=finding.elements[0] if finding.elements else None,
        story=tuple(story),
    )


def checked_tariffs(now: datetime) -> TariffQuerySet:
    """Return the rows to be checked: all in use, and deleted ones that connectors still name.

    A version that another took over from stays at its connectors, and is no mistake.
    """
    named = Tariff.connectors.through.objects.filter(tariff_id=OuterRef("pk"))
    successors = Tariff.objects.in_use().filter(supersedes=OuterRef("pk"))
    rows = Tariff.objects.filter(Q(deleted_at__isnull=True) | Exists(named)).exclude(
        Exists(successors), end_date_time__lte=now
    )
    return rows.with_elements().order_by("country_code", "party_id", "ocpi_id")


def check_tariffs(
    tariffs: Sequence[Tariff], *, now: datetime, with_use: bool = True
) -> dict[int, list[Remark]]:
    """Return all remarks on tariff rows by their keys, the worst first.

    Without `with_use` none tells of connectors: it is for people who may not see all locations.
    Fetch the rows `with_elements()`; the number of queries does not grow with them.
    """
    zones: dict[int, str] = {}
    for provider in _ZONES:
        zones.update(provider(tariffs))
    found: defaultdict[int, list[Remark]] = defaultdict(list)
    for row in tariffs:
        zone = zones.get(row.pk, NO_ZONE)
        found[row.pk] += remarks_of(shape_of(row), time_zone=zone, now=now)
    for check in [*_CHECKS, *(_CHECKS_OF_USE if with_use else ())]:
        for key, remarks in check(tariffs, now).items():
            found[key] += remarks
    return {key: sorted(remarks, key=_worst_first) for key, remarks in found.items()}


def _worst_first(remark: Remark) -> int:
    return ORDER[remark.severity]
