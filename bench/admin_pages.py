"""The addresses of the admin: every list, its oldest and newest row, and every page beside them."""

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.contrib.admin import ModelAdmin
from django.urls import NoReverseMatch, reverse

# What is looked for in every list: many rows, and none.
SEARCHES = ("SEED77", "nowhere-to-be-found")


def paths() -> Iterator[str]:
    """Yield every page that can be asked for with the rows that there are."""
    yield reverse("admin:index")
    for model_admin in admin.site._registry.values():  # noqa: SLF001
        yield from _lists(model_admin)
        yield from _without_a_row(model_admin)
        yield from _of_rows(model_admin)


def _lists(model_admin: ModelAdmin[Any]) -> Iterator[str]:
    options = model_admin.opts
    listed = reverse(f"admin:{options.app_label}_{options.model_name}_changelist")
    yield listed
    yield f"{listed}?p=3"
    if model_admin.search_fields:
        yield from (f"{listed}?q={text}" for text in SEARCHES)


def _without_a_row(model_admin: ModelAdmin[Any]) -> Iterator[str]:
    for name in _names(model_admin):
        try:
            yield reverse(f"admin:{name}")
        except NoReverseMatch:
            continue


def _of_rows(model_admin: ModelAdmin[Any]) -> Iterator[str]:
    rows = model_admin.model._default_manager.order_by("pk")  # noqa: SLF001
    for key in {row.pk for row in (rows.first(), rows.last()) if row is not None}:
        for name in _names(model_admin):
            try:
                yield reverse(f"admin:{name}", args=[key])
            except NoReverseMatch:
                continue


def _names(model_admin: ModelAdmin[Any]) -> list[str]:
    names = [getattr(pattern, "name", None) for pattern in model_admin.get_urls()]
    return [name for name in names if name and not name.endswith("_changelist")]
