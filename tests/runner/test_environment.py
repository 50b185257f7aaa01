"""Wrong values name their variable; `.env.example` names them all."""

import ast
import re
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from cpo_platform import environment as env
from cpo_platform.runner import postgres, servers, valkey
from tests.runner.conftest import Start

ROOT = servers.ROOT
READERS = {
    "percent",
    "text",
    "integer",
    "flag",
    "words",
    "choice",
    "base_url",
    "internal_url",
    "database",
    "redis_url",
    "broker_url",
    "email",
}


def test_example_lists_exactly_the_variables_that_are_read() -> None:
    read = {f"TEST_{variable}" for variable in servers.VARIABLES}
    files = [*(ROOT / "cpo_platform").rglob("*.py")]
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in READERS
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id in {"env", "environment"}
                and node.args
            ):
                read |= _names(node.args[0])
    read |= set(
        re.findall(r'text\("([A-Z_]+)"', (ROOT / "cpo_platform/environment.py").read_text())
    )
    for procfile in ("Procfile", "Procfile.demo", "Procfile.flower"):
        read |= set(re.findall(r"\$\{([A-Z_]+)", (ROOT / procfile).read_text()))
    listed = set(re.findall(r"^([A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert listed == read


def _names(argument: ast.expr) -> set[str]:
    if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
        return {argument.value}
    if isinstance(argument, ast.Attribute) and argument.attr == "VARIABLE":
        return {postgres.VARIABLE, valkey.VARIABLE}
    return set()


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("PORT", "x", "PORT must be a whole number, got 'x'."),
        ("PORT", "70000", "PORT must be from 1 to 65535, got 70000."),
        ("DEBUG", "maybe", "DEBUG must be true or false, got 'maybe'."),
        ("LOG_FORMAT", "xml", "LOG_FORMAT must be one of line, json, got 'xml'."),
        (
            "PUBLIC_URL",
            "cpo.example.com",
            "PUBLIC_URL must be an address such as https://cpo.example.com, got 'cpo.example.com'.",
        ),
        (
            "DATABASE_URL",
            "mysql://u:hidden@h/d",
            "DATABASE_URL must be a PostgreSQL URL such as postgres://user:password@host:5432/name.",
        ),
        (
            "REDIS_URL",
            "amqp://u:hidden@h",
            "REDIS_URL must be a URL such as redis://:password@host:6379/0.",
        ),
        (
            "CELERY_BROKER_URL",
            "sqs://u:hidden@h",
            "CELERY_BROKER_URL must be a URL such as amqp://user:password@host:5672/vhost or "
            "redis://:password@host:6379/1.",
        ),
    ],
)
def test_wrong_value_is_one_sentence_that_names_the_variable(
    start: Start, name: str, value: str, sentence: str
) -> None:
    others = {"DATABASE_URL": "postgres://u@127.0.0.1:1/d", "REDIS_URL": "redis://127.0.0.1:1/0"}
    process = start("manage.py", "check", **{**others, name: value})
    assert process.communicate(timeout=30)[0] == f"{sentence}\n"
    assert process.returncode == 1


def test_empty_value_means_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "")
    assert env.integer("PORT", 8000) == 8000
    monkeypatch.setenv("DEBUG", " ")
    assert env.flag("DEBUG", default=True) is True
    monkeypatch.setenv("ALLOWED_HOSTS", " a.example , b.example,")
    assert env.words("ALLOWED_HOSTS") == ["a.example", "b.example"]


def test_database_without_a_name_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://u:hidden@h:5432/")
    with pytest.raises(ImproperlyConfigured, match=r"^DATABASE_URL names no database"):
        env.database("DATABASE_URL")


def test_secret_is_made_once_and_private(tmp_path: Path) -> None:
    from cpo_platform.runner import processes

    first = processes.secret(tmp_path / "new" / "secret")
    assert len(first) == 64
    assert processes.secret(tmp_path / "new" / "secret") == first
    assert (tmp_path / "new" / "secret").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["secret"]
