"""`check --deploy` has nothing to say of a deployment as the documentation wants it."""

import os
import subprocess
import sys
from typing import Any

import pytest
from django.conf import settings as configured
from django.core.checks import run_checks
from pytest_django import Settings

from cpo_platform import checks

PRODUCTION = {
    "PUBLIC_URL": "https://cpo.example.com",
    "ALLOWED_HOSTS": "cpo.example.com",
    "SECRET_KEY": "k7Qw-3hVbn0pYt5RzXc8MfLs2JdGa9UeWi6oTqBvNyHxKr1P4m",
    "FIELD_ENCRYPTION_KEYS": "another-long-random-value",
    "METRICS_TOKEN": "a-third-long-random-value",
    "EMAIL_URL": "smtp+tls://cpo:secret@mail.example.com:587",
    "SECURE_HSTS_SECONDS": "31536000",
    "OIDC_ISSUER": "https://id.example.com",
    "OIDC_CLIENT_ID": "cpo",
    "OIDC_CLIENT_SECRET": "a-fourth-long-random-value",
}


def check(environ: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    """Run the checks as an operator would; nothing connects to what is configured."""
    servers = {"DATABASE_URL": "postgres://cpo:x@db.example/cpo", "REDIS_URL": "redis://r.example"}
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=configured.BASE_DIR,
        env=kept | servers | {"VAR_DIR": str(configured.VAR_DIR / "checked")} | environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_documented_deployment_is_clean() -> None:
    found = check(PRODUCTION)
    assert (found.returncode, found.stderr) == (0, "")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"REQUIRE_2FA": "never"}, {"W008"}),
        ({"TRUSTED_PROXIES": 0}, {"W009"}),
        ({"EMAIL_IS_ON": False}, {"W010"}),
        ({"EMAIL_USE_TLS": False}, {"W011"}),
        ({"FIELD_ENCRYPTION_KEYS": []}, {"W007"}),
        ({"OIDC_CLIENT_SECRET": ""}, {"E003"}),
        ({"OIDC_ISSUER": ""}, {"E003"}),
        ({"OIDC_ISSUER": "http://id.example.com"}, {"E004"}),
        ({"OIDC_ISSUER": "", "OIDC_CLIENT_ID": "", "OIDC_CLIENT_SECRET": ""}, set()),
    ],
)
def test_what_was_left_half_done_is_named(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, Any],
    expected: set[str],
) -> None:
    for name, value in PRODUCTION.items():
        monkeypatch.setenv(name, value)
    good = {
        "PUBLIC_URL": PRODUCTION["PUBLIC_URL"],
        "FIELD_ENCRYPTION_KEYS": ["x"],
        "METRICS_TOKEN": "x",
        "REQUIRE_2FA": "all",
        "TRUSTED_PROXIES": 1,
        "EMAIL_IS_ON": True,
        "EMAIL_HOST": "mail.example.com",
        "EMAIL_USE_TLS": True,
        "OIDC_ISSUER": PRODUCTION["OIDC_ISSUER"],
        "OIDC_CLIENT_ID": "cpo",
        "OIDC_CLIENT_SECRET": "x",
    }
    for setting, set_to in (good | changes).items():
        setattr(settings, setting, set_to)
    found = [*checks.check_deployment(), *checks.check_openid_connect()]
    assert {str(message.id).removeprefix("cpo_platform.") for message in found} == expected


def test_the_checks_are_registered() -> None:
    assert checks.check_openid_connect in _registered()


def _registered() -> set[Any]:
    from django.core.checks.registry import registry  # late: Django's own, and not for everyone

    return set(registry.get_checks())


def test_the_demonstration_has_no_errors() -> None:
    assert [one for one in run_checks() if one.is_serious()] == []
