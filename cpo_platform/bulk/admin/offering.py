"""What lists offer: to change the selected rows, and to import a file."""

from functools import partial
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from cpo_platform.bulk import operations
from cpo_platform.bulk.admin import import_pages
from cpo_platform.bulk.admin.persons import may_start, person_of
from cpo_platform.bulk.lists import list_of
from cpo_platform.bulk.operations import MOST_OBJECTS
from cpo_platform.common import clock
from cpo_platform.common.admin import Button

ACTION = "change_many"


class BulkPages:
    """Implements `cpo_platform.common.admin.ListPages`."""

    def urls(self, model_admin: Any) -> list[Any]:
        listed = list_of(model_admin.opts.label_lower)
        if listed is None or listed.importing is None:
            return []
        view = model_admin.admin_site.admin_view
        name = f"{model_admin.opts.app_label}_{model_admin.opts.model_name}"
        return [
            path(
                "import-file/",
                view(partial(import_pages.import_view, listed)),
                name=f"{name}_bulk_import",
            ),
            path(
                "import-file/template/",
                view(partial(import_pages.template_view, listed)),
                name=f"{name}_bulk_template",
            ),
        ]

    def buttons(self, model_admin: Any, request: HttpRequest) -> list[Button]:
        listed = list_of(model_admin.opts.label_lower)
        if listed is None or listed.importing is None or not may_start(request, listed):
            return []
        return [Button(_("Import…"), import_pages.url_of(listed, request))]

    def actions(self, model_admin: Any, request: HttpRequest) -> dict[str, Any]:
        listed = list_of(model_admin.opts.label_lower)
        if listed is None or not may_start(request, listed):
            return {}
        return {ACTION: (_change_many, ACTION, gettext("Change…"))}


def _change_many(model_admin: Any, request: HttpRequest, queryset: Any) -> HttpResponse:
    """Keep what is selected, or what the filter finds, and go on to what is to be changed."""
    keys = list(queryset.values_list("pk", flat=True)[: MOST_OBJECTS + 1])
    if len(keys) > MOST_OBJECTS:
        messages.error(
            request,
            gettext("These are more than 20,000: filter the list, and change one part at a time."),
        )
        return HttpResponseRedirect(request.get_full_path())
    job = operations.start_change(
        label=model_admin.opts.label_lower,
        targets=keys,
        person=person_of(request),
        now=clock.now(),
    )
    return HttpResponseRedirect(reverse("admin:bulk_job_fields", args=[job.pk]))
