"""What the admin of every app shares: pages that save by one operation, and pages that only show.

A page that saves builds a shape from its form and hands it to one operation. What the operation
refuses becomes an error of the form, and nothing has changed. A page that shows is a list of
panels; an app adds panels to pages of the apps below it with `register_panel`.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast
from zoneinfo import ZoneInfo

from django import forms
from django.contrib import messages
from django.contrib.admin import ShowFacets
from django.contrib.admin.options import IS_POPUP_VAR
from django.contrib.admin.utils import quote
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from cpo_platform.common import clock
from cpo_platform.common.money import currency_places, round_money, trimmed
from cpo_platform.common.shapes import Problem, ShapeError

if TYPE_CHECKING:
    # django-unfold has no types; its classes are Django's with another look.
    from django.contrib.admin import ModelAdmin as _ModelAdmin

    class _Base(_ModelAdmin[Any]): ...

    class _Form(forms.ModelForm[Any]): ...

    class FormSet(forms.BaseFormSet[Any]): ...

    from django.contrib.admin.views.main import ChangeList
else:
    from unfold.admin import ModelAdmin as _Base
    from unfold.views import ChangeList

    _Form = forms.ModelForm
    FormSet = forms.BaseFormSet

# Refusals by class: the form field that is to blame, and a sentence for the person.
Refusals = Mapping[type[Exception], tuple[str | None, Any]]


NONE = "\N{EN DASH}"


def moment(value: datetime | None, zone: str = "") -> SafeString:
    """Return a moment for people: in the given time zone, else in UTC; a dash for none."""
    if value is None:
        return SafeString(NONE)
    local = value.astimezone(ZoneInfo(zone) if zone else UTC)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        value.isoformat(),
        f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC",
        f"{local:%Y-%m-%d %H:%M:%S}",
    )


def minute(value: datetime | None) -> SafeString:
    """Return a moment for lists: in UTC, without seconds."""
    if value is None:
        return SafeString(NONE)
    local = value.astimezone(UTC)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        value.isoformat(),
        f"{local:%Y-%m-%d %H:%M:%S} UTC",
        f"{local:%Y-%m-%d %H:%M}",
    )


def unbroken(text: object) -> SafeString:
    """Return a text that stays on one line."""
    return format_html('<span class="cpo-unbroken">{}</span>', text)


def money(amount: Decimal | str | None, currency: str) -> str:
    """Return an amount with its currency: no more decimals than it has, at least the currency's."""
    if amount is None:
        return NONE
    exact = Decimal(amount)
    shown = round_money(exact, currency_places(currency))
    return f"{shown if shown == exact else trimmed(exact):f} {currency}".strip()


def number(value: Decimal | str | None, unit: str = "") -> str:
    """Return a number without trailing zeros, with its unit."""
    if value is None:
        return NONE
    return f"{trimmed(Decimal(value)):f} {unit}".strip()


def change_url(row: Model) -> str:
    """Return the address of the admin page of a row."""
    meta = row._meta  # noqa: SLF001  Django's own public name
    return reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=[quote(str(row.pk))])


def link(row: Model | None, text: object = None) -> str:
    """Return a link to the admin page of a row; a dash for none."""
    if row is None:
        return NONE
    return link_to(change_url(row), row if text is None else text)


def link_to(url: str, text: object) -> str:
    """Return a link."""
    return format_html('<a class="cpo-link" href="{}">{}</a>', url, text)


def pill(text: object, tone: str = "grey") -> SafeString:
    """Return a label in a colour: green, blue, amber, red or grey. The text says the same."""
    return format_html('<span class="cpo-pill cpo-{}">{}</span>', tone, text)


# Panels


@dataclass(frozen=True)
class Panel:
    """A titled part of a page: facts, a table, or both. `numeric` are columns set to the right."""

    title: object
    facts: Sequence[tuple[object, object]] = ()
    columns: Sequence[object] = ()
    rows: Sequence[Sequence[object]] = ()
    empty: object = ""
    note: object = ""
    numeric: frozenset[int] = frozenset()
    code: str = ""
    half: bool = False
    buttons: Sequence["Button"] = ()

    @property
    def cells(self) -> list[list[tuple[object, bool]]]:
        """Return the rows as `(content, is numeric)`."""
        return [
            [(cell, position in self.numeric) for position, cell in enumerate(row)]
            for row in self.rows
        ]

    @property
    def heads(self) -> list[tuple[object, bool]]:
        return [(head, position in self.numeric) for position, head in enumerate(self.columns)]


@dataclass(frozen=True)
class Button:
    """Something to do: a link to a page, or a form that posts at once (`post`)."""

    text: object
    url: str
    post: bool = False
    tone: str = ""
    values: Mapping[str, str] = field(default_factory=dict)


PanelProvider = Callable[[HttpRequest, int], Panel]
_PANELS: dict[str, list[PanelProvider]] = defaultdict(list)


