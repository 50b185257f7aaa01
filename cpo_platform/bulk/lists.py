"""Which lists can be changed in bulk, which of their fields, and how a file names their rows.

What is not here has no button: tokens are the eMSPs', CDRs are final, parties and partners are few,
and a tariff has elements that no flat row can say.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from cpo_platform.bulk import examples, finding, groups, stations
from cpo_platform.bulk.finding import Cells
from cpo_platform.common.admin import OperationAdmin, visible
from locations.admin import ConnectorForm
from locations.models import Location
from tariffs.models import Tariff

# Parts that a file can say, such as the connectors of an EVSE: `connector_1_standard`.
MOST_PARTS = 10
MOST_TARIFFS = 500


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
    `keys` must be there, those in `beside` may be: they are no fields that can be changed. Two rows
    of one object have one `name`.
    """

    keys: tuple[str, ...]
    find: Callable[[HttpRequest, Cells], Model | None]
    name: Callable[[HttpRequest, Cells], str]
    beside: tuple[str, ...] = ()
    # Read for rows that are new, and not looked at for others: stations set it.
    only_new: frozenset[str] = frozenset()
    place: Callable[[HttpRequest, Cells], None] | None = None
    check: Callable[[Any, Cells], None] | None = None
    # Returns the cells of a new row with what need not be said.
    complete: Callable[[HttpRequest, Cells], Cells] | None = None
    # Sentences for the page that takes the file.
    notes: tuple[Any, ...] = ()
    # A row that would be new, as cells by column; none: the list has no example.
    example: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class BulkList:
    """One list: what may be changed of many at once, and whether a file may say it.

    `part` is the formset's name, the name of one in columns, its form, and how it is called.
    `lock` locks what the operation locks first, and returns the object's `last_updated`; None: it
    has none. `fetched` is what the form asks for of an object, `steady` what no job moves it to.
    `form_pages` are other pages than the list's own, where those have no form that rows can fill.
    """

    label: str
    choices: Sequence[Choice]
    lock: Callable[[int], datetime | None]
    importing: Importing | None = None
    part: tuple[str, str, Any, Any] | None = None
    fetched: tuple[str, ...] = ()
    steady: tuple[str, ...] = ()
    form_pages: type[OperationAdmin] | None = None

    @property
    def model(self) -> type[Model]:
        return apps.get_model(self.label)

    @property
    def model_admin(self) -> Any:
        return admin.site._registry[self.model]  # noqa: SLF001  Django has no public name for it

    @property
    def pages(self) -> Any:
        """The pages whose form a row fills, and which save it."""
        kind = self.form_pages
        return self.model_admin if kind is None else _pages_of(kind, self.model)

    @property
    def names(self) -> str:
        return str(self.model._meta.verbose_name_plural)  # noqa: SLF001  Django's own public name

    def names_of(self, number: int) -> str:
        """Return what so many of its rows are called."""
        return str(self.model._meta.verbose_name) if number == 1 else self.names  # noqa: SLF001  Django's own public name


@cache
def _pages_of(kind: type[OperationAdmin], model: type[Model]) -> OperationAdmin:
    return kind(model, admin.site)


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
            find=finding.find_location,
            name=finding.location_name,
            beside=("party", "country_code", "party_id"),
            complete=finding.with_party,
            notes=(
                _(
                    "“party” says whose a new location is, such as DE*ABC. Who has one party only "
                    "may leave it out."
                ),
            ),
            example=examples.LOCATION,
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
            find=finding.find_evse,
            name=finding.evse_name,
            beside=finding.PLACE,
            only_new=frozenset({"status"}),
            place=finding.place_new,
            check=finding.check_evse,
            example=examples.EVSE,
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
    BulkList(
        "locations.locationgroup",
        (Choice(("add_locations",)), Choice(("remove_locations",))),
        groups.lock_group,
        Importing(
            keys=("name",),
            find=groups.find_group,
            name=groups.group_name,
            notes=(
                _(
                    "“locations” are exactly these; “add_locations” and “remove_locations” are "
                    "these as well, and these not any more. Ids such as DE*ABC*LOC1."
                ),
            ),
        ),
        form_pages=groups.GroupPages,
    ),
    BulkList(
        "ocpp_gateway.station",
        (Choice(("in_maintenance",)),),
        stations.lock_station,
        Importing(
            keys=("identity",),
            find=stations.find_station,
            name=stations.station_name,
            beside=finding.PLACE,
            only_new=frozenset({"evse_uids", "password"}),
            place=finding.place_new,
            check=stations.check_station,
            notes=(
                _(
                    "A new station is one that has not connected yet. It needs “location__ocpi_id” "
                    "and, in “evse_uids”, the uids of its EVSEs in the order in which it counts "
                    "them."
                ),
                _(
                    "Its “password” is NEW, one that nobody knows until you make one on its page, "
                    "when you set up the charger; or NONE, where stations may be without."
                ),
            ),
        ),
        fetched=("location",),
        form_pages=stations.StationPages,
    ),
)

_BY_LABEL = {one.label: one for one in LISTS}


def list_of(label: str) -> BulkList | None:
    """Return the list of a model such as `locations.evse`; None: it cannot be changed in bulk."""
    return _BY_LABEL.get(label)
