"""Rows of lists for less: what is the same in each row is worked out once.

django-unfold works the headers of a list out again for each row, and renders the box before it
from a template: a third of the time of a list of fifty rows.
"""

from functools import cache
from typing import Any

from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import Model
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import get_language
from unfold import admin  # type: ignore[import-untyped]
from unfold.templatetags import unfold_list  # type: ignore[import-untyped]

SELECT_ALL = admin.ModelAdmin.action_checkbox.short_description


def install() -> None:
    """Let a list remember its headers; the apps have to be loaded."""
    worked_out = unfold_list.result_headers

    def headers(changes: Any) -> list[dict[str, Any]]:
        if not hasattr(changes, "headers"):
            changes.headers = [*worked_out(changes)]
        known: list[dict[str, Any]] = changes.headers
        return known

    unfold_list.result_headers = headers


def selecting(row: Model) -> SafeString:
    """Return the box by which a row is selected."""
    return format_html(_box(get_language()), row.pk)


@cache
def _box(_language: str | None) -> str:
    """Return the box in a language, with a gap for the row's key."""
    return str(admin.checkbox.render(ACTION_CHECKBOX_NAME, "{}"))
