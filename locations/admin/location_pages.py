"""The pages of locations."""

from datetime import datetime
from importlib.util import find_spec
from typing import Any

from django.contrib import admin
from django.db.models import Count, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import include, path, reverse
from django.utils.module_loading import import_string
from django.utils.translation import gettext_lazy as _

from cpo_platform.common.admin import (
    NONE,
    Button,
    OperationAdmin,
    Way,
    change_url,
    link_to,
    minute,
    pill,
    visible,
)
from locations import operations
from locations.admin.filters import PublishedFilter
from locations.admin.location_forms import BUSINESSES, LocationForm
from locations.admin.panels import evses_panel
from locations.admin.photos import photo_response
from locations.admin.site_panels import site_panels
from locations.models import Evse, Location, Status
from tariffs.admin import PartyFilter, needs_party, party_choices

LOCATIONS = Way(party="", location="pk")


@admin.register(Location)
class LocationAdmin(OperationAdmin):
    """Locations with their EVSEs; an EVSE has a page of its own."""

    form = LocationForm
    module = "locations"
    scope = LOCATIONS
    change_list_template = "admin/locations/location/change_list.html"
    list_display = ("title", "city", "party", "evses", "available", "published", "updated")
    list_display_links = ("title",)
    list_filter = (PublishedFilter, PartyFilter, "country", "parking_type")
    search_fields = ("name", "address", "city", "ocpi_id", "evses__uid", "evses__evse_id")
    search_help_text = _("Search by name, address, id or EVSE")
    ordering = ("city", "name", "pk")
    empty_text = _(
        "A location is a site with its charging stations. Add the first one by hand, or bring all "
        "at once: “Import…” reads CSV and Excel, and has a template to fill in; “Import OCPI…” "
        "reads what another platform exports. Both show first what would happen. What to read: "
        "docs/operators.md, and docs/importing.md for files."
    )
    empty_add = _("Add the first location")
    fieldsets = (
        (None, {"fields": (("party", "ocpi_id"), "publish", "publish_to")}),
        (
            _("Address"),
            {
                "fields": (
                    "name",
                    "address",
                    ("postal_code", "city"),
                    ("state", "country"),
                    ("latitude", "longitude"),
                )
            },
        ),
        (
            _("On site"),
            {
                "fields": ("related", "parking_type", "direction_texts"),
                "classes": ("collapse",),
            },
        ),
        (
            _("Who runs it"),
            {
                "fields": tuple(
                    (f"{name}_name", f"{name}_website", f"{name}_logo") for name in BUSINESSES
                ),
                "classes": ("collapse",),
            },
        ),
        (_("Facilities"), {"fields": ("facilities",), "classes": ("collapse",)}),
        (
            _("Opening times"),
            {
                "fields": (
                    "time_zone",
                    "open_always",
                    ("monday", "tuesday"),
                    ("wednesday", "thursday"),
                    ("friday", "saturday"),
                    "sunday",
                    ("openings", "closings"),
                    "charging_when_closed",
                )
            },
        ),
        (
            _("Images, energy and help"),
            {
                "fields": (
                    "image_lines",
                    "green",
                    ("supplier_name", "energy_product_name"),
                    ("energy_sources", "environ_impact"),
                    "help_phone",
                ),
                "classes": ("collapse",),
            },
        ),
    )

    def get_urls(self) -> list[Any]:
        photo = self.admin_site.admin_view(self.photo_view)
        urls: list[Any] = [
            path("<int:object_id>/photo/<int:number>/", photo, name="locations_location_photo"),
            *super().get_urls(),
        ]
        if find_spec("locations.views") is None:
            return urls
        # By name: the import is a view of its own, and neither of us depends on the other.
        import_urls = import_string("locations.views.import_urls")
        return [path("import/", include(import_urls(self.admin_site))), *urls]

    def get_queryset(self, request: HttpRequest) -> Any:
        # Counted for the rows that are shown only, not for all that are sorted before that.
        return (
            super()
            .get_queryset(request)
            .annotate(
                evse_total=_number_of(~Q(status=Status.REMOVED)),
                evse_available=_number_of(Q(status=Status.AVAILABLE)),
            )
        )

    def put(self, form: LocationForm, now: datetime) -> Location:
        # If somebody was quicker, to put it would write over theirs.
        is_new = form.instance.pk is None
        return operations.put_location(location=form.shape, now=now, is_new=is_new).location

    def add_view(
        self,
        request: HttpRequest,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        return needs_party(request) or super().add_view(request, form_url, extra_context)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        rows = visible(request, Location.objects.order_by("-pk"))
        newest = rows.values("country", "time_zone").first()
        parties = party_choices(request)
        party = {"party": parties[0][0]} if len(parties) == 1 else {}
        given = super().get_changeform_initial_data(request)
        return {"publish": True, "charging_when_closed": True, **(newest or {}), **party, **given}

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: Any = None) -> Any:
        response = super().response_add(request, obj, post_url_continue)
        if "_save" in request.POST:
            # A location without EVSEs is of no use yet: show where they are added.
            return HttpResponseRedirect(change_url(obj))
        return response

    def photo_view(self, request: HttpRequest, object_id: int, number: int) -> HttpResponse:
        """Return one of the photos of a location, fetched by us, or say why it cannot be shown."""
        location = self.found(request, object_id)
        if location is None:
            raise Http404
        return photo_response(location, number)

    def form_context(self, request: HttpRequest, object_id: str | None) -> dict[str, Any]:
        context = super().form_context(request, object_id)
        if object_id and str(object_id).isdigit():
            context["panels_above"] = [evses_panel(request, int(object_id))]
            context["panels"] = [
                *site_panels(request, int(object_id)),
                *context.get("panels", []),
            ]
        return context

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        context = {"import_url": self._import_url(request), **(extra_context or {})}
        return super().changelist_view(request, context)

    def empty_buttons(self, request: HttpRequest) -> list[Button]:
        url = self._import_url(request)
        return [*self._list_buttons(request), *([Button(_("Import OCPI…"), url)] if url else [])]

    def _import_url(self, request: HttpRequest) -> str:
        allowed = self.has_add_permission(request) and self.has_change_permission(request)
        has_import = allowed and find_spec("locations.views") is not None
        return reverse("admin:locations_import") if has_import else ""

    @admin.display(description=_("location"), ordering="name")
    def title(self, row: Location) -> object:
        return row.name or row.address

    @admin.display(description=_("party"), ordering="country_code")
    def party(self, row: Location) -> str:
        return row.party

    @admin.display(description=_("EVSEs"))
    def evses(self, row: Any) -> str:
        url = reverse("admin:locations_evse_changelist") + f"?location={row.pk}"
        return link_to(url, row.evse_total) if row.evse_total else "0"

    @admin.display(description=_("available"))
    def available(self, row: Any) -> str:
        if not row.evse_total:
            return NONE
        return pill(row.evse_available, "green" if row.evse_available else "amber")

    @admin.display(description=_("publish"), ordering="publish", boolean=True)
    def published(self, row: Location) -> bool:
        return row.publish

    @admin.display(description=_("updated (UTC)"), ordering="last_updated")
    def updated(self, row: Location) -> object:
        return minute(row.last_updated)


def _number_of(which: Q) -> Coalesce:
    """Return how many EVSEs of a location are of this kind."""
    evses = Evse.objects.filter(which, location=OuterRef("pk")).order_by().values("location")
    return Coalesce(Subquery(evses.annotate(number=Count("pk")).values("number")), 0)
