"""The pages of EVSEs."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Count
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from cpo_platform.common import clock
from cpo_platform.common.admin import (
    Button,
    Panel,
    Way,
    change_url,
    link,
    minute,
    moment,
    status_chips,
    visible,
)
from locations import operations
from locations.admin.display import STATUS_TONES, connector_text, lines, status_pill
from locations.admin.evse_forms import EvseForm
from locations.admin.filters import AtLocationFilter, EvsePartyFilter, TariffFilter
from locations.admin.part_pages import PartAdmin
from locations.models import Capability, Evse, Location, Status

# Nearly every public station has both; without the first apps cannot start a session, and without
# the second a driver with a card drives on (OCPI 2.2.1, mod_locations, Capability).
USUAL_CAPABILITIES = (Capability.REMOTE_START_STOP_CAPABLE, Capability.RFID_READER)


@admin.register(Evse)
class EvseAdmin(PartAdmin):
    """EVSEs: their status at a glance, and the page of each with its connectors."""

    form = EvseForm
    how_to_add = _("Open the location that gets the EVSE and choose “Add an EVSE”.")
    module = "evses"
    # Some rules look at all EVSEs of a location together.
    checked_as = "locations"
    scope = Way(party="location", location="location")
    change_form_template = "admin/locations/evse/change_form.html"
    change_list_template = "admin/locations/evse/change_list.html"
    list_display = ("title", "state", "place", "connectors", "physical_reference", "updated")
    list_display_links = ("title",)
    list_filter = (
        "status",
        EvsePartyFilter,
        AtLocationFilter,
        TariffFilter,
    )
    list_select_related = ("location",)
    search_fields = (
        *("uid", "evse_id", "physical_reference", "location__name", "location__address"),
        *("location__city", "location__ocpi_id"),
    )
    search_help_text = _("Search by EVSE id, uid, sign or location")
    ordering = ("location__city", "location_id", "evse_id", "pk")
    empty_text = _("EVSEs are added at their location: open one and choose “Add an EVSE”.")
    fieldsets = (
        (None, {"fields": (("uid", "evse_id"), "status", "schedule")}),
        (
            _("Capabilities"),
            {"fields": ("capabilities",), "classes": ("collapse", "then-connectors")},
        ),
        (
            _("On site"),
            {
                "fields": (
                    ("floor_level", "physical_reference"),
                    ("latitude", "longitude"),
                    "direction_texts",
                    "parking_restrictions",
                    "parking_ids",
                    "position_lines",
                    "image_lines",
                    "providers",
                ),
                "classes": ("collapse",),
            },
        ),
    )

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        location = self.location_of(request, obj)
        # The status of an EVSE that exists is set by its buttons: a form would write an old one.
        hidden = set() if obj is None else {"status"}
        if location is None or not location.parking_places.all():
            hidden |= {"parking_ids", "position_lines"}
        return [
            (
                title,
                options
                | {
                    "fields": tuple(name for name in options["fields"] if name not in hidden),
                    "classes": _classes(options, is_new=obj is None),
                },
            )
            for title, options in self.fieldsets
        ]

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        given = super().get_changeform_initial_data(request)
        usual = {"capabilities": list(USUAL_CAPABILITIES), "first_connector": "1"}
        return {**usual, **given}

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("connectors")

    def saved_text(self, obj: Evse) -> str:
        return gettext("EVSE %(evse)s is saved.") % {"evse": obj}

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        removed = obj is not None and obj.status == Status.REMOVED
        return super().has_change_permission(request, obj) and not removed

    def add_view(
        self,
        request: HttpRequest,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        location = self.location_of(request, None)
        context = {"location": location, "title": gettext("Add an EVSE"), **(extra_context or {})}
        return super().add_view(request, form_url, context)

    def put(self, form: EvseForm, now: datetime) -> Evse:
        assert form.location is not None  # noqa: S101  `add_view` sees to it
        with transaction.atomic():
            # Stations change the status while a person edits: it stays as it is now.
            Location.objects.select_for_update(no_key=True).only("pk").get(pk=form.location.pk)
            status = Evse.objects.filter(pk=form.instance.pk).values_list("status", flat=True)
            shape = form.shape
            if form.instance.pk is not None:
                shape = shape.model_copy(update={"status": status.get()})
            elif Evse.objects.filter(uid=shape.uid).exists():
                raise operations.EvseElsewhere(f"uid: {shape.uid} exists already")
            row, _outcome = operations.put_evse(location_id=form.location.pk, evse=shape, now=now)
        return row

    def checked(self, form: EvseForm) -> Location | None:
        return form.location

    def get_urls(self) -> list[Any]:
        status = self.admin_site.admin_view(self.status_view)
        own = [path("<int:object_id>/status/", status, name="locations_evse_status")]
        return [*own, *super().get_urls()]

    def form_context(self, request: HttpRequest, object_id: str | None) -> dict[str, Any]:
        context = super().form_context(request, object_id)
        row = None
        if object_id and str(object_id).isdigit():
            rows = visible(request, Evse.objects.select_related("location"))
            row = rows.filter(pk=int(object_id)).first()
        if row is not None:
            context |= {
                "location": row.location,
                "status_label": status_pill(row.status),
                "status_buttons": self._status_buttons(request, row),
                "since": moment(row.last_updated),
            }
        return context

    def _status_buttons(self, request: HttpRequest, evse: Evse) -> list[Button]:
        if not self.has_change_permission(request, evse):
            return []
        url = reverse("admin:locations_evse_status", args=[evse.pk])
        return [
            Button(
                status.label,
                url,
                post=True,
                tone="warn" if status is Status.REMOVED else "",
                values={"status": status.value},
            )
            for status in STATUS_TONES
            if status.value != evse.status
        ]

    def status_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Set the status of an EVSE; removing it asks first."""
        evse = self.found(request, object_id)
        if evse is None:
            return self.missing(request, object_id)
        status = request.POST.get("status", "")
        if request.method != "POST" or status not in Status.values:
            return HttpResponseRedirect(change_url(evse))
        if not self.has_change_permission(request):
            raise PermissionDenied
        if status == Status.REMOVED and "confirmed" not in request.POST:
            return self._ask_to_remove(
                request,
                [evse],
                cancel_url=change_url(evse),
                values=[("status", status), ("confirmed", "1")],
            )
        self._set_status(request, [evse], status)
        return HttpResponseRedirect(change_url(evse))

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions = super().get_actions(request)
        if not self.has_change_permission(request):
            return actions
        for status in STATUS_TONES:
            name = f"set_{status.value.lower()}"
            title = gettext("Set status: %(status)s") % {"status": status.label}
            actions[name] = (partial(_set_status_action, status=status.value), name, title)
        return actions

    def set_statuses(self, request: HttpRequest, queryset: Any, status: str) -> Any:
        """Set the status of the chosen EVSEs; removing them asks first."""
        evses = list(queryset)
        if status == Status.REMOVED and "confirmed" not in request.POST:
            chosen = [("_selected_action", str(evse.pk)) for evse in evses]
            return self._ask_to_remove(
                request,
                evses,
                cancel_url=self.list_url(),
                values=[("action", "set_removed"), ("confirmed", "1"), *chosen],
            )
        self._set_status(request, evses, status)
        return None

    def _ask_to_remove(
        self,
        request: HttpRequest,
        evses: Sequence[Evse],
        *,
        cancel_url: str,
        values: list[tuple[str, str]],
    ) -> HttpResponse:
        return self.confirm(
            request,
            title=ngettext("Remove this EVSE?", "Remove %(total)s EVSEs?", len(evses))
            % {"total": len(evses)},
            sentences=[
                gettext("It gets the status “Removed” and can never come back."),
                gettext("Its uid cannot be used again, not even for a new station at this place."),
                gettext("Partners will be told at once. Its sessions and CDRs stay."),
            ],
            links=[str(evse) for evse in evses[:20]],
            button=gettext("Remove for good"),
            cancel_url=cancel_url,
            danger=True,
            values=values,
        )

    def _set_status(self, request: HttpRequest, evses: Sequence[Evse], status: str) -> None:
        now, changed = clock.now(), 0
        for evse in evses:
            try:
                if operations.set_evse_status(evse_id=evse.pk, status=status, now=now):
                    changed += 1
                    self.log_change(request, evse, f"status: {status}")
            except operations.EvseRemoved:
                messages.error(request, gettext("%(evse)s is removed for good.") % {"evse": evse})
        label = Status(status).label
        if changed:
            text = ngettext(
                "%(total)s EVSE is now: %(status)s. Partners will be told.",
                "%(total)s EVSEs are now: %(status)s. Partners will be told.",
                changed,
            )
            messages.success(request, text % {"total": changed, "status": label})
        else:
            messages.info(request, gettext("Nothing to change."))

    def view_heading(self, obj: Evse) -> object:
        return format_html("{} {}", status_pill(obj.status), link(obj.location))

    def view_panels(self, obj: Evse) -> list[Panel]:
        return [
            Panel(
                title=_("Connectors"),
                columns=(_("id"), _("connector"), _("tariffs")),
                rows=[
                    (
                        connector.ocpi_id,
                        connector_text(connector),
                        lines(tariff.ocpi_id for tariff in connector.tariffs.all()),
                    )
                    for connector in obj.connectors.prefetch_related("tariffs")
                ],
            )
        ]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        evses = visible(request, Evse.objects.all())
        counts = dict(evses.values_list("status").annotate(Count("pk")))
        chips = status_chips(counts, STATUS_TONES, request.GET.get("status__exact"))
        return super().changelist_view(request, {"chips": chips, **(extra_context or {})})

    @admin.display(description=_("EVSE"), ordering="evse_id")
    def title(self, row: Evse) -> object:
        return row.evse_id or row.uid

    @admin.display(description=_("status"), ordering="status")
    def state(self, row: Evse) -> str:
        return status_pill(row.status)

    @admin.display(description=_("location"), ordering="location__name")
    def place(self, row: Evse) -> str:
        location = row.location
        return link(location, f"{location.name or location.address}, {location.city}")

    @admin.display(description=_("connectors"))
    def connectors(self, row: Evse) -> str:
        return lines(connector_text(connector) for connector in row.connectors.all())

    @admin.display(description=_("updated (UTC)"), ordering="last_updated")
    def updated(self, row: Evse) -> object:
        return minute(row.last_updated)


def _classes(options: Any, *, is_new: bool) -> tuple[str, ...]:
    """Return how a part of the form looks: what is chosen for a new EVSE already is to be seen."""
    classes: tuple[str, ...] = options.get("classes", ())
    shown = is_new and "capabilities" in options["fields"]
    return tuple(name for name in classes if not (shown and name == "collapse"))


def _set_status_action(
    model_admin: EvseAdmin, request: HttpRequest, queryset: Any, *, status: str
) -> Any:
    return model_admin.set_statuses(request, queryset, status)
