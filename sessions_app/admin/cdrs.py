"""The pages of CDRs."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from cpo_platform.common import clock
from cpo_platform.common.admin import (
    NONE,
    Button,
    Panel,
    Way,
    change_url,
    known_filter,
    link,
    minute,
    moment,
    money,
    notes_of,
    number,
    pill,
    unbroken,
)
from locations.models import ConnectorFormat, PowerType
from sessions_app.admin.display import label_of, token_facts
from sessions_app.admin.filters import EndedFilter, currencies
from sessions_app.admin.panels import document_panels
from sessions_app.admin.rebilling import RebillingAdmin
from sessions_app.models import Cdr
from sessions_app.operations.credits import SUFFIX, NotCreditable, credit_cdr, credit_of
from tariffs.admin import PartyFilter


@admin.register(Cdr)
class CdrAdmin(RebillingAdmin):
    """CDRs: what is billed. Nobody can change or delete one."""

    module = "cdrs"
    scope = Way(party="", location="session__location")
    list_display = ("ended", "place", "contract", "energy", "cost", "cost_after", "kind")
    list_display_links = ("ended",)
    list_filter = (
        *(EndedFilter, "credit", "auth_method"),
        known_filter("currency", _("currency"), currencies),
        PartyFilter,
    )
    search_fields = (
        *("ocpi_id", "session_ocpi_id", "token_uid", "token_contract_id"),
        *("authorization_reference", "invoice_reference_id"),
    )
    search_help_text = _("Search by id, session, token or contract")
    ordering = ("-end_date_time",)
    empty_text = _("A CDR is issued when a session ends.")

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.credit_view)
        own = path("<int:object_id>/credit/", view, name="sessions_app_cdr_credit")
        return [own, *super().get_urls()]

    def panels(self, request: HttpRequest, obj: Cdr) -> list[Panel]:
        zone = str(obj.session.frozen_location.get("time_zone", "")) if obj.session else ""
        return [
            self._facts(obj, zone),
            self._place(obj),
            *self.correction_panels(obj),
            *document_panels(obj, zone),
        ]

    def _facts(self, obj: Cdr, zone: str) -> Panel:
        credit = self._credit_facts(obj)
        return Panel(
            title=_("CDR"),
            half=True,
            facts=[
                (_("id"), obj.ocpi_id),
                (_("party"), obj.party),
                *credit,
                *self.rebilling_facts(obj),
                (_("session"), link(obj.session, obj.session_ocpi_id) if obj.session else NONE),
                (_("started"), moment(obj.start_date_time, zone)),
                (_("ended"), moment(obj.end_date_time, zone)),
                (_("time zone"), zone or "UTC"),
                (_("energy"), number(obj.total_energy, "kWh")),
                (_("time"), number(obj.total_time, "h")),
                (_("parking time"), number(obj.total_parking_time, "h")),
                (_("cost before taxes"), money(obj.total_cost_before_taxes, obj.currency)),
                (_("cost after taxes"), money(obj.total_cost_after_taxes, obj.currency)),
                (_("authorised by"), obj.get_auth_method_display()),
                (_("authorisation reference"), obj.authorization_reference or NONE),
                *token_facts(obj),
                (_("invoice reference"), obj.invoice_reference_id or NONE),
                (_("issued (UTC)"), moment(obj.last_updated)),
                *((_("note"), note) for note in notes_of(self.module, obj.pk)),
            ],
        )

    def _credit_facts(self, obj: Cdr) -> list[tuple[object, object]]:
        if obj.credit:
            return [(_("credits the CDR"), self._credited(obj))]
        credit = credit_of(obj)
        return [(_("credited by"), link(credit, credit.ocpi_id))] if credit else []

    def _credited(self, obj: Cdr) -> str:
        row = Cdr.objects.filter(
            country_code=obj.country_code, party_id=obj.party_id, ocpi_id=obj.credit_reference_id
        ).first()
        return link(row, obj.credit_reference_id) if row else obj.credit_reference_id

    def _place(self, obj: Cdr) -> Panel:
        place = obj.cdr_location
        coordinates = place.get("coordinates") or {}
        return Panel(
            title=_("Place, as it was when the session started"),
            half=True,
            facts=[
                (_("location"), place.get("name") or place.get("id", NONE)),
                (
                    _("address"),
                    ", ".join(
                        str(place[name])
                        for name in ("address", "postal_code", "city", "country")
                        if place.get(name)
                    ),
                ),
                (
                    _("coordinates"),
                    f"{coordinates.get('latitude', '')}, {coordinates.get('longitude', '')}",
                ),
                (_("EVSE"), place.get("evse_id", NONE)),
                (_("uid"), place.get("evse_uid", NONE)),
                (_("connector"), place.get("connector_id", NONE)),
                (_("standard"), str(place.get("connector_standard", "")).replace("_", " ")),
                (_("format"), label_of(ConnectorFormat, place.get("connector_format"))),
                (_("power type"), label_of(PowerType, place.get("connector_power_type"))),
                (_("meter"), obj.meter_id or NONE),
                (_("signed data"), (obj.signed_data or {}).get("encoding_method", NONE)),
            ],
        )

    def heading(self, obj: Cdr) -> object:
        if obj.credit:
            return pill(_("Credit CDR"), "amber")
        if credit_of(obj):
            return pill(_("Credited"), "amber")
        return pill(_("Replacement"), "blue") if obj.replaces_id else ""

    def buttons(self, request: HttpRequest, obj: Cdr) -> list[Button]:
        again = self.rebilling_buttons(request, obj)
        if obj.credit or credit_of(obj) or not self._may_credit(request):
            return again
        url = reverse("admin:sessions_app_cdr_credit", args=[obj.pk])
        return [*again, Button(_("Credit this CDR"), url)]

    def credit_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Ask, and then issue the credit CDR."""
        obj = self.found(request, object_id)
        if not self._may_credit(request):
            raise PermissionDenied
        if obj is None:
            return self.missing(request, object_id)
        if request.method != "POST" and not obj.credit and credit_of(obj) is None:
            return self._ask_to_credit(request, obj)
        try:
            credit = credit_cdr(cdr_id=obj.pk, now=clock.now())
        except NotCreditable:
            messages.info(request, gettext("A CDR is credited once, and a credit CDR never."))
            return HttpResponseRedirect(change_url(obj))
        self.log_change(request, obj, f"Credited by {credit.ocpi_id}.")
        messages.success(
            request, gettext("This is the credit CDR of %(id)s.") % {"id": obj.ocpi_id}
        )
        return HttpResponseRedirect(change_url(credit))

    def _ask_to_credit(self, request: HttpRequest, obj: Cdr) -> HttpResponse:
        before, after = obj.total_cost_before_taxes, obj.total_cost_after_taxes
        names = {"id": obj.ocpi_id, "credit": obj.ocpi_id + SUFFIX}
        notes = notes_of(self.module, obj.pk)
        return self.confirm(
            request,
            title=gettext("Credit CDR %(id)s?") % names,
            sentences=[
                (
                    gettext("A credit CDR %(credit)s is issued.")
                    if notes
                    else gettext("A credit CDR %(credit)s is issued and sent to the partner.")
                )
                % names,
                *notes,
                gettext("Total of this CDR: %(before)s before taxes, %(after)s after taxes.")
                % {"before": money(before, obj.currency), "after": money(after, obj.currency)},
                gettext("Total of the credit CDR: %(before)s before taxes, %(after)s after taxes.")
                % {
                    "before": money(-before, obj.currency),
                    "after": money(None if after is None else -after, obj.currency),
                },
                gettext("All else is as in this CDR, which stays as it is."),
                gettext("This cannot be undone, and a CDR is credited once."),
            ],
            button=gettext("Credit this CDR"),
            cancel_url=change_url(obj),
            danger=True,
        )

    def _may_credit(self, request: HttpRequest) -> bool:
        return request.user.has_perm("sessions_app.add_cdr")

    @admin.display(description=_("ended (UTC)"), ordering="end_date_time")
    def ended(self, row: Cdr) -> object:
        return minute(row.end_date_time)

    @admin.display(description=_("kind"), ordering="credit")
    def kind(self, row: Cdr) -> object:
        if row.credit:
            return pill(_("Credit"), "amber")
        return pill(_("Replacement"), "blue") if row.replaces_id else ""

    @admin.display(description=_("location"))
    def place(self, row: Cdr) -> str:
        return str(row.cdr_location.get("name") or row.cdr_location.get("address", ""))

    @admin.display(description=_("contract"))
    def contract(self, row: Cdr) -> object:
        return unbroken(row.token_contract_id)

    @admin.display(description=_("energy"), ordering="total_energy")
    def energy(self, row: Cdr) -> str:
        return unbroken(number(round(row.total_energy, 2), "kWh"))

    @admin.display(description=_("before taxes"), ordering="total_cost_before_taxes")
    def cost(self, row: Cdr) -> str:
        return unbroken(money(row.total_cost_before_taxes, row.currency))

    @admin.display(description=_("after taxes"), ordering="total_cost_after_taxes")
    def cost_after(self, row: Cdr) -> str:
        return unbroken(money(row.total_cost_after_taxes, row.currency))
