"""The pages of stations: connecting them, how they are, and what they are asked."""

from collections.abc import Callable
from functools import partial
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Prefetch, Q
from django.http import HttpRequest, HttpResponse
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from cpo_platform.common import clock
from cpo_platform.common.admin import (
    NONE,
    Button,
    RecordAdmin,
    Way,
    known_filter,
    link_to,
    pill,
    register_panel,
    visible,
)
from ocpp_gateway.admin import placing, station_actions, station_decisions, station_page
from ocpp_gateway.admin.display import (
    how_to_connect,
    location_link,
    online_pill,
    outlet_pills,
    since_text,
    state_pill,
    version_text,
)
from ocpp_gateway.admin.station_filters import AlertFilter, ConnectionFilter, PlaceFilter
from ocpp_gateway.admin.station_panels import may_ask, may_change, page_url, stations_of_location
from ocpp_gateway.frames import Version
from ocpp_gateway.models import Outlet, Station, StationAlert, StationState

_Page = Callable[[RecordAdmin, HttpRequest, Station], HttpResponse]
_PAGES: tuple[tuple[str, _Page], ...] = (
    ("place", placing.place),
    ("outlets", placing.edit_outlets),
    ("refuse", station_decisions.refuse),
    ("forget", station_decisions.forget),
    ("maintenance", station_decisions.maintenance),
    ("password", station_decisions.set_password),
)


@admin.register(Station)
class StationAdmin(RecordAdmin):
    """Stations: those in service, and those that have knocked."""

    # Those that stand nowhere yet belong to no party: whoever has a scope does not see them.
    scope = Way(party="location", location="location")
    change_list_template = "admin/cpo/chips_list.html"
    list_display = (
        *("name", "state_shown", "place", "connected", "sockets", "speaks", "kind"),
        "trouble",
    )
    list_display_links = ("name",)
    list_filter = (
        *(ConnectionFilter, PlaceFilter),
        known_filter(
            "ocpp_version", _("OCPP version"), lambda: [(one.value, one.value) for one in Version]
        ),
        AlertFilter,
    )
    list_select_related = ("location",)
    # None of its own: what apps above do with many at once.
    actions: Any = ()
    search_fields = (
        *("identity", "serial_number", "location__name", "location__city"),
        *("outlets__connector__evse__uid", "outlets__connector__evse__evse_id"),
    )
    search_help_text = _("Search by identity, serial number, location or EVSE")
    # Who has knocked first: somebody waits there.
    ordering = ("state", "identity")

    @property
    def empty_text(self) -> Any:
        return how_to_connect()

    def get_queryset(self, request: HttpRequest) -> Any:
        outlets = Outlet.objects.select_related("station").order_by("ordinal")
        alerts = StationAlert.objects.filter(resolved_at__isnull=True)
        return (
            super()
            .get_queryset(request)
            .prefetch_related(
                Prefetch("outlets", queryset=outlets, to_attr="outlet_rows"),
                Prefetch("alerts", queryset=alerts, to_attr="open_alerts"),
            )
        )

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view
        own = [
            path("new/", view(self.new_view), name="ocpp_gateway_station_new"),
            *(
                path(
                    f"<int:object_id>/{name}/",
                    view(partial(self._changing, name, page)),
                    name=f"ocpp_gateway_station_{name}",
                )
                for name, page in self._pages()
            ),
        ]
        return own + super().get_urls()

    def _pages(self) -> list[tuple[str, _Page]]:
        asked = [(action.name, partial(_asked, action)) for action in station_actions.ACTIONS]
        return [*_PAGES, *asked]

    def _changing(
        self, name: str, page: _Page, request: HttpRequest, object_id: int
    ) -> HttpResponse:
        """Show a page of a station to whoever may change stations, or ask this of them."""
        if not may_ask(request, name):
            raise PermissionDenied
        rows = visible(request, Station.objects.select_related("location"))
        station = rows.filter(pk=object_id).first()
        if station is None:
            return self.missing(request, object_id)
        return page(self, request, station)

    def new_view(self, request: HttpRequest) -> HttpResponse:
        if not (may_change(request) or request.user.has_perm("ocpp_gateway.add_station")):
            raise PermissionDenied
        return placing.place_new(self, request)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        buttons = []
        if may_change(request):
            new = reverse("admin:ocpp_gateway_station_new")
            buttons = [Button(_("Add a charger before it connects"), new)]
        context = {"chips": _chips(request), "buttons": buttons, "chips_label": _("Stations")}
        return super().changelist_view(request, {**context, **(extra_context or {})})

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        if not self.has_view_or_change_permission(request):
            raise PermissionDenied
        known = str(object_id).isdecimal() and len(str(object_id)) < 19
        rows = visible(request, Station.objects.select_related("location"))
        station = rows.filter(pk=int(object_id)).first() if known else None
        if station is None:
            return self.missing(request, object_id)
        return station_page.show(self, request, station)

    @admin.display(description=_("identity"), ordering="identity")
    def name(self, row: Station) -> str:
        return str(row.identity)

    @admin.display(description=_("state"), ordering="state")
    def state_shown(self, row: Station) -> str:
        if row.state != StationState.HELD:
            return state_pill(row)
        place = link_to(page_url(row, "place"), _("Place it"))
        knocked = pill(_("Knocked"), "amber")
        return format_html('<span class="cpo-unbroken">{} {}</span>', knocked, place)

    @admin.display(description=_("location"), ordering="location__name")
    def place(self, row: Station) -> str:
        return location_link(row)

    @admin.display(description=_("connection, since (UTC)"), ordering="online_until")
    def connected(self, row: Station) -> str:
        now = clock.now()
        return format_html(
            '{}<br><span class="cpo-faint">{}</span>',
            online_pill(row, now=now),
            since_text(row, now=now),
        )

    @admin.display(description=_("connectors"))
    def sockets(self, row: Any) -> str:
        return outlet_pills(row.outlet_rows)

    @admin.display(description="OCPP", ordering="ocpp_version")
    def speaks(self, row: Station) -> str:
        return version_text(row.ocpp_version)

    @admin.display(description=_("model and firmware"), ordering="model")
    def kind(self, row: Station) -> str:
        name = " ".join(part for part in (row.vendor, row.model) if part)
        if not name:
            return NONE
        return format_html('{}<br><span class="cpo-faint">{}</span>', name, row.firmware_version)

    @admin.display(description=_("alerts"))
    def trouble(self, row: Any) -> str:
        count = len(row.open_alerts)
        return pill(count, "red") if count else NONE


