"""What to send a partner of an object, given what it has: pure decisions, no network, no rows.

The unit is not the message but the difference: `sent` is our note of what the partner holds, the
document is what it should hold, and the plan is the least that makes them equal. So ten flips of
a status are one PATCH. Equal means equal to the last `last_updated`: a partner that compares what
it has with what it pulls finds no difference. A note that says `uncertain` (we never learned what
became of the last request) is no note: the whole is sent.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cpo_platform.common import json

Json = dict[str, Any]


@dataclass(frozen=True)
class Push:
    """One request: `path` is what follows the partner's endpoint, owner first."""

    method: str
    path: tuple[str, ...]
    body: Json | None = None


@dataclass(frozen=True)
class Plan:
    """The requests, in their order, and the note to keep once they are through."""

    pushes: tuple[Push, ...]
    sent: Json


# More than this of one location are dearer than the location.
MOST_PATCHES = 10
NOTHING: tuple[Push, ...] = ()


def digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value)).hexdigest()[:32]


def plan_location(document: Json, sent: Json, *, whole: bool = False) -> Plan:
    """PUT a location that is new or changed; PATCH the EVSEs whose status is all that changed.

    A PATCH of an EVSE moves the `last_updated` of its location on the partner's side (OCPI 2.2.1,
    mod_locations); where that would not come out as ours, the location is PUT.
    """
    evses: list[Json] = document.get("evses", [])
    note: Json = {
        "digest": digest(_without_status(document)),
        "moments": {evse["uid"]: evse["last_updated"] for evse in evses},
        "last_updated": document["last_updated"],
    }
    path = _path(document)
    if whole or sent.get("uncertain") or sent.get("digest") != note["digest"]:
        return Plan((Push("PUT", path, document),), note)
    moments: dict[str, str] = sent["moments"]
    changed = [evse for evse in evses if moments.get(evse["uid"]) != evse["last_updated"]]
    # In their order, so that the partner's location ends with the newest.
    changed.sort(key=lambda evse: datetime.fromisoformat(evse["last_updated"]))
    ends_with = changed[-1]["last_updated"] if changed else sent["last_updated"]
    if ends_with != document["last_updated"] or len(changed) > MOST_PATCHES:
        return Plan((Push("PUT", path, document),), note)
    pushes = tuple(
        Push(
            "PATCH",
            (*path, evse["uid"]),
            {"status": evse["status"], "last_updated": evse["last_updated"]},
        )
        for evse in changed
    )
    return Plan(pushes, note)


def plan_tariff(document: Json, sent: Json, *, whole: bool = False) -> Plan:
    """PUT a tariff that is new or changed; OCPI 2.2.1 has no PATCH for it."""
    note = {"digest": digest(document), "path": list(_path(document))}
    if not (whole or sent.get("uncertain")) and sent.get("digest") == note["digest"]:
        return Plan(NOTHING, note)
    return Plan((Push("PUT", _path(document), document),), note)


def plan_removal(sent: Json) -> Plan:
    """DELETE what the partner has of a tariff that is gone."""
    if not sent.get("path"):
        return Plan(NOTHING, {})
    return Plan((Push("DELETE", tuple(sent["path"])),), {})


def plan_session(document: Json, sent: Json, *, whole: bool = False) -> Plan:
    """PUT a session that is new; PATCH what changed, with the periods that are new.

    A PATCH appends its charging periods and cannot remove a field (OCPI 2.2.1, mod_sessions,
    PATCH): if a period that was sent has changed, or a field is gone, the whole is PUT.
    """
    periods: list[Json] = document.get("charging_periods", [])
    fields = {name: value for name, value in document.items() if name != "charging_periods"}
    note: Json = {
        "fields": {name: digest(value) for name, value in fields.items()},
        "periods": len(periods),
        "periods_digest": digest(periods),
    }
    path = _path(document)
    held = sent.get("periods", 0)
    known: Json = sent.get("fields", {})
    if (
        whole
        or sent.get("uncertain")
        or not known
        or digest(periods[:held]) != sent.get("periods_digest")
        or known.keys() - fields.keys()
    ):
        return Plan((Push("PUT", path, document),), note)
    changes = {
        name: value for name, value in fields.items() if known.get(name) != note["fields"][name]
    }
    if periods[held:]:
        changes["charging_periods"] = periods[held:]
    if not changes:
        return Plan(NOTHING, note)
    return Plan((Push("PATCH", path, changes | {"last_updated": fields["last_updated"]}),), note)


def plan_cdr(document: Json, sent: Json, *, whole: bool = False) -> Plan:  # noqa: ARG001  as its peers
    """POST a CDR that the partner does not have yet; its URL is the partner's to choose."""
    if sent.get("delivered"):
        return Plan(NOTHING, sent)
    return Plan((Push("POST", (), document),), {"delivered": True})


PLANS = {
    "locations": plan_location,
    "tariffs": plan_tariff,
    "sessions": plan_session,
    "cdrs": plan_cdr,
}


def _path(document: Json) -> tuple[str, ...]:
    return (document["country_code"], document["party_id"], document["id"])


def _without_status(document: Json) -> Json:
    """Return what a PUT is for: everything but the statuses and the times that go with them."""
    location = {name: value for name, value in document.items() if name != "last_updated"}
    location["evses"] = [
        {name: value for name, value in evse.items() if name not in {"status", "last_updated"}}
        for evse in document.get("evses", [])
    ]
    return location
