"""What the page of a job shows: counts, progress, differences, and what was refused."""

from collections.abc import Iterator
from typing import Any

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.text import capfirst
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from cpo_platform.audit.models import Way
from cpo_platform.bulk import columns, running
from cpo_platform.bulk.admin.differences import TONES, Words, rows_of
from cpo_platform.bulk.admin.next_steps import next_step
from cpo_platform.bulk.filling import ADD, REMOVE
from cpo_platform.bulk.lists import LISTS, BulkList, list_of
from cpo_platform.bulk.models import Job, JobKind, JobRow, JobState, RowOutcome
from cpo_platform.common.admin import Button, Panel, exporting, moment, pill, visible
from cpo_platform.common.admin.export_pages import CSV, TYPES
from cpo_platform.common.admin.exporting import Plain
from cpo_platform.staff.roles import VIEW_AUDIT

PER_PAGE = 50
HOW = {ADD: _("these as well"), REMOVE: _("take these away")}
STATE_TONES = {
    JobState.DRAFT: "grey",
    JobState.CHECKING: "blue",
    JobState.READY: "amber",
    JobState.APPLYING: "blue",
    JobState.DONE: "green",
    JobState.STOPPED: "amber",
    JobState.FAILED: "red",
}


def label_choices() -> list[tuple[str, str]]:
    """Return the lists that jobs may be of."""
    return [(one.label, str(capfirst(one.names))) for one in LISTS]


def title_of(job: Job) -> str:
    """Return what a job is called, such as `Change of EVSEs (12)`."""
    listed = list_of(job.label)
    names = listed.names if listed is not None else job.label
    title = {
        JobKind.CHANGE: gettext("Change of %(names)s (%(id)s)"),
        JobKind.IMPORT: gettext("Import of %(names)s (%(id)s)"),
        JobKind.UNDO: gettext("Undo for %(names)s (%(id)s)"),
    }[JobKind(job.kind)]
    return title % {"names": names, "id": job.pk}


def state_pill(job: Job) -> str:
    """Return the state of a job in its colour."""
    state = JobState(job.state)
    if _is_refused(job):
        return pill(gettext("Refused"), "red")
    return pill(capfirst(state.label), STATE_TONES[state])


def _is_refused(job: Job) -> bool:
    """Tell whether it ended with nothing but refusals."""
    ended = job.state == JobState.DONE and job.applied_at is None
    return ended and bool(job.counts.get(RowOutcome.REFUSED))


def context(request: HttpRequest, job: Job, *, is_own: bool) -> dict[str, Any]:
    """Return what the template of the page needs."""
    outcome = request.GET.get("outcome", "")
    outcome = outcome if outcome in RowOutcome.values else ""
    page = _page(request, job, outcome)
    return {
        "chips": _chips(job, outcome),
        "sentence": _sentence(job),
        "next_step": next_step(request, job),
        "progress": job.total - job.waiting,
        "panels": [*_facts(request, job), *_rows(request, job, page)],
        "pages": page,
        "page_query": urlencode({"outcome": outcome}) if outcome else "",
        "buttons": _buttons(request, job, is_own=is_own),
    }


def _page(request: HttpRequest, job: Job, outcome: str) -> Any:
    rows = JobRow.objects.filter(job=job).order_by("number")
    if outcome:
        rows = rows.filter(outcome=outcome)
    return Paginator(rows, PER_PAGE).get_page(request.GET.get("p"))


def _chips(job: Job, chosen: str) -> list[dict[str, object]]:
    chips = [
        {
            "label": capfirst(outcome.label),
            "tone": tone,
            "count": f"{job.counts[outcome.value]:,}",
            "url": f"?outcome={outcome.value}",
            "current": chosen == outcome.value,
        }
        for outcome, tone in TONES.items()
        if job.counts.get(outcome.value)
    ]
    if chosen:
        chips.append(
            {"label": gettext("all"), "tone": "grey", "count": f"{job.total:,}", "url": "?"}
        )
    return chips


_SENTENCES = {
    JobState.CHECKING: _("Each object is tried and put back: nothing is changed."),
    JobState.READY: _("Nothing is changed yet. Look at the differences, then apply them."),
    JobState.APPLYING: _("Objects are changed one by one. What is refused stays as it is."),
    JobState.STOPPED: _("It was stopped. Go on, and it continues with what is left."),
}


