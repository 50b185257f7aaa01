"""The pages of rules: what is looked for, and what that would find now."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget  # type: ignore[import-untyped]

from cpo_platform.alerting import texts, wrongs
from cpo_platform.alerting.admin.display import severity_pill
from cpo_platform.alerting.kinds import ABOUT, OF_NO_PLACE
from cpo_platform.alerting.models import Kind, Rule
from cpo_platform.alerting.operations import rules
from cpo_platform.alerting.wrongs import MOST, Wanted
from cpo_platform.common import clock
from cpo_platform.common.admin import (
    OperationAdmin,
    OperationForm,
    Way,
    pill,
    visible,
)
from locations.models import LocationGroup
from tariffs.models import Party

PREVIEWED = 10


class Chosen(forms.ModelMultipleChoiceField[Any]):
    """Rows to be ticked, of those that this person may see."""

    def __init__(self, queryset: "QuerySet[Any]", **kwargs: Any) -> None:
        kwargs |= {"required": False, "widget": UnfoldAdminCheckboxSelectMultipleWidget}
        super().__init__(queryset, **kwargs)
        self._all = queryset

    def narrow(self, request: HttpRequest) -> None:
        """Offer what this person may see."""
        self.queryset = visible(request, self._all)


def _ticks(kind: Kind, label: Any) -> forms.MultipleChoiceField:
    return forms.MultipleChoiceField(
        label=label,
        required=False,
        choices=list(ABOUT[kind].choices.items()),
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
    )


_CHOICES = {
    Kind.EVSE_STATUS: "statuses",
    Kind.STATION_ALERT: "station_alerts",
    Kind.PLATFORM: "components",
}


class RuleForm(OperationForm):
    """A rule in plain words; what a kind has no use for is not shown, and not kept."""

    statuses = _ticks(Kind.EVSE_STATUS, _("Statuses"))
    station_alerts = _ticks(Kind.STATION_ALERT, _("Alerts of stations"))
    components = _ticks(Kind.PLATFORM, _("Parts of the platform"))
    parties = Chosen(
        Party.objects.order_by("country_code", "party_id"),
        label=_("Only of these parties"),
        help_text=_("None: of all."),
    )
    location_groups = Chosen(
        LocationGroup.objects.order_by("name"),
        label=_("Only in these location groups"),
        help_text=_("None: everywhere."),
    )
    volatile = frozenset({"looked_at"})
    fixed = ("kind",)
    refusals = {rules.HasNoPlace: ("parties", _("This kind looks at all of the platform."))}

    class Meta:
        model = Rule
        fields = (
            *("kind", "name", "severity", "is_on", "statuses", "station_alerts", "components"),
            *("limit", "upper", "currency", "delay_minutes", "clear_minutes"),
            *("parties", "location_groups"),
        )

    def values_of(self, row: Rule) -> dict[str, Any]:
        found: dict[str, Any] = {
            "parties": list(row.parties.all()),
            "location_groups": list(row.location_groups.all()),
        }
        if row.kind in _CHOICES:
            found[_CHOICES[Kind(row.kind)]] = row.choices
        return found

    def content_of(self, row: Rule) -> str:
        related = (row.parties, row.location_groups)
        return super().content_of(row) + repr(
            [sorted(rows.values_list("pk", flat=True)) for rows in related]
        )

    def clean(self) -> Any:
        data = super().clean()
        kind = (data or {}).get("kind")
        if isinstance(kind, str) and kind in ABOUT:
            self._check(kind, data)
        return data

    def _check(self, kind: str, data: dict[str, Any]) -> None:
        about = ABOUT[kind]
        if about.limit and about.needs_limit and data.get("limit") is None:
            self.add_error("limit", gettext("Say how much is too much."))
        if kind == Kind.REVENUE and data.get("limit") is None and data.get("upper") is None:
            self.add_error("limit", gettext("Give one of the two, or both."))
        if about.choices and not data.get(_CHOICES[Kind(kind)]):
            self.add_error(_CHOICES[Kind(kind)], gettext("Choose at least one."))
        if about.has_currency and not data.get("currency"):
            self.add_error("currency", gettext("Name the currency, such as EUR."))

    def build(self) -> Rule:
        data, rule = self.cleaned_data, self.instance
        about = ABOUT[data["kind"]]
        for name in ("kind", "name", "severity", "is_on", "delay_minutes", "clear_minutes"):
            setattr(rule, name, data[name])
        rule.limit = data.get("limit") if about.limit else None
        rule.upper = data.get("upper") if about.upper else None
        rule.currency = (data.get("currency") or "").upper() if about.has_currency else ""
        rule.choices = data.get(_CHOICES.get(Kind(data["kind"]), ""), []) if about.choices else []
        built: Rule = rule
        return built

    def wanted(self) -> Wanted:
        """Return what the form would look for."""
        data, rule = self.cleaned_data, self.shape
        return Wanted(
            rule.kind,
            rule.choices,
            rule.limit,
            rule.upper,
            rule.currency,
            [(party.country_code, party.party_id) for party in data["parties"]],
            [group.pk for group in data["location_groups"]],
        )


def _shown_for(kinds: Iterable[str]) -> str:
    """Return the condition, in the browser, that a field is of use for the chosen kind."""
    return " || ".join(f"kind == '{Kind(kind).value}'" for kind in kinds)


@admin.register(Rule)
class RuleAdmin(OperationAdmin):
    """What is looked for."""

    form = RuleForm
    scope = Way(hidden="rules look at the whole network, and at the platform")
    change_form_template = "admin/alerting/rule/change_form.html"
    list_display = ("title", "what", "how_bad", "wait", "state", "wrong_now")
    list_display_links = ("title",)
    list_filter = ("severity", "is_on")
    ordering = ("-is_on", "-severity", "id")
    search_fields = ("name",)
    search_help_text = _("Search by name")
    fieldsets = (
        (None, {"fields": ("kind", "name", "severity", "is_on")}),
        (
            _("When"),
            {
                "fields": (
                    *("statuses", "station_alerts", "components", "limit", "upper", "currency"),
                    *("delay_minutes", "clear_minutes"),
                )
            },
        ),
        (_("Where"), {"fields": ("parties", "location_groups")}),
    )
    conditional_fields = {
        **{name: _shown_for([kind]) for kind, name in _CHOICES.items()},
        "limit": _shown_for(kind for kind, about in ABOUT.items() if about.limit),
        "upper": _shown_for(kind for kind, about in ABOUT.items() if about.upper),
        "currency": _shown_for(kind for kind, about in ABOUT.items() if about.has_currency),
        "parties": _shown_for(kind for kind in ABOUT if kind not in OF_NO_PLACE),
        "location_groups": _shown_for(
            kind for kind in ABOUT if kind not in OF_NO_PLACE and kind != Kind.REVENUE
        ),
    }

    def get_queryset(self, request: HttpRequest) -> Any:
        wrong = Count("alerts", filter=Q(alerts__closed_at=None, alerts__opened_at__isnull=False))
        return super().get_queryset(request).annotate(wrong=wrong)

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self._preview)
        return [path("preview/", view, name="alerting_rule_preview"), *super().get_urls()]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("alerting.delete_rule")

    def form_context(self, request: HttpRequest, object_id: str | None) -> dict[str, Any]:
        return {
            "abouts": [(kind.value, ABOUT[kind]) for kind in Kind],
            "preview_url": reverse("admin:alerting_rule_preview"),
            "rule_id": object_id or "",
        }

    def _preview(self, request: HttpRequest) -> HttpResponse:
        """Answer what the rule in the form would find now; nothing is saved."""
        known = request.GET.get("rule", "")
        rule = self.get_object(request, known) if known.isascii() and known.isdigit() else None
        allowed = (
            self.has_add_permission(request)
            if rule is None
            else self.has_change_permission(request, rule)
        )
        if not allowed:
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponse(status=405)
        form = self.get_form(request, rule, change=rule is not None)(request.POST, instance=rule)
        if not form.is_valid():
            return TemplateResponse(request, "admin/alerting/rule/preview.html", {"wrong": True})
        found = wrongs.look(form.wanted(), clock.now())
        return TemplateResponse(
            request, "admin/alerting/rule/preview.html", _preview_of(form.shape.kind, found)
        )

    def put(self, form: RuleForm, now: datetime) -> Rule:
        data = form.cleaned_data
        placeless = form.shape.kind in OF_NO_PLACE
        return rules.put_rule(
            rule=form.shape,
            party_ids=[] if placeless else [party.pk for party in data["parties"]],
            group_ids=[] if placeless else [group.pk for group in data["location_groups"]],
        )

    def delete_model(self, request: HttpRequest, obj: Rule) -> None:
        rules.delete_rule(rule_id=obj.pk)

    @admin.display(description=_("name"), ordering="name")
    def title(self, row: Rule) -> str:
        return str(row)

    @admin.display(description=_("what"))
    def what(self, row: Rule) -> str:
        about = ABOUT[row.kind]
        names = [str(about.choices.get(one, one)) for one in row.choices]
        numbers = [
            f"{value.normalize():f} {row.currency or unit}"
            for value, unit in ((row.limit, about.limit), (row.upper, about.upper))
            if value is not None
        ]
        return ", ".join([*names[:4], *(["…"] if len(names) > 4 else []), *numbers]) or str(
            about.text
        )

    @admin.display(description=_("severity"), ordering="severity")
    def how_bad(self, row: Rule) -> str:
        return severity_pill(row.severity)

    @admin.display(description=_("opens after"))
    def wait(self, row: Rule) -> str:
        return gettext("%(n)s min") % {"n": row.delay_minutes}

    @admin.display(description=_("state"), ordering="is_on")
    def state(self, row: Rule) -> str:
        return pill(_("On"), "green") if row.is_on else pill(_("Off"), "grey")

    @admin.display(description=_("wrong now"))
    def wrong_now(self, row: Any) -> int:
        return int(row.wrong)


def _preview_of(kind: str, found: list[wrongs.Wrong]) -> dict[str, Any]:
    count = len(found)
    title = ngettext(
        "Would open for %(count)s thing now", "Would open for %(count)s things now", count
    )
    if not count:
        heading = gettext("Would open for nothing now: all is well.")
    elif count >= MOST:
        heading = gettext("Would open for %(count)s things now, or more") % {"count": MOST}
    else:
        heading = title % {"count": count}
    return {
        "heading": heading,
        "sentences": [texts.sentence(kind, one.params) for one in found[:PREVIEWED]],
        "more": count - PREVIEWED if count > PREVIEWED else 0,
    }