def _asked(
    action: station_actions.Action, admin_page: RecordAdmin, request: HttpRequest, station: Station
) -> HttpResponse:
    return station_actions.run(admin_page, action, request, station)


def _chips(request: HttpRequest) -> list[dict[str, object]]:
    """Return how many stations there are of each kind: one query."""
    now = clock.now()
    placed = Q(state=StationState.PLACED)
    online = Q(online_until__gt=now)
    counts = visible(request, Station.objects.all()).aggregate(
        knocked=Count("pk", filter=Q(state=StationState.HELD)),
        online=Count("pk", filter=placed & online),
        offline=Count("pk", filter=placed & ~online | placed & Q(online_until=None)),
        maintenance=Count("pk", filter=placed & Q(in_maintenance=True)),
    )
    chips = (
        ("knocked", _("Knocked: waits for you"), "amber", "place=knocked"),
        ("online", _("Online"), "green", "connection=online"),
        ("offline", _("Offline"), "red", "connection=offline"),
        ("maintenance", _("In maintenance"), "amber", "place=maintenance"),
    )
    return [
        {
            "label": label,
            "tone": tone,
            "count": counts[name],
            "url": f"?{query}",
            "current": request.GET.urlencode() == query,
        }
        for name, label, tone, query in chips
        if counts[name]
    ]


register_panel("locations", stations_of_location, needs="ocpp_gateway.view_station")
