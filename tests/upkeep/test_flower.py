"""Flower behind the admin: for who may, to look only, and nothing of ours goes there."""

import http.server
import threading
from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from pytest_django import Settings

from cpo_platform import environment as env
from cpo_platform.staff.operations import set_roles
from cpo_platform.upkeep import flower

pytestmark = pytest.mark.django_db

URL = "/admin/flower/"
Heard = list[tuple[str, str, dict[str, str]]]


class _Page(http.server.BaseHTTPRequestHandler):
    """Answers as Flower would: a page, a redirect, a page without end."""

    heard: Heard
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.heard.append(
            (self.command, self.path, {k.lower(): v for k, v in self.headers.items()})
        )
        if self.path.endswith("/broker"):
            self.send_response(302)
            self.send_header("Location", "https://elsewhere.example/")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        for name, value in (
            *(("Content-Type", "text/html"), ("Set-Cookie", "flower=1"), ("ETag", '"1"')),
            *(("Server", "Tornado"), ("Connection", "close")),
        ):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(b"x" * 3_000 if self.path.endswith("/tasks") else b"Workers")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  its own signature
        pass


@pytest.fixture
def heard(settings: Settings) -> Iterator[Heard]:
    """Run something that is taken for Flower; return what it was asked."""
    found: Heard = []
    handler = type("Page", (_Page,), {"heard": found})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        settings.FLOWER_URL = f"http://127.0.0.1:{server.server_port}"
        yield found
        server.shutdown()
        thread.join()


def client_of(role: str) -> Client:
    user = User.objects.create_user("eve", is_staff=True)
    set_roles(user_id=user.pk, roles=[role])
    client = Client()
    client.force_login(user)
    return client


def test_a_page_is_passed_on_without_anything_of_ours(heard: Heard) -> None:
    client = client_of("ops")
    answer = client.get(
        f"{URL}worker/worker%40vm?start=0&search%5Bvalue%5D=a%20b",
        headers={"Authorization": "Bearer secret", "Accept": "application/json"},
    )
    assert (answer.status_code, answer.getvalue()) == (200, b"Workers")
    ((method, target, headers),) = heard
    assert (method, target) == (
        "GET",
        "/admin/flower/worker/worker@vm?start=0&search%5Bvalue%5D=a%20b",
    )
    assert headers.keys() == {"host", "accept", "accept-encoding"}
    assert headers["accept"] == "application/json"
    assert answer.headers["Content-Type"] == "text/html"
    assert {"Set-Cookie", "Server", "Connection"} & set(answer.headers) == set()
    assert "flower" not in answer.cookies


def test_the_page_of_tasks_asks_by_post_and_flower_is_asked_by_get(heard: Heard) -> None:
    client = client_of("ops")
    asker = Client(enforce_csrf_checks=True)
    asker.cookies = client.cookies
    answer = asker.post(f"{URL}tasks/datatable", {"draw": "1", "search[value]": "a b"})
    assert (answer.status_code, answer.getvalue()) == (200, b"Workers")
    assert [(method, target) for method, target, _headers in heard] == [
        ("GET", "/admin/flower/tasks/datatable?draw=1&search%5Bvalue%5D=a+b")
    ]
    assert client.post(f"{URL}tasks/datatable", {"a": "x" * 20_000}).status_code == 413


def test_its_pages_run_its_scripts_only(heard: Heard) -> None:
    answer = client_of("ops").get(URL)
    answer.close()
    policy = answer.headers["Content-Security-Policy"]
    (scripts,) = [part for part in policy.split("; ") if part.startswith("script-src")]
    assert "unsafe" not in scripts
    assert scripts.startswith("script-src 'self' 'sha256-")


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_nothing_but_looking_is_passed_on(heard: Heard, method: str) -> None:
    client = client_of("operator_admin")
    assert getattr(client, method)(f"{URL}workers").status_code == 405
    assert heard == []


@pytest.mark.parametrize(
    "page",
    [
        *("api/tasks", "api/task/revoke/1", "metrics", "login", "static/../api/tasks"),
        *("worker/a/b", "worker/%2e%2e", "tasks/", "api"),
    ],
)
def test_what_is_no_page_is_not_passed_on(heard: Heard, page: str) -> None:
    assert client_of("operator_admin").get(f"{URL}{page}").status_code == 404
    assert heard == []


@pytest.mark.parametrize("role", ["operations", "read_only", "finance"])
def test_it_is_for_who_keeps_the_platform_running(heard: Heard, role: str) -> None:
    client = client_of(role)
    assert client.get(URL).status_code == 403
    assert client.post(f"{URL}tasks/datatable").status_code == 403
    assert heard == []


def test_strangers_are_sent_to_the_login(heard: Heard, client: Client) -> None:
    answer = client.get(URL)
    assert (answer.status_code, heard) == (302, [])


def test_a_redirect_is_not_followed(heard: Heard) -> None:
    answer = client_of("ops").get(f"{URL}broker")
    assert "Location" not in answer.headers
    assert "Flower is not running" in answer.content.decode()


def test_a_page_without_end_is_cut(heard: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flower, "MOST_BYTES", 1_000)
    answer = client_of("ops").get(f"{URL}tasks")
    assert len(answer.getvalue()) == 1_000


@pytest.mark.parametrize("url", ["", "http://127.0.0.1:1"])
def test_where_it_does_not_run_the_page_says_how_to_start_it(settings: Settings, url: str) -> None:
    settings.FLOWER_URL = url
    text = client_of("ops").get(URL).content.decode()
    assert "Flower is not running" in text
    assert "set FLOWER_PORT" in text


@pytest.mark.parametrize("url", ["http://127.0.0.1:5555", "http://flower:5555", "http://10.0.0.9"])
def test_an_address_within_the_network_is_taken(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("FLOWER_URL", url)
    assert env.internal_url("FLOWER_URL") == url


@pytest.mark.parametrize(
    "url",
    [
        *("http://8.8.8.8", "http://flower.example.com", "https://flower", "flower:5555"),
        *("http://u:p@flower", "http://flower/path", "file:///etc/passwd"),
    ],
)
def test_any_other_address_is_refused(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("FLOWER_URL", url)
    with pytest.raises(ImproperlyConfigured, match="within your network"):
        env.internal_url("FLOWER_URL")
