"""What machines and rules say in English is said again in the reader's language."""

import ast
import re
import socket
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from django.utils import translation
from pytest_django import Settings

from cpo_platform.common import http, shapes
from cpo_platform.common.admin.reasons import problem_in_words, reason_in_words
from cpo_platform.common.shapes import ShapeError
from cpo_platform.common.wording import failure_in_words
from cpo_platform.runner.processes import free_port
from locations.shapes import LocationShape
from roaming.ocpi import schemas
from tariffs.shapes import TariffShape
from tests.certificates import self_signed

ROOT = Path(__file__).parents[2]
ENGLISH = re.compile(r"[a-z]+ [a-z]+ [a-z]+")
# Where reasons are said that staff read at a form's field.
SHAPES = ("cpo_platform/common/shapes.py", "locations/shapes.py", "tariffs/shapes.py")


@pytest.fixture(autouse=True)
def _on_this_machine(settings: Settings) -> None:
    settings.OUTBOUND_ALLOW_PRIVATE = True


@pytest.fixture
def _japanese() -> Iterator[None]:
    with translation.override("ja"):
        yield


@pytest.fixture
def certified(tmp_path: Path) -> Iterator[str]:
    """The address of a server whose certificate nobody has signed."""
    server = HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    # A client that does not trust it ends the connection: that is no trouble of the server's.
    server.handle_error = lambda *_args: None  # type: ignore[method-assign]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*self_signed(tmp_path))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def error_of(url: str) -> str:
    answer = http.send("GET", url, headers={}, timeout_seconds=5)
    assert answer.status is None
    return answer.error


def test_nothing_that_listens_is_said_in_plain_words() -> None:
    said = error_of(f"http://127.0.0.1:{free_port()}/ocpi")

    assert "Errno" in said, "logs have the system's own words"
    assert failure_in_words(said) == "the connection was refused: nothing listens there"
    with translation.override("ja"):
        assert failure_in_words(said) == "接続が拒否されました。その宛先では何も待ち受けていません"


def test_what_mail_servers_and_several_addresses_say_is_known_as_well() -> None:
    words = failure_in_words("[Errno 111] Connect call failed ('127.0.0.1', 1)")

    assert failure_in_words("ConnectionRefusedError: [Errno 111] Connection refused") == words
    several = "Multiple exceptions: [Errno 111] Connect call failed ('::1', 1), [Errno 111] …"
    assert failure_in_words(several) == words


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (socket.EAI_NONAME, "the name of the host is not known (DNS)"),
        (socket.EAI_NODATA, "the name of the host is not known (DNS)"),
        (socket.EAI_AGAIN, "the name of the host could not be looked up (DNS)"),
    ],
)
def test_names_that_cannot_be_resolved_are_said_in_plain_words(
    monkeypatch: pytest.MonkeyPatch, number: int, words: str
) -> None:
    def resolve(*_args: Any, **_more: Any) -> None:
        raise socket.gaierror(number, "as the C library says it")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)

    assert failure_in_words(error_of("https://partner.example/ocpi")) == words


def test_a_certificate_that_is_not_trusted_is_said_in_plain_words(certified: str) -> None:
    said = error_of(f"https://{certified}/ocpi")

    words = "the certificate is not valid: it is signed by itself"
    assert failure_in_words(said) == words
    with translation.override("ja"):
        assert failure_in_words(said) == "証明書が無効です: 自己署名です"


def test_a_server_without_encryption_is_said_in_plain_words(certified: str) -> None:
    said = error_of(f"http://{certified}/ocpi")
    assert failure_in_words(said) == "the connection was closed before the end of the answer"


@pytest.mark.usefixtures("_japanese")
@pytest.mark.parametrize(
    "url",
    [
        "gopher://partner.example",
        "https://user:secret@partner.example",
        "http://partner.example",
        "https://127.1",
        "https://10.0.0.1",
        "https://[half",
    ],
)
def test_an_address_that_is_not_asked_is_refused_in_japanese(settings: Settings, url: str) -> None:
    settings.OUTBOUND_ALLOW_PRIVATE = False
    said = error_of(url)
    assert failure_in_words(said) != said
    assert not ENGLISH.search(failure_in_words(said))


@pytest.mark.usefixtures("_japanese")
@pytest.mark.parametrize(
    "said",
    [
        "HTTP 500, OCPI 3000, [Errno 111] Connection refused",
        "HTTP 400, OCPI 2001, is required",
        "Locations",
        "x" * 5000,
    ],
)
def test_a_partners_own_words_stay_as_they_are(said: str) -> None:
    assert failure_in_words(said) == said


def _said_by_shapes() -> Iterator[str]:
    for name in SHAPES:
        tree = ast.parse((ROOT / name).read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id == "ValueError"
            ):
                yield _text(node.args[0])


def _text(node: ast.expr) -> str:
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(one) for one in node.values)
    return str(node.value) if isinstance(node, ast.Constant) else "this"


@pytest.mark.usefixtures("_japanese")
def test_every_reason_of_our_shapes_is_said_in_japanese() -> None:
    reasons = [*_said_by_shapes(), *shapes._PATTERNS.values()]
    assert len(reasons) > 30
    assert [one for one in reasons if reason_in_words(one) == one] == []


LOCATION: dict[str, Any] = {
    "country_code": "DEU",
    "party_id": 5,
    "id": "x" * 40,
    "publish": "perhaps",
    "address": "two\nlines",
    "city": "",
    "country": "de",
    "coordinates": {"latitude": "north", "longitude": "4.895168"},
    "evses": "none",
    "time_zone": "Mars/Base",
    "last_updated": "2026-01-31",
    "parking_type": "SEA",
    "unheard": 1,
}
COMPONENT = {"type": "ENERGY", "price": "0.1234567", "step_size": -1, "vat": "high"}
TARIFF: dict[str, Any] = {
    "country_code": "DE",
    "party_id": "ABC",
    "id": "1",
    "currency": "euro",
    "elements": [{"price_components": []}, {"price_components": [COMPONENT]}, 7],
    "tax_included": "PERHAPS",
}


@pytest.mark.usefixtures("_japanese")
@pytest.mark.parametrize(("shape", "document"), [(LocationShape, LOCATION), (TariffShape, TARIFF)])
def test_every_mistake_of_an_object_is_said_in_japanese(
    shape: type[Any], document: dict[str, Any]
) -> None:
    with pytest.raises(ShapeError) as caught:
        shapes.parse(shape, document)

    assert len(caught.value.problems) >= 5
    told = [problem_in_words(str(problem)) for problem in caught.value.problems]
    assert [one for one in told if ENGLISH.search(one)] == []


@pytest.mark.usefixtures("_japanese")
def test_every_mistake_against_a_version_is_said_in_japanese() -> None:
    found = schemas.problems("2.2.1", "locations", LOCATION)

    assert len(found) >= 8
    assert [one for one in map(problem_in_words, found) if ENGLISH.search(one)] == []


def test_in_english_a_reason_of_ours_stays_as_it_is() -> None:
    assert reason_in_words("min_price is above max_price") == "min_price is above max_price"
    assert problem_in_words("evses[0].uid: is required") == "evses[0].uid: is required"
