"""The admin pages of partners, commands and messages; and who was told of what, on every object."""

import json
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.utils.dateparse import parse_datetime
from django.utils.html import format_html
from django.utils.text import capfirst
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (  # type: ignore[import-untyped]
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from cpo_platform.common import clock
from cpo_platform.common.admin import (
    NONE,
    Button,
    Panel,
    RecordAdmin,
    change_url,
    link,
    link_to,
    moment,
    pill,
    register_panel,
)
from cpo_platform.common.formfields import text_field, url_field
from cpo_platform.common.models import country_code_rule, party_id_rule
from roaming.models import (
    Command,
    CommandState,
    Delivery,
    Feed,
    Message,
    Partner,
    PartnerStatus,
    Role,
    TokenPurpose,
)
from roaming.models.messages import Direction
from roaming.ocpi import handshake
from roaming.ocpi.versions import versions_url
from roaming.operations import feed, partners
from tariffs.admin import needs_party

MESSAGES_SHOWN = 50
OBJECT_MESSAGES_SHOWN = 20
REFUSED_SHOWN = 50
COUNTED = 1000

STATUS_TONES = {
    PartnerStatus.INVITED: "amber",
    PartnerStatus.REGISTERED: "green",
    PartnerStatus.SUSPENDED: "red",
    PartnerStatus.UNREGISTERED: "grey",
}
OBJECT_PAGES = {
    "locations": "locations_location",
    "tariffs": "tariffs_tariff",
    "sessions": "sessions_app_session",
    "cdrs": "sessions_app_cdr",
}
MODULE_LABELS = {
    "cdrs": _("CDR"),
    "commands": _("Command"),
    "locations": _("Location"),
    "sessions": _("Session"),
    "tariffs": _("Tariff"),
    "tokens": _("Token"),
}


def partner_pill(status: str) -> str:
    """Return a partner's status in its colour."""
    known = PartnerStatus(status)
    return pill(known.label, STATUS_TONES[known])


def _object_link(module: str, object_id: int) -> str:
    label = MODULE_LABELS.get(module, module)
    page = OBJECT_PAGES.get(module)
    if page is None:
        return f"{label} {object_id}"
    return link_to(reverse(f"admin:{page}_change", args=[object_id]), f"{label} {object_id}")


# What was sent of an object, on its own page


def _deliveries_panel(module: str, object_id: int) -> Panel:
    deliveries = (
        Delivery.objects.filter(module=module, object_id=object_id)
        .select_related("partner")
        .order_by("partner__name")[:100]
    )
    return Panel(
        title=_("Sent to partners"),
        columns=(_("partner"), _("state"), _("delivered (UTC)"), _("stored at"), _("error")),
        rows=[
            (
                link(delivery.partner),
                _delivery_pill(delivery),
                moment(delivery.delivered_at),
                delivery.url or NONE,
                delivery.error or NONE,
            )
            for delivery in deliveries
        ],
        empty=_("No partner has been sent this yet."),
    )


def _delivery_pill(delivery: Delivery) -> str:
    if delivery.refused_at:
        return pill(_("Refused"), "red")
    if delivery.delivered_at and not delivery.error:
        return pill(_("Delivered"), "green")
    return pill(_("Waiting"), "amber")


def _object_messages_panel(module: str, object_id: int) -> Panel:
    rows = (
        Message.objects.filter(module=module, object_id=object_id)
        .select_related("partner")
        .defer("request_body", "response_body")
        .order_by("-id")[:OBJECT_MESSAGES_SHOWN]
    )
    return _messages_panel(_("Messages about it"), rows, with_partner=True)


def _messages_panel(title: Any, rows: Iterable[Message], *, with_partner: bool) -> Panel:
    columns = [_("at (UTC)"), _("direction"), _("message"), "HTTP", "OCPI", "ms", _("error")]
    return Panel(
        title=title,
        columns=[*columns, _("partner")] if with_partner else columns,
        numeric=frozenset({3, 4, 5}),
        rows=[
            (
                link(message, moment(message.at)),
                message.get_direction_display(),
                f"{message.method} {message.url}",
                _http_text(message),
                message.status_code or NONE,
                message.duration_ms,
                message.error or NONE,
                *([link(message.partner)] if with_partner else []),
            )
            for message in rows
        ],
        empty=_("No message yet."),
    )


def _http_text(message: Message) -> object:
    if message.http_status is None:
        return NONE
    return message.http_status if _is_fine(message) else pill(message.http_status, "red")


def _is_fine(message: Message) -> bool:
    ocpi_is_fine = message.status_code is None or message.status_code < 2000
    return not message.error and (message.http_status or 0) < 400 and ocpi_is_fine


def _register_panels() -> None:
    for module in OBJECT_PAGES:
        register_panel(module, partial(_panel_of, _deliveries_panel, module))
        register_panel(module, partial(_panel_of, _object_messages_panel, module))


def _panel_of(
    panel: Callable[[str, int], Panel], module: str, _request: HttpRequest, object_id: int
) -> Panel:
    return panel(module, object_id)


_register_panels()


# Partners


class _PartnerForm(forms.Form):
    """A form with labels that begin with a capital letter."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for form_field in self.fields.values():
            form_field.label = capfirst(form_field.label)


class InviteForm(_PartnerForm):
    """A partner that will register with us."""

    name = text_field(
        label=_("name"), max_length=100, required=True, help_text=_("What you call this partner.")
    )
    role = forms.ChoiceField(
        label=_("role"),
        choices=[choice for choice in Role.choices if choice[0] != Role.CPO],
        initial=Role.EMSP,
        widget=UnfoldAdminSelectWidget,
    )
    country_code = forms.CharField(
        label=_("country code"),
        max_length=2,
        validators=[country_code_rule],
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "NL"}),
    )
    party_id = forms.CharField(
        label=_("party id"),
        max_length=3,
        validators=[party_id_rule],
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "ABC"}),
        help_text=_("Ask the partner for it: three letters or digits."),
    )

    def clean_country_code(self) -> str:
        return str(self.cleaned_data["country_code"]).upper()

    def clean_party_id(self) -> str:
        return str(self.cleaned_data["party_id"]).upper()


class RegisterForm(_PartnerForm):
    """A partner that we register with."""

    name = text_field(
        label=_("name"), max_length=100, required=True, help_text=_("What you call this partner.")
    )
    versions_url = url_field(
        label=_("its versions URL"),
        required=True,
        help_text=_("The partner gave it to you: https://…/ocpi/versions"),
    )
    token_a = forms.CharField(
        label=_("its token A"),
        max_length=64,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off", "spellcheck": "false"}),
        help_text=_("The registration token that the partner gave you (CREDENTIALS_TOKEN_A)."),
    )


class TroubleFilter(admin.SimpleListFilter):
    """Partners whose feed fails."""

    title = _("feed")
    parameter_name = "feed"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("failing", _("Failing")), ("fine", _("Fine"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if self.value() == "failing":
            return queryset.filter(feed__failures__gt=0)
        return queryset.filter(feed__failures=0) if self.value() == "fine" else queryset


@admin.register(Partner)
class PartnerAdmin(RecordAdmin):
    """Partners: connecting them, and whether everything reaches them."""

    change_list_template = "admin/cpo/change_list.html"
    list_display = ("name", "state", "parties", "version", "feed_state", "success", "trouble")
    list_display_links = ("name",)
    list_filter = ("status", "version", TroubleFilter)
    list_select_related = ("feed",)
    search_fields = ("name", "roles__party_id", "roles__country_code", "versions_url")
    search_help_text = _("Search by name, party or address")
    ordering = ("name",)
    empty_text = _(
        "Invite a partner: you get a token to hand over, and the partner registers with you. Or "
        "register with a partner that has invited you."
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("roles")

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view
        own = [
            path("invite/", view(self.invite_view), name="roaming_partner_invite"),
            path("register/", view(self.register_view), name="roaming_partner_register"),
            path(
                "<int:object_id>/unregister/",
                view(self.unregister_view),
                name="roaming_partner_unregister",
            ),
            path("<int:object_id>/renew/", view(self.renew_view), name="roaming_partner_renew"),
            path("<int:object_id>/retry/", view(self.retry_view), name="roaming_partner_retry"),
            path("<int:object_id>/resend/", view(self.resend_view), name="roaming_partner_resend"),
        ]
        return [*own, *super().get_urls()]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        buttons = []
        if request.user.has_perm("roaming.add_partner"):
            buttons = [
                Button(_("Register with a partner"), reverse("admin:roaming_partner_register")),
                Button(
                    _("Invite a partner"), reverse("admin:roaming_partner_invite"), tone="primary"
                ),
            ]
        context = {"buttons": buttons, **(extra_context or {})}
        return super().changelist_view(request, context)

    # The page

    def panels(self, request: HttpRequest, obj: Partner) -> list[Panel]:
        its_feed = Feed.objects.filter(partner=obj).first()
        rows = obj.messages.defer("request_body", "response_body").order_by("-id")
        return [
            self._facts(obj),
            self._feed_panel(obj, its_feed),
            self._roles_panel(obj),
            self._tokens_panel(obj),
            *self._refused_panel(obj),
            self._handshake_panel(obj),
            self._endpoints_panel(obj),
            _messages_panel(_("Last messages"), rows[:MESSAGES_SHOWN], with_partner=False),
        ]

    def heading(self, obj: Partner) -> object:
        return partner_pill(obj.status)

    def buttons(self, request: HttpRequest, obj: Partner) -> list[Button]:
        if not self._may_change(request):
            return []
        if obj.status == PartnerStatus.REGISTERED:
            return [
                Button(_("Try again now"), self._url("retry", obj), post=True),
                Button(_("Send everything again"), self._url("resend", obj)),
                Button(_("Exchange tokens"), self._url("renew", obj)),
                Button(_("Unregister"), self._url("unregister", obj)),
            ]
        invite = reverse("admin:roaming_partner_invite") + f"?partner={obj.pk}"
        register = reverse("admin:roaming_partner_register") + f"?partner={obj.pk}"
        return [
            Button(_("Register with this partner"), register),
            Button(_("Invite again"), invite, tone="primary"),
        ]

    def _url(self, action: str, obj: Partner) -> str:
        return reverse(f"admin:roaming_partner_{action}", args=[obj.pk])

    def _may_change(self, request: HttpRequest) -> bool:
        return request.user.has_perm("roaming.change_partner")

    def _facts(self, obj: Partner) -> Panel:
        return Panel(
            title=_("Connection"),
            half=True,
            facts=[
                (_("status"), partner_pill(obj.status)),
                (_("OCPI version"), obj.version or NONE),
                (_("its versions URL"), obj.versions_url or NONE),
                (_("our versions URL"), versions_url()),
                (
                    _("token in the header"),
                    _("Base64") if obj.token_base64 else _("plain"),
                ),
                (_("registered (UTC)"), moment(obj.registered_at)),
                (_("created (UTC)"), moment(obj.created_at)),
            ],
        )

    def _feed_panel(self, obj: Partner, its_feed: Feed | None) -> Panel:
        if its_feed is None:
            return Panel(
                title=_("What we send"),
                half=True,
                note=_("Nothing is sent before the partner is registered."),
            )
        waiting = feed.waiting(its_feed, at_most=COUNTED)
        position = str(its_feed.position)
        return Panel(
            title=_("What we send"),
            half=True,
            facts=[
                (_("changes waiting"), f"{COUNTED}+" if waiting >= COUNTED else waiting),
                (_("state"), _feed_pill(its_feed)),
                (_("last success (UTC)"), moment(its_feed.last_success_at)),
                (_("failures in a row"), its_feed.failures),
                (_("next attempt (UTC)"), moment(its_feed.retry_at)),
                (_("last error"), its_feed.last_error or NONE),
                (_("last error at (UTC)"), moment(its_feed.last_error_at)),
                (_("position in the change feed"), position),
            ],
        )

    def _roles_panel(self, obj: Partner) -> Panel:
        return Panel(
            title=_("Parties it speaks for"),
            half=True,
            columns=(_("party"), _("role"), _("name")),
            rows=[
                (
                    f"{role.country_code}*{role.party_id}",
                    role.get_role_display(),
                    (role.business_details or {}).get("name", NONE),
                )
                for role in obj.roles.all()
            ],
            empty=_("Not known yet: the partner says so when it registers."),
        )

    def _tokens_panel(self, obj: Partner) -> Panel:
        return Panel(
            title=_("Tokens it calls us with"),
            half=True,
            note=_("Tokens are kept as digests: nobody can read them here."),
            columns=(_("purpose"), _("created (UTC)"), _("valid until (UTC)")),
            rows=[
                (
                    TokenPurpose(token.purpose).label,
                    moment(token.created_at),
                    moment(token.valid_until) if token.valid_until else _("no end"),
                )
                for token in obj.tokens.order_by("pk")
            ],
            empty=_("None: the partner cannot call us. Invite it again to make one."),
        )

    def _refused_panel(self, obj: Partner) -> list[Panel]:
        refused = obj.deliveries.filter(refused_at__isnull=False).order_by("-refused_at")
        rows = list(refused[: REFUSED_SHOWN + 1])
        if not rows:
            return []
        more = gettext("The last %(count)s.") % {"count": REFUSED_SHOWN}
        return [
            Panel(
                title=_("What it refused"),
                note=more if len(rows) > REFUSED_SHOWN else "",
                columns=(_("object"), _("refused (UTC)"), _("attempts"), _("reason")),
                numeric=frozenset({2}),
                rows=[
                    (
                        _object_link(delivery.module, delivery.object_id),
                        moment(delivery.refused_at),
                        delivery.attempts,
                        delivery.error,
                    )
                    for delivery in rows[:REFUSED_SHOWN]
                ],
            )
        ]

    def _handshake_panel(self, obj: Partner) -> Panel:
        return Panel(
            title=_("Last handshake, step by step"),
            columns=(_("step"), "", _("what came back")),
            rows=[
                (
                    step.get("text", ""),
                    pill(_("Done"), "green") if step.get("ok") else pill(_("Failed"), "red"),
                    step.get("detail") or NONE,
                )
                for step in obj.handshake
            ],
            note=_handshake_time(obj),
            empty=_("There was none yet."),
        )

    def _endpoints_panel(self, obj: Partner) -> Panel:
        return Panel(
            title=_("Its endpoints"),
            columns=(_("module"), _("interface"), _("URL")),
            rows=[
                (endpoint.identifier, endpoint.role, endpoint.url)
                for endpoint in obj.endpoints.order_by("identifier", "role")
            ],
            empty=_("Not known yet: they are read when the partner registers."),
        )

    # What can be done

    def invite_view(self, request: HttpRequest) -> HttpResponse:
        """Create a partner and the token that it registers with; show the token once."""
        if not request.user.has_perm("roaming.add_partner"):
            raise PermissionDenied
        if way := needs_party(request):
            return way
        form = InviteForm(request.POST or None, initial=self._known(request))
        if request.method == "POST" and form.is_valid():
            try:
                invitation = partners.invite_partner(**form.cleaned_data, now=clock.now())
            except (partners.PartyTaken, ValidationError) as error:
                _show_refusal(form, error)
            else:
                text = "Invited: a registration token was made."
                self.log_addition(request, invitation.partner, text)
                return self._show_token(request, invitation)
        return self.page(
            request,
            "admin/cpo/form.html",
            title=_("Invite a partner"),
            form=form,
            sentences=[
                _(
                    "You get a token and our versions URL. Hand both to the partner by a safe "
                    "way; it registers with them, and everything it may see is sent to it."
                )
            ],
            button=_("Make the token"),
        )

    def _known(self, request: HttpRequest) -> dict[str, Any]:
        """Return what is known of the partner that is invited again."""
        value = request.GET.get("partner", "")
        partner = Partner.objects.filter(pk=value).first() if value.isdecimal() else None
        if partner is None:
            return {}
        role = partner.roles.first()
        known: dict[str, Any] = {"name": partner.name, "versions_url": partner.versions_url}
        if role is not None:
            known |= {
                "role": role.role,
                "country_code": role.country_code,
                "party_id": role.party_id,
            }
        return known

    def _show_token(self, request: HttpRequest, invitation: partners.Invitation) -> HttpResponse:
        # Shown once: the admin's pages are never cached (`never_cache`).
        return self.page(
            request,
            "admin/roaming/partner/invited.html",
            title=gettext("%(name)s is invited") % {"name": invitation.partner.name},
            obj=invitation.partner,
            token_a=invitation.token_a,
            versions_url=versions_url(),
            partner_url=change_url(invitation.partner),
        )

    def register_view(self, request: HttpRequest) -> HttpResponse:
        """Register with a partner; show step by step what went wrong."""
        if not request.user.has_perm("roaming.add_partner"):
            raise PermissionDenied
        if way := needs_party(request):
            return way
        form = RegisterForm(request.POST or None, initial=self._known(request))
        steps: Sequence[partners.Step] = ()
        if request.method == "POST" and form.is_valid():
            try:
                partner = handshake.register_with_partner(**form.cleaned_data, now=clock.now())
            except handshake.HandshakeFailed as error:
                steps = error.steps
            except (partners.PartyTaken, ValidationError) as error:
                _show_refusal(form, error)
            else:
                self.log_addition(request, partner, "Registered with the partner.")
                messages.success(
                    request,
                    gettext("%(name)s is registered. Everything it may see is being sent.")
                    % {"name": partner.name},
                )
                return HttpResponseRedirect(change_url(partner))
        return self.page(
            request,
            "admin/cpo/form.html",
            title=_("Register with a partner"),
            form=form,
            steps=steps,
            steps_title=_("The registration failed. Nothing of it is valid; try again."),
            sentences=[
                _("The partner gave you its versions URL and a token A. We call it at once.")
            ],
            button=_("Register now"),
        )

    def _registered(self, request: HttpRequest, object_id: int) -> Any:
        """Return a registered partner that this person may change; else where to go."""
        partner = self.get_object(request, str(object_id))
        if not self._may_change(request):
            raise PermissionDenied
        if partner is None:
            return self.missing(request, object_id)
        if partner.status != PartnerStatus.REGISTERED:
            messages.info(request, gettext("%(name)s is not registered.") % {"name": partner.name})
            return HttpResponseRedirect(change_url(partner))
        return partner

    def unregister_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        partner = self._registered(request, object_id)
        if isinstance(partner, HttpResponse):
            return partner
        if request.method != "POST":
            return self.confirm(
                request,
                title=gettext("Unregister %(name)s?") % {"name": partner.name},
                sentences=[
                    gettext("We tell the partner that the connection ends."),
                    gettext("Its tokens stop working at once, and nothing is sent to it any more."),
                    gettext("Sessions and CDRs stay. To connect again, invite it again."),
                ],
                button=gettext("Unregister"),
                cancel_url=change_url(partner),
                danger=True,
            )
        try:
            handshake.unregister(partner_id=partner.pk, now=clock.now())
        except partners.NotRegistered:
            messages.info(request, gettext("%(name)s is not registered.") % {"name": partner.name})
        else:
            self.log_change(request, partner, "Unregistered.")
            messages.success(request, gettext("%(name)s is unregistered.") % {"name": partner.name})
        return HttpResponseRedirect(change_url(partner))

    def renew_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        partner = self._registered(request, object_id)
        if isinstance(partner, HttpResponse):
            return partner
        if request.method != "POST":
            return self.confirm(
                request,
                title=gettext("Exchange tokens with %(name)s?") % {"name": partner.name},
                sentences=[
                    gettext("Both sides get new tokens, and its endpoints are read again."),
                    gettext("If it fails, the present tokens stay valid."),
                ],
                button=gettext("Exchange tokens"),
                cancel_url=change_url(partner),
            )
        try:
            handshake.update_registration(partner_id=partner.pk, now=clock.now())
        except (handshake.HandshakeFailed, partners.NotRegistered) as error:
            messages.error(
                request,
                gettext("The exchange failed; the present tokens stay valid. %(reason)s")
                % {"reason": error},
            )
        else:
            self.log_change(request, partner, "Exchanged tokens.")
            messages.success(request, gettext("New tokens are in use."))
        return HttpResponseRedirect(change_url(partner))

    def retry_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        partner = self._registered(request, object_id)
        if isinstance(partner, HttpResponse):
            return partner
        its_feed = Feed.objects.filter(partner=partner).first()
        if request.method == "POST" and its_feed is not None:
            feed.retry_now(feed_id=its_feed.pk)
            self.log_change(request, partner, "Tried again.")
            messages.success(request, gettext("It is tried again now: reload to see how it went."))
        return HttpResponseRedirect(change_url(partner))

    def resend_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        partner = self._registered(request, object_id)
        if isinstance(partner, HttpResponse):
            return partner
        if request.method != "POST":
            return self.confirm(
                request,
                title=gettext("Send everything to %(name)s again?") % {"name": partner.name},
                sentences=[
                    gettext(
                        "Every tariff, location and ongoing session it may see is sent once more, "
                        "where the partner does not have it already."
                    ),
                    gettext("CDRs are not sent twice."),
                ],
                button=gettext("Send everything again"),
                cancel_url=change_url(partner),
            )
        feed.send_everything_again(partner_id=partner.pk)
        self.log_change(request, partner, "Sent everything again.")
        messages.success(request, gettext("Everything is on its way again."))
        return HttpResponseRedirect(change_url(partner))

    # The list

    @admin.display(description=_("status"), ordering="status")
    def state(self, row: Partner) -> str:
        return partner_pill(row.status)

    @admin.display(description=_("parties"))
    def parties(self, row: Partner) -> str:
        roles = row.roles.all()
        return ", ".join(f"{role.country_code}*{role.party_id} {role.role}" for role in roles)

    @admin.display(description=_("feed"), ordering="feed__failures")
    def feed_state(self, row: Partner) -> str:
        its_feed = _feed_of(row)
        return NONE if its_feed is None else _feed_pill(its_feed)

    @admin.display(description=_("last success (UTC)"), ordering="feed__last_success_at")
    def success(self, row: Partner) -> str:
        its_feed = _feed_of(row)
        return moment(its_feed.last_success_at) if its_feed else NONE

    @admin.display(description=_("last error"))
    def trouble(self, row: Partner) -> str:
        its_feed = _feed_of(row)
        if its_feed is None or not its_feed.failures:
            return NONE
        text = its_feed.last_error
        return format_html('<span title="{}">{}</span>', text, text[:80])


def _feed_of(partner: Partner) -> Feed | None:
    # A reverse one-to-one that is not there raises instead of being None.
    return getattr(partner, "feed", None)


def _feed_pill(its_feed: Feed) -> str:
    if its_feed.failures:
        return pill(_("Failing"), "red")
    return pill(_("Fine"), "green") if its_feed.last_success_at else pill(_("Nothing sent yet"))


def _handshake_time(obj: Partner) -> object:
    value = obj.handshake[0].get("at") if obj.handshake else None
    at = parse_datetime(value) if isinstance(value, str) else None
    return format_html("{} UTC", moment(at)) if at else ""


def _show_refusal(form: forms.Form, error: Exception) -> None:
    if isinstance(error, ValidationError):
        by_field = error.message_dict if hasattr(error, "error_dict") else {"": error.messages}
        for name, texts in by_field.items():
            for text in texts:
                form.add_error(name if name in form.fields else None, text)
    elif str(error).startswith("name:"):
        form.add_error("name", gettext("A partner of this name is registered already."))
    else:
        form.add_error(None, gettext("Another partner speaks for this party already."))


# Commands and messages


@admin.register(Command)
class CommandAdmin(RecordAdmin):
    """Commands that partners sent, from the request to the result."""

    list_display = ("received", "command", "partner_link", "state_pill", "result", "where", "took")
    list_display_links = ("received",)
    list_filter = ("state", "command", "result", "partner")
    list_select_related = ("partner", "location", "evse")
    search_fields = ("partner__name", "authorization_reference", "evse__evse_id", "evse__uid")
    search_help_text = _("Search by partner, reference or EVSE")
    ordering = ("-received_at",)
    empty_text = _("Commands come from partners' apps: start, stop, reserve, unlock.")

    def panels(self, request: HttpRequest, obj: Command) -> list[Panel]:
        token = obj.token or {}
        return [
            Panel(
                title=_("Request"),
                half=True,
                facts=[
                    (_("command"), obj.command),
                    (_("partner"), link(obj.partner)),
                    (_("received (UTC)"), moment(obj.received_at)),
                    (_("location"), link(obj.location)),
                    (_("EVSE"), link(obj.evse)),
                    (_("connector"), obj.connector or NONE),
                    (_("token"), token.get("uid", NONE)),
                    (_("contract"), token.get("contract_id", NONE)),
                    (_("authorisation reference"), obj.authorization_reference or NONE),
                ],
            ),
            Panel(
                title=_("Result"),
                half=True,
                facts=[
                    (_("state"), _command_pill(obj)),
                    (_("result"), obj.result or NONE),
                    (_("message"), obj.message or NONE),
                    (_("deadline (UTC)"), moment(obj.deadline)),
                    (_("finished (UTC)"), moment(obj.finished_at)),
                    (_("session"), link(obj.session)),
                    (_("answered to"), obj.response_url),
                ],
            ),
            _object_messages_panel("commands", obj.pk),
        ]

    def heading(self, obj: Command) -> object:
        return _command_pill(obj)

    @admin.display(description=_("received (UTC)"), ordering="received_at")
    def received(self, row: Command) -> str:
        return moment(row.received_at)

    @admin.display(description=_("partner"), ordering="partner__name")
    def partner_link(self, row: Command) -> str:
        return link(row.partner)

    @admin.display(description=_("state"), ordering="state")
    def state_pill(self, row: Command) -> str:
        return _command_pill(row)

    @admin.display(description=_("where"))
    def where(self, row: Command) -> str:
        return link(row.evse) if row.evse else link(row.location)

    @admin.display(description=_("took"))
    def took(self, row: Command) -> str:
        if row.finished_at is None:
            return NONE
        return f"{(row.finished_at - row.received_at).total_seconds():.1f} s"


def _command_pill(command: Command) -> str:
    if command.state == CommandState.ACCEPTED:
        return pill(_("Waiting"), "blue")
    return pill(command.result, "green" if command.result == "ACCEPTED" else "red")


class FailedFilter(admin.SimpleListFilter):
    """Messages that went wrong."""

    title = _("outcome")
    parameter_name = "outcome"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("failed", _("Failed"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if self.value() != "failed":
            return queryset
        return (
            queryset.exclude(error="")
            | queryset.filter(http_status__gte=400)
            | queryset.filter(status_code__gte=2000)
        )


@admin.register(Message)
class MessageAdmin(RecordAdmin):
    """The message log: what went over the wire, without secrets."""

    list_display = ("when", "partner_link", "direction", "address", "http", "ocpi", "ms")
    list_display_links = ("when",)
    list_filter = ("direction", "module", FailedFilter, "method", "partner")
    list_select_related = ("partner",)
    search_fields = ("url", "error", "request_id", "partner__name")
    search_help_text = _("Search by address, error, request id or partner")
    ordering = ("-id",)
    empty_text = _("Every exchange with a partner is written down here.")

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).defer("request_body", "response_body")

    def panels(self, request: HttpRequest, obj: Message) -> list[Panel]:
        about = NONE if obj.object_id is None else _object_link(obj.module, obj.object_id)
        return [
            Panel(
                title=_("Message"),
                facts=[
                    (_("at (UTC)"), moment(obj.at)),
                    (_("partner"), link(obj.partner)),
                    (_("direction"), Direction(obj.direction).label),
                    (_("message"), f"{obj.method} {obj.url}"),
                    (_("about"), about),
                    ("HTTP", _http_text(obj)),
                    ("OCPI", obj.status_code or NONE),
                    (_("duration"), f"{obj.duration_ms} ms"),
                    (_("error"), obj.error or NONE),
                    (_("request id"), obj.request_id or NONE),
                ],
            ),
            Panel(title=_("Request"), code=_pretty(obj.request_body), half=True),
            Panel(title=_("Response"), code=_pretty(obj.response_body), half=True),
        ]

    @admin.display(description=_("at (UTC)"), ordering="id")
    def when(self, row: Message) -> str:
        return moment(row.at)

    @admin.display(description=_("partner"), ordering="partner__name")
    def partner_link(self, row: Message) -> str:
        return link(row.partner)

    @admin.display(description=_("message"))
    def address(self, row: Message) -> str:
        text = f"{row.method} {urlsplit(row.url).path}"
        return format_html('<span class="cpo-anywhere" title="{}">{}</span>', row.url, text)

    @admin.display(description="HTTP", ordering="http_status")
    def http(self, row: Message) -> object:
        return _http_text(row)

    @admin.display(description="OCPI", ordering="status_code")
    def ocpi(self, row: Message) -> object:
        return row.status_code or NONE

    @admin.display(description="ms", ordering="duration_ms")
    def ms(self, row: Message) -> int:
        return row.duration_ms


def _pretty(body: str) -> str:
    """Return JSON with indentation; what was cut or is no JSON as it stands."""
    try:
        return json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except ValueError:
        return body or NONE
