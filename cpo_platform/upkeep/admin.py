"""The pages of the schedules of periodic tasks."""

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django_celery_beat import models as beat
from unfold.widgets import (  # type: ignore[import-untyped]
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminTimeWidget,
)

from cpo_platform.common.admin import (
    Button,
    OperationAdmin,
    OperationForm,
    Panel,
    Way,
    change_url,
    pill,
)
from cpo_platform.upkeep import operations, schedules
from cpo_platform.upkeep.models import LONGEST_SECONDS, Schedule

# What the beat reads is made of our schedules: changed by hand it would be overwritten.
for _model in (
    *(beat.PeriodicTask, beat.IntervalSchedule, beat.CrontabSchedule),
    *(beat.SolarSchedule, beat.ClockedSchedule),
):
    if admin.site.is_registered(_model):
        admin.site.unregister(_model)


def every_text(row: Schedule) -> str:
    """Return how often a task is sent for."""
    return _often(row.every, row.daily_at)


def _often(seconds: Any, at: Any) -> str:
    if at is not None:
        return gettext("day at %(hour)02d:%(minute)02d UTC") % {
            "hour": at.hour,
            "minute": at.minute,
        }
    return gettext("%(seconds)g s") % {"seconds": seconds or 0}


class ScheduleForm(OperationForm):
    """Whether, and how often, a task is sent for."""

    seconds = forms.IntegerField(
        label=_("every (seconds)"),
        min_value=1,
        max_value=LONGEST_SECONDS,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text=_("From one second to a day."),
    )
    at = forms.TimeField(
        label=_("daily at (UTC)"),
        widget=UnfoldAdminTimeWidget(format="%H:%M"),
        input_formats=["%H:%M", "%H:%M:%S"],
        help_text=_("Hours and minutes, such as 01:00."),
    )
    volatile = frozenset()

    class Meta:
        model = Schedule
        fields = ("is_on", "seconds", "at")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        del self.fields["seconds" if self.instance.default.at else "at"]

    def values_of(self, row: Schedule) -> dict[str, Any]:
        return {"seconds": row.every, "at": row.daily_at}

    def build(self) -> dict[str, Any]:
        names = ("is_on", "seconds", "at")
        return {name: self.cleaned_data[name] for name in names if name in self.cleaned_data}


@admin.register(Schedule)
class ScheduleAdmin(OperationAdmin):
    """Periodic tasks: whether they are on, how often, and what is the default."""

    form = ScheduleForm
    scope = Way(hidden="tasks are of the platform as a whole")
    list_display = ("title", "what", "state", "every", "by_default")
    list_display_links = ("title",)
    list_filter = ("is_on",)
    ordering = ("name",)
    search_fields = ("name",)
    search_help_text = _("Search by name")
    empty_text = _("They come with the first migration: run manage.py migrate.")

    def has_add_permission(self, request: HttpRequest) -> bool:
        # A task that the code does not have would be sent for and run by nobody.
        return False

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        is_daily = obj is not None and obj.default.at is not None
        return [(None, {"fields": ("is_on", "at" if is_daily else "seconds")})]

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.reset_view)
        own = [path("<int:object_id>/reset/", view, name="upkeep_schedule_reset")]
        return [*own, *super().get_urls()]

    def put(self, form: ScheduleForm, now: datetime) -> Schedule:
        return operations.change_schedule(schedule_id=form.instance.pk, **form.shape)

    def response_change(self, request: HttpRequest, obj: Any) -> Any:
        self._warn(request, obj)
        return super().response_change(request, obj)

    def _warn(self, request: HttpRequest, row: Schedule) -> None:
        if row.is_vital_and_off:
            text = gettext("%(task)s is vital, and off: %(without)s") % {
                "task": row,
                "without": schedules.about(row.name).without,
            }
            messages.warning(request, text)

    def form_context(self, request: HttpRequest, object_id: str | None) -> dict[str, Any]:
        row = self.get_object(request, object_id) if object_id else None
        if row is None:
            return {}
        about = schedules.about(row.name)
        facts: list[tuple[object, object]] = [
            (_("what it does"), about.text),
            (_("by default"), _often(row.default.seconds, row.default.at)),
        ]
        if about.without:
            facts.append((_("without it"), about.without))
        return {
            "title": str(row),
            "panels_above": [Panel(title=_("Periodic task"), facts=facts)],
            "buttons": self._buttons(request, row),
        }

    def _buttons(self, request: HttpRequest, row: Schedule) -> list[Button]:
        if row.is_default or not self.has_change_permission(request, row):
            return []
        url = reverse("admin:upkeep_schedule_reset", args=[row.pk])
        return [Button(_("Back to the default…"), url)]

    def reset_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Set a task back to what the code says; ask first."""
        row: Schedule | None = self.found(request, object_id)
        if not self.has_change_permission(request, row):
            raise PermissionDenied
        if row is None:
            return self.missing(request, object_id)
        if request.method != "POST":
            often = _often(row.default.seconds, row.default.at)
            return self.confirm(
                request,
                title=gettext("Set %(task)s back to the default?") % {"task": row},
                sentences=[
                    gettext("It is on then, and sent for every %(often)s.") % {"often": often}
                ],
                button=gettext("Back to the default"),
                cancel_url=change_url(row),
            )
        operations.reset_schedule(schedule_id=row.pk)
        messages.success(request, gettext("%(task)s is as by default.") % {"task": row})
        return HttpResponseRedirect(change_url(row))

    @admin.display(description=_("task"), ordering="name")
    def title(self, row: Schedule) -> str:
        return str(row)

    @admin.display(description=_("what it does"))
    def what(self, row: Schedule) -> object:
        return schedules.about(row.name).text

    @admin.display(description=_("state"), ordering="is_on")
    def state(self, row: Schedule) -> str:
        if row.is_vital_and_off:
            return pill(_("off, and vital"), "red")
        return pill(_("on"), "green") if row.is_on else pill(_("off"), "amber")

    @admin.display(description=_("every"))
    def every(self, row: Schedule) -> str:
        return every_text(row)

    @admin.display(description=_("by default"))
    def by_default(self, row: Schedule) -> object:
        return _often(row.default.seconds, row.default.at)
