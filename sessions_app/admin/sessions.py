"""The pages of sessions."""

from functools import partial
from typing import Any

from django.contrib import admin
from django.db.models import Count, Q
from django.http import HttpRequest
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from cpo_platform.common import clock
from cpo_platform.common.admin import (
    NONE,
    Button,
    Panel,
    RecordAdmin,
    Way,
    link,
    minute,
    moment,
    money,
    number,
    register_panel,
    status_chips,
    unbroken,
    visible,
)
from locations.models import PowerType
from sessions_app.admin import story
from sessions_app.admin.display import STATUS_TONES, label_of, session_pill, token_facts
from sessions_app.admin.filters import StartedFilter, StateFilter
from sessions_app.admin.findings import findings_panel
from sessions_app.admin.panels import (
    costs_panel,
    lines_panel,
    periods_panel,
    switch_panels,
    tariff_panel,
)
from sessions_app.models import CdrHold, MeterReading, Reservation, Session, SessionStatus
from sessions_app.models.sessions import ONGOING
from tariffs.admin import PartyFilter

READINGS_SHOWN = 50
RUNNING_SHOWN = 20


@admin.register(Session)
class SessionAdmin(RecordAdmin):
    """Sessions: what was used, what it costs and why, and who was told."""

    module = "sessions"
    scope = Way(party="", location="location")
    change_list_template = "admin/cpo/chips_list.html"
    list_display = (*("started", "state", "place", "contract", "duration", "energy", "cost"),)
    list_display_links = ("started",)
    list_filter = (StateFilter, "status", "auth_method", StartedFilter, PartyFilter)
    list_select_related = ("location", "evse")
    search_fields = (
        *("ocpi_id", "token_uid", "token_contract_id", "authorization_reference"),
        *("evse__uid", "evse__evse_id", "location__name", "location__city"),
    )
    search_help_text = _("Search by id, token, contract, EVSE or location")
    ordering = ("-start_date_time",)
    empty_text = _(
        "Sessions appear here as soon as somebody starts to charge, at a station or through a "
        "partner's app."
    )

    def panels(self, request: HttpRequest, obj: Session) -> list[Panel]:
        zone = str(obj.frozen_location.get("time_zone", ""))
        details = obj.price_details
        return [
            self._facts(obj, zone),
            self._place(obj),
            costs_panel(details.get("costs", {}), obj.currency),
            tariff_panel(obj.frozen_tariff),
            *switch_panels(obj.tariff_switches, zone),
            lines_panel(
                details.get("lines", []),
                obj.currency,
                details.get("remarks", []),
                tariffs=obj.tariffs,
                zone=zone,
            ),
            *self._doubts(obj),
            periods_panel(
                (
                    (period.start_date_time, period.dimensions, period.tariff_id)
                    for period in obj.charging_periods.order_by("position")
                ),
                zone,
                _(
                    "No period is closed yet: one closes when the price changes or the session "
                    "ends."
                ),
            ),
            _readings_panel(obj, zone),
        ]

    def _facts(self, obj: Session, zone: str) -> Panel:
        return Panel(
            title=_("Session"),
            half=True,
            facts=[
                (_("id"), obj.ocpi_id),
                (_("party"), obj.party),
                (_("status"), session_pill(obj.status)),
                (_("started"), moment(obj.start_date_time, zone)),
                (_("ended"), moment(obj.end_date_time, zone)),
                (_("time zone"), zone or "UTC"),
                (_("energy"), number(obj.kwh, "kWh")),
                (_("authorised by"), obj.get_auth_method_display()),
                (_("authorisation reference"), obj.authorization_reference or NONE),
                *token_facts(obj),
                *self._reservation(obj),
                (_("CDR"), self._cdr_links(obj)),
            ],
        )

    def _doubts(self, obj: Session) -> list[Panel]:
        """Return what the checks before the CDR found, where they found anything."""
        found = obj.price_details.get("findings", [])
        return [findings_panel(_("Doubtful when it ended"), found, obj)] if found else []

    def _reservation(self, obj: Session) -> list[tuple[Any, object]]:
        reservation = Reservation.objects.filter(session=obj).first()
        if reservation is None:
            return []
        return [(_("reservation"), link(reservation, reservation.get_status_display()))]

    def _cdr_links(self, obj: Session) -> object:
        cdrs = list(obj.cdrs.order_by("pk"))
        hold = CdrHold.objects.filter(session=obj).first() if not cdrs else None
        if hold is not None:
            return link(hold, _("held: staff decides before it is sent"))
        if not cdrs:
            return _("none yet: it is issued when the session ends")
        return format_html(
            "{}" + " {}" * (len(cdrs) - 1), *(link(cdr, cdr.ocpi_id) for cdr in cdrs)
        )

    def _place(self, obj: Session) -> Panel:
        frozen = obj.frozen_location
        address = ", ".join(
            str(frozen[name]) for name in ("address", "postal_code", "city") if frozen.get(name)
        )
        return Panel(
            title=_("Place"),
            half=True,
            facts=[
                (_("location"), link(obj.location, frozen.get("name") or address)),
                (_("address"), address),
                (_("EVSE"), link(obj.evse)),
                (_("connector"), frozen.get("connector_id", NONE)),
                (_("standard"), str(frozen.get("connector_standard", "")).replace("_", " ")),
                (_("power type"), label_of(PowerType, frozen.get("connector_power_type"))),
                (_("meter"), obj.meter_id or NONE),
                (_("meter at the start"), number(obj.meter_start, "kWh")),
            ],
        )

    def heading(self, obj: Session) -> object:
        return session_pill(obj.status)

    def buttons(self, request: HttpRequest, obj: Session) -> list[Button]:
        url = reverse("admin:sessions_app_session_story", args=[obj.pk])
        return [Button(_("Explain this session"), url)]

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(partial(story.show, self))
        own = path("<int:object_id>/story/", view, name="sessions_app_session_story")
        return [own, *super().get_urls()]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        sessions = visible(request, Session.objects.unfinished())
        counts = dict(sessions.values_list("status").annotate(Count("pk")))
        tones = {status: STATUS_TONES[status] for status in (*ONGOING, SessionStatus.RESERVATION)}
        chips = status_chips(counts, tones, request.GET.get("status__exact"))
        return super().changelist_view(request, {"chips": chips, **(extra_context or {})})

    @admin.display(description=_("started (UTC)"), ordering="start_date_time")
    def started(self, row: Session) -> object:
        return minute(row.start_date_time)

    @admin.display(description=_("status"), ordering="status")
    def state(self, row: Session) -> str:
        return session_pill(row.status)

    @admin.display(description=_("location and EVSE"), ordering="location__name")
    def place(self, row: Session) -> str:
        name = row.location.name or row.location.address
        return format_html("<div>{}</div>{}", link(row.location, name), link(row.evse))

    @admin.display(description=_("contract"))
    def contract(self, row: Session) -> object:
        return unbroken(row.token_contract_id)

    @admin.display(description=_("duration (h:mm)"))
    def duration(self, row: Session) -> str:
        end = row.end_date_time or clock.now()
        minutes = int((end - row.start_date_time).total_seconds() // 60)
        return f"{minutes // 60}:{minutes % 60:02}"

    @admin.display(description=_("energy"), ordering="kwh")
    def energy(self, row: Session) -> str:
        return unbroken(number(round(row.kwh, 2), "kWh"))

    @admin.display(description=_("cost before taxes"), ordering="total_cost_before_taxes")
    def cost(self, row: Session) -> str:
        return unbroken(money(row.total_cost_before_taxes, row.currency))


def _readings_panel(obj: Session, zone: str) -> Panel:
    readings: list[MeterReading] = list(obj.meter_readings.order_by("-at")[: READINGS_SHOWN + 1])
    more = len(readings) > READINGS_SHOWN
    return Panel(
        title=_("Meter readings"),
        note=_("The last %(count)s, newest first.") % {"count": READINGS_SHOWN} if more else "",
        columns=(_("at"), _("register"), _("power"), _("current"), _("vehicle asks for power")),
        numeric=frozenset({1, 2, 3}),
        rows=[
            (
                moment(reading.at, zone),
                number(reading.kwh, "kWh"),
                number(reading.power, "kW"),
                number(reading.current, "A"),
                gettext("yes") if reading.requesting_power else gettext("no"),
            )
            for reading in readings[:READINGS_SHOWN]
        ],
        empty=_("The station has not sent any meter values yet."),
    )


def running_by(request: HttpRequest, tariff_id: int) -> Panel:
    """Return, on a tariff's page, the sessions that keep it as it was when they started."""
    # A preference may have brought it to a session that began with another.
    switched = (
        Session.objects.unfinished()
        .exclude(tariff_switches=[])
        .filter(tariff_switches__contains=[{"row": tariff_id}])
        .values_list("pk", flat=True)
    )
    rows = list(
        visible(request, Session.objects.unfinished())
        .filter(Q(tariff=tariff_id) | Q(pk__in=list(switched)))
        .select_related("location", "evse")
        .order_by("-start_date_time")[: RUNNING_SHOWN + 1]
    )
    more = len(rows) > RUNNING_SHOWN
    return Panel(
        title=_("Sessions that run by it"),
        note=_("The last %(count)s, newest first.") % {"count": RUNNING_SHOWN} if more else "",
        columns=(_("started (UTC)"), _("status"), _("EVSE"), _("cost before taxes")),
        numeric=frozenset({3}),
        rows=[
            (
                link(row, minute(row.start_date_time)),
                session_pill(row.status),
                link(row.evse),
                money(row.total_cost_before_taxes, row.currency),
            )
            for row in rows[:RUNNING_SHOWN]
        ],
        empty=_("None now. A session keeps the prices that it started with."),
    )


register_panel("tariffs", running_by, needs="sessions_app.view_session")
