"""The forms that connect a partner, and that say what it sees and how we speak to it."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Q
from django.utils.text import capfirst
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (  # type: ignore[import-untyped]
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from cpo_platform.common.formfields import text_field, url_field
from cpo_platform.common.models import country_code_rule, party_id_rule
from cpo_platform.common.shapes import parse
from locations.models import LocationGroup
from roaming.dialect import OMITTABLE, PUSHED, Dialect
from roaming.models import Partner, Role
from roaming.ocpi.versions import VERSIONS
from roaming.operations.access import Access
from tariffs.models import Party, Tariff


class _PartnerForm(forms.Form):
    """A form with labels that begin with a capital letter."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for form_field in self.fields.values():
            form_field.label = capfirst(form_field.label)


def _auto_grant_field() -> forms.BooleanField:
    return forms.BooleanField(
        label=_("its parties are granted as it names them"),
        required=False,
        widget=UnfoldBooleanWidget,
        help_text=_("For hubs that you trust. Never for a party that another partner speaks for."),
    )


def _our_party_field(*, help_text: Any) -> "forms.ModelChoiceField[Party]":
    """Return the choice of one of our parties; a form sets the queryset when it is made."""
    return forms.ModelChoiceField(
        label=_("our party"),
        queryset=Party.objects.none(),
        required=False,
        empty_label=_("the first"),
        widget=UnfoldAdminSelectWidget,
        help_text=help_text,
    )


