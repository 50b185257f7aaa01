"""Calls that showed no token that opens anything: the list, and what to do about them."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from cpo_platform.common import clock
from cpo_platform.common.admin import (
    NONE,
    Button,
    Panel,
    RecordAdmin,
    VisibleFilter,
    Way,
    link,
    moment,
)
from cpo_platform.common.client_address import IPV6_NETWORK
from roaming.models import Partner, RefusedCall, Why
from roaming.operations import refused_calls
from roaming.operations.partners import HAS_A_REGISTRATION
from roaming.operations.refused_calls import Counted

DAY = timedelta(days=1)
ADDRESSES_SHOWN = 10
ANCHOR = "refused-calls"
_MADE_ANEW = _(
    "The partner may have mistyped or cut its token, or have used it already. Invite the partner "
    "again: it gets a new token A, to be copied as a whole."
)
_ANYBODYS = _("They may be anybody's: ask the partner whether the address is its own.")
ADVICE = {
    Why.NO_TOKEN: _(
        "A partner must send its token in the header Authorization of every request. Calls without "
        "it are often no partner's: a browser, or somebody who looks around."
    ),
    Why.NO_FORM: _(
        "The header is the word Token, a space, and the token: neither Bearer nor Basic. The "
        "partner has to correct that on its side."
    ),
    Why.OTHER_LENGTH: _MADE_ANEW,
    Why.UNKNOWN: _MADE_ANEW,
    Why.MISWRITTEN: _(
        "The token is good, its form is not: the partner must send the word Token, a space, and "
        "the token, plain or in Base64 once, without quotes. A new token changes nothing."
    ),
    Why.EXPIRED: _(
        "The partner uses a token that it has replaced since: it has to use the newest one. If it "
        "has lost that, end its registration and invite it again."
    ),
    Why.SUSPENDED: _("It is served again once you resume it."),
}


@admin.register(RefusedCall)
class RefusedCallAdmin(RecordAdmin):
    """Calls that were refused for their token, by hour, address, module and reason."""

    scope = Way(hidden="nobody knows of which partner they are, and partners are hidden")
    list_display = ("last", "from_address", "about", "reason", "partner_link", "calls")
    list_display_links = ("last",)
    list_filter = ("why", ("partner", VisibleFilter))
    list_select_related = ("partner",)
    search_fields = ("address",)
    search_help_text = _("Search by IP address")
    ordering = ("-last_at", "-id")
    empty_text = _("Every call had a token that we know.")

    def panels(self, request: HttpRequest, obj: RefusedCall) -> list[Panel]:
        why = Why(obj.why)
        return [
            Panel(
                title=_("Refused calls"),
                facts=[
                    (_("IP address"), address_text(obj.address)),
                    (_("module"), obj.module or NONE),
                    (_("reason"), why.label),
                    (_("partner"), link(obj.partner)),
                    (_("hour (UTC)"), moment(obj.hour)),
                    (_("calls"), obj.count),
                    (_("last (UTC)"), moment(obj.last_at)),
                ],
                note=ADVICE[why],
            )
        ]

    def title_of(self, obj: RefusedCall) -> str:
        return str(address_text(obj.address))

    @admin.display(description=_("last (UTC)"), ordering="last_at")
    def last(self, row: RefusedCall) -> str:
        return moment(row.last_at)

    @admin.display(description=_("IP address"), ordering="address")
    def from_address(self, row: RefusedCall) -> object:
        return address_text(row.address)

    @admin.display(description=_("module"), ordering="module")
    def about(self, row: RefusedCall) -> str:
        return row.module or NONE

    @admin.display(description=_("reason"), ordering="why")
    def reason(self, row: RefusedCall) -> Any:
        return Why(row.why).label

    @admin.display(description=_("partner"))
    def partner_link(self, row: RefusedCall) -> str:
        return link(row.partner)

    @admin.display(description=_("calls"), ordering="count")
    def calls(self, row: RefusedCall) -> int:
        return row.count


def address_text(address: str) -> object:
    """Return an address as it was counted: of IPv6 the network."""
    if not address:
        return _("further addresses")
    return f"{address}/{IPV6_NETWORK}" if ":" in address else address


def refused_calls_panel(partner: Partner, *, may_change: bool) -> list[Panel]:
    """Return the calls of the last day that may be this partner's, where there are any."""
    since = clock.now() - DAY
    rows = refused_calls.of_partner(partner, since=since, most=ADDRESSES_SHOWN)
    if not rows:
        return []
    can_invite = may_change and partner.status not in HAS_A_REGISTRATION
    invite = reverse("admin:roaming_partner_invite") + f"?partner={partner.pk}"
    return [
        Panel(
            title=_("Calls without a good token in the last 24 hours"),
            anchor=ANCHOR,
            note="" if all(row.is_its_own for row in rows) else _ANYBODYS,
            columns=(_("IP address"), _("reason"), _("calls"), _("last (UTC)")),
            numeric=frozenset({2}),
            rows=[
                (address_text(row.address), reason, row.calls, moment(row.last_at))
                for row, reason in zip(rows, _reasons(rows), strict=True)
            ],
            buttons=[
                Button(_("All refused calls"), reverse("admin:roaming_refusedcall_changelist")),
                *([Button(_("Invite again"), invite)] if can_invite else []),
            ],
        )
    ]


def _reasons(rows: Sequence[Counted]) -> Iterator[object]:
    """Return the reason of each row; where it stands first, with what to do about it."""
    told: set[Why] = set()
    for row in rows:
        if row.why in told:
            yield row.why.label
        else:
            told.add(row.why)
            advice = ADVICE[row.why]
            yield format_html('{}<br><span class="cpo-note">{}</span>', row.why.label, advice)