def _sentence(job: Job) -> object:
    """Say where a job is, and what comes next."""
    if _is_refused(job):
        return gettext(
            "Nothing can be written: %(refused)s of %(total)s were refused. Mend them in the file "
            "of refused rows, and import it."
        ) % {"refused": f"{job.counts[RowOutcome.REFUSED]:,}", "total": f"{job.total:,}"}
    if job.state == JobState.DONE and job.applied_at is None:
        return gettext("There is nothing to change.")
    ended = gettext("It has ended. What was changed is in the history of each object.")
    return _SENTENCES.get(JobState(job.state), ended)


def _facts(request: HttpRequest, job: Job) -> list[Panel]:
    facts: list[tuple[object, object]] = [
        (_("started by"), job.started_by_name),
        (_("started (UTC)"), moment(job.started_at)),
        (_("applied (UTC)"), moment(job.applied_at)),
        (_("finished (UTC)"), moment(job.finished_at)),
        (_("request in the audit"), running.request_id_of(job)),
    ]
    if job.file_name:
        facts.append((_("file"), job.file_name))
    listed = list_of(job.label)
    if job.values and listed is not None:
        words = Words(listed)
        facts += [
            (_changed_label(words, name), _changed_value(words, name, value))
            for name, value in job.values.items()
        ]
    return [Panel(title=_("Bulk change"), facts=facts, buttons=_links(request, job))]


def _sample_name(name: str) -> str:
    return name.replace(".", "-0-")


def _changed_label(words: Words, name: str) -> str:
    label = words.label(_sample_name(name))
    return gettext("to be changed: %(field)s") % {"field": label}


def _changed_value(words: Words, name: str, value: dict[str, Any]) -> str:
    texts = words.value(_sample_name(name), value["data"])
    how = HOW.get(value["how"])
    return f"{how}: {texts}" if how is not None else texts


def _links(request: HttpRequest, job: Job) -> list[Button]:
    links = []
    if job.undoes_id is not None:
        url = reverse("admin:bulk_job_change", args=[job.undoes_id])
        links.append(Button(_("What it undoes"), url))
    if job.applied_at is not None and request.user.has_perm(VIEW_AUDIT):
        way = Way.IMPORT if job.kind == JobKind.IMPORT else Way.ADMIN
        query = {"who": job.started_by_name, "by": way.value}
        query["since"] = f"{job.applied_at:%Y-%m-%dT%H:%M}"
        links.append(
            Button(_("Audit"), f"{reverse('admin:audit_entry_changelist')}?{urlencode(query)}")
        )
    return links


def _rows(request: HttpRequest, job: Job, page: Any) -> list[Panel]:
    listed = list_of(job.label)
    if listed is None or not job.prepared:
        return []
    rows = list(page)
    return [
        Panel(
            title=_("Differences"),
            whole=True,
            columns=(_("row"), _("object"), _("outcome"), _("what changes, or why not")),
            numeric=frozenset({0}),
            rows=list(rows_of(Words(listed), rows, listed, _hidden(request, listed, rows))),
            empty=_("There is no such row."),
        )
    ]


def _hidden(request: HttpRequest, listed: BulkList, rows: list[JobRow]) -> set[int]:
    """Return the objects of these rows that exist, and that this person may not see."""
    keys = {row.object_id for row in rows if row.object_id is not None}
    existing = listed.model._default_manager.filter(pk__in=keys)  # noqa: SLF001  Django's own public name
    seen = set(visible(request, existing).values_list("pk", flat=True))
    return {key for key in keys if key not in seen}


