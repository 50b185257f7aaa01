"""The pages of held CDRs: why they are held, what they would say, and what can be done."""

from datetime import datetime
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, F
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
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
    notes_of,
    number,
    pill,
    status_chips,
    unbroken,
    visible,
)
from sessions_app.admin.comparing import comparison_panel
from sessions_app.admin.correcting import CorrectionForm, ReleaseForm, changes_facts
from sessions_app.admin.display import token_facts
from sessions_app.admin.findings import (
    documents_of,
    finding_text,
    findings_panel,
    readings_panel,
)
from sessions_app.admin.guided import Guide, Preview, guide
from sessions_app.admin.panels import document_panels
from sessions_app.corrections import Correction
from sessions_app.models import Cdr, CdrHold, HoldState, Session
from sessions_app.operations import holds

STATE_TONES = {
    HoldState.HELD: "red",
    HoldState.RELEASED: "grey",
    HoldState.CORRECTED: "grey",
}


def hold_pill(state: str) -> str:
    """Return the state of a hold in its colour."""
    known = HoldState(state)
    return pill(known.label, STATE_TONES[known])


@admin.register(CdrHold)
class CdrHoldAdmin(RecordAdmin):
    """Held CDRs: staff releases or corrects them; until then no partner hears of them."""

    module = "held cdrs"
    scope = Way(party="session", location="session__location")
    change_list_template = "admin/cpo/chips_list.html"
    list_display = ("since", "status", "place", "contract", "energy", "cost", "why")
    list_display_links = ("since",)
    list_filter = ("state",)
    list_select_related = ("session__location", "session__connector", "session__evse")
    search_fields = (
        *("session__ocpi_id", "session__token_uid", "session__token_contract_id"),
        *("session__evse__uid", "session__evse__evse_id", "session__location__name"),
    )
    search_help_text = _("Search by session, token, contract, EVSE or location")
    empty_text = _(
        "Nothing is held. A CDR waits here when its numbers cannot be right, such as more energy "
        "than the connector can give: a CDR that was sent cannot be changed any more."
    )

    def get_ordering(self, request: HttpRequest) -> Any:
        # What waits comes first, longest before newest; then what was decided last.
        return (F("decided_at").desc(nulls_first=True), "held_at")

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related(*self.list_select_related)

    def get_urls(self) -> list[Any]:
        views = {"release": self._release_view, "correct": self._correct_view}
        own = [
            path(
                f"<int:object_id>/{action}/",
                self.admin_site.admin_view(view),
                name=f"sessions_app_cdrhold_{action}",
            )
            for action, view in views.items()
        ]
        return [*own, *super().get_urls()]

    def panels(self, request: HttpRequest, obj: CdrHold) -> list[Panel]:
        zone = str(obj.session.frozen_location.get("time_zone", ""))
        waits = obj.state == HoldState.HELD
        title = _("Why it is held") if waits else _("Why it was held")
        return [
            findings_panel(title, obj.reasons, obj.session),
            self._session_panel(obj, zone),
            self._what_happens(obj) if waits else self._decision(obj),
            *(self._document(obj, zone) if waits else []),
            self._readings(request, obj, zone),
        ]

    def _session_panel(self, obj: CdrHold, zone: str) -> Panel:
        session = obj.session
        connector = session.connector
        return Panel(
            title=_("Session"),
            half=True,
            facts=[
                (_("session"), link(session, session.ocpi_id)),
                (_("location"), link(session.location, _name(session))),
                (_("EVSE"), link(session.evse)),
                (_("the connector gives"), number(connector.power_kw, "kW") if connector else NONE),
                (_("started"), moment(session.start_date_time, zone)),
                (_("ended"), moment(session.end_date_time, zone)),
                (_("energy"), number(session.kwh, "kWh")),
                (_("cost before taxes"), money(session.total_cost_before_taxes, session.currency)),
                *token_facts(session),
            ],
        )

    def _what_happens(self, obj: CdrHold) -> Panel:
        return Panel(
            title=_("What can be done"),
            half=True,
            facts=[
                (_("held since (UTC)"), moment(obj.held_at)),
                (_("until then"), _("There is no CDR: nothing is billed, no partner is sent one.")),
                (_("release"), _("The CDR is issued with the numbers below, and sent.")),
                (_("correct"), _("It is priced anew with what you fill in, then issued and sent.")),
                *((_("whom for"), note) for note in notes_of(self.module, obj.pk)),
            ],
        )

    def _decision(self, obj: CdrHold) -> Panel:
        cdr = _first_cdr(obj.session)
        correction = cdr.correction if cdr else None
        return Panel(
            title=_("Decision"),
            half=True,
            facts=[
                (_("state"), hold_pill(obj.state)),
                (_("held since (UTC)"), moment(obj.held_at)),
                (_("decided (UTC)"), moment(obj.decided_at)),
                (_("by"), obj.decided_by),
                (_("note"), obj.note or NONE),
                (_("CDR"), link(cdr, cdr.ocpi_id) if cdr else NONE),
                *(changes_facts(correction, obj.session) if correction else ()),
            ],
        )

    def _document(self, obj: CdrHold, zone: str) -> list[Panel]:
        draft = holds.draft_of(hold_id=obj.pk, now=clock.now())
        return document_panels(draft.cdr, zone)

    def _readings(self, request: HttpRequest, obj: CdrHold, zone: str) -> Panel:
        asked = request.GET.get("readings", "")
        wanted = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 8 else None
        return readings_panel(obj.session, obj.reasons, zone, wanted)

    def heading(self, obj: CdrHold) -> object:
        return hold_pill(obj.state)

    def buttons(self, request: HttpRequest, obj: CdrHold) -> list[Button]:
        if obj.state != HoldState.HELD or not _may_decide(request):
            return []
        return [
            Button(_("Release…"), _url("release", obj)),
            Button(_("Correct…"), _url("correct", obj), tone="primary"),
        ]

    def _waiting(self, request: HttpRequest, object_id: int) -> CdrHold | HttpResponse:
        """Return a hold that this person may decide, or where to go instead."""
        hold: CdrHold | None = self.found(request, object_id)
        if not _may_decide(request):
            raise PermissionDenied
        if hold is None:
            return self.missing(request, object_id)
        return hold if hold.state == HoldState.HELD else self._decided(request, hold)

    def _decided(self, request: HttpRequest, hold: CdrHold) -> HttpResponse:
        messages.info(request, gettext("Somebody has decided this already: the CDR is issued."))
        return HttpResponseRedirect(change_url(hold))

    def _release_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        hold = self._waiting(request, object_id)
        if isinstance(hold, HttpResponse):
            return hold
        form = ReleaseForm(request.POST or None)
        if request.method != "POST" or not form.is_valid():
            return self._ask_to_release(request, hold, form)
        try:
            cdr = holds.release_cdr(
                hold_id=hold.pk,
                by=request.user.get_username(),
                note=form.cleaned_data["note"],
                now=clock.now(),
            )
        except holds.HoldDecided:
            return self._decided(request, hold)
        return self._done(request, hold, cdr, gettext("The CDR is issued as it was."))

    def _ask_to_release(
        self, request: HttpRequest, hold: CdrHold, form: ReleaseForm
    ) -> HttpResponse:
        cdr = holds.draft_of(hold_id=hold.pk, now=clock.now()).cdr
        totals = gettext("%(energy)s, %(before)s before taxes, %(after)s after taxes.") % {
            "energy": number(cdr.total_energy, "kWh"),
            "before": money(cdr.total_cost_before_taxes, cdr.currency),
            "after": money(cdr.total_cost_after_taxes, cdr.currency),
        }
        return self.page(
            request,
            "admin/cpo/form.html",
            title=gettext("Release this CDR as it is?"),
            form=form,
            sentences=[
                gettext("The CDR is issued at once: %(totals)s") % {"totals": totals},
                *notes_of(self.module, hold.pk),
                *(finding_text(reason, hold.session) for reason in hold.reasons if reason["holds"]),
                gettext(
                    "It cannot be changed after that. What is wrong then can only be credited, or "
                    "credited and billed again."
                ),
            ],
            button=gettext("Release the CDR"),
            list_url=change_url(hold),
        )

    def _correct_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        hold = self._waiting(request, object_id)
        if isinstance(hold, HttpResponse):
            return hold
        try:
            return guide(self, request, self._guide(request, hold))
        except holds.HoldDecided:
            return self._decided(request, hold)

    def _guide(self, request: HttpRequest, hold: CdrHold) -> Guide:
        session = hold.session

        def confirm(correction: Correction, note: str) -> HttpResponse:
            cdr = holds.correct_cdr(
                hold_id=hold.pk,
                correction=correction,
                by=request.user.get_username(),
                note=note,
                now=clock.now(),
            )
            return self._done(request, hold, cdr, gettext("The CDR is corrected and issued."))

        return Guide(
            form_title=gettext("Correct before it is sent"),
            form_sentences=[
                *(finding_text(reason, session) for reason in hold.reasons if reason["holds"]),
                gettext("Fill in what was wrong; the price is computed anew. Nothing is sent yet."),
            ],
            preview_title=gettext("Issue the corrected CDR?"),
            button=gettext("Issue the corrected CDR"),
            back_url=change_url(hold),
            session=session,
            found=hold.reasons,
            initial=CorrectionForm.initial_of(None, "UTC"),
            preview=lambda correction: self._preview(hold, correction, clock.now()),
            confirm=confirm,
        )

    def _preview(self, hold: CdrHold, correction: Correction, now: datetime) -> Preview:
        zone = str(hold.session.frozen_location.get("time_zone", ""))
        before = holds.draft_of(hold_id=hold.pk, now=now).cdr
        after = holds.draft_of(hold_id=hold.pk, now=now, correction=correction)
        columns = [(_("as it is"), before), (_("corrected"), after.cdr)]
        return Preview(
            cdrs=[after.cdr],
            sentences=[
                gettext(
                    "The CDR is issued at once. The session gets the same numbers, and the partner "
                    "is sent it again."
                ),
                *notes_of(self.module, hold.pk),
                gettext("This cannot be undone: after that, a CDR can only be credited."),
            ],
            panels=[
                comparison_panel(_("What changes"), columns, before, after.cdr, zone),
                findings_panel(
                    _("What is doubtful still"), documents_of(after.findings), hold.session
                ),
            ],
            details=document_panels(after.cdr, zone),
        )

    def _done(self, request: HttpRequest, hold: CdrHold, cdr: Cdr, text: str) -> HttpResponse:
        self.log_change(request, hold, f"Issued CDR {cdr.ocpi_id}.")
        messages.success(request, text)
        return HttpResponseRedirect(change_url(cdr))

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        holds_seen = visible(request, CdrHold.objects.waiting())
        waiting = dict(holds_seen.values_list("state").annotate(Count("pk")))
        chips = status_chips(waiting, STATE_TONES, request.GET.get("state__exact"), field="state")
        return super().changelist_view(request, {"chips": chips, **(extra_context or {})})

    @admin.display(description=_("held since (UTC)"), ordering="held_at")
    def since(self, row: CdrHold) -> object:
        return minute(row.held_at)

    @admin.display(description=_("state"), ordering="state")
    def status(self, row: CdrHold) -> str:
        return hold_pill(row.state)

    @admin.display(description=_("location"), ordering="session__location__name")
    def place(self, row: CdrHold) -> str:
        return _name(row.session)

    @admin.display(description=_("contract"))
    def contract(self, row: CdrHold) -> object:
        return unbroken(row.session.token_contract_id)

    @admin.display(description=_("energy"), ordering="session__kwh")
    def energy(self, row: CdrHold) -> str:
        return unbroken(number(round(row.session.kwh, 2), "kWh"))

    @admin.display(description=_("cost before taxes"), ordering="session__total_cost_before_taxes")
    def cost(self, row: CdrHold) -> str:
        return unbroken(money(row.session.total_cost_before_taxes, row.session.currency))

    @admin.display(description=_("reasons"))
    def why(self, row: CdrHold) -> str:
        first = finding_text(row.reasons[0], row.session)
        more = len(row.reasons) - 1
        return f"{first} (+{more})" if more else first


def _name(session: Session) -> str:
    return str(session.location.name or session.location.address)


def _first_cdr(session: Session) -> Cdr | None:
    return session.cdrs.filter(credit=False, replaces__isnull=True).first()


def _may_decide(request: HttpRequest) -> bool:
    return request.user.has_perm("sessions_app.add_cdr")


def _url(action: str, hold: CdrHold) -> str:
    return reverse(f"admin:sessions_app_cdrhold_{action}", args=[hold.pk])
