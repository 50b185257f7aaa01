"""Photos on the page of a location: fetched by us, and nothing but pictures comes through."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from cpo_platform.common import http
from locations.admin import photos
from locations.models import Location
from tests.factories import LocationFactory
from tests.sites.test_availability import scoped
from tests.staff.world import make_world

pytestmark = pytest.mark.django_db
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 32
JPEG = b"\xff\xd8\xff\xe0" + b"\0" * 32
WEBP = b"RIFF\x24\0\0\0WEBPVP8 "
GIF = b"GIF89a" + b"\0" * 32


class Host:
    """A host of photos: it says one thing to everybody, and counts who asks."""

    def __init__(self) -> None:
        self.status, self.body, self.headers = 200, PNG, {"Content-Type": "image/png"}
        self.asked: list[str] = []
        self.silent = threading.Event()
        self.silent.set()
        host = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                host.asked.append(self.path)
                host.silent.wait(10)
                self.send_response(host.status)
                for name, value in host.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(host.body)))
                self.end_headers()
                self.wfile.write(host.body)

            def log_message(self, *_args: Any) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/{path}"


@pytest.fixture
def host(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    settings.OUTBOUND_ALLOW_PRIVATE = True
    # Ports are chance: no two addresses of a test may fall into one slot.
    monkeypatch.setattr(photos, "SLOTS", 2**64)
    found = Host()
    yield found
    found.silent.set()
    found.server.shutdown()
    found.server.server_close()


def image(url: str, **more: Any) -> dict[str, Any]:
    return {"url": url, "category": "ENTRANCE", "type": "jpeg", **more}


def photo(client: Client, location: Location, number: int = 0) -> Any:
    return client.get(f"/admin/locations/location/{location.pk}/photo/{number}/")


@pytest.mark.parametrize(
    ("body", "kind"),
    [(PNG, "image/png"), (JPEG, "image/jpeg"), (WEBP, "image/webp"), (GIF, "image/gif")],
)
def test_a_picture_comes_as_what_its_bytes_are_and_can_do_nothing(
    admin_client: Client, host: Host, body: bytes, kind: str
) -> None:
    host.body, host.headers = body, {"Content-Type": "text/html"}
    location = LocationFactory(images=[image(host.url("a.jpg"))])
    answer = photo(admin_client, location)
    assert (answer.status_code, answer.content, answer["Content-Type"]) == (200, body, kind)
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Content-Security-Policy"] == "default-src 'none'; sandbox"


def test_a_picture_is_asked_for_once_and_its_thumbnail_comes_first(
    admin_client: Client, host: Host
) -> None:
    location = LocationFactory(
        images=[image(host.url("a.jpg"), thumbnail=host.url("small.jpg")), image(host.url("b.jpg"))]
    )
    for _turn in range(2):
        assert photo(admin_client, location).content == PNG
        assert photo(admin_client, location, 1).content == PNG
    assert host.asked == ["/small.jpg", "/b.jpg"]


def test_a_picture_takes_the_place_of_another_in_its_slot(
    admin_client: Client, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(photos, "SLOTS", 1)
    location = LocationFactory(images=[image(host.url("a.jpg")), image(host.url("b.jpg"))])
    for number in (0, 0, 1, 0):
        assert photo(admin_client, location, number).content == PNG
    assert host.asked == ["/a.jpg", "/b.jpg", "/a.jpg"]


def test_a_picture_that_is_too_large_to_keep_is_shown_nevertheless(
    admin_client: Client, host: Host
) -> None:
    host.body = PNG + b"\0" * photos.MOST_KEPT
    location = LocationFactory(images=[image(host.url("a.jpg"))])
    for _turn in range(2):
        assert photo(admin_client, location).content == host.body
    assert len(host.asked) == 2


SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
HOSTILE: list[tuple[int, bytes, dict[str, str], str]] = [
    (200, b"<html><script>alert(1)</script>", {"Content-Type": "image/png"}, "not a JPEG"),
    (200, SVG, {"Content-Type": "image/svg+xml"}, "not a JPEG"),
    (200, b"", {}, "not a JPEG"),
    (200, PNG + b"\0" * 10 * 1024 * 1024, {}, "larger than 2 MB"),
    (302, b"", {"Location": "http://127.0.0.1:1/secret"}, "sends us elsewhere"),
    (404, PNG, {}, "HTTP status 404"),
]


@pytest.mark.parametrize(("status", "body", "headers", "reason"), HOSTILE)
def test_what_is_no_picture_is_not_passed_on(
    admin_client: Client,
    host: Host,
    status: int,
    body: bytes,
    headers: dict[str, str],
    reason: str,
) -> None:
    host.status, host.body, host.headers = status, body, headers
    location = LocationFactory(images=[image(host.url("a.jpg")), image(host.url("b.jpg"))])
    answer = photo(admin_client, location)
    assert reason in answer.json()["reason"]
    photo(admin_client, location)
    # Neither again, nor where it was sent.
    assert host.asked == ["/a.jpg"]


def test_a_slow_host_is_waited_for_once(
    admin_client: Client, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(photos, "TIMEOUT_SECONDS", 0.1)
    host.silent.clear()
    location = LocationFactory(images=[image(host.url("a.jpg")), image(host.url("b.jpg"))])
    for number in range(2):
        assert "did not answer" in photo(admin_client, location, number).json()["reason"]
    assert "/b.jpg" not in host.asked


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/a.jpg",
        "https://[::1]/a.jpg",
        "https://169.254.169.254/latest/meta-data",
        "http://photos.example/a.jpg",
        "https://user:secret@photos.example/a.jpg",
    ],
)
def test_what_is_inside_or_not_encrypted_is_never_asked(
    admin_client: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    settings.OUTBOUND_ALLOW_PRIVATE = False
    monkeypatch.setattr(http, "send", None)
    location = LocationFactory(images=[image(url)])
    assert "not public" in photo(admin_client, location).json()["reason"]


def test_when_many_photos_are_loaded_a_further_one_does_not_wait_long(
    admin_client: Client, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = threading.BoundedSemaphore(1)
    monkeypatch.setattr(photos, "_PLACES", places)
    monkeypatch.setattr(photos, "WAIT_SECONDS", 0)
    location = LocationFactory(images=[image(host.url("a.jpg"))])
    with places:
        assert "open the page again" in photo(admin_client, location).json()["reason"]
    assert host.asked == []
    assert photo(admin_client, location).content == PNG


def test_a_photo_that_is_none_is_not_found(admin_client: Client) -> None:
    location = LocationFactory(images=[image("https://e.example/a.jpg")])
    assert photo(admin_client, location, 1).status_code == 404
    assert admin_client.get("/admin/locations/location/999/photo/0/").status_code == 404


def test_who_has_a_scope_gets_no_photo_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    world = make_world()
    monkeypatch.setattr(photos, "_fetched", lambda _url: photos.Photo(body=PNG, kind="image/png"))
    monkeypatch.setattr(http, "check_url", lambda _url: None)
    client = scoped(world, "party")
    own, other = (
        Location.objects.get(pk=ids["locations.location"]) for ids in (world.own, world.other)
    )
    assert photo(client, own).status_code == 200
    assert photo(client, other).status_code == 404


def test_the_page_loads_pictures_from_us_only(admin_client: Client) -> None:
    urls = [f"https://e.example/{number}.jpg" for number in range(photos.MOST_SHOWN + 1)]
    location = LocationFactory(images=[image(url) for url in urls])
    text = admin_client.get(f"/admin/locations/location/{location.pk}/change/").content.decode()

    def shown(one: int) -> str:
        return f'data-photo="/admin/locations/location/{location.pk}/photo/{one}/"'

    assert all(shown(number) in text for number in range(photos.MOST_SHOWN))
    assert shown(photos.MOST_SHOWN) not in text
    assert "cpo/photos.js" in text
    assert 'src="https://e.example' not in text
