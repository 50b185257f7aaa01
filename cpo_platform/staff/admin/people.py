"""The pages of people who may sign in."""

from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import User
from django.db.models import Prefetch
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.forms import AdminPasswordChangeForm  # type: ignore[import-untyped]

from cpo_platform.common.admin import NONE, Admin, Way, minute, pill
from cpo_platform.signing_in.admin import Signing
from cpo_platform.staff.admin import limits
from cpo_platform.staff.admin.display import group_name, scope_text
from cpo_platform.staff.admin.forms import NewPersonForm, PersonForm
from cpo_platform.staff.models import StaffScope

admin.site.unregister(User)

_ACCESS: Any = (
    (_("What the person may do"), {"fields": ("groups",)}),
    (
        _("What the person sees"),
        {"fields": ("everything", "parties", "location_groups")},
    ),
)


@admin.register(User)
class StaffAdmin(Signing, UserAdmin, Admin):  # type: ignore[type-arg]
    """People who may sign in: their roles, and which rows they see."""

    scope = Way(where=limits.people_of)
    form = PersonForm
    add_form = NewPersonForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "whole_name", "roles", "sees", "signed_in", "active")
    list_display_links = ("username",)
    list_filter = ("is_active", "groups")
    search_fields = ("username", "first_name", "last_name", "email")
    search_help_text = _("Search by user name, name or email")
    ordering = ("username",)
    filter_horizontal = ()
    fieldsets: ClassVar[Any] = (
        (
            None,
            {
                "fields": (
                    "username",
                    ("first_name", "last_name"),
                    "email",
                    "password",
                    ("is_active", "is_superuser"),
                )
            },
        ),
        *_ACCESS,
    )
    add_fieldsets: Any = (
        (
            None,
            {
                "fields": (
                    "username",
                    ("first_name", "last_name"),
                    "email",
                    "usable_password",
                    ("password1", "password2"),
                )
            },
        ),
        *_ACCESS,
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        rows = super().get_queryset(request)
        scopes = StaffScope.objects.prefetch_related("parties", "location_groups")
        return rows.prefetch_related("groups__role", Prefetch("staff_scope", queryset=scopes))

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        found: Any = super().get_fieldsets(request, obj)
        if request.user.is_superuser:
            return found
        # Only who may do anything at all can say so of others.
        (title, first), *others = found
        kept = tuple("is_active" if "is_superuser" in name else name for name in first["fields"])
        return [(title, {**first, "fields": kept}), *others]

    def get_form(
        self,
        request: HttpRequest,
        obj: Any = None,
        change: bool = False,  # noqa: FBT001, FBT002  Django's signature
        **kwargs: Any,
    ) -> Any:
        form = super().get_form(request, obj, change=change, **kwargs)
        return type(form.__name__, (form,), {"request": request})

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        allowed = super().has_change_permission(request, obj)
        return allowed and (obj is None or limits.may_act_on(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # What a person did stays written down under his name: accounts are made inactive.
        return False

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:  # noqa: FBT001
        if not change:
            # Everybody who is made here works here.
            obj.is_staff = True
        super().save_model(request, obj, form, change)
        if hasattr(form, "save_access"):
            form.save_access(obj)

    @admin.display(description=_("name"), ordering="last_name")
    def whole_name(self, row: User) -> str:
        return row.get_full_name() or NONE

    @admin.display(description=_("roles"))
    def roles(self, row: User) -> str:
        names = [str(_("superuser"))] if row.is_superuser else []
        return ", ".join([*names, *(group_name(group) for group in row.groups.all())]) or NONE

    @admin.display(description=_("sees"))
    def sees(self, row: User) -> str:
        return scope_text(row)

    @admin.display(description=_("last signed in (UTC)"), ordering="last_login")
    def signed_in(self, row: User) -> object:
        return minute(row.last_login)

    @admin.display(description=_("active"), ordering="is_active")
    def active(self, row: User) -> object:
        return pill(_("Active"), "green") if row.is_active else pill(_("Not active"), "grey")
