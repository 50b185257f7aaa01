"""Rows of lists: what is the same in each is worked out once, and looks as if it was not."""

from unittest.mock import Mock

import pytest
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.test import Client
from django.utils import translation
from unfold import admin  # type: ignore[import-untyped]
from unfold.templatetags import unfold_list  # type: ignore[import-untyped]

from cpo_platform.common.admin import quick_rows
from tariffs.models import Party
from tests.factories import LocationFactory

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("language", ["en", "ja"])
def test_the_box_before_a_row_is_that_of_the_library(language: str) -> None:
    row = Party(pk=4711)
    with translation.override(language):
        assert quick_rows.selecting(row) == admin.checkbox.render(ACTION_CHECKBOX_NAME, "4711")


def test_headers_are_worked_out_once_for_a_page(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Mock(wraps=unfold_list.label_for_field)
    monkeypatch.setattr(unfold_list, "label_for_field", asked)
    for _number in range(3):
        LocationFactory()
    page = admin_client.get("/admin/locations/location/")
    _box, *headers = page.context["cl"].headers
    assert asked.call_count == 1 + len(headers) == len(page.context["cl"].list_display)
    for header in headers:
        assert page.content.decode().count(f'data-label="{header["text"]}"') == 3
