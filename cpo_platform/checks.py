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
    register(check_openid_connect)
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


def check_openid_connect(**_: Any) -> Sequence[CheckMessage]:
    """Find a provider that is set up by half, or asked for over a line that others can read."""
    given = {
        "OIDC_ISSUER": settings.OIDC_ISSUER,
        "OIDC_CLIENT_ID": settings.OIDC_CLIENT_ID,
        "OIDC_CLIENT_SECRET": settings.OIDC_CLIENT_SECRET,
    }
    missing = [name for name, value in given.items() if not value]
    if 0 < len(missing) < len(given):
        return [
            Error(
                f"OpenID Connect is set up by half: {', '.join(missing)} is unset.",
                hint="Set OIDC_ISSUER, OIDC_CLIENT_ID and OIDC_CLIENT_SECRET, or none of them.",
                id="cpo_platform.E003",
            )
        ]
    issuer = urlsplit(settings.OIDC_ISSUER)
    if not missing and issuer.scheme != "https" and issuer.hostname not in _LOCAL:
        return [
            Error(
                "OIDC_ISSUER is not https: anybody on the way could say who signs in.",
                hint="Set it to the provider's https address.",
                id="cpo_platform.E004",
            )
        ]
    return []


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
        (
            not settings.FIELD_ENCRYPTION_KEYS,
            "FIELD_ENCRYPTION_KEYS is unset: secrets are encrypted under SECRET_KEY.",
            "Set it to a long random value; change it later by `manage.py rotate_secrets`.",
        ),
        (
            settings.REQUIRE_2FA == "never",
            "REQUIRE_2FA is never: a password alone opens everything.",
            "Leave it unset, or set it to all or admins.",
        ),
        (
            public.scheme == "https" and not settings.TRUSTED_PROXIES,
            "TRUSTED_PROXIES is 0: tries to sign in are counted as if all came from the proxy.",
            "Set it to the number of your proxies, which write X-Forwarded-For.",
        ),
        (
            not settings.EMAIL_IS_ON,
            "EMAIL_URL is unset: a forgotten password is set anew by an administrator only.",
            "Set it to your mail server, such as smtp+tls://user:password@mail.example.com:587.",
        ),
        (
            settings.EMAIL_IS_ON
            and settings.EMAIL_HOST not in _LOCAL
            and not (settings.EMAIL_USE_TLS or settings.EMAIL_USE_SSL),
            "EMAIL_URL is not encrypted: links that set a password travel in the clear.",
            "Begin it with smtp+tls:// or smtp+ssl://.",
        ),
    )
    return [
        Warning(message, hint=hint, id=f"cpo_platform.W{number:03}")
        for number, (wrong, message, hint) in enumerate(mistakes, start=1)
        if wrong
    ]
