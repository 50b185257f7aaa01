"""Objects that a version cannot be served: set aside with the reason, and let go again."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from roaming.models import Quarantined

# What staff reads of one object; the first ones are enough to mend it.
MAX_PROBLEMS = 20
MAX_PROBLEM = 500


@dataclass(frozen=True)
class Finding:
    """What is wrong with an object as it was at `last_updated`."""

    object_id: int
    last_updated: datetime
    problems: list[str]


def settle(
    *,
    module: str,
    version: str,
    sound: Collection[int],
    findings: Iterable[Finding],
    now: datetime,
) -> None:
    """Write down what was found of objects that have just been rendered; let go of sound ones.

    One query for each kind. `version` names the rendering, see `roaming.ocpi.versions.Version`.
    """
    rows = [
        Quarantined(
            module=module,
            version=version,
            object_id=finding.object_id,
            last_updated=finding.last_updated,
            problems=[problem[:MAX_PROBLEM] for problem in finding.problems[:MAX_PROBLEMS]],
            found_at=now,
        )
        for finding in sorted(findings, key=lambda finding: finding.object_id)
    ]
    if rows:
        Quarantined.objects.bulk_create(
            rows,
            update_conflicts=True,
            unique_fields=["module", "version", "object_id"],
            update_fields=["last_updated", "problems"],
        )
    if sound:
        Quarantined.objects.filter(
            module=module, version=version, object_id__in=list(sound)
        ).delete()


def release(*, quarantined_ids: Collection[int]) -> None:
    """Let objects go, so that they are rendered and judged again when they are next asked for."""
    Quarantined.objects.filter(pk__in=list(quarantined_ids)).delete()


def held_back(*, module: str, version: str, moments: dict[int, datetime]) -> frozenset[int]:
    """Return which objects are quarantined as they are now. One query."""
    rows = Quarantined.objects.filter(
        module=module, version=version, object_id__in=list(moments)
    ).values_list("object_id", "last_updated")
    return frozenset(
        object_id for object_id, last_updated in rows if moments[object_id] == last_updated
    )
