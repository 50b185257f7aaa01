"""What the lists of sessions and CDRs are filtered by."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from cpo_platform.common import clock
from sessions_app.models.sessions import ENDED, ONGOING, stuck
from tariffs.models import Tariff


class StateFilter(admin.SimpleListFilter):
    """Sessions that go on, or that have ended."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("ongoing", _("Ongoing")), ("ended", _("Ended")), ("stuck", _("Seem stuck"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if self.value() == "ongoing":
            return queryset.filter(status__in=ONGOING)
        if self.value() == "stuck":
            return queryset.filter(stuck(now=clock.now()))
        return queryset.filter(status__in=ENDED) if self.value() == "ended" else queryset


class _DayFilter(admin.SimpleListFilter):
    """Rows of some days, by UTC."""

    field = ""

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("today", _("Today")),
            ("yesterday", _("Yesterday")),
            ("7", _("Last 7 days")),
            ("30", _("Last 30 days")),
        ]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        value = self.value()
        if value is None:
            return queryset
        midnight = clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
        days = {"today": 0, "yesterday": 1}.get(value, int(value) if value.isdecimal() else 0)
        rows = queryset.filter(**{f"{self.field}__gte": midnight - timedelta(days=days)})
        return rows.filter(**{f"{self.field}__lt": midnight}) if value == "yesterday" else rows


class StartedFilter(_DayFilter):
    title = _("started (UTC)")
    parameter_name = "started"
    field = "start_date_time"


class EndedFilter(_DayFilter):
    title = _("ended (UTC)")
    parameter_name = "ended"
    field = "end_date_time"


def currencies() -> list[tuple[str, str]]:
    """Return the currencies that bills can be in: those of tariffs, whether still in use or not."""
    found = set(Tariff.objects.order_by().values_list("currency", flat=True).distinct())
    return [(currency, currency) for currency in sorted(found | {settings.DEFAULT_CURRENCY})]
