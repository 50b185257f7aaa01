"""The forms that connect a partner."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.text import capfirst
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (  # type: ignore[import-untyped]
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from cpo_platform.common.formfields import text_field, url_field
from cpo_platform.common.models import country_code_rule, party_id_rule
from roaming.models import Role


class _PartnerForm(forms.Form):
    """A form with labels that begin with a capital letter."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for form_field in self.fields.values():
            form_field.label = capfirst(form_field.label)


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
