"""The pages of reservations."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
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
    change_url,
    link,
    minute,
    moment,
    money,
    pill,
    unbroken,
)
from sessions_app.admin.display import session_pill, token_facts
from sessions_app.models import Reservation, ReservationStatus
from sessions_app.operations.reservations import ReservationOver
from sessions_app.tasks import withdraw_reservation

STATUS_TONES = {
    ReservationStatus.ACTIVE: "blue",
    ReservationStatus.USED: "green",
    ReservationStatus.EXPIRED: "amber",
    ReservationStatus.CANCELED: "grey",
    ReservationStatus.CANCELED_BY_CPO: "red",
}


def reservation_pill(status: str) -> str:
    """Return a reservation's status in its colour."""
    known = ReservationStatus(status)
    return pill(known.label, STATUS_TONES[known])


@admin.register(Reservation)
class ReservationAdmin(RecordAdmin):
    """Reservations: partners make them, and staff can take one back."""

    module = "reservations"
    scope = Way(party="location", location="location")
    list_display = ("reserved", "state", "place", "contract", "expires", "cost")
    list_display_links = ("reserved",)
    list_filter = ("status",)
    list_select_related = ("location", "evse", "session")
    search_fields = (
        *("reservation_id", "session__ocpi_id", "session__token_uid"),
        *("session__token_contract_id", "evse__uid", "evse__evse_id"),
        *("location__name", "location__city"),
    )
    search_help_text = _("Search by id, session, token, contract, EVSE or location")
    ordering = ("-reserved_at",)
    empty_text = _("Reservations come from partners' apps, for EVSEs that are reservable.")

    def get_urls(self) -> list[Any]:
        own = path(
            "<int:object_id>/cancel/",
            self.admin_site.admin_view(self._cancel_view),
            name="sessions_app_reservation_cancel",
        )
        return [own, *super().get_urls()]

    def panels(self, request: HttpRequest, obj: Reservation) -> list[Panel]:
        session = obj.session
        zone = str(session.frozen_location.get("time_zone", ""))
        name = obj.location.name or obj.location.address
        return [
            Panel(
                title=_("Reservation"),
                half=True,
                facts=[
                    (_("number at the station"), obj.pk),
                    (_("the eMSP's id"), obj.reservation_id),
                    (_("status"), reservation_pill(obj.status)),
                    (_("location"), link(obj.location, name)),
                    (_("EVSE"), link(obj.evse) if obj.evse else _("any of the location")),
                    (_("connector"), obj.connector or NONE),
                    (_("reserved"), moment(obj.reserved_at, zone)),
                    (_("expires"), moment(obj.expiry_date, zone)),
                    (_("ended"), moment(obj.ended_at, zone)),
                    (_("time zone"), zone or "UTC"),
                ],
            ),
            Panel(
                title=_("For whom"),
                half=True,
                facts=[
                    *token_facts(session),
                    (_("token group"), obj.group_id or NONE),
                    (_("authorisation reference"), session.authorization_reference or NONE),
                    (_("session"), link(session, session.ocpi_id)),
                    (_("status of the session"), session_pill(session.status)),
                    (_("cost before taxes"), self._cost(obj)),
                ],
            ),
        ]

    def heading(self, obj: Reservation) -> object:
        return reservation_pill(obj.status)

    def buttons(self, request: HttpRequest, obj: Reservation) -> list[Button]:
        if obj.status != ReservationStatus.ACTIVE or not self._may_cancel(request):
            return []
        url = reverse("admin:sessions_app_reservation_cancel", args=[obj.pk])
        return [Button(_("Cancel the reservation"), url)]

    def _may_cancel(self, request: HttpRequest) -> bool:
        # Nobody edits a reservation, so Django's own answer to "may change" is no.
        return request.user.has_perm("sessions_app.change_reservation")

    def _cancel_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        reservation = self.found(request, object_id)
        if not self._may_cancel(request):
            raise PermissionDenied
        if reservation is None:
            return self.missing(request, object_id)
        if reservation.status != ReservationStatus.ACTIVE:
            messages.info(request, gettext("The reservation has ended already."))
            return HttpResponseRedirect(change_url(reservation))
        if request.method != "POST":
            return self._ask(request, reservation)
        try:
            withdraw_reservation(reservation.pk, clock.now())
        except ReservationOver:
            messages.info(request, gettext("The reservation has ended already."))
        else:
            self.log_change(request, reservation, "Canceled.")
            messages.success(request, gettext("The reservation is canceled."))
        return HttpResponseRedirect(change_url(reservation))

    def _ask(self, request: HttpRequest, reservation: Reservation) -> HttpResponse:
        return self.confirm(
            request,
            title=gettext("Cancel this reservation?"),
            sentences=[
                gettext("The EVSE is free for everybody again, at once."),
                gettext("The partner is told that we canceled it; the driver learns it from him."),
                gettext("It costs the driver nothing: no CDR is issued for the reserved time."),
            ],
            button=gettext("Cancel the reservation"),
            cancel_url=change_url(reservation),
            danger=True,
        )

    def _cost(self, row: Reservation) -> str:
        return money(row.session.total_cost_before_taxes, row.session.currency)

    @admin.display(description=_("reserved (UTC)"), ordering="reserved_at")
    def reserved(self, row: Reservation) -> object:
        return minute(row.reserved_at)

    @admin.display(description=_("status"), ordering="status")
    def state(self, row: Reservation) -> str:
        return reservation_pill(row.status)

    @admin.display(description=_("location and EVSE"), ordering="location__name")
    def place(self, row: Reservation) -> str:
        name = row.location.name or row.location.address
        evse = link(row.evse) if row.evse else _("any EVSE")
        return format_html("<div>{}</div>{}", link(row.location, name), evse)

    @admin.display(description=_("contract"))
    def contract(self, row: Reservation) -> object:
        return unbroken(row.session.token_contract_id)

    @admin.display(description=_("expires (UTC)"), ordering="expiry_date")
    def expires(self, row: Reservation) -> object:
        return minute(row.expiry_date)

    @admin.display(description=_("cost before taxes"))
    def cost(self, row: Reservation) -> str:
        return unbroken(self._cost(row))
