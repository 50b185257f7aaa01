"""The pages of alerts: what needs a look, and that somebody has looked."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.utils.translation import gettext, ngettext
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
    pill,
)
from ocpp_gateway.admin.display import alert_pill
from ocpp_gateway.models import AlertKind, StationAlert
from ocpp_gateway.operations.alerts import resolve_alerts

# What to do, by what is wrong.
ADVICE = {
    AlertKind.BROKEN_SIGNATURE: _(
        "Compare the meter's public key at the connector with the meter's own. If it is right, "
        "the value was changed on its way: do not bill by it."
    ),
    AlertKind.FAILED: _("It is tried again by itself; if it stays, the workers' log says why."),
    AlertKind.FLOOD: _("Look at its messages: most often one setting makes it repeat itself."),
    AlertKind.LATE_FACTS: _(
        "The station told something after the session was billed. Compare, and bill anew."
    ),
    AlertKind.NO_PROGRESS: _("Ask the driver, or stop the session and unlock the connector."),
    AlertKind.OFFLINE: _("Check its power and its network. It is shown as unknown until then."),
    AlertKind.STUCK: _("Have the station report again, or restart it: the session ends then."),
    AlertKind.UNBILLED: _("Energy flowed, and nobody pays for it: see why on the transaction."),
}


class _OpenFilter(admin.SimpleListFilter):
    """Open ones, unless somebody asks for others."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("resolved", _("Resolved")), ("all", _("All"))]

    def choices(self, changelist: Any) -> Any:
        query = changelist.get_query_string
        yield {
            "selected": self.value() is None,
            "query_string": query(remove=[self.parameter_name]),
            "display": _("Open"),
        }
        for value, label in self.lookup_choices:
            yield {
                "selected": self.value() == value,
                "query_string": query({self.parameter_name: value}),
                "display": label,
            }

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if self.value() == "all":
            return queryset
        return queryset.filter(resolved_at__isnull=self.value() != "resolved")


@admin.register(StationAlert)
class StationAlertAdmin(RecordAdmin):
    """What the gateway and its watchdog have seen that needs a look."""

    scope = Way(party="station__location", location="station__location")
    list_display = ("what", "station_link", "charge", "seen", "since", "state")
    list_display_links = ("what",)
    list_filter = (_OpenFilter, "kind")
    list_select_related = ("station", "transaction__session")
    search_fields = ("station__identity", "text", "values")
    search_help_text = _("Search by station or text")
    ordering = ("-raised_at",)
    actions = ("resolve",)
    empty_text = _("Nothing needs a look.")

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("station", "transaction__session")

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.resolve_view)
        own = path("<int:object_id>/resolve/", view, name="ocpp_gateway_stationalert_resolve")
        return [own, *super().get_urls()]

    def has_resolve_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("ocpp_gateway.change_stationalert")

    @admin.action(description=_("Mark as resolved"), permissions=["resolve"])
    def resolve(self, request: HttpRequest, queryset: Any) -> None:
        count = resolve_alerts(
            alert_ids=list(queryset.values_list("pk", flat=True)),
            by=request.user.get_username(),
            now=clock.now(),
        )
        text = ngettext("%(count)s alert is resolved.", "%(count)s alerts are resolved.", count)
        messages.success(request, text % {"count": count})

    def resolve_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        if not self.has_resolve_permission(request):
            raise PermissionDenied
        alert = self.found(request, object_id)
        if alert is None:
            return self.missing(request, object_id)
        if request.method != "POST":
            return self.confirm(
                request,
                title=gettext("Mark this alert as resolved?"),
                sentences=[
                    f"{alert}. {alert.seen}",
                    gettext("It leaves the home page. If it is seen again, a new one is raised."),
                ],
                button=gettext("Resolved"),
                cancel_url=change_url(alert),
            )
        resolve_alerts(alert_ids=[alert.pk], by=request.user.get_username(), now=clock.now())
        messages.success(request, gettext("The alert is resolved."))
        return HttpResponseRedirect(self.list_url())

    def panels(self, request: HttpRequest, obj: StationAlert) -> list[Panel]:
        session = obj.transaction.session if obj.transaction else None
        return [
            Panel(
                title=_("Alert"),
                facts=[
                    (_("what"), alert_pill(obj.kind)),
                    (_("station"), link(obj.station)),
                    (_("transaction"), link(obj.transaction, obj.transaction_id)),
                    (_("session"), link(session)),
                    (_("since (UTC)"), moment(obj.raised_at)),
                    (_("what was seen"), obj.seen),
                    (_("what to do"), ADVICE[AlertKind(obj.kind)]),
                    (_("resolved (UTC)"), moment(obj.resolved_at)),
                    (_("resolved by"), _resolver(obj)),
                ],
            )
        ]

    def heading(self, obj: StationAlert) -> object:
        return state_pill(obj)

    def buttons(self, request: HttpRequest, obj: StationAlert) -> list[Button]:
        buttons = [Button(_("To the station"), change_url(obj.station))]
        if obj.resolved_at is None and self.has_resolve_permission(request):
            url = reverse("admin:ocpp_gateway_stationalert_resolve", args=[obj.pk])
            return [Button(_("Mark as resolved"), url, tone="primary"), *buttons]
        return buttons

    @admin.display(description=_("what"), ordering="kind")
    def what(self, row: StationAlert) -> str:
        return alert_pill(row.kind)

    @admin.display(description=_("station"), ordering="station__identity")
    def station_link(self, row: StationAlert) -> str:
        return link(row.station)

    @admin.display(description=_("session"))
    def charge(self, row: StationAlert) -> str:
        if row.transaction is None:
            return NONE
        if row.transaction.session is None:
            return link(row.transaction, gettext("Transaction %(id)s") % {"id": row.transaction_id})
        return link(row.transaction.session, row.transaction.session.token_contract_id)

    @admin.display(description=_("what was seen"))
    def seen(self, row: StationAlert) -> str:
        return row.seen

    @admin.display(description=_("since (UTC)"), ordering="raised_at")
    def since(self, row: StationAlert) -> str:
        return minute(row.raised_at)

    @admin.display(description=_("state"))
    def state(self, row: StationAlert) -> str:
        return state_pill(row)


def state_pill(alert: StationAlert) -> str:
    """Return whether an alert is open."""
    return pill(_("Open"), "red") if alert.resolved_at is None else pill(_("Resolved"), "grey")


def _resolver(alert: StationAlert) -> str:
    if alert.resolved_at is None:
        return NONE
    return alert.resolved_by or gettext("went by itself")
