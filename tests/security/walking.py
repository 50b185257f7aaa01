"""Every page of the admin that a GET opens: what the admin classes themselves say there is."""

from collections.abc import Iterator

from django.contrib import admin
from django.db.models import Model
from django.urls import URLPattern, URLResolver, reverse
from django.urls.exceptions import NoReverseMatch

# They end the session that the walk goes on in.
ENDS = frozenset({"admin:logout"})


def addresses(*, each: int = 2) -> Iterator[str]:
    """Yield lists, pages beside them, and the pages of some objects of each kind."""
    yield reverse("admin:index")
    for model, pages in admin.site._registry.items():
        objects = list(model._default_manager.order_by("pk")[:each])
        for pattern in pages.get_urls():
            yield from _of(pattern, objects)
    for path in ("", "password/", "sessions/", "login/", "logout/", "second-factor/codes/"):
        yield f"/accounts/{path}"
    yield from ("/ocpi-docs/", "/ocpi-docs/2.2.1/", "/ocpi-docs/ocpi-2.3.0.yaml", "/healthz")


def _of(pattern: URLPattern | URLResolver, objects: list[Model]) -> Iterator[str]:
    name = f"admin:{getattr(pattern, 'name', '')}"
    if name in ENDS:
        return
    try:
        yield reverse(name)
    except NoReverseMatch:
        for row in objects:
            try:
                yield reverse(name, args=[row.pk])
            except NoReverseMatch:
                return