def register_panel(module: str, provider: PanelProvider) -> None:
    """Add a panel to the page of every object of an OCPI module, from an app above."""
    _PANELS[module].append(provider)


def panels_of(module: str, request: HttpRequest, object_id: int) -> list[Panel]:
    """Return the panels that other apps add to the page of an object."""
    return [provider(request, object_id) for provider in _PANELS[module]]


# Pages


class _ChangeList(ChangeList):
    """A list that does not count the whole table, and knows when nothing is filtered."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        if not (self.query or self.has_active_filters):
            self.full_result_count = self.result_count


class Admin(_Base):
    """The base of every admin page: no action of Django's that writes rows by itself."""

    list_per_page = 50
    list_max_show_all = 200
    show_full_result_count = False
    # Facets count the table once per filter value.
    show_facets = ShowFacets.NEVER
    empty_text: Any = ""

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return _ChangeList

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions: dict[str, Any] = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions

    def page(
        self,
        request: HttpRequest,
        template: str,
        *,
        title: object,
        obj: Any = None,
        status: int = 200,
        **context: Any,
    ) -> TemplateResponse:
        """Return a page of this admin in the site's frame."""
        request.current_app = self.admin_site.name
        return TemplateResponse(
            request,
            template,
            {
                **self.admin_site.each_context(request),
                "opts": self.opts,
                "original": obj,
                "title": title,
                "media": self.media,
                "list_url": self.list_url(),
                **context,
            },
            status=status,
        )

    def confirm(
        self,
        request: HttpRequest,
        *,
        title: object,
        sentences: Iterable[object],
        button: object,
        cancel_url: str,
        danger: bool = False,
        values: Iterable[tuple[str, str]] = (),
        blocked: bool = False,
        links: Iterable[object] = (),
    ) -> TemplateResponse:
        """Return the page that asks before something is done, or says why it cannot be."""
        return self.page(
            request,
            "admin/cpo/confirm.html",
            title=title,
            sentences=list(sentences),
            button=button,
            cancel_url=cancel_url,
            danger=danger,
            values=list(values),
            blocked=blocked,
            links=list(links),
        )

    def list_url(self, query: str = "") -> str:
        """Return the address of the list."""
        url = reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist")
        return f"{url}?{query}" if query else url

    def add_url(self) -> str:
        """Return the address of the page that adds one."""
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_add")

    def found(self, request: HttpRequest, object_id: object, *, change: bool = False) -> Any:
        """Return a row that this person may see (or change); None if there is none.

        Raises:
            PermissionDenied: the person may not.

        """
        row = self.get_object(request, str(object_id))
        allowed = (
            self.has_change_permission(request, row)
            if change
            else self.has_view_or_change_permission(request, row)
        )
        if not allowed:
            raise PermissionDenied
        return row

    def missing(self, request: HttpRequest, object_id: object) -> HttpResponseRedirect:
        """Go to the list and say that there is no such row."""
        messages.warning(
            request,
            gettext("%(name)s %(id)s does not exist.")
            % {"name": capfirst(self.opts.verbose_name), "id": object_id},
        )
        return HttpResponseRedirect(self.list_url())

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        return super().changelist_view(
            request, {"empty_text": self.empty_text, **(extra_context or {})}
        )


class RecordAdmin(Admin):
    """Rows that nobody edits here: a list, and a page of panels."""

    module = ""
    actions = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def panels(self, request: HttpRequest, obj: Any) -> list[Panel]:
        """Return what the page of a row shows."""
        raise NotImplementedError

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        obj = self.found(request, object_id)
        if obj is None:
            return self.missing(request, object_id)
        panels = self.panels(request, obj)
        if self.module:
            panels += panels_of(self.module, request, obj.pk)
        context: dict[str, Any] = {
            "heading": self.heading(obj),
            "buttons": self.buttons(request, obj),
        }
        return self.page(
            request,
            "admin/cpo/record.html",
            title=str(obj),
            obj=obj,
            panels=panels,
            **(context | (extra_context or {})),
        )

    def heading(self, obj: Any) -> object:
        """Return what stands beside the title, such as a status."""
        return ""

    def buttons(self, request: HttpRequest, obj: Any) -> list[Button]:
        """Return what can be done with the row."""
        return []


# Forms that save by one operation


