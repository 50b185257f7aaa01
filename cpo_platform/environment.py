"""Read settings from the environment; a wrong value names its variable.

An empty value means unset, so that a copied `.env.example` changes nothing.
"""

import ipaddress
import os
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent

# Ends of names that are of no use on the internet.
_INTERNAL = (".internal", ".local", ".localdomain", ".svc")
_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})


def testing() -> bool:
    """Tell whether pytest runs this process or started it."""
    return "PYTEST_VERSION" in os.environ


def load_dotenv(path: Path = BASE_DIR / ".env") -> None:
    """Add what `.env` says to the environment; what is already set there wins.

    Tests ignore the file: they must not depend on a developer's own settings.
    """
    if not testing() and path.is_file():
        environ.Env.read_env(path)


def text(name: str, default: str = "") -> str:
    """Return a variable as it stands."""
    return os.environ.get(name, "").strip() or default


def integer(name: str, default: int, *, minimum: int = 0, maximum: int | None = None) -> int:
    """Return a whole number.

    Raises:
        ImproperlyConfigured: it is no whole number, or out of range.
    """
    value = text(name)
    if not value:
        return default
    try:
        number = int(value)
    except ValueError:
        raise ImproperlyConfigured(f"{name} must be a whole number, got {value!r}.") from None
    if number < minimum or (maximum is not None and number > maximum):
        span = f"at least {minimum}" if maximum is None else f"from {minimum} to {maximum}"
        raise ImproperlyConfigured(f"{name} must be {span}, got {number}.")
    return number


def flag(name: str, *, default: bool) -> bool:
    """Return a yes or no.

    Raises:
        ImproperlyConfigured: it is neither; a typing error must not pass for "no".
    """
    value = text(name).lower()
    if not value:
        return default
    if value in _TRUE | _FALSE:
        return value in _TRUE
    raise ImproperlyConfigured(f"{name} must be true or false, got {value!r}.")


def percent(name: str, default: float) -> float:
    """Return a number from 0 to 100.

    Raises:
        ImproperlyConfigured: it is no such number.
    """
    value = text(name)
    try:
        number = float(value) if value else default
    except ValueError:
        number = -1
    if not 0 <= number <= 100:
        raise ImproperlyConfigured(f"{name} must be a number from 0 to 100, got {value!r}.")
    return number


def words(name: str, default: tuple[str, ...] = ()) -> list[str]:
    """Return a list that was written with commas."""
    value = text(name)
    return [word for part in value.split(",") if (word := part.strip())] if value else [*default]


def choice(name: str, choices: tuple[str, ...], default: str) -> str:
    """Return one of `choices`.

    Raises:
        ImproperlyConfigured: it is none of them.
    """
    value = text(name, default)
    if value not in choices:
        raise ImproperlyConfigured(f"{name} must be one of {', '.join(choices)}, got {value!r}.")
    return value


def base_url(name: str, default: str) -> str:
    """Return an http(s) address without a slash at its end.

    Raises:
        ImproperlyConfigured: it is not such an address.
    """
    value = text(name, default).rstrip("/")
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise ImproperlyConfigured(
            f"{name} must be an address such as https://cpo.example.com, got {value!r}."
        )
    return value


def internal_url(name: str, default: str = "") -> str:
    """Return the http address of a service of ours, without a path; "" where none is set.

    Raises:
        ImproperlyConfigured: it is not such an address, or one of the internet.
    """
    value = text(name, default).rstrip("/")
    if value and not _is_internal(urlsplit(value)):
        raise ImproperlyConfigured(
            f"{name} must be an address within your network such as http://flower:5555, "
            f"got {value!r}."
        )
    return value


def _is_internal(parts: SplitResult) -> bool:
    host = parts.hostname or ""
    if parts.scheme != "http" or not host or parts.username or parts.path or parts.query:
        return False
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return "." not in host or host.endswith(_INTERNAL)


def database(name: str, default: str = "") -> dict[str, Any]:
    """Return Django's settings of the PostgreSQL database behind a URL; no NAME where none is set.

    Raises:
        ImproperlyConfigured: it is not a PostgreSQL URL. The value is not repeated: it holds a
            password.
    """
    value = text(name, default)
    if not value:
        return {"ENGINE": "django.db.backends.postgresql", "NAME": ""}
    if urlsplit(value).scheme not in {"postgres", "postgresql"}:
        raise ImproperlyConfigured(
            f"{name} must be a PostgreSQL URL such as postgres://user:password@host:5432/name."
        )
    try:
        config: dict[str, Any] = dict(environ.Env.db_url_config(value))
    except ValueError:
        raise ImproperlyConfigured(f"{name} is not a well-formed PostgreSQL URL.") from None
    if not config.get("NAME"):
        raise ImproperlyConfigured(f"{name} names no database: end it with /name.")
    return config


def redis_url(name: str, default: str = "") -> str:
    """Return the URL of a Redis or Valkey server.

    Raises:
        ImproperlyConfigured: it is not such a URL. The value is not repeated: it may hold a
            password.
    """
    value = text(name, default)
    if value and urlsplit(value).scheme not in {"redis", "rediss"}:
        raise ImproperlyConfigured(f"{name} must be a URL such as redis://:password@host:6379/0.")
    return value


def broker_url(name: str, default: str = "") -> str:
    """Return the URL of Celery's broker: RabbitMQ, or a Redis or Valkey server.

    Raises:
        ImproperlyConfigured: it is not such a URL. The value is not repeated: it may hold a
            password.
    """
    value = text(name, default)
    if value and urlsplit(value).scheme not in {"amqp", "amqps", "redis", "rediss"}:
        raise ImproperlyConfigured(
            f"{name} must be a URL such as amqp://user:password@host:5672/vhost or "
            "redis://:password@host:6379/1."
        )
    return value


def email(name: str) -> dict[str, Any]:
    """Return Django's settings of the mail server behind a URL; none where it is unset.

    Raises:
        ImproperlyConfigured: it is not such a URL. The value is not repeated: it may hold a
            password.
    """
    value = text(name)
    if not value:
        return {}
    if urlsplit(value).scheme not in {"smtp", "smtp+tls", "smtp+ssl", "consolemail"}:
        raise ImproperlyConfigured(
            f"{name} must be a URL such as smtp+tls://user:password@mail.example.com:587."
        )
    try:
        return dict(environ.Env.email_url_config(value))
    except ValueError:
        raise ImproperlyConfigured(f"{name} is not a well-formed URL.") from None


def var_dir() -> Path:
    """Return the directory of everything that is written at run time."""
    return Path(text("VAR_DIR", str(BASE_DIR / "var"))).absolute()
