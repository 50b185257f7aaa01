"""The base of every admin page, and of pages that only show."""

from collections.abc import Callable, Iterable
from functools import wraps
from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import messages
from django.contrib.admin import ShowFacets, display
from django.contrib.admin.options import IS_POPUP_VAR
from django.contrib.admin.utils import flatten_fieldsets
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, reverse
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext

from cpo_platform.common.admin import list_pages, quick_rows
from cpo_platform.common.admin.export_pages import WithExport
from cpo_platform.common.admin.histories import WithHistory
from cpo_platform.common.admin.lists import MOST_FOUND, CappedPaginator, found_by
from cpo_platform.common.admin.mistakes import mistakes_of
from cpo_platform.common.admin.panels import Button, Panel, panels_of
from cpo_platform.common.admin.scopes import Way, is_hidden, register_way, visible

if TYPE_CHECKING:
    # django-unfold has no types; its classes are Django's with another look.
    from django.contrib.admin import ModelAdmin as _ModelAdmin
    from django.contrib.admin.views.main import ChangeList

    class _Base(_ModelAdmin[Any]): ...

else:
    from unfold.admin import ModelAdmin as _Base
    from unfold.views import ChangeList


class _ChangeList(ChangeList):
    """A list that does not count the whole table, and knows when nothing is filtered.

    `empty_buttons` is what can be done where nothing is there.
    """

    empty_buttons: list[Button] = []

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        if not (self.query or self.has_active_filters):
            self.full_result_count = self.result_count
        if not self.result_count:
            pages: Any = self.model_admin
            self.empty_buttons = pages.empty_buttons(request)


class Admin(WithExport, WithHistory, _Base):
    """The base of every admin page: no action of Django's that writes rows by itself."""

    change_list_template = "admin/cpo/change_list.html"

    list_per_page = 50
    list_max_show_all = 200
    show_full_result_count = False
    paginator: ClassVar[type[Paginator[Any]]] = CappedPaginator
    # Facets count the table once per filter value.
    show_facets = ShowFacets.NEVER
    # What is said where a list is empty, and on the button that adds the first row.
    empty_text: Any = ""
    empty_add: Any = ""
    # How its rows belong to a party and to a location: each model has to say it.
    scope: Way = Way()

    def __init__(self, model: type[Any], admin_site: Any) -> None:
        register_way(model, self.scope)
        super().__init__(model, admin_site)

    @property
    def urls(self) -> list[Any]:
        """Return the addresses; none of them is for people from whom the model is hidden."""
        patterns: list[Any] = self.get_urls()
        for pattern in patterns:
            if isinstance(pattern, URLPattern):
                pattern.callback = self._gated(pattern.callback)
        return patterns

    def _gated(self, view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
        @wraps(view)
        def gated(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if request.user.is_authenticated and is_hidden(request, self.model):
                raise PermissionDenied
            return view(request, *args, **kwargs)

        return gated

    def get_queryset(self, request: HttpRequest) -> Any:
        return visible(request, super().get_queryset(request))

    def has_module_permission(self, request: HttpRequest) -> bool:
        return not is_hidden(request, self.model) and super().has_module_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return not is_hidden(request, self.model) and super().has_view_permission(request, obj)

    def formfield_for_foreignkey(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        return super().formfield_for_foreignkey(
            db_field, request, **_offered(db_field, request, kwargs)
        )

    def formfield_for_manytomany(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        return super().formfield_for_manytomany(
            db_field, request, **_offered(db_field, request, kwargs)
        )

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return _ChangeList

    @display(description=quick_rows.SELECT_ALL)
    def action_checkbox(self, obj: Any) -> SafeString:
        return quick_rows.selecting(obj)

    def get_search_results(
        self, request: HttpRequest, queryset: Any, search_term: str
    ) -> tuple[Any, bool]:
        """Find rows that hold every word somewhere in `search_fields`."""
        rows, is_more = found_by(queryset, self.get_search_fields(request), search_term)
        if is_more and "autocomplete" not in request.path:
            messages.info(
                request,
                gettext("Only %(number)s of what was found is shown: search for more of it.")
                % {"number": f"{MOST_FOUND:,}"},
            )
        return rows, False

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions: dict[str, Any] = super().get_actions(request)
        actions.pop("delete_selected", None)
        if actions or self.actions is not None:
            actions |= list_pages.actions_of(self, request)
        return actions

    def get_urls(self) -> list[Any]:
        return [*list_pages.urls_of(self), *super().get_urls()]

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        return [*super().get_list_display(request), *self.columns_added()]

    def columns_added(self) -> list[Any]:
        """Return the columns that apps above add to the list."""
        return [column.shown for column in list_pages.columns_of(self)]

    def get_list_filter(self, request: HttpRequest) -> list[Any]:
        added = [column.filter for column in list_pages.columns_of(self)]
        return [*super().get_list_filter(request), *added]

    def get_list_select_related(self, request: HttpRequest) -> Any:
        own = super().get_list_select_related(request)
        added = [column.related for column in list_pages.columns_of(self)]
        # Django's own answers: True is everything, False nothing.
        return [*(own or ()), *added] if added and own is not True else own

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
                "history_url": self.history_url(request, obj),
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

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        shown = context["adminform"]
        # What is about the form as a whole is shown beside the list.
        context["mistakes"] = [
            one for one in mistakes_of(shown.form, flatten_fieldsets(shown.fieldsets)) if one.label
        ]
        response: HttpResponse = super().render_change_form(request, context, *args, **kwargs)
        return response

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
        context = {
            "empty_text": self.empty_text,
            "export_url": self.export_url(request),
            "list_buttons": self._list_buttons(request),
        }
        return super().changelist_view(request, context | (extra_context or {}))

    def empty_buttons(self, request: HttpRequest) -> list[Button]:
        """Return what can be done where the list is empty, beside adding a row."""
        return []

    def _list_buttons(self, request: HttpRequest) -> list[Button]:
        return [] if IS_POPUP_VAR in request.GET else list_pages.buttons_of(self, request)


def _offered(db_field: Any, request: HttpRequest, kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a choice of related rows: of those that this person may see."""
    model = db_field.remote_field.model
    return {"queryset": visible(request, model._default_manager.all()), **kwargs}  # noqa: SLF001  Django's own public name


class RecordAdmin(Admin):
    """Rows that nobody edits here: a list, and a page of panels."""

    module = ""
    actions: Any = None

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
            title=self.title_of(obj),
            obj=obj,
            panels=panels,
            **(context | (extra_context or {})),
        )

    def title_of(self, obj: Any) -> str:
        """Return what the page of a row is called."""
        return str(obj)

    def heading(self, obj: Any) -> object:
        """Return what stands beside the title, such as a status."""
        return ""

    def buttons(self, request: HttpRequest, obj: Any) -> list[Button]:
        """Return what can be done with the row."""
        return []
