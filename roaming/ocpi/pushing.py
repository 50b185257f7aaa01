"""What to send a partner of an object, given what it has: pure decisions, no network, no rows.

The unit is not the message but the difference: `sent` is our note of what the partner holds, the
document is what it should hold, and the plan is the least that makes them equal. So ten flips of
a status are one PATCH. Equal means equal to the last `last_updated`: a partner that compares what
it has with what it pulls finds no difference. A note that says `uncertain` (we never learned what
became of the last request) is no note: the whole is sent.

`path` is where the object is at the partner: its owner (a party of ours, also when a hub passes it
on) and its id, as the row has them: an object of OCPI 2.1.1 does not name its owner.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from cpo_platform.common import json
from roaming.dialect import Dialect

Json = dict[str, Any]
Path = tuple[str, ...]


@dataclass(frozen=True)
class Manner:
    """How a version, and a partner, want changes to be told.

    `evses_whole`: an EVSE's status by PUT of the EVSE. `sessions_whole`: every change of a session
    by PUT. `periods_whole`: those that bring new charging periods; OCPI 2.1.1 does not say what a
    PATCH does with them. `can_withdraw`: a location can be set to `publish` false.
    """

    evses_whole: bool = False
    sessions_whole: bool = False
    periods_whole: bool = False
    can_withdraw: bool = True

    @classmethod
    def of(cls, dialect: Dialect, version: str) -> "Manner":
        old = version == "2.1.1"
        return cls(
            evses_whole=dialect.evse_status == "PUT",
            sessions_whole=dialect.sessions == "PUT",
            periods_whole=old,
            can_withdraw=not old,
        )


@dataclass(frozen=True)
class Push:
    """One request: `path` is what follows the partner's endpoint, owner first."""

    method: str
    path: Path
    body: Json | None = None


@dataclass(frozen=True)
class Plan:
    """The requests, in their order, and the note to keep once they are through."""

    pushes: tuple[Push, ...]
    sent: Json


# More than this of one location are dearer than the location.
MOST_PARTS = 10
NOTHING: tuple[Push, ...] = ()
PLAIN = Manner()


def digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value)).hexdigest()[:32]


def plan_location(
    document: Json, sent: Json, *, path: Path, manner: Manner = PLAIN, whole: bool = False
) -> Plan:
    """PUT a location that is new or changed; of one that is known, tell the EVSEs that changed.

    An EVSE whose status is all that changed is PATCHed, one that is new or changed otherwise is
    PUT, each at its own URL (OCPI 2.2.1, mod_locations, 3.2.2). That moves the `last_updated` of
    its location on the partner's side; where that would not come out as ours, the location is PUT.
    """
    evses: list[Json] = document.get("evses", [])
    note: Json = {
        "digest": digest(_without(document, "last_updated", "evses")),
        "evses": {evse["uid"]: digest(_without(evse, "last_updated", "status")) for evse in evses},
        "statuses": {evse["uid"]: evse["status"] for evse in evses},
        "moments": {evse["uid"]: evse["last_updated"] for evse in evses},
        "last_updated": document["last_updated"],
    }
    everything = Plan((Push("PUT", path, document),), note)
    known: Json = sent.get("evses", {})
    if (
        whole
        or sent.get("uncertain")
        or "statuses" not in sent
        or sent.get("digest") != note["digest"]
        or known.keys() - note["evses"].keys()
    ):
        return everything
    moments: dict[str, str] = sent["moments"]
    statuses: dict[str, str] = sent["statuses"]
    # Not by the time alone: OCPI 2.1.1 has whole seconds, and two changes may fall into one.
    changed = [
        evse
        for evse in evses
        if moments.get(evse["uid"]) != evse["last_updated"]
        or statuses[evse["uid"]] != evse["status"]
        or known[evse["uid"]] != note["evses"][evse["uid"]]
    ]
    # In their order, so that the partner's location ends with the newest.
    changed.sort(key=lambda evse: datetime.fromisoformat(evse["last_updated"]))
    ends_with = changed[-1]["last_updated"] if changed else sent["last_updated"]
    if ends_with != document["last_updated"] or len(changed) > MOST_PARTS:
        return everything
    return Plan(
        tuple(
            _evse_push(
                path, evse, manner, same=known.get(evse["uid"]) == note["evses"][evse["uid"]]
            )
            for evse in changed
        ),
        note,
    )


def _evse_push(path: Path, evse: Json, manner: Manner, *, same: bool) -> Push:
    if manner.evses_whole or not same:
        return Push("PUT", (*path, evse["uid"]), evse)
    body = {"status": evse["status"], "last_updated": evse["last_updated"]}
    return Push("PATCH", (*path, evse["uid"]), body)