class InviteForm(_PartnerForm):
    """A partner that will register with us."""

    name = text_field(
        label=_("name"), max_length=100, required=True, help_text=_("What you call this partner.")
    )
    role = forms.ChoiceField(
        label=_("role"),
        choices=[choice for choice in Role.choices if choice[0] != Role.CPO],
        initial=Role.EMSP,
        widget=UnfoldAdminSelectWidget,
    )
    country_code = forms.CharField(
        label=_("country code"),
        max_length=2,
        validators=[country_code_rule],
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "NL"}),
    )
    party_id = forms.CharField(
        label=_("party id"),
        max_length=3,
        validators=[party_id_rule],
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "ABC"}),
        help_text=_("Ask the partner for it: three letters or digits."),
    )
    auto_grant = _auto_grant_field()
    our_party = _our_party_field(
        help_text=_("OCPI 2.1.1 only: a connection is with one party of ours."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        ours = self.fields["our_party"]
        assert isinstance(ours, forms.ModelChoiceField)  # noqa: S101  declared above
        ours.queryset = Party.objects.order_by("pk")

    def clean_country_code(self) -> str:
        return str(self.cleaned_data["country_code"]).upper()

    def clean_party_id(self) -> str:
        return str(self.cleaned_data["party_id"]).upper()


class RegisterForm(_PartnerForm):
    """A partner that we register with."""

    name = text_field(
        label=_("name"), max_length=100, required=True, help_text=_("What you call this partner.")
    )
    versions_url = url_field(
        label=_("its versions URL"),
        required=True,
        help_text=_("The partner gave it to you: https://…/ocpi/versions"),
    )
    token_a = forms.CharField(
        label=_("its token A"),
        max_length=64,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off", "spellcheck": "false"}),
        help_text=_("The registration token that the partner gave you (CREDENTIALS_TOKEN_A)."),
    )


class ExchangeForm(_PartnerForm):
    """An exchange of tokens with a registered partner."""

    version = forms.ChoiceField(
        label=_("OCPI version"),
        required=False,
        widget=UnfoldAdminSelectWidget,
        help_text=_("Whether the partner offers another is seen when we ask it."),
    )

    def __init__(self, *args: Any, partner: Partner, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        version = self.fields["version"]
        assert isinstance(version, forms.ChoiceField)  # noqa: S101  declared above
        present = gettext("Keep the present one (%(version)s)") % {"version": partner.version}
        others = [(number, number) for number in VERSIONS if number != partner.version]
        version.choices = [("", present), *others]


def _omittable_choices() -> list[tuple[str, list[tuple[str, str]]]]:
    """Return the fields that may be left out, by module."""
    modules: dict[str, list[tuple[str, str]]] = {}
    for path in sorted(OMITTABLE):
        module, _dot, name = path.partition(".")
        modules.setdefault(module, []).append((path, name))
    return list(modules.items())


class AccessForm(_PartnerForm):
    """What a partner may see, and how we speak to it."""

    all_locations = forms.BooleanField(
        label=_("sees every location"),
        required=False,
        widget=UnfoldBooleanWidget,
        help_text=_("Off: the locations of the chosen groups only."),
    )
    location_groups = forms.ModelMultipleChoiceField(
        label=_("location groups"),
        queryset=LocationGroup.objects.none(),
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text=_("Only where the partner does not see every location."),
    )
    tariffs = forms.ModelMultipleChoiceField(
        label=_("own tariffs"),
        queryset=Tariff.objects.none(),
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text=_("Tariffs that are not for every partner: choose those that this one gets."),
    )
    our_party = _our_party_field(
        help_text=_(
            "OCPI 2.1.1 only: a connection is with one party of ours, and the partner sees what "
            "belongs to that one."
        ),
    )
    auto_grant = _auto_grant_field()
    hub_party_id = forms.CharField(
        label=_("hub"),
        required=False,
        disabled=True,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("The party that stands for those behind a hub; the partner says so itself."),
    )
    evse_status = forms.ChoiceField(
        label=_("the status of an EVSE is sent"),
        choices=[("PATCH", _("alone (PATCH)")), ("PUT", _("with the whole EVSE (PUT)"))],
        widget=UnfoldAdminSelectWidget,
        help_text=_("OCPI advises PATCH; some platforms take whole EVSEs only."),
    )
    sessions = forms.ChoiceField(
        label=_("a running session is sent"),
        choices=[("PATCH", _("as what changed (PATCH)")), ("PUT", _("as a whole (PUT)"))],
        widget=UnfoldAdminSelectWidget,
    )
    push_off = forms.MultipleChoiceField(
        label=_("what is not sent"),
        choices=[(module, module) for module in PUSHED],
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text=_("The partner pulls these itself. When you take a mark away, it is sent all."),
    )
    omit = forms.MultipleChoiceField(
        label=_("fields that are left out"),
        choices=_omittable_choices,
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text=_(
            "In what is sent and in what it pulls. A field that its OCPI version requires stays."
        ),
    )
    page_size = forms.IntegerField(
        label=_("objects a page, at most"),
        required=False,
        min_value=1,
        max_value=1000,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text=_("When the partner pulls. Empty: the platform's own maximum."),
    )
    requests_per_minute = forms.IntegerField(
        label=_("requests a minute, at most"),
        required=False,
        min_value=1,
        max_value=100_000,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text=_("What we send to the partner. Empty: as fast as it answers."),
    )
    routing_headers = forms.BooleanField(
        label=_("routing headers"),
        required=False,
        widget=UnfoldBooleanWidget,
        help_text=_("OCPI-to-… and OCPI-from-…: needed by hubs, unknown to some platforms."),
    )
    ascii_only = forms.BooleanField(
        label=_("texts in ASCII only"),
        required=False,
        widget=UnfoldBooleanWidget,
        help_text=_("é becomes e. OCPI 2.1.1 says so formally; hardly anybody insists on it."),
    )

    nothing_yet = {
        "location_groups": _("There are none yet: make them under “Location groups”."),
        "tariffs": _("There are none yet: every tariff is for every partner."),
        "our_party": _("There are none yet."),
    }

    def __init__(self, *args: Any, partner: Partner, **kwargs: Any) -> None:
        chosen = Access.of(partner)
        initial = {
            "all_locations": chosen.all_locations,
            "location_groups": sorted(chosen.group_ids),
            "tariffs": sorted(chosen.tariff_ids),
            "our_party": chosen.our_party_id,
            "auto_grant": chosen.auto_grant,
            "hub_party_id": partner.hub_party_id,
            **chosen.dialect.model_dump(),
        }
        super().__init__(*args, initial=initial, **kwargs)
        self._choices(LocationGroup.objects.order_by("name"), "location_groups")
        given = Tariff.objects.in_use().filter(Q(public=False) | Q(pk__in=chosen.tariff_ids))
        self._choices(given.order_by("country_code", "party_id", "ocpi_id"), "tariffs")
        self._choices(Party.objects.order_by("pk"), "our_party")

    def _choices(self, rows: Any, name: str) -> None:
        form_field = self.fields[name]
        assert isinstance(form_field, forms.ModelChoiceField)  # noqa: S101  declared above
        form_field.queryset = rows
        if not rows.exists():
            form_field.help_text = self.nothing_yet[name]

    @property
    def sections(self) -> list[tuple[object, list[forms.BoundField]]]:
        """Return the fields as the page groups them."""
        return [
            (
                _("What it sees"),
                self._bound("all_locations", "location_groups", "tariffs", "our_party"),
            ),
            (
                _("How we speak to it"),
                self._bound(
                    *("evse_status", "sessions", "push_off", "page_size"),
                    *("requests_per_minute", "routing_headers", "ascii_only"),
                ),
            ),
            (_("Hubs"), self._bound("hub_party_id", "auto_grant")),
            (_("What is left out"), self._bound("omit")),
        ]

    def _bound(self, *names: str) -> list[forms.BoundField]:
        return [self[name] for name in names]

    @property
    def access(self) -> Access:
        """Return what the form says; it must be valid."""
        data = self.cleaned_data
        party = data["our_party"]
        return Access(
            all_locations=data["all_locations"],
            group_ids=frozenset(group.pk for group in data["location_groups"]),
            tariff_ids=frozenset(tariff.pk for tariff in data["tariffs"]),
            our_party_id=party.pk if party else None,
            auto_grant=data["auto_grant"],
            dialect=parse(Dialect, {name: data[name] for name in Dialect.model_fields}),
        )


def show_refusal(form: forms.Form, error: Exception) -> None:
    """Show at the form why an operation refused it."""
    if isinstance(error, ValidationError):
        by_field = error.message_dict if hasattr(error, "error_dict") else {"": error.messages}
        for name, texts in by_field.items():
            for text in texts:
                form.add_error(name if name in form.fields else None, text)
    elif str(error).startswith("name:"):
        form.add_error("name", gettext("A partner of this name is registered already."))
    else:
        form.add_error(None, gettext("Another partner speaks for this party already."))
