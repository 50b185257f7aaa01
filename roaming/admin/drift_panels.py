"""What the page of a drift check shows: counts, findings side by side, and what can be done."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import Count, Q
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from cpo_platform.common.admin import NONE, Button, Panel, link, moment, pill
from roaming.admin.display import MODULE_LABELS, OBJECT_PAGES, object_link
from roaming.drifting.expecting import AWAY, NO_URL, OTHER_HOST
from roaming.failures import in_words
from roaming.models import Drift, DriftCheck, DriftKind, DriftState
from roaming.models.drift import OPEN_STATES
from roaming.operations import drift, drift_healing, drift_objects

PAGE = 20
KIND_TONES = {
    DriftKind.DIFFERENT: "amber",
    DriftKind.MISSING: "red",
    DriftKind.UNEXPECTED: "red",
}
STATE_TONES = {
    DriftState.WAITING: "grey",
    DriftState.RUNNING: "blue",
    DriftState.DONE: "green",
    DriftState.STOPPED: "amber",
}
PLURALS = {
    "tariffs": _("Tariffs"),
    "locations": _("Locations"),
    "sessions": _("Sessions"),
    "cdrs": _("CDRs"),
}
NOTES = {
    drift_objects.NO_ENDPOINT: _("The partner has no such interface."),
    drift_objects.PUSH_OFF: _("Not sent to this partner: it pulls."),
    drift.NO_GET: _(
        "None could be read: the partner answers no GET here, or it has lost all of them. If it "
        "has lost them, send everything again on its page."
    ),
    NO_URL: _("The partner did not say where it keeps some of them."),
    OTHER_HOST: _("It keeps some of them at another host, where our token does not go."),
    AWAY: _("Some are for parties that are not connected to the hub."),
}
WORDS = {
    DriftKind.MISSING: _("The partner took it, or should have been sent it, and does not have it."),
    DriftKind.UNEXPECTED: _("The partner should have it no more, and still has it."),
}


def state_pill(check: DriftCheck) -> str:
    """Return the state of a check in its colour; how far it is while it runs."""
    state = DriftState(check.state)
    label = f"{check.percent} %" if state is DriftState.RUNNING else state.label
    return pill(label, STATE_TONES[state])


def verdict(check: DriftCheck) -> str:
    """Say in a sentence or two how a check stands."""
    state = DriftState(check.state)
    if state is DriftState.WAITING:
        return gettext("It has not begun yet.")
    if state is DriftState.RUNNING:
        values = {"done": check.done, "total": check.total, "percent": check.percent}
        return gettext("%(done)s of %(total)s objects, %(percent)s %%") % values
    if state is DriftState.STOPPED:
        return _why_stopped(check)
    if check.drifted:
        return ngettext(
            "%(count)s object was not as it should be.",
            "%(count)s objects were not as they should be.",
            check.drifted,
        ) % {"count": check.drifted}
    if check.compared:
        return gettext("Everything that was compared is as it should be.")
    return gettext("Nothing could be compared.")


def _why_stopped(check: DriftCheck) -> str:
    if not check.reason:
        text = gettext("Stopped by staff.")
    elif check.reason == "not_registered":
        text = gettext("The partner is not registered.")
    else:
        text = gettext("It stopped: %(reason)s.") % {"reason": in_words(check.reason)}
    return f"{text} {gettext('The counts are those so far; “Go on” asks for the rest.')}"


def cards(check: DriftCheck) -> list[dict[str, object]]:
    """Return the counts of the whole check."""
    counts = (
        (_("Compared"), check.compared, ""),
        (_("Equal"), check.count("equal"), ""),
        (_("Different"), check.count("different"), "red"),
        (_("Missing there"), check.count("missing"), "red"),
        (_("Still there"), check.count("unexpected"), "red"),
        (_("Could not be read"), check.count("unreadable"), ""),
    )
    return [
        {"title": title, "value": value, "tone": tone if value else ""}
        for title, value, tone in counts
    ]


def facts_panel(check: DriftCheck) -> Panel:
    """Return who wanted what."""
    return Panel(
        title=_("The check"),
        facts=[
            (_("partner"), link(check.partner)),
            (_("started by"), check.started_by or _("itself, at night")),
            (_("objects of each kind"), _("all") if check.sample is None else check.sample),
            (_("started (UTC)"), moment(check.started_at)),
            (_("finished (UTC)"), moment(check.finished_at)),
            *_waiting_fact(check),
        ],
    )


def _waiting_fact(check: DriftCheck) -> list[tuple[object, object]]:
    if check.state != DriftState.WAITING:
        return []
    return [(_("begins (UTC)"), moment(check.due_at))]


def modules_panel(check: DriftCheck) -> Panel:
    """Return the counts of each module, and what is to be said of it."""
    return Panel(
        title=_("By kind of object"),
        columns=(
            *(_("kind"), _("objects"), _("equal"), _("different"), _("missing there")),
            *(_("still there"), _("on their way"), _("could not be read"), _("remarks")),
        ),
        numeric=frozenset(range(1, 8)),
        rows=[
            (
                PLURALS.get(module, module),
                *(check.tallies[module].get(name, 0) for name in ("total", *drift.OUTCOMES)),
                remarks(check.tallies[module]),
            )
            for module in drift_objects.MODULES
            if module in check.tallies
        ],
    )


def remarks(tally: Mapping[str, Any]) -> str:
    """Say of a module's counts what numbers do not."""
    found = [str(NOTES[tally["note"]])] if tally.get("note") in NOTES else []
    reason = tally.get("reason", "")
    if reason in NOTES:
        found.append(str(NOTES[reason]))
    elif reason and not found:
        found.append(gettext("The last one that could not be read: %(why)s.") % {"why": reason})
    if extra := tally.get("extra"):
        names = ", ".join(extra)
        found.append(
            gettext("Fields of its own, which we do not send: %(names)s.") % {"names": names}
        )
    return " ".join(found) or NONE


