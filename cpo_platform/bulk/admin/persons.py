"""Who has a job done."""

from django.http import HttpRequest
from django.utils.translation import get_language

from cpo_platform.bulk.lists import BulkList
from cpo_platform.bulk.operations import Person


def person_of(request: HttpRequest) -> Person:
    """Return who makes a job."""
    assert request.user.pk is not None  # noqa: S101  nobody else gets here
    return Person(int(request.user.pk), request.user.get_username(), get_language() or "en")


def may_start(request: HttpRequest, listed: BulkList) -> bool:
    """Tell whether a person may change rows of this list, and many at once."""
    return request.user.has_perm("bulk.add_job") and bool(
        listed.pages.has_change_permission(request)
    )
