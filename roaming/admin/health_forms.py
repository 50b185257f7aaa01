"""The forms that say what is sent to a partner again."""

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (  # type: ignore[import-untyped]
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from cpo_platform.common import clock
from roaming.admin.display import MODULE_NAMES
from roaming.models import Partner
from roaming.operations import resending
from roaming.operations.walks import PUSHED_MODULES

TYPED = "%Y-%m-%dT%H:%M"


def _modules() -> list[tuple[str, Any]]:
    return [(module, MODULE_NAMES[module]) for module in PUSHED_MODULES]


class ObjectForm(forms.Form):
    """One object, by its id."""

    module = forms.ChoiceField(label=_("Module"), widget=UnfoldAdminSelectWidget)
    name = forms.CharField(
        label=_("Its OCPI id"),
        max_length=80,
        widget=UnfoldAdminTextInputWidget(attrs={"spellcheck": "false"}),
        help_text=_("Such as LOC1, or NL*ABC/LOC1 where several parties of yours have it."),
    )

    def __init__(self, *args: Any, partner: Partner, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._partner = partner
        module = self.fields["module"]
        assert isinstance(module, forms.ChoiceField)  # noqa: S101  declared above
        module.choices = _modules()

    def clean(self) -> dict[str, Any]:
        """Find the object; refuse what the partner may not see."""
        data = super().clean() or self.cleaned_data
        if {"module", "name"} <= set(data):
            try:
                data["pk"] = resending.find_visible(
                    partner=self._partner,
                    module=data["module"],
                    name=data["name"].strip(),
                    now=clock.now(),
                )
            except resending.UnknownObject:
                self.add_error(
                    "name", gettext("There is none of this id that the partner may see.")
                )
            except resending.SeveralObjects:
                self.add_error(
                    "name", gettext("Several parties have it: write the party before it.")
                )
        return data


def _moment_field(label: Any, help_text: Any = "") -> forms.DateTimeField:
    widget = UnfoldAdminTextInputWidget(attrs={"type": "datetime-local"})
    return forms.DateTimeField(label=label, help_text=help_text, widget=widget)


class WindowForm(forms.Form):
    """What changed between two moments."""

    begin = _moment_field(_("From (UTC)"), _("What last changed then or later."))
    end = _moment_field(_("Until (UTC)"))
    modules = forms.MultipleChoiceField(
        label=_("Modules"), widget=UnfoldAdminCheckboxSelectMultipleWidget
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        modules = self.fields["modules"]
        assert isinstance(modules, forms.MultipleChoiceField)  # noqa: S101  declared above
        modules.choices = _modules()
        now = clock.now()
        self.initial.setdefault("begin", f"{now - timedelta(days=1):{TYPED}}")
        self.initial.setdefault("end", f"{now + timedelta(minutes=1):{TYPED}}")
        self.initial.setdefault("modules", list(PUSHED_MODULES))

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        begin, end = data.get("begin"), data.get("end")
        if begin and end and end <= begin:
            self.add_error("end", gettext("The end is not after the beginning."))
        return data

    @property
    def window(self) -> dict[str, Any]:
        """Return the window as `walks.send_window_again` takes it."""
        return {name: self.cleaned_data[name] for name in ("modules", "begin", "end")}

    @property
    def values(self) -> list[tuple[str, str]]:
        """Return what a page that asks once more sends back."""
        data = self.cleaned_data
        moments = [(name, _typed(data[name])) for name in ("begin", "end")]
        return [*moments, *(("modules", module) for module in data["modules"])]


def _typed(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}"
