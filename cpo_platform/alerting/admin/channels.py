"""The pages of channels: who is told, of what, and whether it arrives."""

from datetime import datetime
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.core.validators import validate_email
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (  # type: ignore[import-untyped]
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from cpo_platform.alerting import sending
from cpo_platform.alerting.admin.display import severity_pill
from cpo_platform.alerting.admin.incidents import deliveries_panel
from cpo_platform.alerting.admin.rules import Chosen
from cpo_platform.alerting.models import (
    Channel,
    ChannelKind,
    Notification,
    NotificationState,
    Rule,
)
from cpo_platform.alerting.operations import channels
from cpo_platform.common.admin import (
    Button,
    OperationAdmin,
    OperationForm,
    Panel,
    Way,
    change_url,
    pill,
)
from cpo_platform.common.wording import failure_in_words
from locations.models import LocationGroup
from tariffs.models import Party

DELIVERIES_SHOWN = 20


class ChannelForm(OperationForm):
    """Who is told, of what, and when."""

    addresses_text = forms.CharField(
        label=_("Further addresses"),
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text=_("One on each line. They get everything that this channel tells."),
    )
    users = Chosen(
        User.objects.filter(is_active=True, is_staff=True).order_by("username"),
        label=_("People"),
        help_text=_(
            "They get what their scope lets them see, at the e-mail address of their account."
        ),
    )
    secret = forms.CharField(
        label=_("Secret"),
        required=False,
        max_length=200,
        widget=UnfoldAdminTextInputWidget(attrs={"type": "password", "autocomplete": "off"}),
        help_text=_(
            "Requests are signed with it, so that the receiver knows that they are ours: at least "
            "16 characters. It is not shown again; empty: it stays as it is."
        ),
    )
    language = forms.ChoiceField(
        label=_("Language"),
        choices=settings.LANGUAGES,
        initial=settings.LANGUAGE_CODE,
        widget=UnfoldAdminSelectWidget,
    )
    rules = Chosen(
        Rule.objects.order_by("pk"), label=_("Only of these rules"), help_text=_("None: of all.")
    )
    parties = Chosen(
        Party.objects.order_by("country_code", "party_id"),
        label=_("Only of these parties"),
        help_text=_("None: of all."),
    )
    location_groups = Chosen(
        LocationGroup.objects.order_by("name"),
        label=_("Only in these location groups"),
        help_text=_("None: everywhere."),
    )
    fixed = ("kind",)

    class Meta:
        model = Channel
        fields = (
            *("name", "kind", "is_on", "users", "addresses_text", "url", "secret", "language"),
            *("least_severity", "rules", "parties", "location_groups"),
            *("quiet_from", "quiet_until", "time_zone", "critical_goes_through"),
            *("reminder_hours", "tells_end"),
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["kind"]
        if isinstance(field, forms.ChoiceField) and not settings.EMAIL_IS_ON:
            is_mail = self.instance.kind == ChannelKind.EMAIL
            if not is_mail:
                field.choices = [one for one in ChannelKind.choices if one[0] != ChannelKind.EMAIL]
                field.help_text = _("E-mail is offered where EMAIL_URL is set.")

    def values_of(self, row: Channel) -> dict[str, Any]:
        return {
            "addresses_text": "\n".join(row.addresses),
            "language": row.language,
            "users": list(row.users.all()),
            "rules": list(row.rules.all()),
            "parties": list(row.parties.all()),
            "location_groups": list(row.location_groups.all()),
        }

    def content_of(self, row: Channel) -> str:
        related = (row.users, row.rules, row.parties, row.location_groups)
        return super().content_of(row) + repr(
            [sorted(rows.values_list("pk", flat=True)) for rows in related]
        )

    def clean_addresses_text(self) -> list[str]:
        lines: list[str] = self.cleaned_data["addresses_text"].split()
        for line in lines:
            validate_email(line)
        return list(dict.fromkeys(lines))

    def clean_time_zone(self) -> str:
        zone: str = self.cleaned_data["time_zone"]
        if zone not in available_timezones():
            raise forms.ValidationError(gettext("Not a time zone, such as Asia/Tokyo."))
        return zone

    def clean(self) -> Any:
        data = super().clean() or {}
        if bool(data.get("quiet_from")) != bool(data.get("quiet_until")):
            self.add_error("quiet_until", gettext("Give both times, or none."))
        return data

    def build(self) -> Channel:
        data, channel = self.cleaned_data, self.instance
        plain = (
            *("name", "kind", "is_on", "language", "least_severity", "quiet_from", "quiet_until"),
            *("time_zone", "critical_goes_through", "reminder_hours", "tells_end"),
        )
        for name in plain:
            setattr(channel, name, data[name])
        is_webhook = data["kind"] == ChannelKind.WEBHOOK
        channel.url = data.get("url") or "" if is_webhook else ""
        channel.addresses = [] if is_webhook else data.get("addresses_text") or []
        built: Channel = channel
        return built

    def _add_refusal(self, cause: Exception) -> None:
        if isinstance(cause, channels.BadChannel):
            field = {"addresses": "addresses_text"}.get(cause.field, cause.field)
            self.add_error(field, _REFUSALS.get(cause.field, str(cause)))
        else:
            super()._add_refusal(cause)


_REFUSALS = {
    "addresses": _("Name somebody who is to be told."),
    "secret": _("A secret of at least 16 characters is needed."),
}
_MAIL, _HOOK = "kind == 'EMAIL'", "kind == 'WEBHOOK'"


@admin.register(Channel)
class ChannelAdmin(OperationAdmin):
    """Who is told of incidents."""

    form = ChannelForm
    scope = Way(hidden="channels tell of the whole network")
    list_display = ("name", "kind", "whom", "at_least", "state", "trouble")
    list_filter = ("kind", "is_on")
    ordering = ("name",)
    search_fields = ("name",)
    search_help_text = _("Search by name")
    empty_text = _(
        "Incidents are shown here, and told to nobody yet. Make a channel: an e-mail to the people "
        "on duty, or a webhook to your own tools."
    )
    fieldsets = (
        (None, {"fields": ("name", "kind", "is_on", "language")}),
        (_("To whom"), {"fields": ("users", "addresses_text", "url", "secret")}),
        (
            _("Of what"),
            {"fields": ("least_severity", "rules", "parties", "location_groups")},
        ),
        (
            _("When"),
            {
                "fields": (
                    *("quiet_from", "quiet_until", "time_zone", "critical_goes_through"),
                    *("reminder_hours", "tells_end"),
                )
            },
        ),
    )
    conditional_fields = {
        "users": _MAIL,
        "addresses_text": _MAIL,
        "url": _HOOK,
        "secret": _HOOK,
    }

    def get_queryset(self, request: HttpRequest) -> Any:
        state = NotificationState
        return (
            super()
            .get_queryset(request)
            .annotate(
                failed=Count("notifications", filter=Q(notifications__state=state.FAILED)),
                retried=Count(
                    "notifications",
                    filter=Q(notifications__state=state.WAITING, notifications__attempts__gt=0),
                ),
            )
        )

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self._test)
        own = path("<int:object_id>/test/", view, name="alerting_channel_test")
        return [own, *super().get_urls()]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("alerting.delete_channel")

    def form_context(self, request: HttpRequest, object_id: str | None) -> dict[str, Any]:
        if object_id is None or not str(object_id).isdigit():
            return {}
        context: dict[str, Any] = {"panels": [self._deliveries(int(object_id))]}
        if request.user.has_perm("alerting.change_channel"):
            url = reverse("admin:alerting_channel_test", args=[object_id])
            context["buttons"] = [Button(_("Send a test"), url, post=True)]
        return context

    def _deliveries(self, channel_id: int) -> Panel:
        rows = Notification.objects.filter(channel_id=channel_id)
        related = rows.select_related("incident__location", "incident__partner")
        return deliveries_panel(list(related.order_by("-created_at", "-pk")[:DELIVERIES_SHOWN]))

    def _test(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Send a test, and say what came back."""
        channel = self.found(request, object_id, change=True)
        if not request.user.has_perm("alerting.change_channel"):
            raise PermissionDenied
        if channel is None:
            return self.missing(request, object_id)
        if request.method != "POST":
            return HttpResponse(status=405)
        outcome = sending.test(channel)
        if outcome.taken:
            text = gettext("The test was taken: %(answer)s")
            messages.success(request, text % {"answer": outcome.answer})
        else:
            text = gettext("The test was not taken: %(answer)s")
            messages.error(request, text % {"answer": failure_in_words(outcome.answer)})
        return HttpResponseRedirect(change_url(channel))

    def put(self, form: ChannelForm, now: datetime) -> Channel:
        data = form.cleaned_data
        is_mail = form.shape.kind == ChannelKind.EMAIL
        return channels.put_channel(
            channel=form.shape,
            secret="" if is_mail else data["secret"],
            user_ids=[user.pk for user in data["users"]] if is_mail else [],
            rule_ids=[rule.pk for rule in data["rules"]],
            party_ids=[party.pk for party in data["parties"]],
            group_ids=[group.pk for group in data["location_groups"]],
        )

    def delete_model(self, request: HttpRequest, obj: Channel) -> None:
        channels.delete_channel(channel_id=obj.pk)

    @admin.display(description=_("to whom"))
    def whom(self, row: Channel) -> str:
        if row.kind == ChannelKind.WEBHOOK:
            # Its path may be all that it takes to write to somebody.
            return urlsplit(row.url).hostname or ""
        return ", ".join(row.addresses[:3]) or gettext("people of this platform")

    @admin.display(description=_("at least"), ordering="least_severity")
    def at_least(self, row: Channel) -> str:
        return severity_pill(row.least_severity)

    @admin.display(description=_("state"), ordering="is_on")
    def state(self, row: Channel) -> str:
        return pill(_("On"), "green") if row.is_on else pill(_("Off"), "grey")

    @admin.display(description=_("deliveries"))
    def trouble(self, row: Any) -> str:
        if row.retried:
            return pill(_("Does not arrive"), "red")
        return pill(_("Some were given up"), "amber") if row.failed else pill(_("Fine"), "green")
