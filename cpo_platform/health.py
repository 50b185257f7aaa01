"""`/healthz`: whether this process can do its work, for load balancers and `make run`."""

import logging

import redis
from django.conf import settings
from django.db import Error, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

TIMEOUT_SECONDS = 2

log = logging.getLogger(__name__)


@require_safe
@never_cache
def healthz(_request: HttpRequest) -> HttpResponse:
    """Answer 200 where database and broker answer, else 503; say which, and nothing else."""
    answers = {"database": _database_answers(), "broker": _broker_answers()}
    healthy = all(answers.values())
    body = {name: "ok" if answer else "unreachable" for name, answer in answers.items()}
    return JsonResponse(
        {"status": "ok" if healthy else "unavailable", **body}, status=200 if healthy else 503
    )


def _database_answers() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error:
        log.warning("The database does not answer.", exc_info=True)
        return False
    return True


def _broker_answers() -> bool:
    try:
        with redis.Redis.from_url(
            settings.REDIS_URL,
            socket_connect_timeout=TIMEOUT_SECONDS,
            socket_timeout=TIMEOUT_SECONDS,
        ) as client:
            return bool(client.ping())
    except (redis.RedisError, ValueError):
        log.warning("The broker does not answer.", exc_info=True)
        return False
