"""Which lists can be changed in bulk, which of their fields, and how a file names their rows.

What is not here has no button: tokens are the eMSPs', CDRs are final, stations are placed one by
one, and a tariff has elements that no flat row can say.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest, QueryDict
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from cpo_platform.bulk.filling import Unreadable
from cpo_platform.common.admin import visible
from locations.admin import ConnectorForm
from locations.models import Evse, Location
from tariffs.admin import party_choices
from tariffs.models import Tariff

# Parts that a file can say, such as the connectors of an EVSE: `connector_1_standard`.
MOST_PARTS = 10
MOST_TARIFFS = 500

Cells = Mapping[str, str]


@dataclass(frozen=True)
class Choice:
    """Fields that are changed together; `title` "" is the label of the only one.

    `offered` are choices of the field for rows of any party.
    """

    fields: tuple[str, ...]
    title: Any = ""
    offered: Callable[[HttpRequest], list[tuple[str, str]]] | None = None

    @property
    def key(self) -> str:
        return self.fields[0]


@dataclass(frozen=True)
class Importing:
    """How a file names the rows of a list.

    `find(request, cells)` returns the row that exists, or None; `place` makes the request ready for
    the form of a new one; `check` refuses cells that say something else than the row is. Columns in
    `keys` must be there, those in `beside` may be: they are no fields that can be changed.
    """

    keys: tuple[str, ...]
    find: Callable[[HttpRequest, Cells], Model | None]
    name: Callable[[Cells], str]
    beside: tuple[str, ...] = ()
    # Read for rows that are new, and not looked at for others: stations set it.
    only_new: frozenset[str] = frozenset()
    place: Callable[[HttpRequest, Cells], None] | None = None
    check: Callable[[Any, Cells], None] | None = None


@dataclass(frozen=True)
class BulkList:
    """One list: what may be changed of many at once, and whether a file may say it.

    `part` is the formset's name, the name of one in columns, its form, and how it is called.
    `lock` locks what the operation locks first, and returns the object's `last_updated`; None: it
    has none. `fetched` is what the form asks for of an object, `steady` what no job moves it to.
    """

    label: str
    choices: Sequence[Choice]
    lock: Callable[[int], datetime | None]
    importing: Importing | None = None
    part: tuple[str, str, Any, Any] | None = None
    fetched: tuple[str, ...] = ()
    steady: tuple[str, ...] = ()

    @property
    def model(self) -> type[Model]:
        return apps.get_model(self.label)

    @property
    def model_admin(self) -> Any:
        return admin.site._registry[self.model]  # noqa: SLF001  Django has no public name for it

    @property
    def names(self) -> str:
        return str(self.model._meta.verbose_name_plural)  # noqa: SLF001  Django's own public name


def _find_location(request: HttpRequest, cells: Cells) -> Location | None:
    rows = visible(request, Location.objects.all()).filter(ocpi_id=cells["ocpi_id"])
    code, _star, party_id = _party_of(request, cells).partition("*")
    return rows.filter(country_code=code, party_id=party_id).first()


def _party_of(request: HttpRequest, cells: Cells) -> str:
    """Return the party of a row, `DE*ABC`; where there is one only, it need not be said."""
    if cells.get("party"):
        return cells["party"].upper()
    if cells.get("country_code") and cells.get("party_id"):
        return f"{cells['country_code']}*{cells['party_id']}".upper()
    parties = party_choices(request)
    if len(parties) != 1:
        raise Unreadable(gettext("Say in the column “party” whose it is, such as DE*ABC."))
    return parties[0][0]


def _location_name(cells: Cells) -> str:
    party = cells.get("party") or "*".join(
        cells[name] for name in ("country_code", "party_id") if cells.get(name)
    )
    return f"{party} {cells['ocpi_id']}".strip()


def _evse_name(cells: Cells) -> str:
    return cells["uid"]


def _find_evse(request: HttpRequest, cells: Cells) -> Evse | None:
    rows = visible(request, Evse.objects.select_related("location"))
    return rows.filter(uid=cells["uid"]).first()


def _location_of(request: HttpRequest, cells: Cells) -> Location:
    wanted = cells.get("location__ocpi_id", "")
    if not wanted:
        raise Unreadable(gettext("A new EVSE needs the id of its location: “location__ocpi_id”."))
    rows = visible(request, Location.objects.all()).filter(ocpi_id=wanted)
    code, _star, party_id = cells.get("location__party", "").partition("*")
    if party_id:
        rows = rows.filter(country_code=code, party_id=party_id)
    found = list(rows[:2])
    if not found:
        raise Unreadable(gettext("There is no location %(id)s.") % {"id": wanted[:50]})
    if len(found) > 1:
        raise Unreadable(
            gettext("Several parties have a location %(id)s: say in “location__party” which one.")
            % {"id": wanted[:50]}
        )
    return found[0]


def _place_evse(request: HttpRequest, cells: Cells) -> None:
    query = QueryDict(mutable=True)
    query["location"] = str(_location_of(request, cells).pk)
    request.GET = query  # type: ignore[assignment]


def _check_evse(row: Evse, cells: Cells) -> None:
    wanted = cells.get("location__ocpi_id", "")
    if wanted and wanted.lower() != row.location.ocpi_id.lower():
        raise Unreadable(
            gettext("This EVSE is at the location %(id)s, and cannot be moved.")
            % {"id": row.location.ocpi_id}
        )


def _lock_location(object_id: int) -> datetime | None:
    rows = Location.objects.select_for_update(no_key=True).filter(pk=object_id)
    return rows.values_list("last_updated", flat=True).first()


def _lock_location_of(evse_id: int) -> datetime | None:
    # The location first, as every operation does it. The EVSE as well: only of rows that are locked
    # PostgreSQL tells what they are after it had to wait.
    rows = Location.objects.select_for_update(no_key=True).filter(evses=evse_id)
    return rows.values_list("evses__last_updated", flat=True).first()


def _lock_tariff(object_id: int) -> datetime | None:
    rows = Tariff.objects.select_for_update(no_key=True).filter(pk=object_id)
    return rows.values_list("last_updated", flat=True).first()


def _tariffs(request: HttpRequest) -> list[tuple[str, str]]:
    rows = visible(request, Tariff.objects.in_use()).order_by("ocpi_id", "pk")
    found: dict[str, str] = {}
    for ocpi_id, currency in rows.values_list("ocpi_id", "currency")[:MOST_TARIFFS]:
        found.setdefault(ocpi_id, f"{ocpi_id} ({currency})")
    return list(found.items())


_ENERGY = ("green", "supplier_name", "energy_product_name", "energy_sources")
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

LISTS: tuple[BulkList, ...] = (
    BulkList(
        "locations.location",
        (
            Choice(("publish",)),
            Choice(("publish_to",)),
            Choice(("parking_type",)),
            Choice(("operator_name", "operator_website"), _("operator")),
            Choice(("suboperator_name", "suboperator_website"), _("suboperator")),
            Choice(("owner_name", "owner_website"), _("owner")),
            Choice(("facilities",)),
            Choice(("time_zone",)),
            Choice(("open_always", *_DAYS), _("opening times")),
            Choice(("openings",)),
            Choice(("closings",)),
            Choice(("charging_when_closed",)),
            Choice(("image_lines",)),
            Choice((*_ENERGY, "environ_impact"), _("energy mix")),
            Choice(("help_phone",)),
            Choice(("direction_texts",)),
        ),
        _lock_location,
        Importing(
            keys=("ocpi_id",),
            find=_find_location,
            name=_location_name,
            beside=("party", "country_code", "party_id"),
        ),
    ),
    BulkList(
        "locations.evse",
        (
            Choice(("connectors.tariff_ids",), _("tariffs of all connectors"), _tariffs),
            Choice(("connectors.terms_and_conditions",), _("terms of all connectors")),
            Choice(("capabilities",)),
            Choice(("parking_restrictions",)),
            Choice(("providers",)),
            Choice(("floor_level",)),
            Choice(("schedule",)),
            Choice(("direction_texts",)),
            Choice(("image_lines",)),
        ),
        _lock_location_of,
        Importing(
            keys=("uid",),
            find=_find_evse,
            name=_evse_name,
            beside=("location__ocpi_id", "location__party"),
            only_new=frozenset({"status"}),
            place=_place_evse,
            check=_check_evse,
        ),
        part=("connectors", "connector", ConnectorForm, pgettext_lazy("bulk", "connector")),
        fetched=("connectors__tariffs", "parking__parking_place", "location__parking_places"),
        steady=("location",),
    ),
    BulkList(
        "tariffs.tariff",
        (
            Choice(("public",)),
            Choice(("texts",)),
            Choice(("tariff_alt_url",)),
            Choice(_ENERGY, _("energy mix")),
        ),
        _lock_tariff,
    ),
)

_BY_LABEL = {one.label: one for one in LISTS}


def list_of(label: str) -> BulkList | None:
    """Return the list of a model such as `locations.evse`; None: it cannot be changed in bulk."""
    return _BY_LABEL.get(label)
