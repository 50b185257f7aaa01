"""What the message log is searched by, and how that is asked of the database.

Every search is of an index: a span of time first, or an id. Without either it is the last day's.
"""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.db.models import Model, Q, QuerySet
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextInputWidget  # type: ignore[import-untyped]

from cpo_platform.common.admin.searching import SpanSearch, choice_of, moment_of, text_of
from locations.models import Evse, Location
from roaming.admin.display import MODULE_LABELS
from roaming.models import Message, Partner
from roaming.models.messages import Direction
from sessions_app.models import Cdr, Session
from tariffs.models import Party, Tariff

# Partners to choose from, and objects that one id may be of.
MOST_PARTNERS = 1000
MOST_OBJECTS = 50
MOST_ID = 100
MODULES = ("credentials", "hubclientinfo", "versions", *sorted(MODULE_LABELS))
FAILED, UNANSWERED = "failed", "unanswered"
_HTTP = range(100, 600)
_OBJECTS: Sequence[tuple[str, type[Model]]] = (
    ("locations", Location),
    ("tariffs", Tariff),
    ("sessions", Session),
    ("cdrs", Cdr),
)


class MessageSearch(SpanSearch):
    """The fields above the list of messages."""

    whole_by = ("about", "trace")

    partner = choice_of(_("Partner"))
    direction = choice_of(_("Direction"), [("", _("both")), *Direction.choices])
    module = choice_of(_("Module"), [("", _("all"))] + [(name, name) for name in MODULES])
    outcome = choice_of(
        _("Outcome"),
        [("", _("all")), (FAILED, _("only failures")), (UNANSWERED, _("only without an answer"))],
    )
    status = forms.IntegerField(
        label=_("HTTP or OCPI status"),
        required=False,
        min_value=100,
        max_value=9999,
        widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "numeric", "placeholder": "2001"}),
    )
    about = text_of(_("Object"), "LOC1, NL*TST*E1, sessions:42")
    trace = text_of(_("Correlation id or request id"), "")
    since = moment_of(_("Since (UTC)"))
    until = moment_of(_("Until (UTC)"))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        partners = Partner.objects.order_by("name").values_list("pk", "name")[:MOST_PARTNERS]
        self.fields["partner"].choices = [  # type: ignore[attr-defined]
            ("", _("all")),
            *((str(pk), name) for pk, name in partners),
        ]

    def narrow(self, rows: QuerySet[Message]) -> QuerySet[Message]:
        data = self.cleaned_data
        wanted = Q()
        for column, name in (
            ("partner_id", "partner"),
            ("direction", "direction"),
            ("module", "module"),
        ):
            if data[name]:
                wanted &= Q(**{column: data[name]})
        return rows.filter(wanted & self._outcome() & self._ids())

    def _outcome(self) -> Q:
        data = self.cleaned_data
        wanted = Q()
        if data["outcome"]:
            wanted &= Q(failed=True)
        if data["outcome"] == UNANSWERED:
            wanted &= Q(http_status=None)
        if data["status"]:
            wanted &= self._status(data["status"])
        return wanted

    @staticmethod
    def _status(status: int) -> Q:
        is_http = status in _HTTP
        wanted = Q(http_status=status) if is_http else Q(status_code=status)
        # It says so already, but the index of failures is by this.
        return wanted & Q(failed=True) if status >= (400 if is_http else 2000) else wanted

    def _ids(self) -> Q:
        data = self.cleaned_data
        wanted = Q()
        if data["trace"]:
            trace = data["trace"]
            wanted &= Q(correlation_id=trace) | Q(request_id=trace)
        if data["about"]:
            wanted &= about_object(data["about"])
        return wanted


def about_object(text: str) -> Q:
    """Return what messages about an object have: `sessions:42` is a row, else it is an OCPI id.

    An EVSE's uid or EVSE id stands for its location. One id may be of several objects.
    """
    module, colon, number = text.strip().partition(":")
    if colon and module in MODULE_LABELS and number.isascii() and number.isdigit():
        return Q(module=module, object_id=min(int(number), 2**63 - 1))
    found = Q(pk__in=[])
    ours = list(Party.objects.values_list("country_code", "party_id")[:MOST_OBJECTS])
    name = text.strip()
    for module, model in _OBJECTS:
        ids = _ids_of(model, name, ours)
        if module == "locations":
            by_evse = Evse.objects.filter(Q(uid=name) | Q(evse_id=name))
            ids += list(by_evse.values_list("location_id", flat=True)[:MOST_OBJECTS])
        if ids:
            found |= Q(module=module, object_id__in=ids)
    return found


def _ids_of(model: type[Model], name: str, ours: Sequence[tuple[str, str]]) -> list[int]:
    """Return the rows of this OCPI id; by party, as the index of identities has them."""
    identity = Q(pk__in=[])
    for country_code, party_id in ours:
        identity |= Q(country_code=country_code, party_id=party_id, ocpi_id=name)
    rows = model._default_manager.filter(identity)  # noqa: SLF001  Django's own public name
    return list(rows.values_list("pk", flat=True)[:MOST_OBJECTS])
