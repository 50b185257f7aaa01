"""Credit and bill again, in steps; and the statement for partners who can be sent neither."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from cpo_platform.common import clock
from cpo_platform.common.admin import (
    NONE,
    Button,
    Panel,
    RecordAdmin,
    change_url,
    link,
    moment,
    notes_of,
)
from sessions_app.admin.comparing import comparison_panel, money_gap
from sessions_app.admin.correcting import CorrectionForm, changes_facts
from sessions_app.admin.findings import documents_of, findings_panel
from sessions_app.admin.guided import Guide, Preview, guide
from sessions_app.admin.panels import document_panels
from sessions_app.corrections import Correction
from sessions_app.models import Cdr, CdrHold, Session
from sessions_app.operations.credits import (
    NotCreditable,
    credit_of,
    first_of,
    replacement_of,
    valid_of,
)
from sessions_app.operations.rebilling import NotRebillable, preview_rebilling, rebill_cdr
from tariffs.models import Party

RECIPIENTS = "cdr recipients"


class RebillingAdmin(RecordAdmin):
    """The pages of CDRs on which one is credited and billed again."""

    def get_urls(self) -> list[Any]:
        views = {"rebill": self._rebill_view, "statement": self._statement_view}
        own = [
            path(
                f"<int:object_id>/{action}/",
                self.admin_site.admin_view(view),
                name=f"sessions_app_cdr_{action}",
            )
            for action, view in views.items()
        ]
        return [*own, *super().get_urls()]

    def rebilling_buttons(self, request: HttpRequest, obj: Cdr) -> list[Button]:
        """Return what can be done: bill again what stands, or state what was corrected."""
        if obj.credit or credit_of(obj):
            return [Button(_("Correction statement"), _url("statement", obj))]
        if obj.session_id is None or not _may_issue(request):
            return []
        return [Button(_("Credit and bill again…"), _url("rebill", obj))]

    def rebilling_facts(self, obj: Cdr) -> list[tuple[object, object]]:
        """Return what a CDR replaces and what replaced it."""
        facts: list[tuple[object, object]] = []
        if obj.replaces is not None:
            facts.append((_("replaces the CDR"), link(obj.replaces, obj.replaces.ocpi_id)))
        replacement = replacement_of(obj)
        if replacement is not None:
            facts.append((_("replaced by"), link(replacement, replacement.ocpi_id)))
        return facts

    def correction_panels(self, obj: Cdr) -> list[Panel]:
        """Return what staff corrected, where it did."""
        if not obj.correction:
            return []
        return [
            Panel(
                title=_("Corrected by staff"),
                facts=[
                    *changes_facts(obj.correction, obj.session),
                    (_("by"), obj.correction.get("by") or NONE),
                    (_("note"), obj.correction.get("note") or NONE),
                ],
            )
        ]

    def _rebill_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        obj: Cdr | None = self.found(request, object_id)
        if not _may_issue(request):
            raise PermissionDenied
        if obj is None:
            return self.missing(request, object_id)
        if obj.session is None:
            return self._refused(request, obj, gettext("It has no session to compute it from."))
        if obj.credit or credit_of(obj):
            return self._credited_before(request, obj)
        try:
            return guide(self, request, self._guide(request, obj, obj.session))
        except NotCreditable:
            return self._credited_before(request, obj)
        except NotRebillable as error:
            return self._refused(request, obj, str(error))

    def _credited_before(self, request: HttpRequest, obj: Cdr) -> HttpResponse:
        text = gettext("A CDR is credited once, and a credit CDR never.")
        return self._refused(request, obj, text)

    def _refused(self, request: HttpRequest, obj: Cdr, text: str) -> HttpResponse:
        messages.info(request, text)
        return HttpResponseRedirect(change_url(obj))

    def _guide(self, request: HttpRequest, obj: Cdr, session: Session) -> Guide:
        zone = str(session.frozen_location.get("time_zone") or "UTC")

        def confirm(correction: Correction, note: str) -> HttpResponse:
            done = rebill_cdr(
                cdr_id=obj.pk,
                correction=correction,
                by=request.user.get_username(),
                note=note,
                now=clock.now(),
            )
            return self._done(request, obj, done.replacement)

        return Guide(
            form_title=gettext("Credit and bill again"),
            form_sentences=[
                gettext(
                    "The CDR is taken back by a credit CDR, and a new one takes its place. Fill in "
                    "what was wrong; the next page shows both documents. Nothing is sent yet."
                ),
                *notes_of("cdrs", obj.pk),
            ],
            preview_title=gettext("Credit CDR %(id)s and bill again?") % {"id": obj.ocpi_id},
            button=gettext("Issue both CDRs"),
            back_url=change_url(obj),
            session=session,
            found=_found_at_the_end(session),
            initial=CorrectionForm.initial_of(obj.correction, zone),
            preview=lambda correction: self._preview(obj, session, correction),
            confirm=confirm,
        )

    def _preview(self, obj: Cdr, session: Session, correction: Correction) -> Preview:
        zone = str(session.frozen_location.get("time_zone", ""))
        both = preview_rebilling(cdr_id=obj.pk, correction=correction, now=clock.now())
        columns = [
            (_("this CDR"), both.original),
            (_("credit CDR"), both.credit),
            (_("new CDR"), both.replacement),
        ]
        untold = notes_of("cdrs", obj.pk)
        told = gettext("First the credit CDR is issued and sent, then the new CDR.")
        return Preview(
            cdrs=[both.credit, both.replacement],
            sentences=[
                money_gap(both.original, both.replacement),
                *(untold or [told, *notes_of(RECIPIENTS, obj.pk)]),
                gettext("This CDR and its session stay as they are. This cannot be undone."),
            ],
            panels=[
                comparison_panel(
                    _("All documents"), columns, both.original, both.replacement, zone
                ),
                findings_panel(
                    _("What is doubtful about the new one"), documents_of(both.findings), session
                ),
            ],
            details=document_panels(both.replacement, zone),
        )

    def _done(self, request: HttpRequest, obj: Cdr, replacement: Cdr) -> HttpResponse:
        self.log_change(request, obj, f"Credited and billed again by {replacement.ocpi_id}.")
        messages.success(
            request,
            gettext("CDR %(id)s is credited. This is the one that takes its place.")
            % {"id": obj.ocpi_id},
        )
        for note in notes_of("cdrs", obj.pk):
            messages.warning(request, note)
        return HttpResponseRedirect(change_url(replacement))

    def _statement_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Show what was billed first and what counts now, to be printed or sent by hand."""
        obj: Cdr | None = self.found(request, object_id)
        if obj is None:
            return self.missing(request, object_id)
        first = first_of(obj)
        credit = credit_of(first)
        if credit is None:
            text = gettext("This CDR was not credited: there is no correction to state.")
            return self._refused(request, obj, text)
        response = TemplateResponse(
            request, "admin/cpo/statement.html", _statement(first, credit, request)
        )
        if "download" in request.GET:
            name = f"correction-{first.pk}.html"
            response["Content-Disposition"] = f'attachment; filename="{name}"'
        return response


