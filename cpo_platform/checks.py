"""System checks: mistakes of a deployment, each with an id."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register  # noqa: A004 - Django's name

from cpo_platform import environment as env

_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})


def register_all() -> None:
    """Register the checks with Django."""
    register(check_servers)
    register(Tags.security, deploy=True)(check_deployment)


def check_servers(**_: Any) -> Sequence[CheckMessage]:
    """Find out whether there is a database and a broker at all."""
    messages = []
    for number, variable, found in (
        (1, "DATABASE_URL", settings.DATABASES["default"]["NAME"]),
        (2, "REDIS_URL", settings.REDIS_URL),
    ):
        if not found:
            messages.append(
                Error(
                    f"{variable} is unset and no embedded server runs.",
                    hint="Set it, or start `make run`; manage.py starts one by itself.",
                    id=f"cpo_platform.E{number:03}",
                )
            )
    return messages


def check_deployment(**_: Any) -> Sequence[CheckMessage]:
    """Find what is right on a laptop and wrong on the internet (`check --deploy`)."""
    public = urlsplit(settings.PUBLIC_URL)
    mistakes = (
        (
            public.hostname in _LOCAL,
            "PUBLIC_URL is an address of this machine: partners cannot reach it.",
            "Set it to the address that they use, such as https://cpo.example.com.",
        ),
        (
            public.scheme != "https",
            "PUBLIC_URL is not https: OCPI tokens and passwords travel in the clear.",
            "Put a proxy with TLS in front and set PUBLIC_URL to its address.",
        ),
        (
            not settings.DEBUG and not env.text("ALLOWED_HOSTS"),
            "ALLOWED_HOSTS is unset: requests to localhost are answered, too.",
            "Set it to the host names that partners and staff use.",
        ),
        (
            not env.text("SECRET_KEY"),
            "SECRET_KEY is unset: the one under var/ is this machine's only.",
            "Set it to a long random value, the same for every process.",
        ),
        (
            settings.OUTBOUND_ALLOW_PRIVATE,
            "OUTBOUND_ALLOW_PRIVATE is on: a partner can make us call our own network.",
            "Leave it unset.",
        ),
        (
            not settings.METRICS_TOKEN,
            "METRICS_TOKEN is unset: /metrics is answered to this machine only.",
            "Set it to a long random value, and let Prometheus send it as a bearer token.",
        ),
    )
    return [
        Warning(message, hint=hint, id=f"cpo_platform.W{number:03}")
        for number, (wrong, message, hint) in enumerate(mistakes, start=1)
        if wrong
    ]