class Refused(Exception):
    """An operation refused what a form says; raised through the transaction, to undo it."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


class OperationForm(_Form):
    """A form that builds a shape; an operation writes it.

    `places` maps paths within the shape to form fields: the longest that matches is to blame.
    `fixed` fields cannot be changed once the object exists.
    """

    seen = forms.CharField(required=False, widget=forms.HiddenInput)
    refusal: Refused | None = None
    refusals: Refusals = {}
    places: Mapping[str, str] = {}
    fixed: tuple[str, ...] = ()
    volatile: frozenset[str] = frozenset({"last_updated", "status"})
    shape: Any = None

    class Meta:
        model: Any = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is not None:
            for name, value in self.values_of(self.instance).items():
                self.initial.setdefault(name, value)
                if name in self.fields and value is not None:
                    self.initial[name] = value
            self.initial["seen"] = self.fingerprint(self.instance)
            for name in self.fixed:
                if name in self.fields:
                    self.fields[name].disabled = True
        for name, form_field in self.fields.items():
            form_field.label = capfirst(form_field.label)
            keep = getattr(form_field, "keep", None)
            if keep is not None:
                keep(self.initial.get(name))

    def values_of(self, row: Any) -> dict[str, Any]:
        """Return the values of the declared fields for a row that exists."""
        return {}

    def content_of(self, row: Any) -> str:
        """Return a text that differs when what the form writes has changed in the database.

        What stations change by themselves (`volatile`) is no reason to refuse a form.
        """
        columns = [
            column.attname
            for column in row._meta.concrete_fields  # noqa: SLF001  Django's own public name
            if column.name not in self.volatile
        ]
        return repr([(name, getattr(row, name)) for name in columns])

    def build(self) -> Any:
        """Return the shape that the form says.

        Raises:
            ShapeError: the form says something that OCPI does not allow.

        """
        raise NotImplementedError

    def fingerprint(self, row: Any) -> str:
        return hashlib.sha256(self.content_of(row).encode()).hexdigest()[:16]

    def clean(self) -> Any:
        super().clean()
        if self.refusal is not None:
            self._add_refusal(self.refusal.cause)
        elif not self.errors and self._is_stale():
            self.add_error(
                None,
                _(
                    "Somebody else changed this while you were editing. Nothing was saved: open "
                    "the page again and repeat your change."
                ),
            )
        if not self.errors:
            try:
                self.shape = self.build()
            except ShapeError as error:
                self.add_problems(error.problems)
        return self.cleaned_data

    def _is_stale(self) -> bool:
        seen = self.cleaned_data.get("seen")
        return bool(self.instance.pk and seen and seen != self.fingerprint(self.instance))

    def _add_refusal(self, cause: Exception) -> None:
        if isinstance(cause, ShapeError):
            self.add_problems(cause.problems)
        elif isinstance(cause, ValidationError):
            self._add_validation_error(cause)
        else:
            name, text = next(
                (found for kind, found in self.refusals.items() if isinstance(cause, kind)),
                (None, str(cause)),
            )
            self.add_error(name if name in self.fields else None, text)

    def _add_validation_error(self, cause: ValidationError) -> None:
        by_field = cause.message_dict if hasattr(cause, "error_dict") else {"": cause.messages}
        for name, texts in by_field.items():
            target = self.place_of(name)
            for text in texts:
                self.add_error(target, text)

    def add_problems(self, problems: Iterable[Problem]) -> None:
        """Show problems of the shape at the fields they come from."""
        for problem in problems:
            self.add_problem(problem)

    def add_problem(self, problem: Problem) -> None:
        target = self.place_of(problem.path)
        self.add_error(target, str(problem) if target is None else problem.reason)

    def place_of(self, path: str) -> str | None:
        """Return the form field behind a path within the shape."""
        matches = [
            prefix
            for prefix in self.places
            if path == prefix or path.startswith((f"{prefix}.", f"{prefix}["))
        ]
        if matches:
            return self.places[max(matches, key=len)]
        first = path.partition(".")[0].partition("[")[0]
        return first if first in self.fields else None

    def _post_clean(self) -> None:
        """Leave the row alone: the operation writes it, and checks it."""

    def save(self, commit: bool = True) -> Any:  # noqa: FBT001, FBT002  Django's signature
        return self.instance


class _Request(HttpRequest):
    refusal: Refused


class OperationAdmin(Admin):
    """A model whose form is saved by one operation: `put`.

    `put` may raise what the operation raises; `caught` lists what becomes an error of the form.
    """

    change_form_template = "admin/cpo/operation_form.html"
    caught: tuple[type[Exception], ...] = (ValueError, ValidationError)
    module = ""

    def put(self, form: Any, now: datetime) -> Any:
        """Call the operation; return the row it wrote."""
        raise NotImplementedError

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:  # noqa: FBT001
        try:
            row = self.put(form, clock.now())
        except self.caught as error:
            raise Refused(error) from error
        for column in self.opts.concrete_fields:
            setattr(obj, column.attname, getattr(row, column.attname))

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
        return type(form.__name__, (form,), {"refusal": getattr(request, "refusal", None)})

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
            return super().changeform_view(request, object_id, form_url, context)
        except Refused as refusal:
            # The transaction is undone; the form is shown again with what was refused.
            cast("_Request", request).refusal = refusal
            return super().changeform_view(request, object_id, form_url, context)

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
            panels=[*panels, *self.view_panels(obj), *context.pop("panels", [])],
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
