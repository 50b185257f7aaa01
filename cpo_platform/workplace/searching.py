"""Search of everything: a few hits of each kind, in one question to the database for each."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import override

from cpo_platform.admin_site import navigation
from cpo_platform.common.admin import change_url, may, visible
from locations.models import Evse, Location, LocationGroup
from ocpp_gateway.models import Station, Transaction
from roaming.models import Partner
from sessions_app.models import Cdr, Session, Token
from tariffs.models import Party, Tariff

# Hits of one kind that are shown.
SHOWN = 5
# Rows that are looked at to find the best of them.
LOOKED_AT = 40
# Where very many rows hold a text, the index gives up on most; among the newest are some of them.
NEWEST = 500
MOST_OF_INDEX = 5_000
# A fragment has three letters in the index; two are looked for in small tables only.
SHORTEST, FRAGMENT, LONGEST = 2, 3, 80
NO_HIT = 9
MOST_WORDS = 4


@dataclass(frozen=True)
class Hit:
    """Something that was found."""

    title: str
    note: str
    url: str


@dataclass(frozen=True)
class Found:
    """The hits of one kind, best first."""

    title: Any
    icon: str
    hits: Sequence[Hit]


@dataclass(frozen=True)
class Source:
    """A kind of thing that is searched: by which columns, and what is said of a hit.

    `fields` have an index of fragments, all in one, or the table is small.
    """

    title: Any
    icon: str
    model: type[Model]
    fields: tuple[str, ...]
    name: Callable[[Any], object]
    note: Callable[[Any], object]
    related: tuple[str, ...] = ()
    shown: tuple[str, ...] = ()
    small: bool = False

    @property
    def permission(self) -> str:
        meta = self.model._meta  # noqa: SLF001  Django's own public name
        return f"{meta.app_label}.view_{meta.model_name}"


def _place(location: Location | None) -> str:
    if location is None:
        return ""
    return ", ".join(part for part in (location.name or location.address, location.city) if part)


_PLACE = ("location__name", "location__address", "location__city")
SOURCES: tuple[Source, ...] = (
    Source(
        title=_("Locations"),
        icon="location_on",
        model=Location,
        fields=("name", "address", "city", "postal_code", "ocpi_id"),
        name=lambda row: row.name or row.address,
        note=lambda row: f"{row.address}, {row.city} · {row.ocpi_id}",
    ),
    Source(
        title=_("EVSEs"),
        icon="ev_station",
        model=Evse,
        fields=("uid", "evse_id", "physical_reference"),
        name=lambda row: row.evse_id or row.uid,
        note=lambda row: f"{row.get_status_display()} · {_place(row.location)}",
        related=("location",),
        shown=("status", *_PLACE),
    ),
    Source(
        title=_("Stations"),
        icon="charger",
        model=Station,
        fields=("identity", "serial_number"),
        name=lambda row: row.identity,
        note=lambda row: " · ".join(filter(None, (row.serial_number, _place(row.location)))),
        related=("location",),
        shown=_PLACE,
    ),
    Source(
        title=_("Sessions"),
        icon="bolt",
        model=Session,
        fields=("ocpi_id", "token_uid", "token_contract_id", "authorization_reference"),
        name=lambda row: row.ocpi_id,
        note=lambda row: (
            f"{row.start_date_time:%Y-%m-%d %H:%M} UTC · {row.get_status_display()}"
            f" · {row.token_contract_id}"
        ),
        shown=("start_date_time", "status"),
    ),
    Source(
        title=_("CDRs"),
        icon="receipt_long",
        model=Cdr,
        fields=(
            *("ocpi_id", "session_ocpi_id", "token_uid", "token_contract_id"),
            *("authorization_reference", "invoice_reference_id"),
        ),
        name=lambda row: row.ocpi_id,
        note=lambda row: f"{row.end_date_time:%Y-%m-%d %H:%M} UTC · {row.token_contract_id}",
        shown=("end_date_time",),
    ),
    Source(
        title=_("Tokens"),
        icon="badge",
        model=Token,
        fields=("uid", "contract_id", "visual_number"),
        name=lambda row: row.uid,
        note=lambda row: f"{row.contract_id} · {row.issuer}",
        shown=("issuer",),
    ),
    Source(
        title=_("Transactions"),
        icon="electric_bolt",
        model=Transaction,
        fields=("token_uid", "ref"),
        name=lambda row: row.ref,
        note=lambda row: f"{row.station.identity} · {row.opened_at:%Y-%m-%d %H:%M} UTC",
        related=("station",),
        shown=("opened_at", "station__identity"),
    ),
    Source(
        title=_("Partners"),
        icon="hub",
        model=Partner,
        small=True,
        fields=("name", "versions_url", "hub_party_id"),
        name=lambda row: row.name,
        note=lambda row: row.get_status_display(),
        shown=("status",),
    ),
    Source(
        title=_("Tariffs"),
        icon="sell",
        model=Tariff,
        small=True,
        fields=("ocpi_id",),
        name=lambda row: row.ocpi_id,
        note=lambda row: f"{row.party} · {row.currency}",
        shown=("country_code", "party_id", "currency"),
    ),
    Source(
        title=_("Parties"),
        icon="apartment",
        model=Party,
        small=True,
        fields=("name", "party_id", "country_code"),
        name=lambda row: f"{row.country_code}*{row.party_id}",
        note=lambda row: row.name,
    ),
    Source(
        title=_("Location groups"),
        icon="workspaces",
        model=LocationGroup,
        small=True,
        fields=("name",),
        name=lambda row: row.name,
        note=lambda _row: "",
    ),
    Source(
        title=_("Users"),
        icon="person",
        model=User,
        small=True,
        fields=("username", "first_name", "last_name", "email"),
        name=lambda row: row.username,
        note=lambda row: f"{row.get_full_name()} {row.email}".strip(),
    ),
)


def cleaned(text: str) -> str:
    """Return what is looked for: a few words, with one space between them."""
    printable = "".join(one if one.isprintable() else " " for one in text[:LONGEST])
    return " ".join(printable.split()[:MOST_WORDS])


def is_enough(text: str) -> bool:
    """Tell whether a text is long enough to be looked for."""
    return len(text) >= SHORTEST


def searched(request: HttpRequest) -> list[Any]:
    """Return the kinds of things that are searched for this person."""
    return [source.title for source in SOURCES if may(request, source.permission)]


def find(request: HttpRequest, text: str) -> list[Found]:
    """Return what this person may see of what a text finds; kinds with an exact hit come first."""
    found = [_pages(request, text)]
    with transaction.atomic():
        _bound_the_effort()
        ranked = [
            (_of(request, source, text), source)
            for source in SOURCES
            if may(request, source.permission) and (source.small or len(text) >= FRAGMENT)
        ]
    # `sorted` keeps the order of those that are as good.
    for (_best, hits), source in sorted(ranked, key=lambda one: one[0][0]):
        found.append(Found(source.title, source.icon, hits))
    return [kind for kind in found if kind.hits]


def _bound_the_effort() -> None:
    """Have the indexes used, and stop them where a fragment is in very many rows.

    PostgreSQL does not know how rare a fragment is: it would rather read a million rows in the hope
    that the first forty come soon. Which of very many are found does not matter.
    """
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"SET LOCAL gin_fuzzy_search_limit = {MOST_OF_INDEX}")


def _of(request: HttpRequest, source: Source, text: str) -> tuple[int, list[Hit]]:
    """Return the best hits of a kind, and how good the best is: 0 is exact."""
    candidates = {row.pk: row for row in _candidates(request, source, text)}
    ranked = sorted(
        ((_rank(row, source.fields, text), row) for row in candidates.values()),
        key=lambda one: (one[0], -one[1].pk),
    )[:SHOWN]
    hits = [
        Hit(str(source.name(row)), str(source.note(row)), change_url(row)) for _best, row in ranked
    ]
    return (ranked[0][0] if ranked else NO_HIT, hits)


def _candidates(request: HttpRequest, source: Source, text: str) -> QuerySet[Any]:
    """Return rows among which the best are: exact ones, beginnings, and others, in one question.

    Each part stops at some rows, so that a text which a million rows hold is as quick as another.
    """
    fields = source.fields
    everything: QuerySet[Any] = source.model._default_manager.all()  # noqa: SLF001  Django's own public name
    rows = visible(request, everything).select_related(*source.related)
    rows = rows.only(*fields, *source.shown).order_by()
    exact = rows.filter(_hold(fields, [text], "icontains", "iexact"))[:SHOWN]
    begun = rows.filter(_hold(fields, [text], "icontains", "istartswith"))[:LOOKED_AT]
    words = sorted(text.split(), key=len, reverse=True)
    holding = rows.filter(_hold(fields, words, "icontains"))
    newest = everything.order_by("-pk").values("pk")[:NEWEST]
    among_newest = holding.filter(pk__in=newest)[:LOOKED_AT]
    return exact.union(begun, holding[:LOOKED_AT], among_newest, all=True)


def _hold(fields: Sequence[str], words: Iterable[str], *lookups: str) -> Q:
    """Return the condition that every word is in some of the fields, by all the lookups.

    PostgreSQL believes of a fragment, but not of a beginning, that few rows have it: so that it
    uses the index of fragments, lookups of three letters and more come with `icontains`.
    """
    every = Q()
    for word in words:
        some = Q()
        for field in fields:
            some |= Q(**{f"{field}__{lookup}": word for lookup in lookups})
        every &= some
    return every


def _rank(row: Any, fields: Sequence[str], text: str) -> int:
    """Return how well a row fits: 0 exactly, 1 its beginning, 2 a part of it."""
    wanted = text.casefold()
    values = [str(getattr(row, field) or "").casefold() for field in fields]
    if wanted in values:
        return 0
    return 1 if any(value.startswith(wanted) for value in values) else 2


def _pages(request: HttpRequest, text: str) -> Found:
    """Return the pages of the admin whose names hold a text, in this language or in English."""
    groups = navigation(request)
    with override("en"):
        english = [[str(item["title"]) for item in group["items"]] for group in navigation(request)]
    wanted = text.casefold()
    hits = [
        Hit(str(item["title"]), str(group.get("title", "")), str(item["link"]))
        for group, names in zip(groups, english, strict=True)
        for item, name in zip(group["items"], names, strict=True)
        if wanted in str(item["title"]).casefold() or wanted in name.casefold()
    ]
    return Found(_("Pages"), "web_asset", hits[:SHOWN])