def _buttons(request: HttpRequest, job: Job, *, is_own: bool) -> list[Button]:
    buttons = []
    may = request.user.has_perm("bulk.change_job")
    if may and is_own and job.state == JobState.READY:
        text = ngettext("Apply to %(number)s object…", "Apply to %(number)s objects…", job.would)
        buttons.append(
            Button(text % {"number": f"{job.would:,}"}, _url("apply", job), tone="primary")
        )
    if may and job.state in {JobState.CHECKING, JobState.APPLYING}:
        buttons.append(Button(_("Stop"), _url("stop", job), post=True))
    if may and is_own and job.state == JobState.STOPPED:
        buttons.append(Button(_("Go on"), _url("resume", job), post=True, tone="primary"))
    if (
        may
        and job.counts.get(RowOutcome.CHANGED)
        and job.state in {JobState.DONE, JobState.STOPPED}
    ):
        buttons.append(Button(_("Undo…"), _url("undo", job)))
    if job.counts.get(RowOutcome.REFUSED):
        buttons.append(Button(_("Refused rows (CSV)"), _url("refused", job)))
    if may and is_own and job.is_discardable:
        buttons.append(Button(_("Discard…"), _url("discard", job)))
    return buttons


def _url(name: str, job: Job) -> str:
    return reverse(f"admin:bulk_job_{name}", args=[job.pk])


def apply_text(job: Job, listed: BulkList) -> str:
    """Say on a button what an application will do."""
    created = job.counts.get(RowOutcome.WOULD_CREATE, 0)
    changed = job.counts.get(RowOutcome.WOULD_CHANGE, 0)
    if created and changed:
        text = gettext("Create %(created)s, change %(changed)s")
        return text % {"created": f"{created:,}", "changed": f"{changed:,}"}
    if created:
        text = gettext("Create %(number)s %(names)s")
        return text % {"number": f"{created:,}", "names": listed.names_of(created)}
    text = ngettext("Change %(number)s object", "Change %(number)s objects", changed)
    return text % {"number": f"{changed:,}"}


def apply_sentences(job: Job, listed: BulkList) -> list[str]:
    """Say what an application will do, and to how many."""
    counts = job.counts
    sentences = []
    if number := counts.get(RowOutcome.WOULD_CHANGE):
        sentences.append(
            gettext("Will be changed: %(number)s %(names)s.")
            % {"number": f"{number:,}", "names": listed.names}
        )
    if number := counts.get(RowOutcome.WOULD_CREATE):
        sentences.append(
            gettext("Will be created: %(number)s %(names)s.")
            % {"number": f"{number:,}", "names": listed.names}
        )
    if number := counts.get(RowOutcome.REFUSED):
        sentences.append(gettext("Refused, and left as they are: %(number)s.") % {"number": number})
    sentences.append(gettext("Partners that see them are told of each."))
    if counts.get(RowOutcome.WOULD_CHANGE):
        sentences += [
            gettext(
                "If somebody changes one of them before its turn comes, that one is left alone."
            ),
            gettext("What is changed can be undone later."),
        ]
    if counts.get(RowOutcome.WOULD_CREATE):
        sentences.append(gettext("What is created stays: it cannot be undone here."))
    return sentences


def undo_sentences(job: Job) -> list[str]:
    """Say what an undo will do."""
    sentences = [
        gettext(
            "First you are shown what would be put back; nothing is changed before you apply it."
        ),
        gettext("What has changed again since is left as it is now."),
    ]
    if job.counts.get(RowOutcome.CREATED):
        sentences.append(gettext("What was created stays: nothing is deleted here."))
    return sentences


def refused_file(job: Job) -> HttpResponse:
    """Return the refused rows as CSV: the cells of the file, and why; it can be imported again."""
    rows = JobRow.objects.filter(job=job, outcome=RowOutcome.REFUSED).order_by("number")
    listed = list_of(job.label)
    names: list[str] = []
    if job.kind == JobKind.IMPORT and listed is not None:
        names = [name for name in job.columns if name in columns.known_columns(listed)]
    heads = [columns.ROW, *(names or ["name"]), columns.REASON]
    lines: Iterator[list[Plain]] = (
        [
            row.number,
            *(
                [exporting.defused(row.values.get(name, "")) for name in names]
                or [exporting.defused(row.name or str(row.object_id))]
            ),
            exporting.defused(
                "; ".join(f"{field}: {text}" if field else text for field, text in row.reasons)
            ),
        ]
        for row in rows.iterator(chunk_size=500)
    )
    return HttpResponse(
        "".join(exporting.as_csv(heads, lines)),
        content_type=TYPES[CSV],
        headers={"Content-Disposition": f'attachment; filename="refused-{job.pk}.csv"'},
    )
