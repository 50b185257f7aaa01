"""What is written down of a message holds no secret, and keeps what it is about."""

import pytest

from roaming.redaction import redact_body, redact_text, redact_url


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://x.example/ocpi/tokens", "https://x.example/ocpi/tokens"),
        (
            "/ocpi/2.2.1/sessions?date_from=2026-01-01T00:00:00Z&limit=5&offset=10",
            "/ocpi/2.2.1/sessions?date_from=2026-01-01T00:00:00Z&limit=5&offset=10",
        ),
        ("/ocpi/2.2.1/tokens/NL/EMS/1?type=RFID", "/ocpi/2.2.1/tokens/NL/EMS/1?type=RFID"),
        ("https://x.example/r?token=abc&limit=1", "https://x.example/r?token=***&limit=1"),
        ("https://x.example/r?k=1&&flag=", "https://x.example/r?k=***&&flag="),
        ("https://x.example/r?abcdef", "https://x.example/r?***"),
        ("https://me:pass@x.example/r", "https://***@x.example/r"),
        (
            "/ocpi/2.2.1/chargingprofiles/1?duration=60&response_url=https%3A%2F%2Fx%2Fr%3Fkey%3Dabc",
            "/ocpi/2.2.1/chargingprofiles/1?duration=60&response_url=https%3A%2F%2Fx%2Fr%3Fkey%3D%2A%2A%2A",
        ),
        ("http://[half?token=abc", "http://[half?token=***"),
    ],
)
def test_addresses_keep_what_ocpi_puts_there_and_nothing_else(url: str, kept: str) -> None:
    assert redact_url(url) == kept


@pytest.mark.parametrize("module", ["credentials", "versions", ""])
def test_credentials_lose_their_tokens_however_they_are_written(module: str) -> None:
    body = (
        r'{"data": {"\u0074oken": "very-secret", "url": "https://x.example/v?key=very-secret",'
        r' "roles": [{"Token": "very-secret", "party_id": "EMS"}]}, "status_code": 1000}'
    )

    kept = redact_body(module, body)

    assert "very-secret" not in kept
    assert '"token":"***"' in kept
    assert '"party_id":"EMS"' in kept
    assert "https://x.example/v?key=***" in kept


@pytest.mark.parametrize("body", ['{"token": "very-secr', "token=very-secret", "<p>very-secret"])
def test_credentials_that_cannot_be_read_are_not_kept(body: str) -> None:
    assert redact_body("credentials", body) == ""


def test_credentials_nested_without_end_are_cut() -> None:
    assert "very-secret" not in redact_body(
        "credentials", '{"a":' * 90 + '"very-secret"' + "}" * 90
    )


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        ('{"token": "very-secret", "a": 1}', '{"token":"***", "a": 1}'),
        (r'{"token":"very\"-secret"}', '{"token":"***"}'),
        ('{"a":1,"access_token" : "very-sec', '{"a":1,"access_token":"***'),
        (
            '{"response_url":"https://x/r?key=very-secret&limit=1","token":{"uid":"04AA"}}',
            '{"response_url":"https://x/r?key=***&limit=1","token":{"uid":"04AA"}}',
        ),
        (
            "<pre>Authorization: Token dmVyeS1zZWNyZXQ=</pre>",
            "<pre>Authorization: Token ***</pre>",
        ),
    ],
)
def test_other_bodies_lose_tokens_and_keys(body: str, kept: str) -> None:
    assert redact_body("commands", body) == kept


@pytest.mark.parametrize("module", ["tokens", "sessions", "cdrs", "commands"])
@pytest.mark.parametrize(
    "body",
    [
        '{"uid":"04AA","contract_id":"NL-EMS-1","type":"RFID"}',
        '{"cdr_token":{"uid":"04AA","type":"RFID"},"auth_method":"AUTH_REQUEST"}',
        '{"status_message":"Token unknown, Token is blocked"}',
        "",
    ],
)
def test_what_a_message_is_about_is_no_secret(module: str, body: str) -> None:
    assert redact_body(module, body) == body


def test_errors_keep_no_query_and_no_header() -> None:
    text = "cannot reach https://x.example/r?key=very-secret: refused Token ABCDEFGH12"

    assert redact_text(text) == "cannot reach https://x.example/r?key=*** refused Token ***"
