"""Rules between fields and over time that a table of shapes cannot express."""

from collections.abc import Iterable, Iterator
from decimal import Decimal

from sandbox.emsp.validation import Problem, newer
from sandbox.emsp.wire import Json, Party, parse_date_time

_FINAL = frozenset({"COMPLETED", "INVALID"})
_NEXT_STATUS = {
    "PENDING": frozenset({"PENDING", "ACTIVE", "COMPLETED", "INVALID"}),
    "RESERVATION": frozenset({"RESERVATION", "ACTIVE", "COMPLETED", "INVALID"}),
    "ACTIVE": frozenset({"ACTIVE", "COMPLETED", "INVALID"}),
    "COMPLETED": frozenset({"COMPLETED"}),
    "INVALID": frozenset({"INVALID"}),
}
_PARTS = (
    "total_fixed_cost",
    "total_energy_cost",
    "total_time_cost",
    "total_parking_cost",
    "total_reservation_cost",
)
_SESSION_ONLY = frozenset({"CURRENT", "ENERGY_EXPORT", "ENERGY_IMPORT", "POWER", "STATE_OF_CHARGE"})
_ALL = Decimal(100)
_CENT = Decimal("0.01")
_WH = Decimal("0.001")


def identity(body: Json, *, url: tuple[str, str, str], id_field: str = "id") -> list[Problem]:
    """Compare the owner and id in the URL with those in the body (only the fields present)."""
    names = ("country_code", "party_id", id_field)
    return [
        Problem("id-mismatch", f"{name} is {body[name]!r} in the body, {value!r} in the URL")
        for name, value in zip(names, url, strict=True)
        if name in body and str(body[name]).lower() != value.lower()
    ]


def ordering(stored: Json | None, body: Json, version: str) -> list[Problem]:
    """Compare `last_updated` with the stored copy: it may not go back, nor stand still on a change.

    It may stand still in OCPI 2.1.1, which has whole seconds: two changes fit in one. An "order"
    problem means the content must be ignored (OCPI leaves re-ordered pushes open).
    """
    if stored is None or "last_updated" not in body:
        return []
    moment = f"{body['last_updated']} after {stored['last_updated']}"
    if newer(stored, body):
        return [Problem("order", f"last_updated goes back: {moment}", noted=True)]
    changed = {**stored, **body} != stored
    if changed and version != "2.1.1" and not newer(body, stored):
        return [
            Problem("not-advanced", f"content changed, last_updated did not: {moment}", noted=True)
        ]
    return []


def older_parts(stored: Json | None, body: Json) -> list[Problem]:
    """Find EVSEs in a Location that are older than the stored ones, though the Location is newer.

    Its content counts all the same: it is what the CPO says last.
    """
    known = {evse["uid"].lower(): evse for evse in (stored or {}).get("evses") or []}
    return [
        Problem(
            "older-part",
            f"EVSE {evse['uid']} goes back to {evse['last_updated']}",
            noted=True,
        )
        for evse in body.get("evses") or []
        if (before := known.get(evse["uid"].lower())) and newer(before, evse)
    ]


def session_change(stored: Json | None, body: Json) -> list[Problem]:
    """Check that a session only moves forward: status, energy, nothing after its end."""
    if stored is None:
        return []
    problems = []
    status = body.get("status", stored["status"])
    if status not in _NEXT_STATUS[stored["status"]]:
        problems.append(
            Problem("status-order", f"status went from {stored['status']} to {status}", noted=True)
        )
    elif stored["status"] in _FINAL and {**stored, **body} != stored:
        problems.append(
            Problem("changed-after-end", f"a {stored['status']} session was changed", noted=True)
        )
    if body.get("kwh", stored["kwh"]) < stored["kwh"]:
        problems.append(
            Problem("kwh-decreased", f"kwh went from {stored['kwh']} to {body['kwh']}", noted=True)
        )
    return problems


def session_periods(stored: list[Json], sent: list[Json]) -> list[Problem]:
    """Check the order of ChargingPeriods; one that was there before is a duplicate."""
    problems = []
    known = {parse_date_time(period["start_date_time"]) for period in stored}
    last = max(known, default=None)
    for period in sent:
        start = parse_date_time(period["start_date_time"])
        if start in known:
            problems.append(
                Problem(
                    "duplicate-period", f"period of {period['start_date_time']} again", noted=True
                )
            )
        elif last is not None and start < last:
            problems.append(
                Problem(
                    "period-order", f"period of {period['start_date_time']} is late", noted=True
                )
            )
        known.add(start)
        last = max(start, last) if last else start
    return problems


def ownership(body: Json, parties: Iterable[Party]) -> list[Problem]:
    """Refuse a session or CDR of another eMSP's token: it is not ours to see."""
    token = body.get("cdr_token")
    if token is None or any(
        party.matches(token["country_code"], token["party_id"]) for party in parties
    ):
        return []
    owner = f"{token['country_code']}*{token['party_id']}"
    return [Problem("foreign-token", f"the token belongs to {owner}")]


def cdr_totals(body: Json, version: str) -> list[Problem]:
    """Check a CDR in the common form against itself.

    Periods within, volumes, parts of the cost, tariffs, credit, dimensions.
    """
    return [
        *_cdr_periods(body),
        *_cdr_sums(body),
        *_cdr_tariffs(body),
        *_cdr_credit(body),
        *_cdr_dimensions(body, version),
    ]


