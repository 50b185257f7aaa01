"""The forms of people: who somebody is, what the person may do, and with which rows."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib.auth.models import Group, User
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.forms import UserChangeForm, UserCreationForm  # type: ignore[import-untyped]
from unfold.widgets import (  # type: ignore[import-untyped]
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldBooleanSwitchWidget,
)

from cpo_platform.staff import operations
from cpo_platform.staff.admin import limits
from cpo_platform.staff.admin.display import about_id, group_choice, group_name, role_of
from cpo_platform.staff.models import StaffScope
from cpo_platform.staff.roles import OPERATOR_ADMIN
from locations.models import LocationGroup
from tariffs.models import Party


class _RolesWidget(UnfoldAdminCheckboxSelectMultipleWidget):  # type: ignore[misc]
    """Boxes to tick, each role with what it is for."""

    def create_option(self, name: str, value: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        option: dict[str, Any] = super().create_option(name, value, *args, **kwargs)
        role = role_of(value.instance)
        if role is not None:
            option["attrs"]["aria-describedby"] = about_id(role)
        return option


class _GroupField(forms.ModelMultipleChoiceField[Group]):
    def label_from_instance(self, obj: Group) -> str:
        return group_choice(obj)


class AccessForm(forms.ModelForm[User]):
    """The part of both forms that says what a person may do."""

    request: HttpRequest

    groups = _GroupField(
        label=_("Roles"),
        queryset=Group.objects.none(),
        required=False,
        widget=_RolesWidget,
        help_text=_("What the person may do: all that one of the roles may."),
    )
    everything = forms.BooleanField(
        label=_("Sees everything"),
        required=False,
        initial=True,
        widget=UnfoldBooleanSwitchWidget,
        help_text=_("Off: only what belongs to the parties and location groups below."),
    )
    parties = forms.ModelMultipleChoiceField(
        label=_("Parties"),
        queryset=Party.objects.none(),
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
    )
    location_groups = forms.ModelMultipleChoiceField(
        label=_("Location groups"),
        queryset=LocationGroup.objects.none(),
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text=_("Chosen: only the locations in them, of the parties above if there are any."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._offer("groups", Group.objects.select_related("role").order_by("role__pk", "name"))
        self._offer("parties", limits.parties_offered(self.request))
        self._offer("location_groups", limits.groups_offered(self.request))
        row: StaffScope | None = getattr(self.instance, "staff_scope", None)
        if row is not None:
            self.initial["everything"] = row.everything
            self.initial["parties"] = list(row.parties.all())
            self.initial["location_groups"] = list(row.location_groups.all())

    def _offer(self, name: str, rows: QuerySet[Any]) -> None:
        field = self.fields.get(name)
        if isinstance(field, forms.ModelMultipleChoiceField):
            field.queryset = rows

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        if "groups" in self.fields:
            self._check_roles(data.get("groups") or ())
        self._check_scope(data)
        if not self.errors and self._locks_out(data):
            self.add_error(
                None,
                gettext(
                    "Nobody else can manage staff: somebody has to stay who is active, is an "
                    "operator admin and sees everything."
                ),
            )
        return data

    def _check_roles(self, groups: Iterable[Group]) -> None:
        has = set(self.instance.groups.all()) if self.instance.pk else set()
        for group in groups:
            if group not in has and limits.exceeds(self.request.user, group):
                text = gettext("%(role)s may do more than you may: you cannot give it.")
                self.add_error("groups", text % {"role": group_name(group)})

    def _check_scope(self, data: dict[str, Any]) -> None:
        within = limits.is_within(
            self.request,
            everything=bool(data.get("everything")),
            has_parties=bool(data.get("parties")),
            has_groups=bool(data.get("location_groups")),
        )
        if not within:
            self.add_error(
                "everything",
                gettext("You cannot let somebody see more than you see yourself."),
            )

    def _locks_out(self, data: dict[str, Any]) -> bool:
        """Tell whether the last person who manages staff would not any more."""
        if not self.instance.pk or "groups" not in self.fields:
            return False
        admins = operations.operator_admins()
        if not admins.filter(pk=self.instance.pk).exists():
            return False
        keys = {getattr(getattr(group, "role", None), "key", "") for group in data["groups"]}
        stays = bool(data.get("is_superuser", self.instance.is_superuser))
        is_admin = stays or OPERATOR_ADMIN in keys
        is_there = data.get("is_active", True) and data.get("is_staff", True)
        if is_admin and is_there and data.get("everything"):
            return False
        return not admins.exclude(pk=self.instance.pk).exists()

    def save_access(self, user: User) -> None:
        """Write down the scope; the roles are written with the person."""
        data = self.cleaned_data
        operations.set_scope(
            user_id=user.pk,
            everything=data["everything"],
            party_ids=[party.pk for party in data["parties"]],
            group_ids=[group.pk for group in data["location_groups"]],
        )


class PersonForm(AccessForm, UserChangeForm):  # type: ignore[misc]
    """A person that exists."""


class NewPersonForm(AccessForm, UserCreationForm):  # type: ignore[misc]
    """A person who is to sign in for the first time."""
