"""Which alerts have one cause, most likely. Computed with no database.

Stations of one site that go together are its router or its power; whole sites that go together are
the gateway or its network; partners that fail together are our own way out. What is left belongs
to its station, or stands alone; where one rule finds very many of those at once, they are one.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

ALONE, STATION, SITE, GATEWAY, OUTBOUND, MANY = (
    *("ALONE", "STATION", "SITE", "GATEWAY", "OUTBOUND"),
    "MANY",
)
# So many sites that are dark as a whole, or partners that fail, are no coincidence.
FEWEST_SITES = 3
FEWEST_PARTNERS = 3
FEWEST_STATIONS = 3
# So many incidents of one rule at a time are told as one.
MOST_ALONE = 20


@dataclass(frozen=True, slots=True)
class Item:
    """An alert that is open: what it is about, and whether a lost connection explains it."""

    id: int
    rule_id: int
    key: str
    station_id: int | None = None
    location_id: int | None = None
    partner_id: int | None = None
    is_offline: bool = False
    of_connection: bool = False
    is_failing: bool = False


@dataclass(frozen=True)
class World:
    """What there is: stations in service by site, sites with stations, registered partners."""

    stations: Mapping[int, int] = field(default_factory=dict)
    sites: int = 0
    partners: int = 0
    gateway_missing: bool = False
    open_keys: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Group:
    """Alerts of one cause; `count` of `total` are what it has taken away."""

    cause: str
    key: str
    items: tuple[Item, ...]
    count: int = 0
    total: int = 0


def group(items: Sequence[Item], world: World) -> list[Group]:
    """Return the groups of alerts that have opened lately; each alert is in one."""
    dark: dict[int, set[int]] = defaultdict(set)
    for item in items:
        if item.is_offline and item.location_id and item.station_id:
            dark[item.location_id].add(item.station_id)
    common = _common_key(dark, items, world)
    sites = {place for place, gone in dark.items() if _is_site(len(gone), world.stations, place)}
    sites |= {place for place in dark if f"site:{place}" in world.open_keys}
    found: dict[tuple[str, str], list[Item]] = defaultdict(list)
    failing = {item.partner_id for item in items if item.is_failing}
    out = len(failing) >= FEWEST_PARTNERS and 2 * len(failing) >= world.partners
    for item in items:
        found[_cause_of(item, dark, common, sites, out=out)].append(item)
    groups = [_made(cause, key, its, dark, world) for (cause, key), its in found.items()]
    return _with_many(groups)


def _is_site(gone: int, stations: Mapping[int, int], place: int) -> bool:
    return gone >= FEWEST_STATIONS or (gone >= 2 and gone >= stations.get(place, 0))


def _common_key(dark: Mapping[int, set[int]], items: Iterable[Item], world: World) -> str:
    """Return the key of what has taken away many sites at once; "": nothing has."""
    whole = [place for place, gone in dark.items() if len(gone) >= world.stations.get(place, 0)]
    missing = any(item.key == "platform:gateway" for item in items) or world.gateway_missing
    many = len(whole) >= FEWEST_SITES and 2 * len(whole) >= world.sites
    return "gateway" if many or (missing and (dark or "gateway" in world.open_keys)) else ""


def _cause_of(
    item: Item, dark: Mapping[int, set[int]], common: str, sites: set[int], *, out: bool
) -> tuple[str, str]:
    if out and item.partner_id and item.is_failing:
        return OUTBOUND, "outbound"
    if common and (item.key == "platform:gateway" or _is_dark(item, dark)):
        return GATEWAY, common
    if item.location_id in sites and _is_dark(item, dark):
        return SITE, f"site:{item.location_id}"
    if item.partner_id:
        return ALONE, f"partner:{item.partner_id}"
    if item.station_id:
        return STATION, f"station:{item.station_id}"
    return ALONE, item.key if ":" in item.key else f"{item.key}:{item.rule_id}"


def _is_dark(item: Item, dark: Mapping[int, set[int]]) -> bool:
    """Tell whether a lost connection explains an alert."""
    return item.of_connection and item.station_id in dark.get(item.location_id or 0, ())


def _made(
    cause: str, key: str, items: Sequence[Item], dark: Mapping[int, set[int]], world: World
) -> Group:
    place = items[0].location_id or 0
    if cause == SITE:
        return Group(cause, key, tuple(items), len(dark[place]), world.stations.get(place, 0))
    if cause == GATEWAY:
        return Group(cause, key, tuple(items), len(dark), world.sites)
    if cause == OUTBOUND:
        partners = {item.partner_id for item in items}
        return Group(cause, key, tuple(items), len(partners), world.partners)
    if cause == STATION and len({item.key for item in items}) == 1:
        cause = ALONE
    return Group(cause, key, tuple(items), len(items), len(items))


def _with_many(groups: Sequence[Group]) -> list[Group]:
    """Put what one rule finds at very many places into one."""
    by_rule: dict[int, list[Group]] = defaultdict(list)
    for one in groups:
        if one.cause in {ALONE, STATION, SITE}:
            by_rule[one.items[0].rule_id].append(one)
    many = {rule: its for rule, its in by_rule.items() if len(its) > MOST_ALONE}
    merged = [
        Group(MANY, f"many:{rule}", tuple(item for one in its for item in one.items), len(its))
        for rule, its in many.items()
    ]
    left_out = {one.key for its in many.values() for one in its}
    return [*(one for one in groups if one.key not in left_out), *merged]
