"""Which rows a person may see: the only place where pages of the audit get them from."""

from typing import Any

from django.db.models import Model, QuerySet
from django.http import HttpRequest

from cpo_platform.audit.models import Entry


def may_see(request: HttpRequest) -> bool:
    """Tell whether a person may see the audit at all."""
    return bool(request.user.has_perm("audit.view_entry"))


def entries(request: HttpRequest) -> QuerySet[Entry]:
    """Return the entries that a person may see."""
    return Entry.objects.all() if may_see(request) else Entry.objects.none()


def rows(_request: HttpRequest, model: type[Model]) -> QuerySet[Any]:
    """Return the objects of other apps that a person may be told the names of."""
    return model._default_manager.all()  # noqa: SLF001  Django's own public name
