"""Trends of what needs somebody: counted each hour, once for each scope that a person has.

What was wrong a day ago cannot be asked of the tables: they say what is. So the very counts of the
home page are kept. A scope that nobody had a day ago has no trend yet.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.http import HttpRequest

from cpo_platform.common.admin import Scope, scope_of
from cpo_platform.staff.models import StaffScope
from cpo_platform.staff.scopes import scope_of_user
from cpo_platform.workplace import attention
from cpo_platform.workplace.models import Tally

DAY = timedelta(hours=24)
KEPT = timedelta(days=8)
# Scopes that differ from each other; further ones go without trends.
MOST_SCOPES = 200


class _Anyone:
    """Somebody who may see every kind of thing, as far as a scope goes."""

    is_authenticated = True

    def has_perm(self, _permission: str) -> bool:
        return True


def count(*, now: datetime) -> int:
    """Write down what needs somebody now, for each scope; return for how many scopes.

    It may run twice in an hour: the first counts.
    """
    scopes = _scopes()
    for scope in scopes:
        Tally.objects.bulk_create(_tallies(scope, now), ignore_conflicts=True)
    Tally.objects.filter(at__lt=now - KEPT).delete()
    return len(scopes)


def _tallies(scope: Scope, now: datetime) -> list[Tally]:
    request = _request_for(scope)
    evses = attention.evses_by_status(request)
    return [
        Tally(scope=scope.key, kind=item.kind, at=_hour(now), count=item.count)
        for item in attention.counted(request, evses=evses, now=now)
    ]


def _scopes() -> list[Scope]:
    """Return the scopes that people have, each once; the whole is always one of them."""
    rows = StaffScope.objects.filter(everything=False, user__is_active=True)
    rows = rows.select_related("user").order_by("pk")
    found = {"": Scope()}
    for scope in _of(rows.iterator(chunk_size=500)):
        found.setdefault(scope.key, scope)
        if len(found) > MOST_SCOPES:
            break
    return list(found.values())


def _of(rows: Iterator[StaffScope]) -> Iterator[Scope]:
    for row in rows:
        yield scope_of_user(row.user)


def _request_for(scope: Scope) -> HttpRequest:
    """Return what the counts of the home page are asked with."""
    request: Any = HttpRequest()
    request.user = _Anyone()
    request.staff_scope = scope
    found: HttpRequest = request
    return found


def a_day_ago(request: HttpRequest, *, now: datetime) -> dict[str, int]:
    """Return what was counted 24 hours ago for this person's scope, by kind. One query."""
    rows = Tally.objects.filter(scope=scope_of(request).key, at=_hour(now - DAY))
    return dict(rows.values_list("kind", "count"))


def _hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)
