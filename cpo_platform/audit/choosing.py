"""Which rows a person may see: the only place where pages of the audit get them from."""

from typing import Any

from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest

from cpo_platform.audit.models import Entry
from cpo_platform.common.admin.scopes import UndecidedScope, may, visible

# Apps whose tables say who may do what: shown to who may see people.
_OF_PEOPLE = ("auth_", "staff_", "account_", "mfa_", "socialaccount_", "usersessions_")


def may_see(request: HttpRequest) -> bool:
    """Tell whether a person may see the audit at all."""
    return may(request, "audit.view_entry")


def entries(request: HttpRequest) -> QuerySet[Entry]:
    """Return the entries that a person may see."""
    if not may_see(request):
        return Entry.objects.none()
    if may(request, "auth.view_user"):
        return Entry.objects.all()
    of_people = Q()
    for prefix in _OF_PEOPLE:
        of_people |= Q(table__startswith=prefix)
    return Entry.objects.exclude(of_people)


def entries_of(name: str) -> QuerySet[Entry]:
    """Return the entries of one object, such as `locations_evse:7`, for who may see that."""
    return Entry.objects.filter(objects_changed__contains=[name])


def rows(request: HttpRequest, model: type[Model]) -> QuerySet[Any]:
    """Return the objects of other apps that a person may be told the names of."""
    every: QuerySet[Any] = model._default_manager.all()  # noqa: SLF001  Django's own public name
    try:
        return visible(request, every)
    except UndecidedScope:
        return every