class Findings:
    """The findings of a check that a page shows: filtered by module and kind. Seven queries."""

    def __init__(self, check: DriftCheck, request: HttpRequest) -> None:
        self.check = check
        self.module = _chosen(request, "module", MODULE_LABELS)
        self.kind = _chosen(request, "kind", DriftKind.values)
        rows = check.drifts.values_list("module", "kind")
        self._counts = {(module, kind): count for module, kind, count in rows.annotate(Count("pk"))}
        chosen = check.drifts.order_by("module", "object_id")
        if self.module:
            chosen = chosen.filter(module=self.module)
        if self.kind:
            chosen = chosen.filter(kind=self.kind)
        self.shown: Page[Drift] = Paginator(chosen, PAGE).get_page(request.GET.get("p"))

    def module_chips(self) -> list[dict[str, object]]:
        """Return a chip for each module that has findings, and one for all; none without any."""
        counts = {
            module: sum(n for (name, _kind), n in self._counts.items() if name == module)
            for module in drift_objects.MODULES
        }
        entries = [(name, PLURALS[name], "grey", n) for name, n in counts.items() if n]
        return self._chips("module", self.module, entries)

    def kind_chips(self) -> list[dict[str, object]]:
        counts = {
            kind: sum(n for (_module, name), n in self._counts.items() if name == kind)
            for kind in DriftKind
        }
        entries = [(kind.value, kind.label, KIND_TONES[kind], n) for kind, n in counts.items() if n]
        return self._chips("kind", self.kind, entries)

    def _chips(
        self, field: str, chosen: str, entries: Sequence[tuple[str, object, str, int]]
    ) -> list[dict[str, object]]:
        others = {"module": self.module, "kind": self.kind, field: ""}
        every = ("", _("All"), "grey", sum(count for *_entry, count in entries))
        return [
            {
                "label": label,
                "tone": tone,
                "count": count,
                "url": "?"
                + "&".join(
                    f"{key}={item}" for key, item in (others | {field: name}).items() if item
                ),
                "current": name == chosen,
            }
            for name, label, tone, count in ([every, *entries] if entries else [])
        ]

    def panels(self, *, may_heal: bool) -> list[Panel]:
        """Return a panel for each finding on this page."""
        rows = list(self.shown.object_list)
        names = drift_healing.names_of(rows)
        return [_finding_panel(row, names[row.pk], may_heal=may_heal) for row in rows]


def _chosen(request: HttpRequest, field: str, known: Any) -> str:
    value = request.GET.get(field, "")
    return value if value in known else ""


def _finding_panel(row: Drift, name: str, *, may_heal: bool) -> Panel:
    kind = DriftKind(row.kind)
    more = gettext("And %(count)s more.") % {"count": row.more}
    return Panel(
        title=f"{MODULE_LABELS.get(row.module, row.module)} {name}",
        whole=True,
        facts=[
            (_("kind"), pill(kind.label, KIND_TONES[kind])),
            (_("object"), object_link(row.module, row.object_id)),
            *([(_("sent again (UTC)"), moment(row.healed_at))] if row.healed_at else []),
        ],
        note=WORDS.get(kind) or (more if row.more else ""),
        columns=(_("field"), _("ours"), _("theirs")) if row.differences else (),
        rows=[
            (_field(one), _value(one.get("ours")), _value(one.get("theirs")))
            for one in row.differences
        ],
        buttons=_finding_buttons(row) if may_heal else [],
    )


def _field(difference: Mapping[str, Any]) -> object:
    if not difference.get("extra"):
        return format_html('<span class="cpo-anywhere">{}</span>', difference["path"])
    return format_html("{} {}", difference["path"], pill(_("its own"), "grey"))


def _value(text: str | None) -> object:
    if text is None:
        return pill(_("absent"), "grey")
    return format_html('<span class="cpo-anywhere">{}</span>', text)


def _finding_buttons(row: Drift) -> list[Button]:
    if row.healed_at:
        return []
    if row.module == "cdrs" and row.kind != DriftKind.MISSING:
        url = reverse(f"admin:{OBJECT_PAGES['cdrs']}_change", args=[row.object_id])
        return [Button(_("To the CDR: credit it and bill again"), url)]
    text = _("Send it again…") if row.module == "cdrs" else _("Heal…")
    return [Button(text, heal_url(row.check_run_id, f"drift={row.pk}"))]


def heal_buttons(check: DriftCheck) -> list[Button]:
    """Return what heals all of a check at once. One query."""
    missing = drift_healing.MISSING_CDRS
    counts = check.drifts.filter(drift_healing.HEALABLE, healed_at__isnull=True).aggregate(
        rest=Count("pk", filter=~Q(missing)), cdrs=Count("pk", filter=missing)
    )
    rest, cdrs = counts["rest"], counts["cdrs"]
    buttons = []
    if cdrs:
        text = ngettext(
            "Send %(count)s missing CDR again…", "Send %(count)s missing CDRs again…", cdrs
        )
        buttons.append(Button(text % {"count": cdrs}, heal_url(check.pk, "cdrs=1")))
    if rest:
        text = ngettext("Heal %(count)s object…", "Heal all %(count)s objects…", rest)
        buttons.append(Button(text % {"count": rest}, heal_url(check.pk), tone="primary"))
    return buttons


def heal_url(check_id: int, query: str = "") -> str:
    url = reverse("admin:drift_heal", args=[check_id])
    return f"{url}?{query}" if query else url


def is_open(check: DriftCheck) -> bool:
    return check.state in OPEN_STATES
