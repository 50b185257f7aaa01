"""The pages of partners: connecting them, and whether everything reaches them."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Prefetch, Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.utils.html import format_html
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
    duration,
    link_to,
    may,
    moment,
    visible,
)
from roaming import wake
from roaming.admin import access, health_actions, partner_parties
from roaming.admin import health as health_page
from roaming.admin.display import lane_pill, partner_pill
from roaming.admin.drift import partner_button
from roaming.admin.partner_forms import ExchangeForm, InviteForm, RegisterForm, show_refusal
from roaming.admin.partner_panels import partner_panels
from roaming.admin.partner_standing import GrantedFilter, claim_panels, standing
from roaming.failures import in_words
from roaming.models import Partner, PartnerStatus
from roaming.ocpi import handshake
from roaming.ocpi.versions import versions_url
from roaming.operations import health, partners
from roaming.operations.health import LaneHealth
from tariffs.admin import needs_party

REGISTERED = frozenset([PartnerStatus.REGISTERED.value])
SUSPENDED = frozenset([PartnerStatus.SUSPENDED.value])
_Action = tuple[str, Callable[[HttpRequest, Partner], HttpResponse], frozenset[str]]
_SENDING: Sequence[tuple[str, health_actions.Action]] = (
    ("pause", health_actions.pause),
    ("go_on", health_actions.go_on),
    ("probe", health_actions.probe),
    ("send_object", health_actions.send_object),
    ("send_window", health_actions.send_window),
    ("resend", health_actions.resend),
)


class TroubleFilter(admin.SimpleListFilter):
    """Partners whose feed fails, or stands still."""

    title = _("feed")
    parameter_name = "feed"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("failing", _("Failing")),
            ("refused", _("Our token is refused")),
            ("paused", _("Paused by staff")),
            ("fine", _("Fine")),
        ]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        chosen = self.value()
        if chosen == "fine":
            troubled = health.troubled_feeds().values("partner")
            return queryset.exclude(pk__in=troubled)
        wanted = {
            "failing": Q(failures__gt=0),
            "refused": Q(unauthorized_at__isnull=False),
            "paused": Q(paused_at__isnull=False),
        }.get(chosen or "")
        if wanted is None:
            return queryset
        return queryset.filter(pk__in=health.troubled_feeds().filter(wanted).values("partner"))


@admin.register(Partner)
class PartnerAdmin(RecordAdmin):
    """Partners: connecting them, and whether everything reaches them."""

    scope = Way(
        hidden="a partner is of the whole platform, and its pages name every party's objects"
    )
    change_list_template = "admin/cpo/change_list.html"
    list_display = (
        "name",
        "state",
        "parties",
        "version",
        "feed_state",
        "lag",
        "success",
        "trouble",
    )
    list_display_links = ("name",)
    list_filter = ("status", "version", TroubleFilter, GrantedFilter)
    search_fields = ("name", "roles__party_id", "roles__country_code", "versions_url")
    search_help_text = _("Search by name, party or address")
    ordering = ("name",)
    empty_text = _(
        "Invite a partner: you get a token to hand over, and the partner registers with you. Or "
        "register with a partner that has invited you. No partner at hand? Invite "
        "NL*EMS, and be it by make sandbox TOKEN=…, with the token that you got."
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        feeds = Prefetch("feeds", queryset=health.watched_feeds())
        return super().get_queryset(request).prefetch_related("roles", feeds)

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view
        own = [
            path("invite/", view(self.invite_view), name="roaming_partner_invite"),
            path("register/", view(self.register_view), name="roaming_partner_register"),
            *(
                path(
                    f"<int:object_id>/{name}/",
                    view(partial(self._registered_view, action, statuses)),
                    name=f"roaming_partner_{name}",
                )
                for name, action, statuses in self._actions()
            ),
            *(
                path(where, view(partial(action, self)), name=f"roaming_partner_{name}")
                for where, name, action in (
                    ("sees/<int:location_id>/", "who_sees", access.who_sees),
                    ("<int:object_id>/sees/<int:location_id>/", "why", access.why),
                    ("<int:object_id>/locations/", "locations", access.seen_by),
                    ("<int:object_id>/health/", "health", health_page.show),
                    ("<int:object_id>/refused/", "refused", health_page.refused),
                    ("<int:object_id>/access/", "access", access.edit),
                    ("<int:object_id>/parties/", "parties", partner_parties.all_parties),
                    ("<int:object_id>/clients/", "clients", partner_parties.all_clients),
                )
            ),
        ]
        return [*own, *super().get_urls()]

    def _actions(self) -> list[_Action]:
        """Return what can be done with a partner, and with which statuses."""
        return [
            ("unregister", self._unregister, partners.HAS_A_REGISTRATION),
            ("renew", self._renew, REGISTERED),
            ("grant", self._grant, REGISTERED),
            ("pull", self._pull, REGISTERED),
            ("suspend", self._suspend, REGISTERED),
            ("resume", self._resume, SUSPENDED),
            *((name, partial(action, self), REGISTERED) for name, action in _SENDING),
        ]

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
        return partner_panels(
            obj,
            may_change=self._may_change(request),
            may_see_refused=may(request, "roaming.view_refusedcall"),
        )

    def heading(self, obj: Partner) -> object:
        return standing(obj)

    def buttons(self, request: HttpRequest, obj: Partner) -> list[Button]:
        checks = [] if obj.status not in REGISTERED | SUSPENDED else partner_button(request, obj)
        page = [Button(_("Health"), self._url("health", obj))]
        if not self._may_change(request):
            return [*page, *checks]
        return [*page, *self._changes(obj, checks)]

    def _changes(self, obj: Partner, checks: list[Button]) -> list[Button]:
        """Return what is done often, and what comes next; the rest stands in its panels."""
        sees = Button(_("What it sees"), self._url("access", obj))
        if obj.status == PartnerStatus.REGISTERED:
            claimed = any(not role.granted for role in obj.roles.all())
            grant = [Button(_("Grant parties"), self._url("grant", obj), tone="primary")]
            # Where its drivers cannot charge, the panel on top has that button.
            told = claim_panels(obj, may_change=True)
            return [*(grant if claimed and not told else []), sees, *checks]
        if obj.status == PartnerStatus.SUSPENDED:
            resume = Button(_("Resume"), self._url("resume", obj), tone="primary")
            return [sees, *checks, resume]
        return [sees]

    def _url(self, action: str, obj: Partner) -> str:
        return reverse(f"admin:roaming_partner_{action}", args=[obj.pk])

    def _may_change(self, request: HttpRequest) -> bool:
        return request.user.has_perm("roaming.change_partner")

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
                show_refusal(form, error)
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
        rows = visible(request, Partner.objects.all())
        partner = rows.filter(pk=value).first() if value.isdecimal() else None
        if partner is None:
            return {}
        role = partner.roles.first()
        known: dict[str, Any] = {
            "name": partner.name,
            "versions_url": partner.versions_url,
            "auto_grant": partner.auto_grant,
            "our_party": partner.our_party_id,
        }
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
                show_refusal(form, error)
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

    def _registered_view(
        self,
        action: Callable[[HttpRequest, Partner], HttpResponse],
        statuses: frozenset[str],
        request: HttpRequest,
        object_id: int,
    ) -> HttpResponse:
        """Do something with a partner that this person may change and that is so far."""
        partner = self.get_object(request, str(object_id))
        if not self._may_change(request):
            raise PermissionDenied
        if partner is None:
            return self.missing(request, object_id)
        if partner.status not in statuses:
            return self._refuse(request, partner, suspended=statuses == SUSPENDED)
        return action(request, partner)

    def _refuse(
        self, request: HttpRequest, partner: Partner, *, suspended: bool = False
    ) -> HttpResponse:
        text = (
            gettext("%(name)s is not suspended.")
            if suspended
            else gettext("%(name)s is not registered.")
        )
        messages.info(request, text % {"name": partner.name})
        return HttpResponseRedirect(change_url(partner))

    def _unregister(self, request: HttpRequest, partner: Partner) -> HttpResponse:
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
            return self._refuse(request, partner)
        self.log_change(request, partner, "Unregistered.")
        messages.success(request, gettext("%(name)s is unregistered.") % {"name": partner.name})
        return HttpResponseRedirect(change_url(partner))

    def _suspend(self, request: HttpRequest, partner: Partner) -> HttpResponse:
        if request.method != "POST":
            return self.confirm(
                request,
                title=gettext("Suspend %(name)s?") % {"name": partner.name},
                sentences=[
                    gettext("Its requests are refused and nothing is sent to it, from now on."),
                    gettext("Its drivers can start no sessions; those that run go on."),
                    gettext(
                        "We do not tell the partner. Its tokens and all that it has stay: when you "
                        "resume, it is sent what it missed."
                    ),
                ],
                button=gettext("Suspend"),
                cancel_url=change_url(partner),
                danger=True,
            )
        try:
            partners.suspend_partner(partner_id=partner.pk)
        except partners.NotRegistered:
            return self._refuse(request, partner)
        except partners.HandshakeUnderWay:
            text = gettext("Tokens are being exchanged with %(name)s: try again in a minute.")
            messages.error(request, text % {"name": partner.name})
        else:
            self.log_change(request, partner, "Suspended.")
            messages.success(request, gettext("%(name)s is suspended.") % {"name": partner.name})
        return HttpResponseRedirect(change_url(partner))

    def _resume(self, request: HttpRequest, partner: Partner) -> HttpResponse:
        if request.method != "POST":
            return self.confirm(
                request,
                title=gettext("Resume %(name)s?") % {"name": partner.name},
                sentences=[
                    gettext("Its tokens are good again, and it is served as before."),
                    gettext(
                        "Everything it may see is announced again: it is sent what changed "
                        "meanwhile, CDRs too."
                    ),
                ],
                button=gettext("Resume"),
                cancel_url=change_url(partner),
            )
        try:
            partners.resume_partner(partner_id=partner.pk, now=clock.now())
        except partners.NotSuspended:
            return self._refuse(request, partner, suspended=True)
        self.log_change(request, partner, "Resumed.")
        text = gettext("%(name)s is served again. What it missed is being sent.")
        messages.success(request, text % {"name": partner.name})
        return HttpResponseRedirect(change_url(partner))

    def _pull(self, request: HttpRequest, partner: Partner) -> HttpResponse:
        if request.method == "POST":
            wake.pull(partner.pk)
            self.log_change(request, partner, "Pulled its tokens.")
            messages.success(
                request, gettext("Its tokens are pulled now: reload to see how it went.")
            )
        return HttpResponseRedirect(change_url(partner))

    def _renew(self, request: HttpRequest, partner: Partner) -> HttpResponse:
        form = ExchangeForm(request.POST or None, partner=partner)
        if request.method != "POST" or not form.is_valid():
            return self.page(
                request,
                "admin/cpo/form.html",
                title=gettext("Exchange tokens with %(name)s?") % {"name": partner.name},
                form=form,
                sentences=_exchange_sentences(),
                button=gettext("Exchange tokens"),
                list_url=change_url(partner),
            )
        try:
            handshake.update_registration(
                partner_id=partner.pk, now=clock.now(), version=form.cleaned_data["version"]
            )
        except partners.NotRegistered:
            return self._refuse(request, partner)
        except handshake.HandshakeFailed as error:
            text = gettext("The exchange failed; the present tokens stay valid. %(reason)s")
            if any(step.saying == handshake.LOST for step in error.steps):
                text = gettext(
                    "The answer was lost: the present tokens and the new ones are valid. Exchange "
                    "tokens once more. %(reason)s"
                )
            messages.error(request, text % {"reason": error})
        else:
            self.log_change(request, partner, "Exchanged tokens.")
            messages.success(request, gettext("New tokens are in use."))
        return HttpResponseRedirect(change_url(partner))

    def _grant(self, request: HttpRequest, partner: Partner) -> HttpResponse:
        claimed = [role for role in partner.roles.all() if not role.granted]
        names = ", ".join(f"{role.country_code}*{role.party_id}" for role in claimed)
        if request.method != "POST":
            return self.confirm(
                request,
                title=gettext("Let %(name)s speak for %(parties)s?")
                % {"name": partner.name, "parties": names or NONE},
                sentences=[
                    gettext("It sees the sessions, CDRs and tokens of these parties from now on."),
                    gettext("Be sure that they are its own: ask them."),
                ],
                button=gettext("Grant parties"),
                cancel_url=change_url(partner),
            )
        granted, taken = [], []
        for role in claimed:
            party = f"{role.country_code}*{role.party_id}"
            try:
                partners.grant_claim(role_id=role.pk)
            except partners.PartyTaken:
                taken.append(party)
            else:
                granted.append(party)
        if granted:
            names = ", ".join(granted)
            self.log_change(request, partner, f"Granted {names}.")
            messages.success(request, gettext("Granted: %(parties)s.") % {"parties": names})
        if taken:
            text = gettext("Not granted, since other partners speak for them: %(parties)s.")
            messages.error(request, text % {"parties": ", ".join(taken)})
        return HttpResponseRedirect(change_url(partner))

    # The list

    @admin.display(description=_("status"), ordering="status")
    def state(self, row: Partner) -> str:
        return partner_pill(row.status)

    @admin.display(description=_("parties"))
    def parties(self, row: Partner) -> str:
        roles = row.roles.all()
        return ", ".join(f"{role.country_code}*{role.party_id} {role.role}" for role in roles)

    @admin.display(description=_("feed"))
    def feed_state(self, row: Partner) -> str:
        lane = _worst_lane(row)
        return NONE if lane is None else link_to(self._url("health", row), lane_pill(lane.state))

    @admin.display(description=_("behind by"))
    def lag(self, row: Partner) -> str:
        lags = [lane.lag.total_seconds() for lane in _lanes(row) if lane.since]
        return duration(max(lags, default=None))

    @admin.display(description=_("last success (UTC)"))
    def success(self, row: Partner) -> str:
        moments = [feed.last_success_at for feed in row.feeds.all() if feed.last_success_at]
        return moment(max(moments, default=None))

    @admin.display(description=_("last error"))
    def trouble(self, row: Partner) -> str:
        lane = _worst_lane(row)
        if lane is None or not lane.feed.failures:
            return NONE
        text = in_words(lane.feed.last_error)
        return format_html('<span title="{}">{}</span>', text, text[:80])


def _exchange_sentences() -> list[str]:
    """Return what an exchange of tokens does, and what happens when it fails half-way."""
    minutes = settings.TOKEN_GRACE_MINUTES
    grace = gettext("The present tokens end as soon as the partner takes the new ones.")
    if minutes:
        grace = ngettext(
            "The present tokens stay good for another minute, or until the new ones are used.",
            "The present tokens stay good for another %(minutes)s minutes, or until the new ones "
            "are used.",
            minutes,
        ) % {"minutes": minutes}
    return [
        gettext("Both sides get new tokens, and its endpoints are read again."),
        grace,
        gettext("If the partner refuses, the present tokens stay valid."),
        gettext(
            "If its answer is lost, nobody knows whether it took them: then the present and the "
            "new tokens are valid, and you exchange them once more."
        ),
        gettext("In another OCPI version, everything is sent to it again."),
    ]


def _lanes(partner: Partner) -> list[LaneHealth]:
    """Return the lanes of a partner of the list; none before the registration."""
    now = clock.now()
    feeds = partner.feeds.all()
    return [health.lane_health(feed, status=partner.status, now=now) for feed in feeds]


def _worst_lane(partner: Partner) -> LaneHealth | None:
    return health.worst(_lanes(partner))
