"""The admin's import pages: upload, look, import."""

import json
import os
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from cpo_platform.common import clock
from locations import views
from locations.importing import uploads
from locations.models import Location
from tariffs.models import Tariff
from tests.locations import feeds

pytestmark = pytest.mark.django_db

URL = "/admin/locations/location/import/"


@pytest.fixture(autouse=True)
def uploads_dir(settings: Settings, tmp_path: Path) -> Path:
    settings.VAR_DIR = tmp_path
    return tmp_path / "uploads"


def member(name: str, *permissions: str) -> User:
    user = User.objects.create_user(name, password="x", is_staff=True)
    for codename in permissions:
        user.user_permissions.add(
            Permission.objects.get(content_type__app_label="locations", codename=codename)
        )
    return user


@pytest.fixture
def staff() -> Client:
    client = Client()
    client.force_login(member("operator", "add_location", "change_location", "view_location"))
    return client


def upload(client: Client, content: Any, party: str = "") -> Any:
    text = content if isinstance(content, str) else json.dumps(content)
    file = SimpleUploadedFile("../my feed.json", text.encode(), content_type="application/json")
    return client.post(URL, {"file": file, "party": party})


def page(response: Any) -> str:
    assert response.status_code == 200
    text: str = response.content.decode()
    return re.sub(r"\s+", " ", text)


def test_the_address_is_named() -> None:
    assert reverse("admin:locations_import") == URL


def test_a_file_is_checked_and_then_imported(staff: Client, uploads_dir: Path) -> None:
    assert "Choose a file." in page(staff.get(URL))
    content = [feeds.location("L1", name=""), feeds.location("L2", city=None)]
    checked = upload(staff, content)
    assert checked.status_code == 302
    text = page(staff.get(checked.url))
    assert "Nothing has been written yet. This is what the import would do." in text
    assert "2 objects are refused, all others are taken." in text
    assert "[1].city" in text
    assert "name was empty: left out" in text
    assert "Import now" in text
    assert Location.objects.count() == 0
    (file,) = uploads_dir.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    assert uploads_dir.stat().st_mode & 0o777 == 0o700

    text = page(staff.post(checked.url, {"import": "1", "party": ""}))
    assert "The import is done." in text
    assert "Import now" not in text
    assert [row.ocpi_id for row in Location.objects.all()] == ["L1"]
    assert list(uploads_dir.iterdir()) == []


def test_a_file_that_would_change_nothing_offers_no_import(staff: Client) -> None:
    feeds.run([feeds.location()])
    text = page(staff.get(upload(staff, [feeds.location()]).url))
    assert "Nothing has been written yet, and the import would change nothing." in text
    assert "Import now" not in text


def test_who_may_not_write_tariffs_imports_the_rest(staff: Client) -> None:
    file = [feeds.location(evses=[feeds.evse(tariffs=[feeds.tariff()])])]
    text = page(staff.get(upload(staff, file).url))
    assert "needs the permission to add and change tariffs" in text
    checked = upload(staff, file)
    page(staff.post(checked.url, {"import": "1", "party": ""}))
    assert Location.objects.count() == 1
    assert Tariff.objects.count() == 0


def test_cancelling_deletes_the_upload(staff: Client, uploads_dir: Path) -> None:
    checked = upload(staff, [feeds.location()])
    response = staff.post(checked.url, {"cancel": "1"}, follow=True)
    assert "Nothing was imported; the upload was deleted." in page(response)
    assert list(uploads_dir.iterdir()) == []
    assert Location.objects.count() == 0


def test_the_party_goes_along(staff: Client) -> None:
    checked = upload(staff, [feeds.location_2_1_1()], party="de-abc")
    assert checked.url.endswith("?party=DE%2AABC")
    text = page(staff.get(checked.url))
    assert '<input type="hidden" name="party" value="DE*ABC">' in text
    page(staff.post(checked.url.partition("?")[0], {"import": "1", "party": "DE*ABC"}))
    assert Location.objects.get().party == "DE*ABC"


def test_a_party_that_is_none_is_an_error_of_the_form(staff: Client, uploads_dir: Path) -> None:
    text = page(upload(staff, [feeds.location()], party="Germany"))
    assert "A party is two letters and three letters or digits: DE*ABC." in text
    assert not uploads_dir.exists()


