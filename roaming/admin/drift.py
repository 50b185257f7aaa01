"""The pages of drift checks: start one, watch it, read what it found, and heal it."""

from functools import partial
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from cpo_platform.common import clock
from cpo_platform.common.admin import (
    Button,
    Panel,
    RecordAdmin,
    Way,
    change_url,
    link_to,
    minute,
    visible,
)
from roaming.admin import drift_heal, drift_panels
from roaming.admin.access import turn_pages
from roaming.admin.drift_panels import PLURALS, Findings, state_pill
from roaming.models import Drift, DriftCheck, DriftState, Partner, PartnerStatus
from roaming.models.drift import OPEN_STATES
from roaming.ocpi.dialects import dialect_of
from roaming.operations import drift, drift_healing, drift_objects
from roaming.operations.partners import NotRegistered

PARTNERS_SHOWN = 50
# Of a sample, where none is taken at night.
USUAL_SAMPLE = 100


@admin.register(DriftCheck)
class DriftCheckAdmin(RecordAdmin):
    """Drift checks: what partners hold, compared with what they should."""

    scope = Way(hidden="a partner's copies are of objects of every party")
    change_list_template = "admin/cpo/change_list.html"
    list_display = (
        *("started", "partner_name", "by", "state_now", "compared", "equal"),
        *("different", "missing_there", "still_there", "unreadable"),
    )
    list_display_links = ("started",)
    list_filter = ("state", "partner")
    list_select_related = ("partner",)
    ordering = ("-created_at", "-id")
    empty_text = _(
        "No check has run yet: start one. It asks a partner for its copies of our objects, "
        "compares them with what it should have, and lets you heal what differs."
    )

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view
        own = [
            path("start/", view(self.start_view), name="drift_start"),
            path("start/<int:partner_id>/", view(self.start_with_view), name="drift_start_with"),
            path("<int:object_id>/heal/", view(self.heal_view), name="drift_heal"),
            *(
                path(
                    f"<int:object_id>/{name}/",
                    view(partial(self._turn, operation)),
                    name=f"drift_{name}",
                )
                for name, operation in (("stop", drift.stop_check), ("resume", drift.resume_check))
            ),
        ]
        return [*own, *super().get_urls()]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        buttons = [Button(_("Start a check"), _start_url(request), tone="primary")]
        context = {"buttons": buttons if may_check(request) else [], **(extra_context or {})}
        return super().changelist_view(request, context)

    # Starting

    def start_view(self, request: HttpRequest) -> HttpResponse:
        """Have a partner chosen."""
        _need_to_check(request)
        registered = Partner.objects.filter(status=PartnerStatus.REGISTERED)
        rows = visible(request, registered).order_by("name")
        shown = Paginator(rows, PARTNERS_SHOWN).get_page(request.GET.get("p"))
        panel = Panel(
            title=_("Which partner?"),
            columns=(_("partner"), _("OCPI version")),
            rows=[
                (link_to(start_url(partner.pk), partner.name), partner.version)
                for partner in shown.object_list
            ],
            empty=_("No partner is registered yet: invite one under Partners."),
            buttons=turn_pages(request, shown) if shown.object_list else [_to_partners()],
        )
        return self.page(
            request,
            "admin/cpo/record.html",
            title=_("Start a drift check"),
            panels=[panel],
            buttons=[Button(_("Back to the list"), self.list_url())],
        )

    def start_with_view(self, request: HttpRequest, partner_id: int) -> HttpResponse:
        """Show how many objects there are to ask for, and start."""
        _need_to_check(request)
        partner = (
            visible(request, Partner.objects.prefetch_related("roles", "endpoints"))
            .filter(pk=partner_id, status=PartnerStatus.REGISTERED)
            .first()
        )
        if partner is None:
            messages.info(request, gettext("This partner is not registered: choose another."))
            return HttpResponseRedirect(reverse("admin:drift_start"))
        if request.method == "POST":
            return self._start(request, partner)
        counts = drift_objects.count_objects(partner, now=clock.now())
        return self.page(
            request,
            "admin/cpo/record.html",
            title=gettext("Check what %(name)s holds?") % {"name": partner.name},
            obj=partner,
            panels=[_counts_panel(partner, counts)],
            buttons=[Button(_("To the partner"), change_url(partner))],
        )

    def _start(self, request: HttpRequest, partner: Partner) -> HttpResponse:
        everything = request.POST.get("which") == "all"
        try:
            check = drift.start_check(
                partner_id=partner.pk,
                sample=None if everything else usual_sample(),
                started_by=request.user.get_username(),
                now=clock.now(),
            )
        except NotRegistered:
            messages.info(request, gettext("This partner is not registered: choose another."))
            return HttpResponseRedirect(reverse("admin:drift_start"))
        self.log_change(request, partner, "Started a drift check.")
        return HttpResponseRedirect(change_url(check))

    # One check

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        check = self.found(request, object_id)
        if check is None:
            return self.missing(request, object_id)
        findings = Findings(check, request)
        may_heal = may_check(request) and check.partner.status == PartnerStatus.REGISTERED
        return self.page(
            request,
            "admin/roaming/driftcheck/record.html",
            title=str(check.partner),
            obj=check,
            check=check,
            heading=state_pill(check),
            running=drift_panels.is_open(check),
            unfinished=check.state != DriftState.DONE,
            verdict=drift_panels.verdict(check),
            buttons=self.buttons(request, check),
            cards=drift_panels.cards(check),
            panels=[drift_panels.modules_panel(check), drift_panels.facts_panel(check)],
            module_chips=findings.module_chips(),
            module_label=_("kind of object"),
            kind_chips=findings.kind_chips(),
            kind_label=_("kind"),
            heal_buttons=drift_panels.heal_buttons(check) if may_heal else [],
            drifts=findings.panels(may_heal=may_heal),
            pages=turn_pages(request, findings.shown),
        )

    def buttons(self, request: HttpRequest, obj: DriftCheck) -> list[Button]:
        if not may_check(request):
            return []
        if obj.state in OPEN_STATES:
            return [Button(_("Stop"), _url("stop", obj), post=True)]
        again = Button(_("Check again"), start_url(obj.partner_id))
        if obj.state == DriftState.STOPPED:
            return [again, Button(_("Go on"), _url("resume", obj), post=True, tone="primary")]
        return [again]

    def _turn(self, operation: Any, request: HttpRequest, object_id: int) -> HttpResponse:
        """Stop a check where it is, or let it go on."""
        check = self.found(request, object_id)
        _need_to_check(request)
        if check is None:
            return self.missing(request, object_id)
        if request.method == "POST":
            try:
                operation(check_id=object_id, now=clock.now())
            except drift.CheckNotOpen:
                messages.info(
                    request,
                    gettext("It has ended already, or another check of the partner is under way."),
                )
        return HttpResponseRedirect(change_url(check))

    # Healing

    def heal_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Say what will be sent, and then send it."""
        check = self.found(request, object_id)
        _need_to_check(request)
        if check is None:
            return self.missing(request, object_id)
        chosen = drift_heal.chosen_of(request, check)
        if not chosen:
            messages.info(request, gettext("There is nothing to heal here any more."))
            return HttpResponseRedirect(change_url(check))
        if request.method == "POST":
            return self._heal(request, check, chosen)
        return self.confirm(
            request,
            title=drift_heal.question(check, chosen),
            sentences=drift_heal.sentences(check, chosen),
            links=drift_heal.breakdown(chosen) if len(chosen) > 1 else [],
            button=gettext("Send"),
            cancel_url=change_url(check),
            danger=drift_heal.has_cdrs(chosen),
        )

    def _heal(self, request: HttpRequest, check: DriftCheck, chosen: list[Drift]) -> HttpResponse:
        try:
            healed = drift_healing.heal(
                check_id=check.pk, drift_ids=[row.pk for row in chosen], now=clock.now()
            )
        except NotRegistered:
            messages.error(request, gettext("The partner is not registered: nothing was sent."))
        else:
            count = sum(healed.values())
            self.log_change(request, check.partner, f"Healed {count} objects.")
            text = ngettext(
                "%(count)s object is on its way again. Check again later to see that it arrived.",
                "%(count)s objects are on their way again. Check again later to see that they "
                "arrived.",
                count,
            )
            messages.success(request, text % {"count": count})
        return HttpResponseRedirect(change_url(check))

    # The list

    @admin.display(description=_("created (UTC)"), ordering="created_at")
    def started(self, row: DriftCheck) -> object:
        return minute(row.created_at)

    @admin.display(description=_("partner"), ordering="partner__name")
    def partner_name(self, row: DriftCheck) -> str:
        return str(row.partner)

    @admin.display(description=_("started by"), ordering="started_by")
    def by(self, row: DriftCheck) -> object:
        return row.started_by or _("itself, at night")

    @admin.display(description=_("state"), ordering="state")
    def state_now(self, row: DriftCheck) -> str:
        return state_pill(row)

    @admin.display(description=_("compared"))
    def compared(self, row: DriftCheck) -> int:
        return row.compared

    @admin.display(description=_("equal"))
    def equal(self, row: DriftCheck) -> int:
        return row.count("equal")

    @admin.display(description=_("different"))
    def different(self, row: DriftCheck) -> int:
        return row.count("different")

    @admin.display(description=_("missing there"))
    def missing_there(self, row: DriftCheck) -> int:
        return row.count("missing")

    @admin.display(description=_("still there"))
    def still_there(self, row: DriftCheck) -> int:
        return row.count("unexpected")

    @admin.display(description=_("could not be read"))
    def unreadable(self, row: DriftCheck) -> int:
        return row.count("unreadable")


def may_check(request: HttpRequest) -> bool:
    """Tell whether a person may start and stop checks, and heal."""
    return request.user.has_perm("roaming.change_partner")


def partner_button(request: HttpRequest, partner: Partner) -> list[Button]:
    """Return, for a partner's page, the way to its checks."""
    if not request.user.has_perm("roaming.view_driftcheck"):
        return []
    url = reverse("admin:roaming_driftcheck_changelist")
    return [Button(_("Drift check"), f"{url}?partner__id__exact={partner.pk}")]


