"""Explain this session: all that happened, by whoever knows of it, on one page."""

from collections.abc import Iterable
from datetime import datetime

from django.db.models import Count, Max, Min
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from cpo_platform.common.admin import (
    Button,
    Event,
    RecordAdmin,
    change_url,
    link,
    money,
    number,
    register_story,
    story_of,
    story_panel,
)
from sessions_app.admin.display import session_pill
from sessions_app.models import CdrHold, Reservation, Session

US = _("Platform")
MOST_PERIODS = 60


def show(admin: RecordAdmin, request: HttpRequest, object_id: int) -> HttpResponse:
    """Show what happened in a session, in order of time."""
    session = admin.found(request, object_id)
    if session is None:
        return admin.missing(request, object_id)
    zone = str(session.frozen_location.get("time_zone", ""))
    return admin.page(
        request,
        "admin/cpo/record.html",
        title=gettext("What happened in session %(id)s") % {"id": session.ocpi_id},
        obj=session,
        heading=session_pill(session.status),
        panels=[story_panel(story_of("sessions", session.pk), zone)],
        buttons=[Button(_("To the session"), change_url(session))],
    )


def tell(session_id: int) -> Iterable[Event]:
    """Tell of a session's beginning and end, its price, its readings and its CDRs."""
    session = Session.objects.get(pk=session_id)
    currency = session.currency
    reservation = Reservation.objects.filter(session=session).first()
    if reservation is not None:
        text = format_html("{}: {}", gettext("Reserved"), link(reservation))
        yield Event(reservation.reserved_at, US, text)
    yield Event(
        session.start_date_time,
        US,
        gettext("The session begins: contract %(contract)s, %(how)s.")
        % {
            "contract": session.token_contract_id,
            "how": session.get_auth_method_display(),
        },
    )
    yield from _readings(session)
    for period in session.charging_periods.order_by("position")[:MOST_PERIODS]:
        dimensions = ", ".join(
            f"{one['type']} {one['volume']}" for one in period.dimensions if "volume" in one
        )
        yield Event(
            period.start_date_time,
            US,
            gettext("A period of the price begins: %(what)s.") % {"what": dimensions},
        )
    for switch in session.tariff_switches:
        yield Event(
            datetime.fromisoformat(switch["at"]),
            US,
            gettext("It goes on by tariff %(tariff)s.") % {"tariff": switch["tariff"].get("id")},
        )
    if session.end_date_time is not None:
        yield Event(
            session.end_date_time,
            US,
            gettext("The session ends: %(energy)s, %(cost)s before taxes.")
            % {
                "energy": number(session.kwh, "kWh"),
                "cost": money(session.total_cost_before_taxes, currency),
            },
        )
    yield from _bills(session)


def _readings(session: Session) -> Iterable[Event]:
    found = session.meter_readings.aggregate(
        count=Count("pk"), first=Min("at"), last=Max("at"), low=Min("kwh"), high=Max("kwh")
    )
    if not found["count"]:
        return
    what = gettext("Meter readings from %(low)s to %(high)s") % {
        "low": number(found["low"], "kWh"),
        "high": number(found["high"], "kWh"),
    }
    yield Event(found["first"], US, what, count=found["count"], until=found["last"])


def _bills(session: Session) -> Iterable[Event]:
    hold = CdrHold.objects.filter(session=session).first()
    if hold is not None:
        text = format_html("{} {}", gettext("The CDR is held for staff:"), link(hold))
        yield Event(hold.held_at, US, text)
    for cdr in session.cdrs.order_by("pk"):
        name = gettext("Credit CDR") if cdr.credit else gettext("CDR")
        yield Event(
            cdr.created_at,
            US,
            format_html(
                "{} {}: {}",
                name,
                link(cdr, cdr.ocpi_id),
                money(cdr.total_cost_before_taxes, cdr.currency),
            ),
        )


register_story("sessions", tell)