def test_a_file_must_be_chosen(staff: Client) -> None:
    assert "This field is required." in page(staff.post(URL, {"party": ""}))


def test_an_unreadable_file_leads_back_with_one_sentence(staff: Client, uploads_dir: Path) -> None:
    checked = upload(staff, '[{"id": 1')
    response = staff.get(checked.url, follow=True)
    assert "The file is not JSON: line 1, column 10" in page(response)
    assert list(uploads_dir.iterdir()) == []


def test_a_file_above_the_limit_is_refused(
    staff: Client, uploads_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "MAX_UPLOAD", 10)
    text = page(upload(staff, [feeds.location()]))
    assert re.search(r"This file has \d+\sbytes; at most 10\sbytes can be uploaded\.", text)
    assert "python manage.py import_locations FILE" in text
    assert not uploads_dir.exists()


def test_a_large_file_is_kept_for_the_command(
    staff: Client, uploads_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "MAX_IN_REQUEST", 10)
    text = page(upload(staff, [feeds.location()], party="NL*TST"))
    (file,) = uploads_dir.iterdir()
    command = f"python manage.py import_locations {file} --party &#x27;NL*TST&#x27;"
    assert f">{command} --dry-run</pre>" in text
    assert f">{command}</pre>" in text
    assert Location.objects.count() == 0


def test_an_upload_is_its_users_own(staff: Client, uploads_dir: Path) -> None:
    checked = upload(staff, [feeds.location()])
    other = Client()
    other.force_login(member("other", "add_location", "change_location"))
    for response in (other.get(checked.url), other.post(checked.url, {"import": "1"})):
        assert (response.status_code, response.headers["Location"]) == (302, URL)
    assert Location.objects.count() == 0
    assert len(list(uploads_dir.iterdir())) == 1


@pytest.mark.parametrize("token", ["x", "..", "a" * 32, "%2e%2e%2fsecret-key"])
def test_other_tokens_lead_back(token: str, staff: Client) -> None:
    response = staff.get(f"{URL}{token}/")
    assert response.status_code in {302, 404}
    assert Location.objects.count() == 0


def test_an_import_happens_only_on_its_button(staff: Client) -> None:
    checked = upload(staff, [feeds.location()])
    assert "Nothing has been written yet." in page(staff.post(checked.url, {"party": ""}))
    assert Location.objects.count() == 0


def test_uploads_that_nobody_came_back_for_are_deleted(staff: Client, uploads_dir: Path) -> None:
    upload(staff, [feeds.location()])
    (old,) = uploads_dir.iterdir()
    upload(staff, [feeds.location()])
    (new,) = set(uploads_dir.iterdir()) - {old}
    long_ago = (clock.now() - uploads.MAX_AGE - timedelta(minutes=1)).timestamp()
    os.utime(old, (long_ago, long_ago))
    upload(staff, [feeds.location()])
    assert not old.exists()
    assert new.exists()


@pytest.mark.parametrize(
    "permissions",
    [(), ("add_location",), ("change_location",), ("view_location", "delete_location")],
)
def test_without_both_permissions_nothing_is_shown_or_done(
    permissions: tuple[str, ...], uploads_dir: Path
) -> None:
    client = Client()
    client.force_login(member("reader", *permissions))
    token = "a" * 32
    for response in (
        client.get(URL),
        upload(client, [feeds.location()]),
        client.get(f"{URL}{token}/"),
        client.post(f"{URL}{token}/", {"import": "1"}),
    ):
        assert response.status_code == 403
    assert Location.objects.count() == 0
    assert not uploads_dir.exists()


def test_strangers_are_asked_to_log_in(client: Client) -> None:
    response = client.get(URL)
    assert response.status_code == 302
    assert response.headers["Location"].startswith("/admin/login/")


def test_a_forged_request_is_refused(uploads_dir: Path) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(member("operator", "add_location", "change_location"))
    assert upload(client, [feeds.location()]).status_code == 403
    assert not uploads_dir.exists()


def test_what_the_file_says_is_escaped(staff: Client) -> None:
    script = "<script>alert(1)</script>"
    checked = upload(staff, [feeds.location(evses=[feeds.evse(script * 3)])])
    text = page(staff.get(checked.url))
    assert script not in text
    assert "&lt;script&gt;" in text
