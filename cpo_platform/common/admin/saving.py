"""Pages whose form is saved by one operation."""

from datetime import datetime
from typing import Any, cast

from django import forms
from django.contrib.admin.options import IS_POPUP_VAR
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.utils.text import capfirst
from django.utils.translation import gettext

from cpo_platform.common import clock
from cpo_platform.common.admin.display import NONE, moment
from cpo_platform.common.admin.forms import Refused
from cpo_platform.common.admin.pages import Admin
from cpo_platform.common.admin.panels import Panel, panels_of
from cpo_platform.common.admin.scopes import OutOfScope, is_visible
from cpo_platform.common.admin.warnings import Warned, found_at, warn


class _Request(HttpRequest):
    refusal: Refused
    # The form that is being saved, and what rules found at its object before.
    saving: tuple[Any, frozenset[Warned]] | None


class OperationAdmin(Admin):
    """A model whose form is saved by one operation: `put`.

    `put` may raise what the operation raises; `caught` lists what becomes an error of the form.
    """

    change_form_template = "admin/cpo/operation_form.html"
    # A status button beside the form must not lose what is written in it without a word.
    warn_unsaved_form = True
    caught: tuple[type[Exception], ...] = (ValueError, ValidationError)
    module = ""
    # Whose rules are asked about what was saved, if not those of the module.
    checked_as = ""

    def put(self, form: Any, now: datetime) -> Any:
        """Call the operation; return the row it wrote."""
        raise NotImplementedError

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:  # noqa: FBT001
        try:
            row = self.put(form, clock.now())
        except self.caught as error:
            raise Refused(error) from error
        if not is_visible(request, row):
            # Made for, or moved to, what this person may not see: it is undone.
            raise Refused(OutOfScope())
        for column in self.opts.concrete_fields:
            setattr(obj, column.attname, getattr(row, column.attname))

    def save_form(self, request: HttpRequest, form: Any, change: bool) -> Any:  # noqa: FBT001
        # Only this page comes by here: bulk changes show first what they would do.
        before = found_at(request, self.checked_as or self.module, self.checked(form))
        cast("_Request", request).saving = (form, frozenset(before))
        return super().save_form(request, form, change)

    def checked(self, form: Any) -> Any:
        """Return the object whose rules a form may break."""
        return form.instance

    def _warn_of_found(self, request: HttpRequest) -> None:
        """Say what rules find since the form was saved, if it was."""
        saving = getattr(request, "saving", None)
        if saving is not None:
            form, before = saving
            warn(request, self.checked_as or self.module, self.checked(form), before=before)

    def save_related(self, request: Any, form: Any, formsets: Any, change: Any) -> None:
        """Do nothing: the operation has written everything."""

    def get_form(
        self,
        request: HttpRequest,
        obj: Any = None,
        change: bool = False,  # noqa: FBT001, FBT002  Django's signature
        **kwargs: Any,
    ) -> Any:
        form = super().get_form(request, obj, change=change, **kwargs)
        return type(
            form.__name__,
            (form,),
            {"refusal": getattr(request, "refusal", None), "request": request},
        )

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        context = {**self.form_context(request, object_id), **(extra_context or {})}
        obj = self.get_object(request, object_id) if object_id else None
        if obj is not None and not self.has_change_permission(request, obj):
            self.found(request, object_id)
            return self._only_shown(request, obj, context)
        try:
            response = super().changeform_view(request, object_id, form_url, context)
        except Refused as refusal:
            # The transaction is undone; the form is shown again with what was refused.
            cast("_Request", request).refusal = refusal
            return super().changeform_view(request, object_id, form_url, context)
        self._warn_of_found(request)
        return response

    def _only_shown(self, request: HttpRequest, obj: Any, context: dict[str, Any]) -> HttpResponse:
        """Show what the form would, for people who may not change it."""
        form_class = forms.modelform_factory(
            self.model,
            form=self.form,
            fields=self.form.Meta.fields,  # type: ignore[attr-defined]
        )
        form = form_class(instance=obj)
        facts = [(field.label, _shown(field)) for field in form if field.name != "seen"]
        panels = [Panel(title=capfirst(self.opts.verbose_name), facts=facts)]
        return self.page(
            request,
            "admin/cpo/record.html",
            obj=obj,
            panels=[
                *panels,
                *context.pop("panels_above", []),
                *self.view_panels(obj),
                *context.pop("panels", []),
            ],
            heading=self.view_heading(obj),
            **({"title": str(obj)} | context),
        )

    def view_panels(self, obj: Any) -> list[Panel]:
        """Return what the page shows beside the fields to people who may not change them."""
        return []

    def view_heading(self, obj: Any) -> object:
        """Return what stands beside the title then."""
        return ""

    def form_context(self, request: HttpRequest, object_id: str | None) -> dict[str, Any]:
        """Return what the page shows beside its form."""
        if object_id is None or not self.module or not str(object_id).isdigit():
            return {}
        if IS_POPUP_VAR in request.GET:
            return {}
        return {"panels": panels_of(self.module, request, int(object_id))}


def _shown(field: forms.BoundField) -> object:
    """Return the value of a form field as text."""
    value = field.value()
    if value in (None, "", []):
        return NONE
    if isinstance(value, bool):
        return gettext("yes") if value else gettext("no")
    if isinstance(value, datetime):
        return moment(value)
    labels = {str(key): label for key, label in getattr(field.field, "choices", [])}
    chosen = value if isinstance(value, list) else [value]
    return ", ".join(str(labels.get(str(item), item)) for item in chosen)
