"""What the message log is searched by, and how that is asked of the database.

Every search is of an index: a span of time first, or an id. Without either it is the last day's.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from django import forms
from django.core.paginator import Paginator
from django.db.models import Model, Q, QuerySet
from django.utils.functional import cached_property
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (  # type: ignore[import-untyped]
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from cpo_platform.common import clock
from locations.models import Evse, Location
from roaming.admin.display import MODULE_LABELS
from roaming.models import Message, Partner
from roaming.models.messages import Direction
from sessions_app.models import Cdr, Session
from tariffs.models import Party, Tariff

# What is shown where nobody says since when.
USUAL_SPAN = timedelta(hours=24)
# Messages behind one search, at most: what is older is behind a link.
MOST_FOUND = 1000
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


def _choices(label: Any, choices: Any = ()) -> forms.ChoiceField:
    return forms.ChoiceField(
        label=label, required=False, choices=choices, widget=UnfoldAdminSelectWidget
    )


def _text(label: Any, example: str) -> forms.CharField:
    widget = UnfoldAdminTextInputWidget(attrs={"placeholder": example})
    return forms.CharField(label=label, required=False, max_length=MOST_ID, widget=widget)


def _moment(label: Any) -> forms.DateTimeField:
    widget = UnfoldAdminTextInputWidget(attrs={"type": "datetime-local", "step": "any"})
    return forms.DateTimeField(label=label, required=False, widget=widget)


class MessageSearch(forms.Form):
    """The fields above the list of messages. All are optional, all must be met."""

    partner = _choices(_("Partner"))
    direction = _choices(_("Direction"), [("", _("both")), *Direction.choices])
    module = _choices(_("Module"), [("", _("all"))] + [(name, name) for name in MODULES])
    outcome = _choices(
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
    about = _text(_("Object"), "LOC1, NL*TST*E1, sessions:42")
    trace = _text(_("Correlation id or request id"), "")
    since = _moment(_("Since (UTC)"))
    until = _moment(_("Until (UTC)"))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        partners = Partner.objects.order_by("name").values_list("pk", "name")[:MOST_PARTNERS]
        self.fields["partner"].choices = [  # type: ignore[attr-defined]
            ("", _("all")),
            *((str(pk), name) for pk, name in partners),
        ]

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        since, until = data.get("since"), data.get("until")
        if since and until and since > until:
            self.add_error("until", _("This is before “since”."))
        return data

    @cached_property
    def is_used(self) -> bool:
        return any(self.data.get(name) for name in self.fields)

    @cached_property
    def begin(self) -> datetime | None:
        """From when on is looked; an id is looked for in all that is kept."""
        data = self.cleaned_data
        if data["since"] or data["about"] or data["trace"]:
            since: datetime | None = data["since"]
            return since
        return (data["until"] or clock.now()) - USUAL_SPAN

    def apply(self, rows: QuerySet[Message]) -> QuerySet[Message]:
        """Return the messages that are looked for; none where the form is wrong."""
        if not self.is_valid():
            return rows.none()
        data = self.cleaned_data
        wanted = Q()
        for column, name in (
            *(("partner_id", "partner"), ("direction", "direction"), ("module", "module")),
            ("at__lte", "until"),
        ):
            if data[name]:
                wanted &= Q(**{column: data[name]})
        if self.begin:
            wanted &= Q(at__gte=self.begin)
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


class NewestPaginator(Paginator[Message]):
    """Pages of the newest `MOST_FOUND`: to count more would read more than anybody looks at."""

    @cached_property
    def _moments(self) -> list[datetime]:
        rows: Any = self.object_list
        return list(rows.values_list("at", flat=True)[: MOST_FOUND + 1])

    @cached_property
    def count(self) -> int:
        return min(len(self._moments), MOST_FOUND)

    @property
    def older_than(self) -> str:
        """Return where what is older begins, for `until`; "" where there is nothing older."""
        if len(self._moments) <= MOST_FOUND:
            return ""
        moment = self._moments[MOST_FOUND].astimezone(UTC)
        return moment.replace(tzinfo=None).isoformat(timespec="microseconds")


def found_text(form: MessageSearch) -> str:
    """Say in a sentence which span of time is shown."""
    if not form.is_valid() or form.begin is None or form.data.get("since"):
        return ""
    return gettext("Shown are 24 hours. To look further back, say since when.")
