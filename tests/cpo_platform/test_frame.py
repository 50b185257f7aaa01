"""The frame of every page: where it says that it is."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse
from django.utils.html import strip_tags

from cpo_platform.admin_site import navigation
from tests.admin_data import make_location, make_party

pytestmark = pytest.mark.django_db
# It has no entry in the sidebar: it is reached by its location.
BESIDE = {"locations.parkingplace": "Network"}


def line_of(client: Client, url: str) -> tuple[list[str], Any]:
    """Return what stands above a page, part by part, and its request."""
    response = client.get(url)
    assert response.status_code == 200, url
    heading = response.content.decode().partition("<h1")[2].partition("</h1>")[0]
    parts = re.findall(
        r"<(?:a|span) [^>]*tracking-tight[^>]*>(.*?)</(?:a|span)", heading, re.DOTALL
    )
    return [strip_tags(part).strip() for part in parts], response.wsgi_request


def active(request: Any) -> Iterator[str]:
    for group in navigation(request):
        if any(item.get("active") for item in group["items"]):
            yield group["title"]


def test_the_line_above_each_list_begins_with_its_section_of_the_sidebar(
    admin_client: Client,
) -> None:
    for model in admin.site._registry:
        meta = model._meta
        url = reverse(f"admin:{meta.app_label}_{meta.model_name}_changelist")
        parts, request = line_of(admin_client, url)
        sections = list(active(request))
        if meta.label_lower in BESIDE:
            assert sections == []
            sections = [BESIDE[meta.label_lower]]
        assert parts[:1] == sections, url
        assert len(parts) == 2, url


def test_the_page_of_an_object_is_in_the_section_of_its_list(admin_client: Client) -> None:
    party, location = make_party(), make_location()
    for url, parts in (
        (f"/admin/tariffs/party/{party.pk}/change/", ["Network", "CPO parties", str(party)]),
        ("/admin/tariffs/tariff/add/", ["Prices", "Tariffs"]),
        (
            f"/admin/locations/location/{location.pk}/change/",
            ["Network", "Locations", str(location)],
        ),
    ):
        assert line_of(admin_client, url)[0] == parts


def test_the_section_is_in_the_language_of_the_page(admin_client: Client) -> None:
    admin_client.defaults["HTTP_ACCEPT_LANGUAGE"] = "ja"
    assert line_of(admin_client, "/admin/tariffs/tariff/")[0] == ["料金", "料金プラン"]
