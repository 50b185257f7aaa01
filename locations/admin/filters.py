"""What the lists of locations and EVSEs are filtered by."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from cpo_platform.common.admin import visible
from locations.models import Connector, Location
from tariffs.admin import PartyFilter
from tariffs.models import Tariff


class PublishedFilter(admin.SimpleListFilter):
    """Whether apps and maps show a location."""

    title = _("publish")
    parameter_name = "publish"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("yes", _("Published")), ("no", _("Not published"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(publish=self.value() == "yes") if self.value() else queryset


class EvsePartyFilter(PartyFilter):
    """EVSEs at locations of one of our parties."""

    path = "location__"


class _IdFilter(admin.SimpleListFilter):
    """Rows of one object, chosen on another page; offered only while it is on."""

    lookup = ""

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        value = request.GET.get(str(self.parameter_name), "")
        return [(value, self.name_of(request, value))] if value.isdecimal() else []

    def name_of(self, request: HttpRequest, value: str) -> str:
        raise NotImplementedError

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        value = self.value()
        return queryset.filter(**{self.lookup: value}) if value else queryset


class AtLocationFilter(_IdFilter):
    """EVSEs of one location."""

    title = _("location")
    parameter_name = "location"
    lookup = "location_id"

    def name_of(self, request: HttpRequest, value: str) -> str:
        row = visible(request, Location.objects.filter(pk=value)).first()
        return (row.name or row.address) if row else value


class TariffFilter(_IdFilter):
    """EVSEs with a connector that uses one tariff."""

    title = _("tariff")
    parameter_name = "tariff"

    def name_of(self, request: HttpRequest, value: str) -> str:
        return str(visible(request, Tariff.objects.filter(pk=value)).first() or value)

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if not self.value():
            return queryset
        using = Connector.tariffs.through.objects.filter(tariff_id=int(self.value() or 0))
        return queryset.filter(connectors__in=using.values("connector_id")).distinct()
