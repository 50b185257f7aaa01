"""The pages of tariffs."""

from datetime import datetime
from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, OuterRef, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.loader import render_to_string
from django.urls import path, reverse
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from cpo_platform.common import clock
from cpo_platform.common.admin import (
    Button,
    OperationAdmin,
    Panel,
    Rules,
    Way,
    change_url,
    link,
    link_to,
    minute,
    mistakes_of,
    pill,
    register_rules,
    visible,
)
from tariffs import operations
from tariffs.admin import preview
from tariffs.admin.check_page import check_view
from tariffs.admin.check_panel import CHECK, check_panels, check_warnings
from tariffs.admin.forms import TariffForm
from tariffs.admin.parties import PartyFilter, needs_party, party_choices
from tariffs.admin.preview_form import PreviewForm, zones
from tariffs.admin.sentences import element_sentence
from tariffs.models import Tariff, TariffType


class UseFilter(admin.SimpleListFilter):
    """Tariffs that connectors use, that none uses, or that are deleted."""

    title = _("use")
    parameter_name = "use"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("used", _("In use")), ("unused", _("Not in use")), ("deleted", _("Deleted"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if self.value() == "deleted":
            return queryset.filter(deleted_at__isnull=False)
        queryset = queryset.filter(deleted_at__isnull=True)
        if self.value() == "used":
            return queryset.filter(connector_total__gt=0)
        return queryset.filter(connector_total=0) if self.value() == "unused" else queryset


@admin.register(Tariff)
class TariffAdmin(OperationAdmin):
    """Tariffs, with their elements on one page."""

    form = TariffForm
    module = "tariffs"
    scope = Way(party="")
    change_form_template = "admin/tariffs/tariff/change_form.html"
    change_list_template = "admin/cpo/change_list.html"
    list_display = ("ocpi_id", "party", "prices", "kind", "validity", "use", "updated")
    list_display_links = ("ocpi_id",)
    list_filter = (UseFilter, PartyFilter, "public", "type", "currency", "tax_included")
    search_fields = ("ocpi_id", "tariff_alt_text")
    search_help_text = _("Search by id or text")
    ordering = ("country_code", "party_id", "ocpi_id")
    empty_text = _("Create a tariff, then choose it at the connectors it is for.")
    fieldsets = (
        (
            None,
            {
                "fields": (("party", "ocpi_id"), ("currency", "tax_included"), ("type", "public")),
                "classes": ("then-elements",),
            },
        ),
        (
            _("Limits"),
            {
                "fields": (
                    ("min_price_before_taxes", "min_price_after_taxes"),
                    ("max_price_before_taxes", "max_price_after_taxes"),
                    "preauthorize_amount",
                ),
                "classes": ("collapse",),
            },
        ),
        (_("Validity"), {"fields": ("start_date_time", "end_date_time")}),
        (_("For drivers"), {"fields": ("texts", "tariff_alt_url")}),
        (
            _("Energy mix"),
            {
                "fields": (
                    "green",
                    ("supplier_name", "energy_product_name"),
                    "energy_sources",
                ),
                "classes": ("collapse",),
            },
        ),
    )

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view
        return [
            path("check/", view(partial(check_view, self)), name="tariffs_tariff_check"),
            path("preview/", view(self.preview_view), name="tariffs_tariff_preview"),
            *super().get_urls(),
        ]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        buttons = [Button(_("Check all tariffs"), reverse("admin:tariffs_tariff_check"))]
        return super().changelist_view(request, {"buttons": buttons, **(extra_context or {})})

    def get_queryset(self, request: HttpRequest) -> Any:
        tariffs: Any = super().get_queryset(request)
        return tariffs.with_elements().annotate(connector_total=_uses())

    def put(self, form: TariffForm, now: datetime) -> Tariff:
        if form.supersedes:
            form.superseded = True
            return operations.supersede_tariff(
                tariff_id=form.instance.pk,
                successor=form.successor(),
                at=form.cleaned_data["change_at"] or now,
                now=now,
            )
        tariff, _outcome = operations.put_tariff(
            tariff=form.shape,
            now=now,
            public=form.cleaned_data["public"],
            is_new=form.instance.pk is None,
        )
        return tariff

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:  # noqa: FBT001
        super().save_model(request, obj, form, change)
        if form.superseded:
            messages.info(
                request,
                gettext(
                    "%(id)s takes over from %(moment)s (UTC) on. Sessions that started before keep "
                    "their price."
                )
                % {"id": obj.ocpi_id, "moment": f"{obj.start_date_time:%Y-%m-%d %H:%M}"},
            )

    def response_change(self, request: HttpRequest, obj: Any) -> HttpResponse:
        response: HttpResponse = super().response_change(request, obj)
        edited = request.resolver_match and request.resolver_match.kwargs.get("object_id")
        if "_continue" in request.POST and edited != str(obj.pk):
            # What was edited is the new version by now.
            return HttpResponseRedirect(change_url(obj))
        return response

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        deleted = obj is not None and obj.deleted_at is not None
        return super().has_change_permission(request, obj) and not deleted

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        allowed = request.user.has_perm("tariffs.delete_tariff")
        return allowed and (obj is None or obj.deleted_at is None)

    def add_view(
        self,
        request: HttpRequest,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        return needs_party(request) or super().add_view(request, form_url, extra_context)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        parties = party_choices(request)
        party = {"party": parties[0][0]} if len(parties) == 1 else {}
        tariffs = visible(request, Tariff.objects.order_by("-pk"))
        newest = tariffs.values("currency", "tax_included").first()
        given = super().get_changeform_initial_data(request)
        return {"tax_included": "NO", "public": True, **party, **(newest or {}), **given}

    def delete_view(
        self,
        request: HttpRequest,
        object_id: str,
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        tariff = self.get_object(request, object_id)
        if tariff is None:
            return self.missing(request, object_id)
        if not self.has_delete_permission(request, tariff):
            raise PermissionDenied
        if request.method == "POST":
            return self._delete(request, tariff)
        return self._ask_to_delete(request, tariff)

    def _delete(self, request: HttpRequest, tariff: Tariff) -> HttpResponse:
        try:
            operations.delete_tariff(tariff_id=tariff.pk, now=clock.now())
        except operations.TariffInUse:
            # A connector took it since the question was asked.
            return self._ask_to_delete(request, self.get_object(request, str(tariff.pk)))
        self.log_deletions(request, Tariff.objects.filter(pk=tariff.pk))
        messages.success(
            request,
            gettext("Tariff %(id)s is deleted. Partners will be told.") % {"id": tariff.ocpi_id},
        )
        return HttpResponseRedirect(self.list_url())

    def _ask_to_delete(self, request: HttpRequest, tariff: Any) -> HttpResponse:
        total = tariff.connector_total
        back = reverse("admin:tariffs_tariff_change", args=[tariff.pk])
        title = gettext("Delete the tariff %(id)s?") % {"id": tariff.ocpi_id}
        if total:
            return self.confirm(
                request,
                title=gettext("The tariff %(id)s cannot be deleted") % {"id": tariff.ocpi_id},
                sentences=[
                    ngettext(
                        "%(total)s connector still uses it. Give it another tariff first.",
                        "%(total)s connectors still use it. Give them another tariff first.",
                        total,
                    )
                    % {"total": total}
                ],
                links=[link_to(_connectors_url(tariff), gettext("Show the EVSEs that use it"))],
                button="",
                cancel_url=back,
                blocked=True,
            )
        return self.confirm(
            request,
            title=title,
            sentences=[
                gettext("No connector uses it."),
                gettext("Every partner that has it will be told that it is gone."),
                gettext(
                    "Sessions that started with it keep their price, and CDRs keep their copy."
                ),
            ],
            button=gettext("Delete the tariff"),
            cancel_url=back,
            danger=True,
        )

    @admin.display(description=_("party"), ordering="country_code")
    def party(self, row: Tariff) -> str:
        return row.party

    @admin.display(description=_("prices"))
    def prices(self, row: Tariff) -> str:
        elements = operations.shape_of(row).elements
        if not elements:
            return "\N{EN DASH}"
        more = len(elements) - 1
        text = element_sentence(elements[0], row.currency)
        return f"{text} (+{more})" if more else text

    @admin.display(description=_("type"), ordering="type")
    def kind(self, row: Tariff) -> Any:
        return TariffType(row.type).label if row.type else _("Every session")

    @admin.display(description=_("validity"))
    def validity(self, row: Tariff) -> Any:
        return _validity_pill(row)

    @admin.display(description=_("connectors"), ordering="connector_total")
    def use(self, row: Any) -> str:
        if not row.connector_total:
            return "0"
        return link_to(_connectors_url(row), row.connector_total)

    @admin.display(description=_("updated (UTC)"), ordering="last_updated")
    def updated(self, row: Tariff) -> str:
        return minute(row.last_updated)

    def view_panels(self, obj: Tariff) -> list[Panel]:
        shape = operations.shape_of(obj)
        elements = [
            (
                gettext("element %(number)s") % {"number": place},
                element_sentence(element, shape.currency),
            )
            for place, element in enumerate(shape.elements, start=1)
        ]
        return [Panel(title=_("Elements"), facts=elements), *_versions(obj.pk)]

    def preview_view(self, request: HttpRequest) -> HttpResponse:
        """Show what the tariff in a form means; save nothing.

        A fragment for the page that is being edited, a page of its own for a browser without
        scripts. Status 422: the form is wrong, and the answer says where.
        """
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        obj = self._previewed(request)
        form = self._preview_form(request, obj)
        asked = PreviewForm(request.POST, now=clock.now())
        asked.is_valid()
        context: dict[str, Any] = {"sentences": [], "asked": asked, "own_page": True}
        # First the form as a whole: what the shape refuses is shown at its fields.
        if form.is_valid():
            context["preview"] = preview.preview(form.shape, asked.inputs())
        else:
            context["mistakes"] = list(mistakes_of(form))
        context["sentences"] = preview.sentences(form)
        status = 200 if "preview" in context else 422
        if request.headers.get("X-Preview") != "fragment":
            return self.page(
                request,
                "admin/tariffs/tariff/preview_page.html",
                title=gettext("What this tariff means"),
                obj=obj,
                status=status,
                **context,
            )
        html = render_to_string("admin/tariffs/tariff/preview.html", context, request)
        return HttpResponse(html, status=status)

    def _previewed(self, request: HttpRequest) -> Tariff | None:
        """Return the tariff that is edited, if it exists already.

        Raises:
            PermissionDenied: the person may not see it, or may make none.

        """
        object_id = request.GET.get("tariff", "")
        obj = self.get_object(request, object_id) if object_id else None
        allowed = self.has_view_or_change_permission(request, obj)
        if not (allowed or (obj is None and self.has_add_permission(request))):
            raise PermissionDenied
        return obj

    def _preview_form(self, request: HttpRequest, obj: Tariff | None) -> TariffForm:
        data = request.POST.copy()
        # Somebody else's change meanwhile is a matter of saving.
        data["seen"] = ""
        if not data.get("ocpi_id"):
            # A name is needed to save a tariff, not to look at it.
            data["ocpi_id"] = "NEW"
        # As for a new one: Django leaves out the fields that a person may only look at.
        form_class = self.get_form(request, obj, change=False)
        form: TariffForm = form_class(data, instance=obj)
        form.asks = False
        return form

    def form_context(self, request: HttpRequest, object_id: str | None) -> dict[str, Any]:
        context = super().form_context(request, object_id)
        url = reverse("admin:tariffs_tariff_preview")
        context["preview_form"] = PreviewForm(None, now=clock.now())
        context["zones"] = zones()
        context["preview_url"] = url
        if object_id and str(object_id).isdigit():
            total = visible(request, Tariff(pk=int(object_id)).connectors.all()).count()
            url_of_users = reverse("admin:locations_evse_changelist") + f"?tariff={object_id}"
            context["used_by"] = {"total": total, "url": url_of_users}
            context["preview_url"] = f"{url}?tariff={object_id}"
            context["panels_above"] = _versions(int(object_id))
            context["panels"] = [*check_panels(request, int(object_id)), *context.get("panels", [])]
        return context


register_rules("tariffs", Rules(check_warnings, anchor=CHECK))


def _versions(tariff_id: int) -> list[Panel]:
    """Return the tariff that was superseded, this one, and the one that takes over, if any."""
    row = Tariff.objects.select_related("supersedes").filter(pk=tariff_id).first()
    if row is None:
        return []
    chain = [row.supersedes, row, row.successor()]
    rows = [version for version in chain if version is not None]
    if len(rows) == 1:
        return []
    names = {-1: gettext("before"), 0: gettext("this one"), 1: gettext("next")}
    return [
        Panel(
            title=_("Versions"),
            note=_(
                "Prices of a tariff in use are not rewritten: a new version takes over at a moment."
            ),
            columns=("", _("tariff"), _("valid from (UTC)"), _("valid until (UTC)"), _("validity")),
            rows=[
                (
                    names[place - 1],
                    link(version, version.ocpi_id) if version.pk != row.pk else version.ocpi_id,
                    minute(version.start_date_time),
                    minute(version.end_date_time),
                    _validity_pill(version),
                )
                for place, version in enumerate(chain)
                if version is not None
            ],
        )
    ]


def _validity_pill(row: Tariff) -> object:
    if row.deleted_at:
        return pill(_("Deleted"), "grey")
    now = clock.now()
    if row.start_date_time and row.start_date_time > now:
        return pill(_("Later"), "blue")
    if row.end_date_time and row.end_date_time <= now:
        return pill(_("Ended"), "grey")
    return pill(_("Valid"), "green")


def _connectors_url(tariff: Tariff) -> str:
    return reverse("admin:locations_evse_changelist") + f"?tariff={tariff.pk}"


def _uses() -> Coalesce:
    """Return the number of connectors that name a tariff; asked for the rows that are shown."""
    uses: Any = Tariff.connectors.through.objects.filter(tariff_id=OuterRef("pk"))
    counted = uses.order_by().values("tariff_id").annotate(number=Count("pk")).values("number")
    return Coalesce(Subquery(counted), 0)
