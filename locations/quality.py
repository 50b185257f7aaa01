"""How good what we say of a location is: rules that matter to drivers and partners. Pure.

Each rule that a location breaks costs its weight once, however many EVSEs break it; what is left of
100 is the score. The words for people are those of whoever shows it.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from locations.countries import BOXES, TIME_ZONES
from locations.shapes import ConnectorShape, EvseShape, LocationShape

WRONG, MISSING, BETTER = "wrong", "missing", "better"
WEIGHTS: Mapping[str, int] = {WRONG: 15, MISSING: 6, BETTER: 2}

# What a rule is about, by severity; in the order in which it is worth to mend things.
RULES: Mapping[str, str] = {
    # Found where the location is read: what breaks the rules of OCPI has no shape to look at.
    "breaks_rules": WRONG,
    "no_evse": WRONG,
    "coordinates_zero": WRONG,
    "coordinates_elsewhere": WRONG,
    "time_zone_elsewhere": WRONG,
    "power_impossible": WRONG,
    "power_in_kilowatts": WRONG,
    "evse_id_format": WRONG,
    # Found where other locations are known.
    "same_place": WRONG,
    "hidden_in_service": MISSING,
    "no_evse_id": MISSING,
    "no_tariff": MISSING,
    "no_opening_hours": MISSING,
    "no_operator": MISSING,
    "no_help_phone": MISSING,
    "no_name": MISSING,
    "name_is_address": BETTER,
    "no_postal_code": MISSING,
    "no_physical_reference": MISSING,
    "no_remote_start": BETTER,
    "no_parking_type": BETTER,
    "no_accessibility": BETTER,
    "no_photos": BETTER,
    "no_directions": BETTER,
    "no_energy_mix": BETTER,
    "complete_but_hidden": BETTER,
}
# Countries without postal codes, or where few places have one (ISO 3166-1 alpha-3).
_NO_POSTAL_CODES = frozenset({"HKG", "ARE", "QAT", "IRL", "JAM", "PAN"})
# eMI3: country, operator, E and what the operator likes; stars may be left out.
_EVSE_ID = re.compile(r"[A-Z]{2}\*?[A-Z0-9]{3}\*?E[A-Z0-9][A-Z0-9*]{0,30}\Z", re.IGNORECASE)
# What cars can charge at, or do.
_IN_SERVICE = frozenset({"AVAILABLE", "BLOCKED", "CHARGING", "RESERVED"})
_PHASES = {"AC_2_PHASE": 2, "AC_2_PHASE_SPLIT": 2, "AC_3_PHASE": 3}
# Nothing that charges a car gives less; whoever writes 22 or 150 means kilowatts.
_LEAST_WATTS = 1000
_ROUNDING = Decimal("1.05")
# In winter and in summer: zones that agree on both are as good as the same.
_WINTER, _SUMMER = datetime(2026, 1, 15, tzinfo=UTC), datetime(2026, 7, 15, tzinfo=UTC)


@dataclass(frozen=True)
class Finding:
    """A rule that is broken: in a field of the location, or of one of its EVSEs (`evse_uid`)."""

    rule: str
    evse_uid: str = ""

    @property
    def severity(self) -> str:
        return RULES[self.rule]


def check(location: LocationShape, *, has_twin: bool = False) -> list[Finding]:
    """Return what is wrong or missing, the worst first; REMOVED EVSEs are left out.

    `has_twin` tells that another location has the same coordinates.
    """
    evses = [evse for evse in location.evses or [] if evse.status != "REMOVED"]
    found = [Finding(rule) for rule, breaks in _OF_LOCATION.items() if breaks(location)]
    found += [] if evses else [Finding("no_evse")]
    for evse in evses:
        found += [Finding(rule, evse.uid) for rule, breaks in _OF_EVSE.items() if breaks(evse)]
    if len(evses) > 1:
        # A single one is found without a sign.
        found += [
            Finding("no_physical_reference", evse.uid)
            for evse in evses
            if not evse.physical_reference
        ]
    if evses and not any(_says_for_whom(evse) for evse in evses):
        found.append(Finding("no_accessibility"))
    found += _found_beside(location, evses, found, has_twin=has_twin)
    order = list(RULES)
    return sorted(found, key=lambda one: (-WEIGHTS[one.severity], order.index(one.rule)))


def score(findings: list[Finding]) -> int:
    """Return what is left of 100."""
    broken = {one.rule for one in findings}
    return max(100 - sum(WEIGHTS[RULES[rule]] for rule in broken), 0)


def _coordinates(location: LocationShape) -> tuple[Decimal, Decimal]:
    return Decimal(location.coordinates.longitude), Decimal(location.coordinates.latitude)


def _is_nowhere(location: LocationShape) -> bool:
    """Tell whether it is in the sea where both are about 0: what a form begins with."""
    return all(abs(value) < Decimal("0.01") for value in _coordinates(location))


def _is_elsewhere(location: LocationShape) -> bool:
    box = BOXES.get(location.country)
    if box is None or _is_nowhere(location):
        return False
    longitude, latitude = _coordinates(location)
    west, south, east, north = box
    return not (west <= longitude <= east and south <= latitude <= north)


def _has_foreign_time(location: LocationShape) -> bool:
    usual = TIME_ZONES.get(location.country)
    return usual is not None and _offsets(usual) != _offsets(location.time_zone)


def _offsets(zone: str) -> tuple[object, object]:
    here = ZoneInfo(zone)
    return _WINTER.astimezone(here).utcoffset(), _SUMMER.astimezone(here).utcoffset()


def _wants_postal_code(location: LocationShape) -> bool:
    return not location.postal_code and location.country not in _NO_POSTAL_CODES


def _same(one: str | None, other: str) -> bool:
    return bool(one) and str(one).casefold().split() == other.casefold().split()


_OF_LOCATION: Mapping[str, Callable[[LocationShape], bool]] = {
    "coordinates_zero": _is_nowhere,
    "coordinates_elsewhere": _is_elsewhere,
    "time_zone_elsewhere": _has_foreign_time,
    "no_opening_hours": lambda location: location.opening_times is None,
    "no_operator": lambda location: location.operator is None,
    "no_help_phone": lambda location: not location.help_phone,
    "no_name": lambda location: not location.name,
    "name_is_address": lambda location: _same(location.name, location.address),
    "no_postal_code": _wants_postal_code,
    "no_parking_type": lambda location: not location.parking_type,
    "no_photos": lambda location: not location.images,
    "no_directions": lambda location: not location.directions,
    "no_energy_mix": lambda location: location.energy_mix is None,
}


def _any_connector(breaks: Callable[[ConnectorShape], bool]) -> Callable[[EvseShape], bool]:
    return lambda evse: any(breaks(connector) for connector in evse.connectors)


def _is_impossible(connector: ConnectorShape) -> bool:
    """Tell whether it has no voltage or current, or gives more than they come to."""
    watts = connector.max_voltage * connector.max_amperage * _PHASES.get(connector.power_type, 1)
    return not watts or (connector.max_electric_power or 0) > watts * _ROUNDING


def _is_in_kilowatts(connector: ConnectorShape) -> bool:
    power = connector.max_electric_power
    return power is not None and power < _LEAST_WATTS


_OF_EVSE: Mapping[str, Callable[[EvseShape], bool]] = {
    "power_impossible": _any_connector(_is_impossible),
    "power_in_kilowatts": _any_connector(_is_in_kilowatts),
    "no_tariff": _any_connector(lambda connector: not connector.tariff_ids),
    "no_evse_id": lambda evse: not evse.evse_id,
    "no_remote_start": lambda evse: "REMOTE_START_STOP_CAPABLE" not in (evse.capabilities or []),
    "evse_id_format": lambda evse: bool(evse.evse_id) and not _EVSE_ID.match(evse.evse_id or ""),
}


def _found_beside(
    location: LocationShape, evses: list[EvseShape], found: list[Finding], *, has_twin: bool
) -> list[Finding]:
    """Return what takes more than the location to be seen, or what was found so far."""
    beside = [Finding("same_place")] if has_twin and not _is_nowhere(location) else []
    # Who publishes to some tokens has thought about it.
    if location.publish or location.publish_allowed_to:
        return beside
    if any(evse.status in _IN_SERVICE for evse in evses):
        return [*beside, Finding("hidden_in_service")]
    is_planned = all(evse.status == "PLANNED" for evse in evses)
    is_complete = all(one.severity == BETTER for one in [*found, *beside])
    return beside if is_planned or not is_complete else [*beside, Finding("complete_but_hidden")]


def _says_for_whom(evse: EvseShape) -> bool:
    """Tell whether it says who may park there, or for which vehicles the place is."""
    return bool(evse.parking_restrictions or evse.parking)


def broken_rules(findings: list[Finding]) -> Iterator[str]:
    """Yield each rule that is broken once, in order."""
    yield from dict.fromkeys(one.rule for one in findings)
