"""The pages of groups: the roles, which nobody edits, and groups that staff made."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin
from django.contrib.auth.models import Group, Permission
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from cpo_platform.common.admin import NONE, Admin, Panel, Way, pill, register_scope
from cpo_platform.staff.admin import limits
from cpo_platform.staff.admin.display import group_name, role_of
from cpo_platform.staff.roles import AREA_NAMES, Level, Role

admin.site.unregister(Group)
register_scope(Permission, unscoped="what may be done is the same for all rows")

LEVELS = {
    Level.NONE: (_("nothing"), "grey"),
    Level.SEE: (_("see"), "blue"),
    Level.WORK: (_("see, add and change"), "green"),
    Level.ALL: (_("see, add, change and delete"), "green"),
}


class GroupForm(forms.ModelForm[Group]):
    """A group that staff makes: it may do no more than whoever makes it."""

    request: HttpRequest

    class Meta:
        model = Group
        fields = ("name", "permissions")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offered: Any = self.fields.get("permissions")
        if offered is not None:
            # What the beat reads is made of the schedules: there are no pages to be let into.
            offered.queryset = offered.queryset.exclude(
                content_type__app_label="django_celery_beat"
            )

    def clean_permissions(self) -> Any:
        chosen = self.cleaned_data["permissions"]
        user = self.request.user
        if not user.is_superuser and not limits.names_of(chosen) <= user.get_all_permissions():
            raise forms.ValidationError(gettext("A group cannot do more than you may do yourself."))
        return chosen


@admin.register(Group)
class StaffGroupAdmin(GroupAdmin, Admin):
    """What groups of people may do."""

    scope = Way(unscoped="a group says what may be done, not with which rows")
    form = GroupForm
    list_display = ("title", "kind", "people")
    list_display_links = ("title",)
    search_fields = ("name",)
    ordering = ("role__pk", "name")

    def get_queryset(self, request: HttpRequest) -> Any:
        rows = super().get_queryset(request).select_related("role")
        return rows.annotate(people_total=Count("user"))

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
        built_in = obj is not None and role_of(obj) is not None
        return super().has_change_permission(request, obj) and not built_in

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        built_in = obj is not None and role_of(obj) is not None
        return request.user.has_perm("auth.delete_group") and not built_in

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        group = self.found(request, object_id)
        role = role_of(group) if group is not None else None
        if group is None or role is None:
            return super().change_view(request, object_id, form_url, extra_context)
        return self.page(
            request,
            "admin/cpo/record.html",
            title=str(role.name),
            obj=group,
            heading=pill(_("Role"), "blue"),
            panels=[_role_panel(role)],
        )

    @admin.display(description=_("name"), ordering="name")
    def title(self, row: Group) -> str:
        return group_name(row)

    @admin.display(description=_("kind"))
    def kind(self, row: Group) -> object:
        role = role_of(row)
        return _("made by staff") if role is None else role.about

    @admin.display(description=_("people"), ordering="people_total")
    def people(self, row: Any) -> int:
        return int(row.people_total)


def _role_panel(role: Role) -> Panel:
    return Panel(
        title=_("What this role may do"),
        note=role.about,
        columns=(_("what"), _("how far")),
        rows=[
            *((AREA_NAMES[area], pill(*LEVELS[level])) for area, level in role.levels.items()),
            *((_("further"), name) for name in sorted(role.further)),
        ],
        empty=NONE,
        whole=True,
    )
