"""The map: marks by zoom, clustered in the database, so that a browser draws some hundreds."""

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, FloatField, IntegerField, Max, Min, QuerySet
from django.db.models.functions import Cast, Floor
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from cpo_platform.admin_site import may_see
from cpo_platform.common.admin import change_url, visible
from locations.models import Evse, Location, LocationGroup, Status
from ocpp_gateway.models import Outlet
from sessions_app.models import Session

# Worst first: the sign says the same as the colour.
TONES: Mapping[str, tuple[Any, str, tuple[str, ...]]] = {
    "red": (_("Out of order"), "✕", (Status.OUTOFORDER,)),
    "amber": (_("Blocked or inoperative"), "!", (Status.BLOCKED, Status.INOPERATIVE)),
    "grey": (_("Unknown or planned"), "?", (Status.UNKNOWN, Status.PLANNED)),
    "blue": (_("Charging or reserved"), "⚡", (Status.CHARGING, Status.RESERVED)),
    "green": (_("Available"), "✓", (Status.AVAILABLE,)),
}
MOST_ZOOM = 20
# So a part of the map has some three hundred marks at most, whatever there is.
CELLS_ACROSS = 16
_CELL_AT_ZOOM_0 = 90.0


class BadView(Exception):
    """What was asked for is no part of a map."""


@dataclass(frozen=True)
class View:
    """A part of the map: its edges in degrees, and what of it is wanted."""

    west: float
    south: float
    east: float
    north: float
    zoom: int
    tone: str = ""
    group: int | None = None

    @property
    def cell(self) -> float:
        """The side of a cell, in degrees: about 90 pixels, never more than can be drawn."""
        side = _CELL_AT_ZOOM_0 * 0.5**self.zoom
        wide = max(self.east - self.west, self.north - self.south)
        return float(max(side, wide / CELLS_ACROSS, 1e-7))


def read(asked: Mapping[str, str]) -> View:
    """Return which part of the map is asked for.

    Raises:
        BadView: with the field and the rule.

    """
    west, south, east, north = _bbox(asked.get("bbox", ""))
    zoom = asked.get("zoom", "")
    if not (zoom.isascii() and zoom.isdecimal() and len(zoom) < 3 and int(zoom) <= MOST_ZOOM):
        raise BadView(gettext("zoom: a whole number from 0 to %(most)s") % {"most": MOST_ZOOM})
    tone, group = asked.get("tone", ""), asked.get("group", "")
    if tone and tone not in TONES:
        raise BadView(gettext("tone: one of %(names)s") % {"names": ", ".join(TONES)})
    if group and not (group.isascii() and group.isdecimal() and len(group) < 19):
        raise BadView(gettext("group: the number of a location group"))
    return View(west, south, east, north, int(zoom), tone, int(group) if group else None)


def _bbox(text: str) -> tuple[float, float, float, float]:
    rule = gettext("bbox: west,south,east,north in degrees, such as 5.9,47.3,15.0,55.1")
    try:
        west, south, east, north = (float(part) for part in text.split(",", 4))
    except ValueError as error:
        raise BadView(rule) from error
    if not all(math.isfinite(one) for one in (west, south, east, north)):
        raise BadView(rule)
    if not (west < east and south < north):
        raise BadView(rule)
    # A map shows the world more than once; a part that is none of it is refused.
    west, south, east, north = max(west, -180), max(south, -90), min(east, 180), min(north, 90)
    if not (west < east and south < north):
        raise BadView(rule)
    return west, south, east, north


def points(request: HttpRequest, view: View) -> dict[str, Any]:
    """Return the marks of a part of the map, clusters and locations that stand alone.

    Worst first, as the list beside the map shows them: by colour, then by how many EVSEs have it.
    """
    cells = _cells(request, view)
    tones = _tones(request, view)
    names = _named(request, {row["first"] for row in cells if row["locations"] == 1})
    marks = [_mark(row, tones.get((row["column"], row["row"]), {}), names) for row in cells]
    marks.sort(key=_how_bad)
    total = sum(row["locations"] for row in cells)
    return {"marks": marks, "locations": total}


def _within(request: HttpRequest, view: View) -> QuerySet[Location]:
    rows = visible(request, Location.objects.all()).filter(
        longitude__range=(view.west, view.east), latitude__range=(view.south, view.north)
    )
    if view.group is not None:
        group = visible(request, LocationGroup.objects.filter(pk=view.group))
        rows = rows.filter(groups__in=group)
    if view.tone:
        # Keys of a question within: a place counts once, however many of its EVSEs are so.
        wanted = Evse.objects.filter(status__in=TONES[view.tone][2]).values("location_id")
        rows = rows.filter(pk__in=wanted)
    return rows.order_by()


def _cell(view: View, field: str) -> Cast:
    """Return the number of the column, or the row, of the grid that a location is in."""
    return Cast(Floor(Cast(field, FloatField()) / view.cell), IntegerField())


