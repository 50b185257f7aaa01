"""Filters of lists that name other rows: only those that a person may see."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from cpo_platform.common.admin.scopes import scope_of, visible


class VisibleFilter(admin.RelatedFieldListFilter):
    """Rows by what they belong to, of what this person may see."""

    def field_choices(
        self, field: Any, request: HttpRequest, model_admin: Any
    ) -> list[tuple[str, Any]]:
        if scope_of(request).is_whole:
            return super().field_choices(field, request, model_admin)
        rows = visible(request, field.related_model._default_manager.all())  # noqa: SLF001  Django's own public name
        choices: list[tuple[str, Any]] = field.get_choices(
            include_blank=False,
            ordering=self.field_admin_ordering(field, request, model_admin),
            limit_choices_to={"pk__in": rows.values("pk")},
        )
        return choices
