"""What a partner may see, beside what it has: field by field."""

from dataclasses import dataclass, field
from typing import Any

import orjson

from bench.chaos.sandboxes import Sandbox
from cpo_platform.common import clock
from roaming import visibility
from roaming.models import Partner
from roaming.ocpi.common.audience import Audience
from roaming.ocpi.dialects import adapt, dialect_of
from roaming.ocpi.documents import bodies
from roaming.ocpi.versions import VERSIONS

Json = dict[str, Any]

MODULES = ("tariffs", "locations", "sessions", "cdrs")
DOORS = {
    "tariffs": visibility.tariffs_for,
    "locations": visibility.locations_for,
    "sessions": visibility.sessions_for,
    "cdrs": visibility.cdrs_for,
}


@dataclass
class Comparison:
    """How many objects were compared, and a line for each that is not the same."""

    compared: int = 0
    differences: list[str] = field(default_factory=list)


def compare(sandbox: Sandbox) -> Comparison:
    """Compare all that one partner may see with what it holds."""
    name = {"roles__party_id": sandbox.party_id}
    partner = Partner.objects.prefetch_related("roles").get(**name)
    result = Comparison()
    for module in MODULES:
        ours, theirs = _ours(partner, module), sandbox.objects(module)
        held = {document["id"].lower(): document for document in theirs}
        where = f"{sandbox.name} {module}"
        if len(held) != len(theirs):
            result.differences.append(f"{where}: {len(theirs) - len(held)} are there twice")
        for object_id, document in ours.items():
            result.compared += 1
            result.differences += _difference(where, document, held.get(object_id))
        for object_id in held.keys() - ours.keys():
            result.compared += 1
            if not _withdrawn(module, partner.version, held[object_id]):
                shown = _short(_state(held[object_id]))
                line = f"{where} {object_id}: it may not have it any more, but has {shown}"
                result.differences.append(line)
    return result


def _ours(partner: Partner, module: str) -> dict[str, Json]:
    """Return the documents that a partner may see, as it would get them now, by id."""
    now = clock.now()
    version = VERSIONS[partner.version]
    door: Any = DOORS[module]
    texts = bodies(
        door(partner, now=now).values_list("id", "last_updated"),
        module=module,
        version=version,
        audience=Audience(now, visibility.own_tariffs(partner)),
    )
    dialect = dialect_of(partner)
    documents = (
        orjson.loads(adapt(text, module=module, dialect=dialect, version=version.number))
        for text in texts.values()
    )
    return {document["id"].lower(): document for document in documents}


def _difference(where: str, ours: Json, theirs: Json | None) -> list[str]:
    if theirs is None:
        return [f"{where} {ours['id']}: it does not have it"]
    fields = [
        f"{name} is {_short(theirs.get(name))}, should be {_short(ours.get(name))}"
        for name in sorted(ours.keys() | theirs.keys())
        if ours.get(name) != theirs.get(name)
    ]
    return [f"{where} {ours['id']}: {'; '.join(fields)}"] if fields else []


def _withdrawn(module: str, version: str, held: Json) -> bool:
    """Tell whether what a partner may see no more says so itself: only locations can stay."""
    if module != "locations":
        return False
    if version == "2.1.1":
        return all(evse["status"] == "REMOVED" for evse in held.get("evses", ()))
    return held["publish"] is False


def _state(held: Json) -> Json:
    """Return what is of interest of an object that should be gone."""
    states = [(evse["uid"], evse["status"], evse["last_updated"]) for evse in held.get("evses", ())]
    return {"last_updated": held.get("last_updated"), "evses": states}


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 300 else f"{text[:300]}..."