def start_url(partner_id: int) -> str:
    return reverse("admin:drift_start_with", args=[partner_id])


def usual_sample() -> int:
    """Return how many objects of each kind a sample has."""
    return settings.DRIFT_SAMPLE or USUAL_SAMPLE


def _to_partners() -> Button:
    return Button(_("Go to partners"), reverse("admin:roaming_partner_changelist"))


def _start_url(request: HttpRequest) -> str:
    partner = request.GET.get("partner__id__exact", "")
    return start_url(int(partner)) if partner.isdecimal() else reverse("admin:drift_start")


def _need_to_check(request: HttpRequest) -> None:
    if not may_check(request):
        raise PermissionDenied


def _url(name: str, check: DriftCheck) -> str:
    return reverse(f"admin:drift_{name}", args=[check.pk])


def _counts_panel(partner: Partner, counts: dict[str, int]) -> Panel:
    """Return how many objects there are, and the two ways to begin."""
    size = usual_sample()
    total = sum(counts.values())
    some = sum(min(count, size) for count in counts.values())
    url = start_url(partner.pk)
    tone = "" if some < total else "primary"
    buttons = [Button(_all_text(total), url, post=True, tone=tone, values={"which": "all"})]
    if some < total:
        text = gettext("Check %(size)s of each kind: %(count)s objects")
        sample = Button(text % {"size": size, "count": some}, url, post=True, tone="primary")
        buttons.insert(0, sample)
    return Panel(
        title=_("What it is asked for"),
        note=_requests_text(partner),
        columns=(_("kind"), _("objects"), _("of a sample")),
        numeric=frozenset({1, 2}),
        rows=[
            (PLURALS.get(module, module), count, min(count, size))
            for module, count in counts.items()
        ],
        empty=_("The partner has no interface that objects are sent to: there is nothing to ask."),
        buttons=buttons if total else [],
    )


def _all_text(total: int) -> str:
    text = ngettext("Check the only object", "Check all %(count)s objects", total)
    return text % {"count": total}


def _requests_text(partner: Partner) -> str:
    text = gettext(
        "Each object is one GET request; nothing is changed, here or there. Sessions are those of "
        "the last 30 days."
    )
    limit = dialect_of(partner).requests_per_minute
    if limit is None:
        return text
    pace = gettext("The partner takes %(limit)s requests a minute.") % {"limit": limit}
    return f"{text} {pace}"
