"""What the list of stations is filtered by."""

from typing import Any

from django.contrib import admin
from django.db.models import Exists, OuterRef, Q
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from cpo_platform.common import clock
from ocpp_gateway.models import StationAlert, StationState


class ConnectionFilter(admin.SimpleListFilter):
    """Stations in service that are connected, or are not."""

    title = _("connection")
    parameter_name = "connection"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("online", _("Online")), ("offline", _("Offline"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        rows = queryset.filter(state=StationState.PLACED)
        if self.value() == "online":
            return rows.filter(online_until__gt=clock.now())
        if self.value() == "offline":
            return rows.filter(Q(online_until=None) | Q(online_until__lte=clock.now()))
        return queryset


class PlaceFilter(admin.SimpleListFilter):
    """Stations by whether what they say counts."""

    title = _("state")
    parameter_name = "place"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("knocked", _("Knocked: waits for you")),
            ("placed", _("In service")),
            ("maintenance", _("In maintenance")),
            ("refused", _("Refused")),
        ]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        wanted = {
            "knocked": Q(state=StationState.HELD),
            "placed": Q(state=StationState.PLACED),
            "maintenance": Q(state=StationState.PLACED, in_maintenance=True),
            "refused": Q(state=StationState.REFUSED),
        }.get(self.value() or "")
        return queryset if wanted is None else queryset.filter(wanted)


class AlertFilter(admin.SimpleListFilter):
    """Stations with something that needs a look."""

    title = _("alerts")
    parameter_name = "alerts"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("open", _("With open alerts"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if self.value() != "open":
            return queryset
        alerts = StationAlert.objects.filter(station=OuterRef("pk"), resolved_at__isnull=True)
        return queryset.filter(Exists(alerts))
