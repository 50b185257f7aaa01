"""How files name locations and EVSEs, and the place of a new one."""

from collections.abc import Mapping

from django.http import HttpRequest, QueryDict
from django.utils.translation import gettext

from cpo_platform.bulk.filling import Unreadable
from cpo_platform.common.admin import visible
from locations.models import Evse, Location
from tariffs.admin import party_choices

Cells = Mapping[str, str]
# The columns by which a file says where something is, as exports have them.
PLACE = ("location__ocpi_id", "location__party")


def find_location(request: HttpRequest, cells: Cells) -> Location | None:
    """Return the location that a row names."""
    rows = visible(request, Location.objects.all()).filter(ocpi_id=cells["ocpi_id"])
    code, _star, party_id = party_of(request, cells).partition("*")
    return rows.filter(country_code=code, party_id=party_id).first()


def party_of(request: HttpRequest, cells: Cells) -> str:
    """Return the party of a row, `DE*ABC`; where there is one only, it need not be said.

    Raises:
        Unreadable: it has to be said.

    """
    if cells.get("party"):
        return cells["party"].upper()
    if cells.get("country_code") and cells.get("party_id"):
        return f"{cells['country_code']}*{cells['party_id']}".upper()
    # Once in a request: a file has many rows.
    known: list[tuple[str, str]] | None = getattr(request, "bulk_parties", None)
    if known is None:
        known = request.bulk_parties = party_choices(request)  # type: ignore[attr-defined]
    if len(known) != 1:
        raise Unreadable(gettext("Say in the column “party” whose it is, such as DE*ABC."), "party")
    return known[0][0]


def with_party(request: HttpRequest, cells: Cells) -> Cells:
    """Return the cells of a new location with its party, which may have been left out.

    Raises:
        Unreadable: it has to be said.

    """
    return {**cells, "party": party_of(request, cells)}


def location_name(request: HttpRequest, cells: Cells) -> str:
    """Return the name of a row: the same for all rows of one location."""
    try:
        return f"{party_of(request, cells)} {cells['ocpi_id']}"
    except Unreadable:
        return cells["ocpi_id"]


def evse_name(_request: HttpRequest, cells: Cells) -> str:
    """Return the name of a row: uids are once on the platform."""
    return cells["uid"]


def find_evse(request: HttpRequest, cells: Cells) -> Evse | None:
    """Return the EVSE that a row names."""
    rows = visible(request, Evse.objects.select_related("location"))
    return rows.filter(uid=cells["uid"]).first()


def place_new(request: HttpRequest, cells: Cells) -> None:
    """Make the request ready for the form of something new at the location that a row names.

    Raises:
        Unreadable: there is no such location.

    """
    query = QueryDict(mutable=True)
    query["location"] = str(location_of(request, cells).pk)
    request.GET = query  # type: ignore[assignment]


def location_of(request: HttpRequest, cells: Cells) -> Location:
    """Return the location that a row says where it is.

    Raises:
        Unreadable: it says none, or there is none, or there are several.

    """
    wanted = cells.get("location__ocpi_id", "")
    if not wanted:
        raise Unreadable(
            gettext("What is new needs the id of its location: “location__ocpi_id”."), PLACE[0]
        )
    rows = visible(request, Location.objects.all()).filter(ocpi_id=wanted)
    code, _star, party_id = cells.get("location__party", "").partition("*")
    if party_id:
        rows = rows.filter(country_code=code, party_id=party_id)
    found = list(rows[:2])
    if not found:
        raise Unreadable(gettext("There is no location %(id)s.") % {"id": wanted[:50]}, PLACE[0])
    if len(found) > 1:
        raise Unreadable(
            gettext("Several parties have a location %(id)s: say in “location__party” which one.")
            % {"id": wanted[:50]},
            PLACE[1],
        )
    return found[0]


def check_evse(row: Evse, cells: Cells) -> None:
    """Refuse a row that says another location than an EVSE has.

    Raises:
        Unreadable: it does.

    """
    if is_elsewhere(row.location, cells):
        raise Unreadable(
            gettext("This EVSE is at the location %(id)s, and cannot be moved.")
            % {"id": place_text(row.location, cells)},
            PLACE[0],
        )


def is_elsewhere(location: Location, cells: Cells) -> bool:
    """Tell whether cells say another location: of another id, or of another party."""
    has = (location.ocpi_id, location.party)
    said = [cells.get(column, "") for column in PLACE]
    return any(one and one.lower() != own.lower() for one, own in zip(said, has, strict=True))


def place_text(location: Location, cells: Cells) -> str:
    """Return the id of a location, with its party where a row names one."""
    is_whole = bool(cells.get("location__party"))
    return f"{location.party}*{location.ocpi_id}" if is_whole else location.ocpi_id