def _cdr_dimensions(body: Json, version: str) -> Iterator[Problem]:
    """OCPI 2.2.1, mod_cdrs, CdrDimensionType: some are for sessions only."""
    for period in body["charging_periods"]:
        for entry in period["dimensions"]:
            if version != "2.1.1" and entry["type"] in _SESSION_ONLY:
                detail = f"{entry['type']} is for sessions, not for CDRs"
                yield Problem("session-only-dimension", detail)


def location(body: Json) -> Iterator[Problem]:
    """Check what a Location's fields say of each other; any version, as it came."""
    if body.get("publish_allowed_to") and body.get("publish"):
        yield Problem("publish", "publish_allowed_to is for publish=false only", noted=True)
    hours = body.get("opening_times")
    if hours and not hours["twentyfourseven"] and not hours.get("regular_hours"):
        yield Problem("hours", "neither twentyfourseven nor regular_hours", noted=True)
    yield from energy_mix(body)
    places = {place["id"].lower() for place in body.get("parking_places") or []}
    for evse in body.get("evses") or []:
        for parking in evse.get("parking") or []:
            if parking["parking_id"].lower() not in places:
                detail = f"{parking['parking_id']} is not in parking_places"
                yield Problem("parking", detail, noted=True)


def energy_mix(body: Json) -> Iterator[Problem]:
    """Check that the shares of the energy sources add up to 100 %."""
    sources = (body.get("energy_mix") or {}).get("energy_sources") or []
    total = sum(Decimal(str(source["percentage"])) for source in sources)
    if sources and total != _ALL:
        yield Problem("energy-mix", f"energy_sources add up to {total} %", noted=True)


def tariff(body: Json) -> Iterator[Problem]:
    """Check what a Tariff's fields say of each other; any version, as it came."""
    yield from energy_mix(body)
    for element in body["elements"]:
        restrictions = element.get("restrictions") or {}
        if restrictions.get("reservation"):
            kinds = {component["type"] for component in element["price_components"]}
            if not kinds <= {"FLAT", "TIME"}:
                detail = "a reservation element prices FLAT and TIME only"
                yield Problem("reservation-element", detail, noted=True)
    start, end = body.get("start_date_time"), body.get("end_date_time")
    if start and end and parse_date_time(end) <= parse_date_time(start):
        yield Problem("tariff-times", "end_date_time is not after start_date_time", noted=True)


def embedded_location(place: Json) -> Iterator[Problem]:
    """Check the Location inside a Session or CDR of OCPI 2.1.1: the used EVSE and connector only.

    OCPI 2.1.1, mod_sessions, Session.location.
    """
    evses = place.get("evses") or []
    if len(evses) != 1 or len(evses[0]["connectors"]) != 1:
        detail = "the embedded location must hold the one EVSE and the one connector used"
        yield Problem("embedded-location", detail, noted=True)


def _cdr_periods(body: Json) -> list[Problem]:
    problems = session_periods([], body["charging_periods"])
    start, end = parse_date_time(body["start_date_time"]), parse_date_time(body["end_date_time"])
    if end < start:
        problems.append(Problem("cdr-times", "end_date_time precedes start_date_time", noted=True))
    for period in body["charging_periods"]:
        if not start <= parse_date_time(period["start_date_time"]) <= end:
            detail = f"period of {period['start_date_time']} lies outside the CDR"
            problems.append(Problem("cdr-times", detail, noted=True))
    return problems


def volume(body: Json, dimension: str) -> Decimal:
    """Add up the volumes of one dimension over all periods."""
    return sum(
        (
            Decimal(str(entry["volume"]))
            for period in body["charging_periods"]
            for entry in period["dimensions"]
            if entry["type"] == dimension
        ),
        Decimal(0),
    )


def _cdr_sums(body: Json) -> list[Problem]:
    problems = []
    energy, total = volume(body, "ENERGY"), Decimal(str(body["total_energy"]))
    if abs(energy - total) > _WH:
        detail = f"total_energy is {total}, the periods add up to {energy}"
        problems.append(Problem("totals", detail, noted=True))
    parts = [Decimal(str(body[name]["excl_vat"])) for name in _PARTS if body.get(name)]
    cost = abs(Decimal(str(body["total_cost"]["excl_vat"])))
    limited = any(t.get("min_price") or t.get("max_price") for t in body.get("tariffs") or [])
    if parts and not limited and abs(sum(parts) - cost) > _CENT:
        detail = f"total_cost is {cost}, its parts add up to {sum(parts)}"
        problems.append(Problem("totals", detail, noted=True))
    return problems


def _cdr_tariffs(body: Json) -> list[Problem]:
    embedded = {tariff["id"].lower() for tariff in body.get("tariffs") or []}
    used = {period.get("tariff_id") or "" for period in body["charging_periods"]} - {""}
    return [
        Problem("tariff-not-embedded", f"tariff {name} of a period is not in the CDR", noted=True)
        for name in sorted(used)
        if name.lower() not in embedded
    ]


def _cdr_credit(body: Json) -> list[Problem]:
    if body.get("credit"):
        if not body.get("credit_reference_id"):
            return [Problem("credit", "a credit CDR needs credit_reference_id")]
        if body["total_cost"]["excl_vat"] > 0:
            return [Problem("credit", "total_cost of a credit CDR must be negative", noted=True)]
    elif body["total_cost"]["excl_vat"] < 0:
        return [Problem("credit", "negative total_cost without credit", noted=True)]
    return []
