"""The pages of incidents: what is wrong, what is behind it, and that somebody sees to it."""

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, F, Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (  # type: ignore[import-untyped]
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from cpo_platform.alerting import texts
from cpo_platform.alerting.admin.display import (
    delivery_pill,
    severity_pill,
    state_pill,
    subject_link,
)
from cpo_platform.alerting.models import Alert, Incident, Notification, Severity
from cpo_platform.alerting.operations import incidents
from cpo_platform.alerting.sending import INCIDENTS
from cpo_platform.common import clock
from cpo_platform.common.admin import (
    NONE,
    Button,
    Event,
    Panel,
    RecordAdmin,
    change_url,
    duration,
    link,
    link_to,
    may,
    minute,
    moment,
    pill,
    story_panel,
    unbroken,
    visible,
)
from cpo_platform.common.wording import failure_in_words

ALERTS_SHOWN = 200
SNOOZES = (("1", _("1 hour")), ("4", _("4 hours")), ("24", _("1 day")), ("168", _("1 week")))


class _AcknowledgeForm(forms.Form):
    note = forms.CharField(
        label=_("Note"),
        max_length=500,
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("What you do about it, for your colleagues."),
    )


class _SnoozeForm(forms.Form):
    hours = forms.ChoiceField(
        label=_("For how long"), choices=SNOOZES, widget=UnfoldAdminSelectWidget
    )


class _StateFilter(admin.SimpleListFilter):
    """Open ones, unless somebody asks for others."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("over", _("Over")), ("all", _("All"))]

    def choices(self, changelist: Any) -> Any:
        query = changelist.get_query_string
        for value, label in ((None, _("Open")), *self.lookup_choices):
            changes = {} if value is None else {self.parameter_name: value}
            yield {
                "selected": self.value() == value,
                "query_string": query(changes, [] if changes else [self.parameter_name]),
                "display": label,
            }

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if self.value() == "all":
            return queryset
        return queryset.filter(closed_at__isnull=self.value() != "over")


@admin.register(Incident)
class IncidentAdmin(RecordAdmin):
    """What is wrong: many alerts of one cause are one incident."""

    scope = INCIDENTS
    change_list_template = "admin/cpo/chips_list.html"
    list_display = ("title", "how_bad", "state", "where", "alerts_shown", "since", "lasted")
    list_display_links = ("title",)
    list_filter = (_StateFilter, "severity", "cause")
    ordering = ("-opened_at", "-id")
    search_fields = ("location__name", "location__city", "partner__name")
    search_help_text = _("Search by location or partner")
    empty_text = _("Nothing is wrong, as far as the rules tell.")

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("location", "partner")

    def get_urls(self) -> list[Any]:
        views: dict[str, Any] = {"acknowledge": self._acknowledge, "snooze": self._snooze}
        own = [
            path(
                f"<int:object_id>/{name}/",
                self.admin_site.admin_view(view),
                name=f"alerting_incident_{name}",
            )
            for name, view in views.items()
        ]
        count = path(
            "count/", self.admin_site.admin_view(self._count), name="alerting_incident_count"
        )
        return [count, *own, *super().get_urls()]

    def _count(self, request: HttpRequest) -> HttpResponse:
        """Answer how many incidents nobody sees to yet: the bell of every page asks."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        waiting = visible(request, Incident.objects.filter(closed_at=None, acknowledged_at=None))
        now = clock.now()
        counts = waiting.filter(Q(snoozed_until=None) | Q(snoozed_until__lte=now)).aggregate(
            count=Count("pk"), critical=Count("pk", filter=Q(severity=Severity.CRITICAL))
        )
        label = ngettext(
            "%(count)s incident nobody sees to",
            "%(count)s incidents nobody sees to",
            counts["count"],
        )
        return JsonResponse(
            {**counts, "url": self.list_url(), "label": label % {"count": counts["count"]}}
        )

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        context = {"chips": self._chips(request), "chips_label": gettext("Severities")}
        return super().changelist_view(request, {**context, **(extra_context or {})})

    def _chips(self, request: HttpRequest) -> list[dict[str, object]]:
        if not self.has_view_permission(request):
            return []
        rows = visible(request, Incident.objects.filter(closed_at=None))
        counts = dict(rows.values_list("severity").annotate(Count("pk")).order_by())
        chosen = request.GET.get("severity__exact", "")
        return [
            {
                "label": severity.label,
                "tone": {3: "red", 2: "amber", 1: "blue"}[severity.value],
                "count": counts[severity.value],
                "url": f"?severity__exact={severity.value}",
                "current": chosen == str(severity.value),
            }
            for severity in reversed(Severity)
            if counts.get(severity.value)
        ]

    def has_work_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("alerting.change_incident")

    def heading(self, obj: Incident) -> object:
        return format_html("{} {}", severity_pill(obj.severity), state_pill(obj))

    def buttons(self, request: HttpRequest, obj: Incident) -> list[Button]:
        if obj.closed_at is not None or not self.has_work_permission(request):
            return []
        acknowledge = reverse("admin:alerting_incident_acknowledge", args=[obj.pk])
        snooze = reverse("admin:alerting_incident_snooze", args=[obj.pk])
        return [
            Button(_("Quiet for a while…"), snooze),
            Button(_("I see to it…"), acknowledge, tone="primary"),
        ]

    def panels(self, request: HttpRequest, obj: Incident) -> list[Panel]:
        shown = Alert.objects.filter(incident=obj).select_related("rule")
        # What is still wrong comes first.
        alerts = list(shown.order_by(F("closed_at").desc(nulls_first=True), "pk")[:ALERTS_SHOWN])
        return [
            self._facts(request, obj),
            self._timeline(obj),
            _alerts_panel(request, obj, alerts),
        ]

    def _facts(self, request: HttpRequest, obj: Incident) -> Panel:
        sees_place = may(request, "locations.view_location")
        sees_partner = may(request, "roaming.view_partner")
        facts: list[tuple[object, object]] = [
            (_("what to do next"), texts.advice(obj)),
            (_("probable cause"), obj.get_cause_display()),
        ]
        if obj.location is not None:
            name = obj.location.name or obj.location.address
            facts.append((_("location"), link(obj.location, name) if sees_place else name))
        if obj.partner is not None:
            facts.append((_("partner"), _partner(obj) if sees_partner else obj.partner))
        facts += [
            (_("since (UTC)"), moment(obj.opened_at)),
            (_("over (UTC)"), moment(obj.closed_at)),
            (_("acknowledged by"), obj.acknowledged_by or NONE),
            (_("note"), obj.note or NONE),
        ]
        if obj.snoozed_until is not None and obj.snoozed_until > clock.now():
            facts.append((_("quiet until (UTC)"), moment(obj.snoozed_until)))
        return Panel(title=_("Incident"), facts=facts)

    def _timeline(self, obj: Incident) -> Panel:
        """Return what happened, in order: what opened and closed, who was told, who sees to it."""
        platform = gettext("platform")
        events = [Event(obj.opened_at, platform, gettext("The incident opened"))]
        rows = Alert.objects.filter(incident=obj).select_related("rule").order_by("pk")
        for alert in rows[:ALERTS_SHOWN]:
            text = texts.alert_text(alert)
            if alert.opened_at is not None:
                events.append(Event(alert.opened_at, platform, text, fold="opened"))
            if alert.closed_at is not None:
                over = gettext("Right again: %(what)s") % {"what": text}
                events.append(Event(alert.closed_at, platform, over, fold="closed"))
        told = Notification.objects.filter(incident=obj).select_related("channel").order_by("pk")
        for one in told[:ALERTS_SHOWN]:
            words = (one.get_event_display(), one.get_state_display(), failure_in_words(one.answer))
            what = ": ".join(word for word in words if word)
            events.append(Event(one.sent_at or one.created_at, str(one.channel), what))
        if obj.acknowledged_at is not None:
            what = " · ".join(filter(None, [gettext("sees to it"), obj.note]))
            events.append(Event(obj.acknowledged_at, obj.acknowledged_by, what))
        if obj.closed_at is not None:
            events.append(Event(obj.closed_at, platform, gettext("The incident was over")))
        return story_panel(_folded(events), "")

    def _acknowledge(self, request: HttpRequest, object_id: int) -> HttpResponse:
        incident = self._workable(request, object_id)
        if isinstance(incident, HttpResponse):
            return incident
        form = _AcknowledgeForm(request.POST or None)
        if request.method != "POST" or not form.is_valid():
            return self._ask(
                request,
                incident,
                form,
                gettext("You see to this?"),
                gettext("Your colleagues see your name, and nobody is reminded any more."),
                gettext("I see to it"),
            )
        note, by = form.cleaned_data["note"], request.user.get_username()
        return self._do(
            request,
            incident,
            lambda: incidents.acknowledge(
                incident_id=incident.pk, by=by, note=note, now=clock.now()
            ),
            gettext("It is yours now."),
        )

    def _snooze(self, request: HttpRequest, object_id: int) -> HttpResponse:
        incident = self._workable(request, object_id)
        if isinstance(incident, HttpResponse):
            return incident
        form = _SnoozeForm(request.POST or None)
        if request.method != "POST" or not form.is_valid():
            return self._ask(
                request,
                incident,
                form,
                gettext("Hear nothing of this for a while?"),
                gettext("No reminder is sent until then; that it is over is told all the same."),
                gettext("Be quiet"),
            )
        until = clock.now() + timedelta(hours=int(form.cleaned_data["hours"]))
        return self._do(
            request,
            incident,
            lambda: incidents.snooze(incident_id=incident.pk, until=until),
            gettext("It is quiet now."),
        )

    def _workable(self, request: HttpRequest, object_id: int) -> Any:
        if not self.has_work_permission(request):
            raise PermissionDenied
        incident = self.found(request, object_id)
        return self.missing(request, object_id) if incident is None else incident

    def _ask(
        self, request: HttpRequest, incident: Incident, form: Any, *texts_of: str
    ) -> HttpResponse:
        title, text, yes = texts_of
        return self.page(
            request,
            "admin/cpo/form.html",
            title=title,
            form=form,
            sentences=[str(incident), text],
            button=yes,
            list_url=change_url(incident),
        )

    def _do(self, request: HttpRequest, incident: Incident, work: Any, done: str) -> HttpResponse:
        try:
            work()
        except incidents.IncidentOver:
            messages.info(request, gettext("It is over already."))
        else:
            messages.success(request, done)
        return HttpResponseRedirect(change_url(incident))

    @admin.display(description=_("what"))
    def title(self, row: Incident) -> str:
        return str(row)

    @admin.display(description=_("severity"), ordering="severity")
    def how_bad(self, row: Incident) -> str:
        return severity_pill(row.severity)

    @admin.display(description=_("state"))
    def state(self, row: Incident) -> str:
        return state_pill(row)

    @admin.display(description=_("where"))
    def where(self, row: Incident) -> str:
        if row.location is not None:
            return f"{row.location.name or row.location.address}, {row.location.city}"
        return str(row.partner) if row.partner is not None else NONE

    @admin.display(description=_("alerts"), ordering="alert_count")
    def alerts_shown(self, row: Incident) -> str:
        return unbroken(f"{row.open_count} / {row.alert_count}")

    @admin.display(description=_("since (UTC)"), ordering="opened_at")
    def since(self, row: Incident) -> str:
        return minute(row.opened_at)

    @admin.display(description=_("lasts"))
    def lasted(self, row: Incident) -> str:
        return duration(((row.closed_at or clock.now()) - row.opened_at).total_seconds())


def _partner(incident: Incident) -> str:
    return link_to(
        reverse("admin:roaming_partner_health", args=[incident.partner_id]), incident.partner
    )


def _folded(events: list[Event]) -> list[Event]:
    """Return events in order of time; many alerts that opened together are told in one line."""
    kept: list[Event] = []
    for event in sorted(events, key=lambda one: one.at):
        last = kept[-1] if kept else None
        if last is not None and event.fold and (last.at, last.fold) == (event.at, event.fold):
            kept[-1] = Event(
                last.at, last.who, last.what, last.fold, count=last.count + 1, until=event.at
            )
        else:
            kept.append(event)
    return kept


def _alerts_panel(request: HttpRequest, obj: Incident, alerts: list[Alert]) -> Panel:
    more = obj.alert_count > len(alerts)
    return Panel(
        title=_("Alerts"),
        note=_("The first %(count)s are shown.") % {"count": ALERTS_SHOWN} if more else "",
        columns=(_("what"), _("severity"), _("state"), _("since (UTC)"), _("over (UTC)")),
        rows=[
            (
                subject_link(request, alert),
                severity_pill(alert.rule.severity),
                pill(_("Wrong"), "red") if alert.closed_at is None else pill(_("Right"), "grey"),
                moment(alert.since),
                moment(alert.closed_at),
            )
            for alert in alerts
        ],
        empty=_("The rule that found it is gone, and its alerts with it."),
    )


def deliveries_panel(rows: list[Notification]) -> Panel:
    """Return the last deliveries of a channel."""
    return Panel(
        title=_("Last deliveries"),
        columns=(
            *(_("created (UTC)"), _("what"), _("incident"), _("state"), _("attempts")),
            *(_("next attempt (UTC)"), _("what came back")),
        ),
        numeric=frozenset({4}),
        rows=[
            (
                moment(row.created_at),
                row.get_event_display(),
                link(row.incident),
                delivery_pill(row.state),
                row.attempts,
                moment(row.due_at) if row.state == "WAITING" else NONE,
                failure_in_words(row.answer) or NONE,
            )
            for row in rows
        ],
        empty=_("Nothing was sent yet."),
    )
