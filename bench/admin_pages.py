"""The addresses of the admin: every list, its oldest and newest row, and every page beside them."""

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.contrib.admin import ModelAdmin
from django.urls import NoReverseMatch, reverse

# What is looked for in every list: many rows, and none.
SEARCHES = ("SEED77", "nowhere-to-be-found")
# Parts of the map: Europe, a country, a city; all of what is out of order.
VIEWS = (
    "bbox=-10,36,30,60&zoom=4",
    "bbox=3,50,8,54&zoom=7",
    "bbox=4.7,52.2,5.1,52.5&zoom=11",
    "bbox=-10,36,30,60&zoom=4&tone=red",
)


def paths() -> Iterator[str]:
    """Yield every page that can be asked for with the rows that there are."""
    yield reverse("admin:index")
    yield from _of_no_model()
    for model_admin in admin.site._registry.values():  # noqa: SLF001
        yield from _lists(model_admin)
        yield from _without_a_row(model_admin)
        yield from _of_rows(model_admin)


def _of_no_model() -> Iterator[str]:
    yield reverse("workplace:home_parts")
    yield reverse("workplace:map")
    for view in VIEWS:
        yield f"{reverse('workplace:map_points')}?{view}"
    for text in (*SEARCHES, "Amsterdam", "NL*DEM*E", "SEED77-NL"):
        yield f"{reverse('workplace:search')}?q={text}"
    for days in (7, 30, 90):
        yield f"{reverse('sites:availability')}?days={days}"
    yield reverse("sites:quality")
    yield reverse("operations")


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
