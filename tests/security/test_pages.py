"""Pages run our own scripts only, and say so to the browser."""

import re
from html.parser import HTMLParser

import pytest
from django.contrib.auth.models import User
from django.test import Client, override_settings

from cpo_platform.headers import for_staff, origin_of
from tests.roaming.conftest import make_partner
from tests.security.populated import populate
from tests.security.walking import addresses

pytestmark = pytest.mark.django_db


class _Scripts(HTMLParser):
    """Find what a policy without `unsafe-inline` would refuse to run."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "script" and not given.get("src") and not _is_data(given.get("type")):
            self.found.append("<script>")
        for name, value in attrs:
            if re.fullmatch(r"on[a-z]+", name):
                self.found.append(f"{name}={value!r}")
            if value and re.match(r"\s*javascript:", value, re.IGNORECASE):
                self.found.append(value)


def _is_data(kind: str | None) -> bool:
    return kind in {"application/json", "text/x-template"}


def scripts_in(page: str) -> list[str]:
    reader = _Scripts()
    reader.feed(page)
    return reader.found


def test_the_reader_finds_what_it_looks_for() -> None:
    page = '<script>1</script><a href="JavaScript:1" onclick="1">x</a><script src="/x.js"></script>'
    assert scripts_in(page) == ["<script>", "JavaScript:1", "onclick='1'"]


@pytest.mark.long
def test_no_page_has_a_script_of_its_own(admin_client: Client) -> None:
    populate(make_partner().partner)
    wrong: dict[str, list[str]] = {}
    seen = 0
    for address in addresses(each=1):
        response = admin_client.get(address)
        assert response.status_code < 500, address
        if not response.headers.get("Content-Type", "").startswith("text/html"):
            continue
        seen += response.status_code == 200
        if found := scripts_in(response.content.decode()):
            wrong[address] = found
        if response.status_code == 200:
            policy = response.headers["Content-Security-Policy"]
            assert "script-src 'self'" in policy, address
            assert "unsafe-inline" not in policy.split("script-src")[1].split(";")[0], address
    assert wrong == {}
    assert seen > 60, "the walk has lost its way"


def test_pages_of_staff_say_what_a_browser_may_do(admin_client: Client) -> None:
    headers = admin_client.get("/admin/").headers
    assert set(headers["Content-Security-Policy"].split("; ")) == {
        "default-src 'self'",
        "script-src 'self' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data:",
        "frame-ancestors 'none'",
        "form-action 'self'",
        "base-uri 'none'",
        "object-src 'none'",
    }
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "geolocation=()" in headers["Permissions-Policy"]


@pytest.mark.parametrize("language", ["en", "ja"])
def test_a_refusal_is_a_page_that_says_why_and_leads_back(language: str) -> None:
    user = User.objects.create_user("nobody", is_staff=True)
    client = Client(enforce_csrf_checks=True, headers={"Accept-Language": language})
    client.force_login(user)
    denied = client.get("/admin/locations/location/")
    forged = client.post("/admin/", {"x": "1"})
    titles = {
        "en": ("You may not do this", "This form is too old"),
        "ja": ("この操作は許可されていません", "このフォームは古くなっています"),
    }
    for answer, title in zip((denied, forged), titles[language], strict=True):
        page = answer.content.decode()
        assert answer.status_code == 403
        assert re.search(rf"<title>\s*{title} \|", page)
        assert 'href="/admin/"' in page
        assert scripts_in(page) == []
        assert "script-src 'self'" in answer.headers["Content-Security-Policy"]


def test_pages_for_partners_evaluate_nothing(client: Client) -> None:
    policy = client.get("/ocpi-docs/").headers["Content-Security-Policy"]
    assert "script-src 'self';" in f"{policy};"
    assert "unsafe" not in policy


def test_ocpi_answers_are_not_slowed_by_what_is_for_browsers(client: Client) -> None:
    headers = client.get("/ocpi/versions").headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "Content-Security-Policy" not in headers


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("", ""),
        ("https://tiles.example/{z}/{x}/{y}.png", "https://tiles.example"),
        ("https://{s}.tiles.example:8443/{z}?key=1", "https://*.tiles.example:8443"),
        ("https://user:secret@tiles.example/{z}", "https://tiles.example"),
        ("javascript:alert(1)", ""),
        ("/tiles/{z}", ""),
    ],
)
def test_pictures_come_from_the_host_of_the_map_too(url: str, origin: str) -> None:
    assert origin_of(url) == origin
    sources = for_staff(url)["DIRECTIVES"]["img-src"]
    assert sources == ["'self'", "data:", *([origin] if origin else [])]


@override_settings(CONTENT_SECURITY_POLICY=for_staff("https://tiles.example/{z}"))
def test_the_policy_names_it(admin_client: Client) -> None:
    policy = admin_client.get("/admin/").headers["Content-Security-Policy"]
    assert "img-src 'self' data: https://tiles.example" in policy
