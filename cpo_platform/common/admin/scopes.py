"""Which rows a person may see: `visible` is the only way from a request to rows.

What a person may see is asked of `STAFF_SCOPE`, a dotted path in the settings: the domain does not
know of people. How a model's rows belong to a party and to a location is said beside its admin
class (`Admin.scope`), or by `register_scope` where it has none.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from django.apps import apps
from django.conf import settings
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest
from django.utils.module_loading import import_string
from django.utils.translation import gettext

Rows = TypeVar("Rows", bound=QuerySet[Any])


@dataclass(frozen=True, slots=True)
class Scope:
    """What a person may see of our own objects.

    `parties` are country codes and party ids; None: those of all parties. `locations` is a query of
    the keys of locations, which is asked within other queries; None: all locations. People whose
    scopes are the same have the same `key`: 32 characters, "" where nothing is kept from them.
    """

    parties: frozenset[tuple[str, str]] | None = None
    locations: Any = None
    key: str = ""

    @property
    def is_whole(self) -> bool:
        """Tell whether nothing is kept from this person."""
        return self.parties is None and self.locations is None


@dataclass(frozen=True, slots=True)
class Way:
    """How the rows of a model belong to a party and to a location.

    `party` is the lookup to what has a country code and a party id ("": the row itself), `location`
    the one to a location; `where` says it where lookups cannot. Rows that belong to nobody are
    `unscoped`, for everybody, or `hidden` from whoever has a scope: each with the reason.
    """

    party: str | None = None
    location: str | None = None
    where: Callable[[Scope], Q] | None = None
    unscoped: str = ""
    hidden: str = ""

    @property
    def is_decided(self) -> bool:
        lookups = (self.party, self.location, self.where)
        return any(one is not None for one in lookups) or bool(self.unscoped or self.hidden)

    def condition(self, scope: Scope) -> Q:
        """Return what a row must meet for a scope that is not everything."""
        if self.unscoped:
            return Q()
        if self.hidden:
            return Q(pk__in=[])
        if self.where is not None:
            return self.where(scope)
        return self._of_party(scope) & self._of_location(scope)

    def _of_party(self, scope: Scope) -> Q:
        if self.party is None or scope.parties is None:
            return Q()
        prefix = f"{self.party}__" if self.party else ""
        wanted = Q(pk__in=[])
        for country_code, party_id in sorted(scope.parties):
            wanted |= Q(**{f"{prefix}country_code": country_code, f"{prefix}party_id": party_id})
        return wanted

    def _of_location(self, scope: Scope) -> Q:
        if self.location is None or scope.locations is None:
            return Q()
        return Q(**{f"{self.location}__in": scope.locations})


class UndecidedScope(Exception):
    """Nobody has said how the rows of a model belong to a party."""


class OutOfScope(Exception):
    """A row would be written that this person may not see."""

    def __init__(self) -> None:
        super().__init__(
            gettext(
                "This is outside of what you may work on: choose a party, and locations, of yours."
            )
        )


_WAYS: dict[type[Model], Way] = {}


def register_scope(
    model: type[Model],
    *,
    party: str | None = None,
    location: str | None = None,
    where: Callable[[Scope], Q] | None = None,
    unscoped: str = "",
    hidden: str = "",
) -> None:
    """Say how the rows of a model belong to a party and to a location; see `Way`."""
    register_way(model, Way(party, location, where, unscoped, hidden))


def register_way(model: type[Model], way: Way) -> None:
    """Say it by a `Way`."""
    _WAYS[model] = way


def way_of(model: type[Model]) -> Way:
    """Return how the rows of a model belong to a party.

    Raises:
        UndecidedScope: nobody has said it.

    """
    way = _WAYS.get(model)
    if way is None or not way.is_decided:
        raise UndecidedScope(f"register_scope: {model.__name__}")
    return way


def scope_of(request: HttpRequest) -> Scope:
    """Return what the person behind a request may see; it is looked up once per request."""
    known: Scope | None = getattr(request, "staff_scope", None)
    if known is None:
        known = import_string(settings.STAFF_SCOPE)(request)
        request.staff_scope = known  # type: ignore[attr-defined]
    assert known is not None  # noqa: S101  it was just looked up
    return known


def visible(request: HttpRequest, rows: Rows) -> Rows:
    """Return those of the rows that the person behind a request may see."""
    way = way_of(rows.model)
    scope = scope_of(request)
    return rows if scope.is_whole else rows.filter(way.condition(scope))


def is_visible(request: HttpRequest, row: Model) -> bool:
    """Tell whether the person behind a request may see a row that exists."""
    if scope_of(request).is_whole:
        return True
    rows = type(row)._default_manager.filter(pk=row.pk)  # noqa: SLF001  Django's own public name
    return visible(request, rows).exists()


def is_hidden(request: HttpRequest, model: type[Model]) -> bool:
    """Tell whether a model is kept from the person behind a request as a whole."""
    way = _WAYS.get(model)
    return way is not None and bool(way.hidden) and not scope_of(request).is_whole


def may(request: HttpRequest, permission: str) -> bool:
    """Tell whether a person has a permission such as `roaming.view_partner`, scope included.

    Whoever may change rows may see them.
    """
    app, _dot, codename = permission.partition(".")
    verb, _line, model = codename.partition("_")
    allowed = request.user.has_perm(permission)
    if not allowed and verb == "view":
        allowed = request.user.has_perm(f"{app}.change_{model}")
    return allowed and not is_hidden(request, apps.get_model(app, model))
