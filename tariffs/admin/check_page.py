"""The tariff check: all remarks on all tariffs, a page of them at a time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from cpo_platform.common import clock
from cpo_platform.common.admin import Admin, Panel, change_url, pill, visible
from tariffs.admin.findings import TONES, stored_findings
from tariffs.admin.sentences import element_sentence
from tariffs.checking import Remark, checked_tariffs
from tariffs.models import Tariff
from tariffs.operations import shape_of
from tariffs.pricing.linting import Severity, severity_name

PER_PAGE = 25

NetworkCheck = Callable[[HttpRequest, datetime], list[Panel]]
_NETWORK_CHECKS: list[NetworkCheck] = []


def register_network_check(check: NetworkCheck) -> None:
    """Add panels of an app above on what concerns no tariff in particular."""
    _NETWORK_CHECKS.append(check)


@dataclass(frozen=True)
class ShownRemark:
    """A remark with its label, and the element it is about, in a sentence."""

    remark: Remark
    label: object
    element: str


@dataclass(frozen=True)
class CheckedTariff:
    """A tariff with what is to be said of it."""

    row: Tariff
    url: str
    remarks: Sequence[ShownRemark]


def check_view(admin: Admin, request: HttpRequest) -> HttpResponse:
    """Show the remarks on a page of tariffs, and those on the whole network on the first one."""
    if not admin.has_view_or_change_permission(request):
        raise PermissionDenied
    now = clock.now()
    page = Paginator(visible(request, checked_tariffs(now)), PER_PAGE).get_page(
        request.GET.get("page")
    )
    tariffs = list(page.object_list)
    remarks = stored_findings(request, tariffs, now)
    checked = [_checked(row, remarks.get(row.pk, [])) for row in tariffs]
    panels: list[Panel] = []
    if page.number == 1:
        panels = [panel for check in _NETWORK_CHECKS for panel in check(request, now)]
    return admin.page(
        request,
        "admin/tariffs/tariff/check.html",
        title=_("Tariff check"),
        page=page,
        checked=[item for item in checked if item.remarks],
        fine=[item for item in checked if not item.remarks],
        panels=panels,
        counts=_counts(remarks),
        can_add=admin.has_add_permission(request),
        add_url=admin.add_url(),
    )


def _checked(row: Tariff, remarks: Sequence[Remark]) -> CheckedTariff:
    elements = shape_of(row).elements if any(one.element is not None for one in remarks) else []
    shown = [
        ShownRemark(
            remark,
            pill(severity_name(remark.severity, gettext), TONES[remark.severity]),
            ""
            if remark.element is None
            else element_sentence(elements[remark.element], row.currency),
        )
        for remark in remarks
    ]
    return CheckedTariff(row, change_url(row), shown)


def _counts(remarks: dict[int, list[Remark]]) -> list[dict[str, Any]]:
    """Return how many remarks of each severity are on the page."""
    every = [remark.severity for found in remarks.values() for remark in found]
    names = {
        Severity.ERROR: _("Errors"),
        Severity.WARNING: _("Warnings"),
        Severity.HINT: _("Hints"),
    }
    return [
        {"label": names[severity], "count": every.count(severity), "tone": TONES[severity]}
        for severity in Severity
        if severity in every
    ]
