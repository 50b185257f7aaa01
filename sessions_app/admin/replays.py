"""The pages of replays: start one, watch it, read and export what it says."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.db.models.functions import Abs
from django.http import (
    FileResponse,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseRedirect,
    StreamingHttpResponse,
)
from django.urls import path, reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from cpo_platform.common import clock
from cpo_platform.common.admin import (
    NONE,
    Button,
    Panel,
    RecordAdmin,
    Scope,
    Way,
    change_url,
    link,
    minute,
    moment,
    money,
    number,
    pill,
    scope_of,
    unbroken,
    visible,
)
from cpo_platform.common.money import currency_places, round_money
from sessions_app import replay_exports
from sessions_app.admin.replay_chart import chart
from sessions_app.admin.replay_forms import ReplayForm
from sessions_app.models import Replay, ReplayResult, ReplayStatus
from sessions_app.operations import replays
from sessions_app.tasks import replay_soon
from tariffs.admin import element_sentence
from tariffs.models import Tariff
from tariffs.shapes import TariffShape

CHANGES_SHOWN = 100
STATUS_TONES = {
    ReplayStatus.RUNNING: "blue",
    ReplayStatus.DONE: "green",
    ReplayStatus.CANCELED: "grey",
}
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def _of_one_party(scope: Scope) -> Q:
    """Return the replays over one party of a scope: their sums are over all its locations."""
    if scope.locations is not None:
        return Q(pk__in=[])
    return Way(party="").condition(scope)


@admin.register(Replay)
class ReplayAdmin(RecordAdmin):
    """Replays: a tariff tried on the CDRs of the past."""

    scope = Way(where=_of_one_party)
    list_display = ("started", "tried", "period", "where", "state", "before", "after", "change")
    list_display_links = ("started",)
    list_filter = ("status",)
    list_select_related = ("tariff",)
    ordering = ("-started_at",)
    empty_text = _(
        "Choose a tariff and a period: every session of the past is priced again, and you see what "
        "would have changed."
    )

    def get_urls(self) -> list[Any]:
        own = [
            path(
                f"<int:object_id>/{name}/", self.admin_site.admin_view(view), name=f"replay_{name}"
            )
            for name, view in (
                ("cancel", self.cancel_view),
                ("resume", self.resume_view),
                ("remove", self.remove_view),
                ("csv", self.csv_view),
                ("xlsx", self.xlsx_view),
            )
        ]
        return [*own, *super().get_urls()]

    def has_add_permission(self, request: HttpRequest) -> bool:
        # Whoever sees some locations only would not see the replay that he starts.
        sees_parties = scope_of(request).locations is None
        return sees_parties and request.user.has_perm("sessions_app.add_replay")

    def add_view(
        self,
        request: HttpRequest,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = ReplayForm(request.POST or None, initial=request.GET.dict(), request=request)
        if request.method == "POST" and form.is_valid():
            replay = self._start(request, form)
            if replay is not None:
                return HttpResponseRedirect(change_url(replay))
        missing = not visible(request, Tariff.objects.in_use()).exists()
        return self.page(
            request,
            "admin/cpo/form.html",
            title=_("Try a tariff on the past"),
            sentences=[
                gettext("There is no tariff yet: create one first.")
                if missing
                else gettext(
                    "Every CDR of the period is priced again by the tariff you choose. Nothing is "
                    "changed: no CDR, no tariff, and no partner is told."
                )
            ],
            form=form,
            button=_("Start"),
        )

    def _start(self, request: HttpRequest, form: ReplayForm) -> Replay | None:
        start, end = form.period
        location_ids, place = form.chosen
        try:
            replay = replays.start_replay(
                tariff_id=int(form.cleaned_data["tariff"]),
                period_start=start,
                period_end=end,
                party=form.chosen_party,
                location_ids=location_ids,
                place=place,
                use_readings=form.cleaned_data["use_readings"],
                started_by=request.user.get_username(),
                now=clock.now(),
            )
        except Tariff.DoesNotExist:
            form.add_error("tariff", gettext("This tariff does not exist any more."))
        except replays.OtherCurrency:
            form.add_error(
                None,
                gettext(
                    "Some CDRs of these locations are in another currency than the tariff. Choose "
                    "locations with one currency, and a tariff in it."
                ),
            )
        except replays.NothingToReplay:
            form.add_error(None, gettext("No session ended in this period at these locations."))
        else:
            replay_soon(replay.pk)
            return replay
        return None

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        replay = self.found(request, object_id)
        if replay is None:
            return self.missing(request, object_id)
        return self.page(
            request,
            "admin/sessions_app/replay/record.html",
            title=str(replay),
            obj=replay,
            replay=replay,
            running=replay.status == ReplayStatus.RUNNING,
            heading=self.heading(replay),
            buttons=self.buttons(request, replay),
            cards=_cards(replay),
            chart=chart(replay.histogram, replay.currency) if replay.histogram else "",
            shares=_shares(replay) if replay.histogram else "",
            panels=self.panels(request, replay),
        )

    def heading(self, obj: Replay) -> object:
        status = ReplayStatus(obj.status)
        return pill(status.label, STATUS_TONES[status])

    def buttons(self, request: HttpRequest, obj: Replay) -> list[Button]:
        """Return what can be done: with the results, with the work, with the whole."""
        found = []
        if obj.done > obj.skipped:
            found += [Button("CSV", _url("csv", obj)), Button("Excel", _url("xlsx", obj))]
        if request.user.has_perm("sessions_app.change_replay"):
            if obj.status == ReplayStatus.RUNNING:
                found.append(Button(_("Stop"), _url("cancel", obj), post=True))
            elif obj.status == ReplayStatus.CANCELED:
                found.append(Button(_("Go on"), _url("resume", obj), post=True))
        if request.user.has_perm("sessions_app.delete_replay"):
            found.append(Button(_("Delete"), _url("remove", obj)))
        return found

    def panels(self, request: HttpRequest, obj: Replay) -> list[Panel]:
        return [_input_panel(obj), _tariff_panel(obj), *_problems_panel(obj), _changes_panel(obj)]

    def cancel_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Stop it where it is."""
        return self._turn(request, object_id, resume=False)

    def resume_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Go on behind the last CDR in the sums."""
        return self._turn(request, object_id, resume=True)

    def _turn(self, request: HttpRequest, object_id: int, *, resume: bool) -> HttpResponse:
        replay = self._allowed(request, object_id, "change")
        if replay is None:
            return self.missing(request, object_id)
        if request.method == "POST":
            turn = replays.resume_replay if resume else replays.cancel_replay
            try:
                turn(replay_id=object_id, now=clock.now())
            except replays.ReplayNotRunning:
                messages.info(request, gettext("This replay has ended already."))
            else:
                if resume:
                    replay_soon(object_id)
        return HttpResponseRedirect(change_url(replay))

    def remove_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Ask, and then delete it with its results."""
        replay = self._allowed(request, object_id, "delete")
        if replay is None:
            return self.missing(request, object_id)
        if request.method == "POST":
            self.log_deletions(request, Replay.objects.filter(pk=object_id))
            replays.delete_replay(replay_id=object_id)
            messages.success(request, gettext("The replay is deleted."))
            return HttpResponseRedirect(self.list_url())
        return self.confirm(
            request,
            title=gettext("Delete this replay?"),
            sentences=[gettext("Its results are deleted with it. CDRs and tariffs stay.")],
            button=gettext("Delete"),
            cancel_url=change_url(replay),
            danger=True,
        )

    def csv_view(self, request: HttpRequest, object_id: int) -> HttpResponseBase:
        """Send every CDR's result, as it is read."""
        replay = self.found(request, object_id)
        if replay is None:
            return self.missing(request, object_id)
        return StreamingHttpResponse(
            replay_exports.as_csv(replay),
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="replay-{replay.pk}.csv"'},
        )

    def xlsx_view(self, request: HttpRequest, object_id: int) -> HttpResponseBase:
        """Send the same for Excel."""
        replay = self.found(request, object_id)
        if replay is None:
            return self.missing(request, object_id)
        return FileResponse(
            replay_exports.as_xlsx(replay),
            as_attachment=True,
            filename=f"replay-{replay.pk}.xlsx",
            content_type=XLSX,
        )

    def _allowed(self, request: HttpRequest, object_id: int, what: str) -> Any:
        replay = self.found(request, object_id)
        if not request.user.has_perm(f"sessions_app.{what}_replay"):
            raise PermissionDenied
        return replay

    @admin.display(description=_("started (UTC)"), ordering="started_at")
    def started(self, row: Replay) -> object:
        return minute(row.started_at)

    @admin.display(description=_("tariff"))
    def tried(self, row: Replay) -> str:
        return str(row.candidate["id"])

    @admin.display(description=_("period (UTC)"))
    def period(self, row: Replay) -> object:
        return unbroken(_period(row))

    @admin.display(description=_("where"))
    def where(self, row: Replay) -> object:
        return _where(row)

    @admin.display(description=_("status"), ordering="status")
    def state(self, row: Replay) -> object:
        status = ReplayStatus(row.status)
        label = f"{row.percent} %" if status is ReplayStatus.RUNNING else status.label
        return pill(label, STATUS_TONES[status])

    @admin.display(description=_("before"))
    def before(self, row: Replay) -> object:
        return unbroken(_money(row.before_taxes, row.currency))

    @admin.display(description=_("by this tariff"))
    def after(self, row: Replay) -> object:
        return unbroken(_money(row.new_before_taxes, row.currency))

    @admin.display(description=_("difference"))
    def change(self, row: Replay) -> object:
        return unbroken(_signed(row.new_before_taxes - row.before_taxes, row.currency))