def _statement(first: Cdr, credit: Cdr, request: HttpRequest) -> dict[str, Any]:
    valid = valid_of(first)
    zone = str(first.session.frozen_location.get("time_zone", "")) if first.session else ""
    # Where nothing is due any more, nothing is what it is compared with.
    counts = valid or _nothing(first)
    columns = [(_("billed first"), first), (_("to be billed"), counts)]
    party = Party.objects.filter(country_code=first.country_code, party_id=first.party_id).first()
    place = first.cdr_location
    return {
        "title": gettext("Correction of CDR %(id)s") % {"id": first.ocpi_id},
        "gap": money_gap(first, counts),
        "downloaded": "download" in request.GET,
        "facts": [
            (_("from"), f"{party.name} ({first.party})" if party else first.party),
            (_("to"), f"{first.token_country_code}*{first.token_party_id}"),
            (_("CDR"), first.ocpi_id),
            (_("issued (UTC)"), moment(first.last_updated)),
            (_("credit CDR"), credit.ocpi_id),
            (_("new CDR"), valid.ocpi_id if valid else _("none: nothing is due")),
            (_("issued (UTC)"), moment((valid or credit).last_updated)),
            (_("session"), first.session_ocpi_id or NONE),
            (_("contract"), first.token_contract_id),
            (_("location"), place.get("name") or place.get("address", NONE)),
            (_("EVSE"), place.get("evse_id", NONE)),
            (_("time zone"), zone or "UTC"),
        ],
        "panel": comparison_panel(_("Both, side by side"), columns, first, counts, zone),
    }


def _nothing(first: Cdr) -> Cdr:
    zero = {name: {"before_taxes": "0", "taxes": []} for name in first.costs}
    return Cdr(
        start_date_time=first.start_date_time,
        end_date_time=first.end_date_time,
        currency=first.currency,
        costs=zero,
        total_cost_before_taxes=0,
        total_cost_after_taxes=0,
        total_energy=0,
        total_time=0,
        total_parking_time=0,
    )


def _found_at_the_end(session: Session) -> list[dict[str, Any]]:
    """Return what the pre-flight checks found when the session ended."""
    hold = CdrHold.objects.filter(session=session).first()
    found: list[dict[str, Any]] = (
        hold.reasons if hold else session.price_details.get("findings", [])
    )
    return found


def _may_issue(request: HttpRequest) -> bool:
    return request.user.has_perm("sessions_app.add_cdr")


def _url(action: str, obj: Cdr) -> str:
    return reverse(f"admin:sessions_app_cdr_{action}", args=[obj.pk])