def may_be_held(sent: Json) -> bool:
    """Tell whether a partner has a location, or may have it: we never learned whether it came."""
    return bool(sent.get("digest") or sent.get("uncertain"))


def plan_withdrawal(document: Json, sent: Json, *, path: Path, manner: Manner = PLAIN) -> Plan:
    """Tell a partner once that a location which it has is none that it may see any more.

    A location cannot be deleted in OCPI: it is PUT with `publish` false and for no tokens. 2.1.1
    has no `publish`: there, its EVSEs become REMOVED.
    """
    if not may_be_held(sent):
        return Plan(NOTHING, sent)
    note = {"withdrawn": True}
    if manner.can_withdraw:
        hidden = _without(document, "publish_allowed_to") | {"publish": False}
        return Plan((Push("PUT", path, hidden),), note)
    removals = tuple(
        Push(
            "PATCH",
            (*path, evse["uid"]),
            {"status": "REMOVED", "last_updated": evse["last_updated"]},
        )
        for evse in document.get("evses", [])
        if evse["status"] != "REMOVED"
    )
    return Plan(removals, note)


def plan_tariff(
    document: Json, sent: Json, *, path: Path, manner: Manner = PLAIN, whole: bool = False
) -> Plan:
    """PUT a tariff that is new or changed; OCPI 2.2.1 has no PATCH for it."""
    del manner
    note = {"digest": digest(document), "path": list(path)}
    if not (whole or sent.get("uncertain")) and sent.get("digest") == note["digest"]:
        return Plan(NOTHING, note)
    return Plan((Push("PUT", path, document),), note)


def plan_removal(sent: Json) -> Plan:
    """DELETE what the partner has of a tariff that is gone, or none of its any more."""
    if not sent.get("path"):
        return Plan(NOTHING, {})
    return Plan((Push("DELETE", tuple(sent["path"])),), {})


def plan_session(
    document: Json, sent: Json, *, path: Path, manner: Manner = PLAIN, whole: bool = False
) -> Plan:
    """PUT a session that is new; PATCH what changed, with the periods that are new.

    A PATCH appends its charging periods and cannot remove a field (OCPI 2.2.1, mod_sessions,
    PATCH): if a period that was sent has changed, or a field is gone, the whole is PUT.
    """
    periods: list[Json] = document.get("charging_periods", [])
    fields = _without(document, "charging_periods")
    note: Json = {
        "fields": {name: digest(value) for name, value in fields.items()},
        "periods": len(periods),
        "periods_digest": digest(periods),
    }
    everything = Plan((Push("PUT", path, document),), note)
    held = sent.get("periods", 0)
    known: Json = sent.get("fields", {})
    if (
        whole
        or sent.get("uncertain")
        or not known
        or digest(periods[:held]) != sent.get("periods_digest")
        or known.keys() - fields.keys()
    ):
        return everything
    changes = {
        name: value for name, value in fields.items() if known.get(name) != note["fields"][name]
    }
    new = periods[held:]
    if not changes and not new:
        return Plan(NOTHING, note)
    if manner.sessions_whole or (manner.periods_whole and new):
        return everything
    if new:
        changes["charging_periods"] = new
    return Plan((Push("PATCH", path, changes | {"last_updated": fields["last_updated"]}),), note)


# What changes all the time while a vehicle charges, and may be told with some delay.
PROGRESS = frozenset(["kwh", "total_cost", "last_updated"])
LONGEST_PROGRESS_PAUSE = timedelta(minutes=15)


def is_progress(plan: Plan) -> bool:
    """Tell whether all that a plan says is how far a session has come."""
    return len(plan.pushes) == 1 and all(
        push.method == "PATCH" and push.body is not None and push.body.keys() <= PROGRESS
        for push in plan.pushes
    )


def progress_pause(age: timedelta, *, least: timedelta) -> timedelta:
    """Return how long after the last push of a session its progress is told again; 0: at once.

    A sixth of its age, at least some seconds, a quarter of an hour at most: a short session is
    followed closely, and one of ten hours is not told of hundreds of times.
    """
    return max(least, min(age / 6, LONGEST_PROGRESS_PAUSE)) if least else least


def plan_cdr(
    document: Json, sent: Json, *, path: Path, manner: Manner = PLAIN, whole: bool = False
) -> Plan:
    """POST a CDR that the partner does not have yet; its URL is the partner's to choose."""
    del path, manner, whole
    if sent.get("delivered"):
        return Plan(NOTHING, sent)
    return Plan((Push("POST", (), document),), {"delivered": True})


PLANS = {
    "locations": plan_location,
    "tariffs": plan_tariff,
    "sessions": plan_session,
    "cdrs": plan_cdr,
}


def _without(document: Json, *names: str) -> Json:
    return {name: value for name, value in document.items() if name not in names}
