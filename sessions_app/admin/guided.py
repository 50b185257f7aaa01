"""Correcting in steps: a form, a preview of the documents, the confirmation.

What was shown is remembered by a digest: where it has changed meanwhile (a tariff of ours has other
prices now), the new preview is shown instead of doing what nobody has seen.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext

from cpo_platform.common.admin import Panel, RecordAdmin
from sessions_app.admin.comparing import digest
from sessions_app.admin.correcting import CONFIRM, EDIT, CorrectionForm, typed
from sessions_app.corrections import Correction, ImpossibleCorrection
from sessions_app.models import Cdr, Session


@dataclass(frozen=True)
class Preview:
    """What a correction comes to: the documents, and how they are shown."""

    cdrs: Sequence[Cdr]
    panels: Sequence[Panel]
    details: Sequence[Panel]
    sentences: Iterable[object]


@dataclass(frozen=True)
class Guide:
    """One thing that is done in steps. `preview` may refuse a correction; `confirm` does it."""

    form_title: object
    form_sentences: Sequence[object]
    preview_title: object
    button: object
    back_url: str
    session: Session
    found: Sequence[dict[str, Any]]
    initial: dict[str, Any]
    preview: Callable[[Correction], Preview]
    confirm: Callable[[Correction, str], HttpResponse]


def guide(admin: RecordAdmin, request: HttpRequest, steps: Guide) -> HttpResponse:
    """Return the page of the step that a request is at, or what the confirmation returns."""
    form = CorrectionForm(
        request.POST or None, session=steps.session, found=steps.found, initial=steps.initial
    )
    if request.method != "POST" or not form.is_valid() or request.POST.get("step") == EDIT:
        return _form_page(admin, request, steps, form)
    try:
        preview = steps.preview(form.correction)
        seen = digest(preview.cdrs)
        if request.POST.get("step") != CONFIRM:
            return _preview_page(admin, request, steps, preview, errors=())
        if request.POST.get("seen") != seen:
            changed = gettext("Something has changed meanwhile. Look at it again: nothing is done.")
            return _preview_page(admin, request, steps, preview, errors=(changed,))
        return steps.confirm(form.correction, form.cleaned_data["note"])
    except ImpossibleCorrection as error:
        form.refuse(error)
        return _form_page(admin, request, steps, form)


def _form_page(
    admin: RecordAdmin, request: HttpRequest, steps: Guide, form: CorrectionForm
) -> HttpResponse:
    return admin.page(
        request,
        "admin/cpo/form.html",
        title=steps.form_title,
        form=form,
        sentences=steps.form_sentences,
        button=gettext("Show what comes of it"),
        list_url=steps.back_url,
    )


def _preview_page(
    admin: RecordAdmin,
    request: HttpRequest,
    steps: Guide,
    preview: Preview,
    *,
    errors: Sequence[object],
) -> HttpResponse:
    return admin.page(
        request,
        "admin/cpo/preview.html",
        title=steps.preview_title,
        errors=errors,
        sentences=preview.sentences,
        panels=preview.panels,
        details=preview.details,
        values=typed(request),
        seen=digest(preview.cdrs),
        button=steps.button,
        cancel_url=steps.back_url,
    )