def _url(name: str, replay: Replay) -> str:
    return reverse(f"admin:replay_{name}", args=[replay.pk])


def _period(replay: Replay) -> str:
    last = replay.period_end - timedelta(microseconds=1)
    return f"{replay.period_start:%Y-%m-%d} \N{EN DASH} {last:%Y-%m-%d}"


def _where(replay: Replay) -> str:
    party = f"{replay.country_code}*{replay.party_id}" if replay.party_id else ""
    return ", ".join(part for part in (party, replay.place) if part) or gettext("everywhere")


def _money(amount: Decimal, currency: str) -> str:
    return money(round_money(amount, currency_places(currency)), currency)


def _signed(amount: Decimal, currency: str) -> str:
    return f"{'+' if amount > 0 else ''}{_money(amount, currency)}"


def _cards(replay: Replay) -> list[dict[str, object]]:
    """Return the sums: before, by this tariff, and the difference in money and percent."""
    before, after, currency = replay.before_taxes, replay.new_before_taxes, replay.currency
    share = f"{(after - before) / before:+.1%}" if before else ""
    cards = [
        _card(_("Revenue before"), before, replay.after_taxes, replay),
        _card(_("By this tariff"), after, replay.new_after_taxes, replay),
    ]
    taxed = replay.new_after_taxes - replay.after_taxes
    note = gettext("%(amount)s after taxes") % {"amount": _signed(taxed, currency)}
    notes = [share, note if replay.taxed else ""]
    return [
        *cards,
        {
            "title": _("Difference"),
            "value": _signed(after - before, currency),
            "note": " · ".join(text for text in notes if text),
        },
    ]