def _cells(request: HttpRequest, view: View) -> Any:
    """Return a row for each cell that has locations in it: one query."""
    return (
        _within(request, view)
        .annotate(column=_cell(view, "longitude"), row=_cell(view, "latitude"))
        .values("column", "row")
        .annotate(
            locations=Count("pk"),
            first=Min("pk"),
            west=Min("longitude"),
            east=Max("longitude"),
            south=Min("latitude"),
            north=Max("latitude"),
        )
    )


def _tones(request: HttpRequest, view: View) -> dict[tuple[int, int], dict[str, int]]:
    """Return how many EVSEs of which colour are in each cell: one query."""
    rows = (
        visible(request, Evse.objects.exclude(status=Status.REMOVED))
        .filter(location__in=_within(request, view))
        .order_by()
        .annotate(column=_cell(view, "location__longitude"), row=_cell(view, "location__latitude"))
        .values_list("column", "row", "status")
        .annotate(Count("pk"))
    )
    found: dict[tuple[int, int], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for column, row, status, count in rows:
        found[column, row][tone_of(status)] += count
    return found


def tone_of(status: str) -> str:
    """Return the colour of a status."""
    return next((tone for tone, kind in TONES.items() if status in kind[2]), "grey")


def _named(request: HttpRequest, keys: set[int]) -> dict[int, Location]:
    rows = visible(request, Location.objects.filter(pk__in=keys))
    return {row.pk: row for row in rows.only("pk", "name", "address", "city")}


def _mark(
    row: Mapping[str, Any], tones: Mapping[str, int], names: Mapping[int, Location]
) -> dict[str, Any]:
    counts = {tone: tones[tone] for tone in TONES if tones.get(tone)}
    tone = next(iter(counts), "grey")
    mark: dict[str, Any] = {
        "lat": float(row["south"] + row["north"]) / 2,
        "lon": float(row["west"] + row["east"]) / 2,
        "tone": tone,
        "sign": TONES[tone][1],
        "status": ", ".join(f"{count} {TONES[one][0]}" for one, count in counts.items()),
        "evses": sum(counts.values()),
        "worst": counts.get(tone, 0),
        "locations": row["locations"],
    }
    location = names.get(row["first"])
    if location is not None:
        mark |= {
            "id": location.pk,
            "name": f"{location.name or location.address}, {location.city}",
        }
    else:
        mark["bbox"] = [float(row[edge]) for edge in ("west", "south", "east", "north")]
    return mark


def _how_bad(mark: Mapping[str, Any]) -> tuple[int, int, str]:
    return list(TONES).index(mark["tone"]), -mark["worst"], mark.get("name", "")


def begin(request: HttpRequest) -> dict[str, Any]:
    """Return where the map begins: at a location, or at all that this person may see.

    `is_empty`: there is none.
    """
    rows = visible(request, Location.objects.all())
    chosen = request.GET.get("location", "")
    if chosen.isascii() and chosen.isdecimal() and len(chosen) < 19:
        location = rows.filter(pk=int(chosen)).first()
        if location is not None:
            lat, lon = float(location.latitude), float(location.longitude)
            near = 0.01
            edges = [lon - near, lat - near, lon + near, lat + near]
            return {"bbox": edges, "location": location.pk, "is_empty": False}
    found = rows.aggregate(
        west=Min("longitude"), south=Min("latitude"), east=Max("longitude"), north=Max("latitude")
    )
    if found["west"] is None:
        return {"bbox": [-25.0, 34.0, 45.0, 71.0], "location": None, "is_empty": True}
    edges = [float(found[edge]) for edge in ("west", "south", "east", "north")]
    return {"bbox": edges, "location": None, "is_empty": False}


def evses_at(request: HttpRequest, location: Location) -> list[dict[str, Any]]:
    """Return the EVSEs of a location with their station and the session that runs there."""
    if not may_see(request, "locations.evse"):
        return []
    evses = visible(request, location.evses.exclude(status=Status.REMOVED)).order_by("pk")[:200]
    rows = list(evses)
    stations: dict[int, Any] = {}
    if may_see(request, "ocpp_gateway.station"):
        for outlet in Outlet.objects.filter(
            connector__evse__in=[row.pk for row in rows]
        ).select_related("station", "connector"):
            stations[outlet.connector.evse_id] = outlet.station
    sessions: dict[int | None, Session] = {}
    if may_see(request, "sessions_app.session"):
        running = visible(request, Session.objects.ongoing().filter(location=location))
        sessions = {row.evse_id: row for row in running}
    return [
        {
            "row": row,
            "url": change_url(row),
            "tone": tone_of(row.status),
            "station": stations.get(row.pk),
            "session": sessions.get(row.pk),
        }
        for row in rows
    ]
