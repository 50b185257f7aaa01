"""The pages of jobs: the list, what a job would change or changed, and what is done with it."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import path, reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from cpo_platform.bulk import deleting, operations
from cpo_platform.bulk.admin import job_page
from cpo_platform.bulk.admin.change_form import ChangeForm
from cpo_platform.bulk.admin.persons import may_start, person_of
from cpo_platform.bulk.lists import BulkList, list_of
from cpo_platform.bulk.models import WORKING, Job, JobState
from cpo_platform.bulk.tasks import run_soon
from cpo_platform.common import clock
from cpo_platform.common.admin import (
    NONE,
    RecordAdmin,
    Way,
    change_url,
    known_filter,
    minute,
    pill,
    scope_of,
)
from cpo_platform.staff.roles import VIEW_AUDIT


class OwnFilter(admin.SimpleListFilter):
    """One's own jobs; for those who see others' as well."""

    title = _("whose")
    parameter_name = "whose"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("mine", _("mine"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(started_by=request.user.pk) if self.value() else queryset


@admin.register(Job)
class JobAdmin(RecordAdmin):
    """Bulk changes: one's own; those of all for who may see everybody's changes anyway."""

    scope = Way(unscoped="they belong to persons: `get_queryset` narrows them to one's own")
    list_display = ("title", "state_shown", "who", "objects", "written", "refused", "started")
    list_display_links = ("title",)
    list_filter = (
        OwnFilter,
        known_filter("state", _("state"), lambda: JobState.choices[1:]),
        known_filter("label", _("list"), job_page.label_choices),
    )
    search_fields = ("started_by_name", "file_name")
    search_help_text = _("Search by person or file")
    ordering = ("-started_at", "-pk")
    empty_text = _(
        "Nothing was changed in bulk yet: tick rows of a list of locations, EVSEs, stations or "
        "tariffs and choose “Change…”, or import a file by “Import…” above it."
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        rows = super().get_queryset(request).defer("file", "targets")
        sees_all = scope_of(request).is_whole and request.user.has_perm(VIEW_AUDIT)
        return rows if sees_all else rows.filter(started_by=request.user.pk)

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view
        pages: tuple[tuple[str, Callable[..., HttpResponseBase]], ...] = (
            ("fields", self.fields_view),
            ("apply", self.apply_view),
            ("stop", self.stop_view),
            ("resume", self.resume_view),
            ("undo", self.undo_view),
            ("refused", self.refused_view),
            ("discard", self.discard_view),
        )
        own = [
            path(f"<int:object_id>/{name}/", view(page), name=f"bulk_job_{name}")
            for name, page in pages
        ]
        return own + super().get_urls()

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        job = self.found(request, object_id)
        if job is None:
            return self.missing(request, object_id)
        if job.state == JobState.DRAFT:
            return HttpResponseRedirect(reverse("admin:bulk_job_fields", args=[job.pk]))
        return self.page(
            request,
            "admin/bulk/job.html",
            title=job_page.title_of(job),
            obj=job,
            job=job,
            running=job.state in WORKING,
            heading=job_page.state_pill(job),
            **job_page.context(request, job, is_own=self._is_own(request, job)),
        )

    def _is_own(self, request: HttpRequest, job: Job) -> bool:
        return job.started_by_id == request.user.pk

    def fields_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Ask what is to be changed, and have it checked."""
        job, listed = self._own(request, object_id)
        if job is None or listed is None:
            return self.missing(request, object_id)
        if job.state != JobState.DRAFT:
            return HttpResponseRedirect(change_url(job))
        sample = self._sample(request, job, listed)
        if sample is None:
            messages.error(request, gettext("None of these objects can be changed by you."))
            return HttpResponseRedirect(listed.model_admin.list_url())
        form = ChangeForm(request.POST or None, listed=listed, sample=sample, request=request)
        if request.method == "POST" and form.is_valid():
            return self._do(request, job, lambda now: self._describe(job, form, now))
        return self.page(
            request,
            "admin/bulk/fields.html",
            title=gettext("Change %(number)s %(names)s")
            % {"number": f"{len(job.targets):,}", "names": listed.names},
            form=form,
            discard_url=reverse("admin:bulk_job_discard", args=[job.pk]),
        )

    def _describe(self, job: Job, form: ChangeForm, now: Any) -> None:
        operations.describe(job_id=job.pk, values=form.values(), now=now)

    def _sample(self, request: HttpRequest, job: Job, listed: BulkList) -> Any:
        """Return the page's form of the first object that this person may change."""
        pages = listed.pages
        for key in job.targets[:50]:
            obj = pages.get_object(request, str(key))
            if obj is not None and pages.has_change_permission(request, obj):
                return pages.get_form(request, obj, change=True)(instance=obj)
        return None

    def apply_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Ask, and then change what the dry run shows."""
        job, listed = self._own(request, object_id)
        if job is None or listed is None:
            return self.missing(request, object_id)
        if job.state != JobState.READY:
            return HttpResponseRedirect(change_url(job))
        if request.method == "POST":
            return self._do(
                request, job, lambda now: operations.begin_apply(job_id=job.pk, now=now)
            )
        return self.confirm(
            request,
            title=gettext("Write this into the list of %(names)s?") % {"names": listed.names},
            sentences=job_page.apply_sentences(job, listed),
            button=job_page.apply_text(job, listed),
            cancel_url=change_url(job),
        )

    def stop_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Stop it where it is."""
        return self._turn(request, object_id, operations.stop)

    def resume_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Go on with what is left; only in the name of who started it."""
        return self._turn(request, object_id, operations.go_on, own=True)

    def _turn(
        self,
        request: HttpRequest,
        object_id: int,
        turn: Callable[..., Job],
        *,
        own: bool = False,
    ) -> HttpResponse:
        job = self._allowed(request, object_id)
        if job is None or (own and not self._is_own(request, job)):
            return self.missing(request, object_id)
        if request.method != "POST":
            return HttpResponseRedirect(change_url(job))
        return self._do(request, job, lambda now: turn(job_id=job.pk, now=now))

    def undo_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Ask, and then have checked what would be put back."""
        job = self._allowed(request, object_id)
        listed = list_of(job.label) if job is not None else None
        if job is None or listed is None:
            return self.missing(request, object_id)
        if not may_start(request, listed):
            raise PermissionDenied
        if request.method == "POST":
            return self._undo(request, job)
        return self.confirm(
            request,
            title=gettext("Undo this bulk change?"),
            sentences=job_page.undo_sentences(job),
            button=gettext("Show what would be put back"),
            cancel_url=change_url(job),
            blocked=not job.did or job.state in WORKING,
        )

    def _undo(self, request: HttpRequest, job: Job) -> HttpResponse:
        try:
            undo = operations.start_undo(job_id=job.pk, person=person_of(request), now=clock.now())
        except operations.WrongState:
            messages.info(request, gettext("There is nothing to put back at the moment."))
            return HttpResponseRedirect(change_url(job))
        run_soon(undo.pk)
        return HttpResponseRedirect(change_url(undo))

    def discard_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Ask, and then delete a job that was never applied; only one's own."""
        job = self._allowed(request, object_id)
        if job is None or not self._is_own(request, job):
            return self.missing(request, object_id)
        if not job.is_discardable:
            return HttpResponseRedirect(change_url(job))
        if request.method == "POST":
            return self._discard(request, job)
        return self.confirm(
            request,
            title=gettext("Discard this bulk change?"),
            sentences=[
                gettext("It changed nothing, and nothing is changed by this."),
                gettext("Its file and what was found out of its rows are deleted."),
            ],
            button=gettext("Discard"),
            cancel_url=change_url(job),
        )

    def _discard(self, request: HttpRequest, job: Job) -> HttpResponse:
        listed = list_of(job.label) if job.state == JobState.DRAFT else None
        try:
            deleting.discard(job_id=job.pk)
        except operations.WrongState:
            messages.info(request, gettext("This was done already, or has ended."))
            return HttpResponseRedirect(change_url(job))
        messages.success(request, gettext("It is discarded; nothing was changed."))
        return HttpResponseRedirect((listed.model_admin if listed else self).list_url())

    def refused_view(self, request: HttpRequest, object_id: int) -> HttpResponseBase:
        """Send the rows that were refused, with the reasons, to be mended and imported again."""
        job = self.found(request, object_id)
        if job is None:
            return self.missing(request, object_id)
        return job_page.refused_file(job)

    def _do(
        self, request: HttpRequest, job: Job, what: Callable[[Any], object]
    ) -> HttpResponseRedirect:
        try:
            what(clock.now())
        except operations.WrongState:
            messages.info(request, gettext("This was done already, or has ended."))
        else:
            run_soon(job.pk)
        return HttpResponseRedirect(change_url(job))

    def _allowed(self, request: HttpRequest, object_id: int) -> Job | None:
        job: Job | None = self.found(request, object_id)
        if not request.user.has_perm("bulk.change_job"):
            raise PermissionDenied
        return job

    def _own(self, request: HttpRequest, object_id: int) -> tuple[Job | None, BulkList | None]:
        """Return a job of this person's: nobody has objects changed in the name of another."""
        job = self._allowed(request, object_id)
        if job is None or not self._is_own(request, job):
            return None, None
        listed = list_of(job.label)
        if listed is not None and not may_start(request, listed):
            raise PermissionDenied
        return job, listed

    @admin.display(description=_("bulk change"), ordering="pk")
    def title(self, row: Job) -> str:
        return job_page.title_of(row)

    @admin.display(description=_("state"), ordering="state")
    def state_shown(self, row: Job) -> str:
        return job_page.state_pill(row)

    @admin.display(description=_("started by"), ordering="started_by_name")
    def who(self, row: Job) -> str:
        return row.started_by_name or NONE

    @admin.display(description=_("objects"), ordering="total")
    def objects(self, row: Job) -> str:
        return f"{row.total:,}"

    @admin.display(description=_("written"))
    def written(self, row: Job) -> str:
        return f"{row.did:,}"

    @admin.display(description=_("refused"))
    def refused(self, row: Job) -> object:
        number = row.counts.get("REFUSED", 0)
        return pill(f"{number:,}", "red") if number else "0"

    @admin.display(description=_("started (UTC)"), ordering="started_at")
    def started(self, row: Job) -> object:
        return minute(row.started_at)