def _card(title: object, net: Decimal, gross: Decimal, replay: Replay) -> dict[str, object]:
    note = gettext("%(amount)s after taxes") % {"amount": _money(gross, replay.currency)}
    if replay.taxed < replay.done - replay.skipped:
        note = gettext("%(note)s, known of %(count)s CDRs") % {"note": note, "count": replay.taxed}
    return {"title": title, "value": _money(net, replay.currency), "note": note}


def _shares(replay: Replay) -> str:
    middle = len(replay.histogram) // 2
    return gettext(
        "%(less)s sessions would have been cheaper, %(same)s as they were, %(more)s dearer."
    ) % {
        "less": sum(replay.histogram[:middle]),
        "same": replay.histogram[middle],
        "more": sum(replay.histogram[middle + 1 :]),
    }


def _input_panel(replay: Replay) -> Panel:
    return Panel(
        title=_("What was tried"),
        half=True,
        facts=[
            (_("period (UTC)"), _period(replay)),
            (_("where"), _where(replay)),
            (_("CDRs"), replay.total),
            (_("CDRs left out"), replay.skipped),
            (_("by meter readings"), gettext("yes") if replay.use_readings else gettext("no")),
            (_("started by"), replay.started_by or NONE),
            (_("started (UTC)"), moment(replay.started_at)),
            (_("finished (UTC)"), moment(replay.finished_at)),
        ],
    )


def _tariff_panel(replay: Replay) -> Panel:
    shape = TariffShape.model_validate(replay.candidate)
    elements = [element_sentence(element, shape.currency) for element in shape.elements]
    return Panel(
        title=_("The tariff, as it was then"),
        half=True,
        facts=[
            (_("tariff"), link(replay.tariff, shape.id)),
            *((_("element %(number)s") % {"number": n}, t) for n, t in enumerate(elements, 1)),
        ],
    )


def _problems_panel(replay: Replay) -> list[Panel]:
    if not replay.problems:
        return []
    return [
        Panel(
            title=_("CDRs that cannot be priced again"),
            columns=(_("CDR and reason"),),
            rows=[(text,) for text in replay.problems],
        )
    ]


def _changes_panel(replay: Replay) -> Panel:
    rows = (
        ReplayResult.objects.filter(replay=replay)
        .exclude(difference=0)
        .select_related("cdr")
        .order_by(Abs("difference").desc())[:CHANGES_SHOWN]
    )
    currency = replay.currency
    return Panel(
        title=_("The sessions that change most"),
        columns=(
            *(_("ended (UTC)"), _("location"), _("energy"), _("time (h)")),
            *(_("before"), _("by this tariff"), _("difference")),
        ),
        numeric=frozenset({2, 3, 4, 5, 6}),
        rows=[
            (
                link(row.cdr, minute(row.cdr.end_date_time)),
                str(row.cdr.cdr_location.get("name") or row.cdr.cdr_location.get("address", "")),
                number(round(row.cdr.total_energy, 2), "kWh"),
                number(round(row.cdr.total_time, 2)),
                _money(row.before_taxes, currency),
                _money(row.new_before_taxes, currency),
                _signed(row.difference, currency),
            )
            for row in rows
        ],
        note=_("Before taxes.") if rows else "",
        empty=_("No session changes."),
    )
