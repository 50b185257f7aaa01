"""The pages of parties, and the choice of a party wherever something belongs to one."""

from datetime import datetime
from functools import partial
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminSelectWidget  # type: ignore[import-untyped]

from cpo_platform.common.admin import OperationAdmin, OperationForm, Way, link_to, visible
from cpo_platform.common.formfields import images_field
from cpo_platform.common.shapes import BusinessDetails, Problem, ShapeError, parse
from tariffs import operations
from tariffs.models import Party


class PartyForm(OperationForm):
    """A party and its business details."""

    logo_line = images_field(
        label=_("logo"),
        help_text=_("Category and address of the image: “OPERATOR https://…/logo.png 400x400”."),
    )

    places = {"logo": "logo_line"}
    fixed = ("country_code", "party_id")

    class Meta:
        model = Party
        fields = ("country_code", "party_id", "name", "website")

    def values_of(self, row: Party) -> dict[str, Any]:
        return {"logo_line": [row.logo] if row.logo else []}

    def clean_country_code(self) -> str:
        return str(self.cleaned_data["country_code"]).upper()

    def clean_party_id(self) -> str:
        return str(self.cleaned_data["party_id"]).upper()

    def build(self) -> BusinessDetails:
        data = self.cleaned_data
        logos = data["logo_line"]
        if len(logos) > 1:
            raise ShapeError([Problem("logo", gettext("a party has one logo."))])
        if self.instance.pk is None and self._exists():
            raise ShapeError([Problem("party_id", gettext("This party exists already."))])
        return parse(
            BusinessDetails,
            {
                "name": data["name"],
                "website": data["website"] or None,
                "logo": logos[0] if logos else None,
            },
        )

    def _exists(self) -> bool:
        data = self.cleaned_data
        return Party.objects.filter(
            country_code=data["country_code"], party_id=data["party_id"]
        ).exists()


@admin.register(Party)
class PartyAdmin(OperationAdmin):
    """Our CPO parties: every location, tariff, session and CDR belongs to one."""

    form = PartyForm
    scope = Way(party="")
    list_display = ("party", "name", "website", "tariff_count")
    list_display_links = ("party", "name")
    search_fields = ("country_code", "party_id", "name")
    search_help_text = _("Search by country, party id or name")
    ordering = ("country_code", "party_id")
    empty_text = _(
        "A party is who you are to other platforms, such as DE*ABC. Create it first: locations and "
        "tariffs belong to one."
    )
    fieldsets = (
        (
            None,
            {
                "fields": (("country_code", "party_id"), "name", "website", "logo_line"),
                "description": _(
                    "Country code and party id are assigned to you by the id office of your "
                    "country. They cannot be changed later."
                ),
            },
        ),
    )

    def put(self, form: PartyForm, now: datetime) -> Party:
        party, _outcome = operations.put_party(
            country_code=form.cleaned_data["country_code"],
            party_id=form.cleaned_data["party_id"],
            business_details=form.shape,
        )
        return party

    @admin.display(description=_("party"), ordering="country_code")
    def party(self, row: Party) -> str:
        return f"{row.country_code}*{row.party_id}"

    @admin.display(description=_("tariffs"))
    def tariff_count(self, row: Party) -> str:
        url = reverse("admin:tariffs_tariff_changelist")
        party = f"{row.country_code}*{row.party_id}"
        return link_to(f"{url}?party={party}", _("show"))


class PartyFilter(admin.SimpleListFilter):
    """Rows of one of our parties; offered when there are several."""

    title = _("party")
    parameter_name = "party"
    path = ""

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return party_choices(request)

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        country_code, _star, party_id = (self.value() or "").partition("*")
        if not party_id:
            return queryset
        return queryset.filter(
            **{f"{self.path}country_code": country_code, f"{self.path}party_id": party_id}
        )


def party_choices(request: HttpRequest | None) -> list[tuple[str, str]]:
    """Return our parties that a person may see as choices: `DE*ABC` and the name.

    Without a request nobody chooses, and there are none.
    """
    if request is None:
        return []
    rows = (
        visible(request, Party.objects.all())
        .order_by("country_code", "party_id")
        .values_list("country_code", "party_id", "name")[:200]
    )
    return [(f"{code}*{party}", f"{code}*{party} {name}") for code, party, name in rows]


class PartyField(forms.ChoiceField):
    """A choice of our parties; fixed once the object exists, since it is part of its identity."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            label=_("party"),
            widget=UnfoldAdminSelectWidget,
            help_text=_("Who owns it. This cannot be changed later."),
            **kwargs,
        )

    def narrow(self, request: HttpRequest) -> None:
        """Offer the parties that this person may see."""
        self.choices = partial(party_choices, request)


def needs_party(request: HttpRequest) -> HttpResponse | None:
    """Return the way to the page that adds a party, if there is none yet."""
    if visible(request, Party.objects.all()).exists():
        return None
    messages.info(request, gettext("Create a party first: everything belongs to one."))
    return HttpResponseRedirect(reverse("admin:tariffs_party_add"))
