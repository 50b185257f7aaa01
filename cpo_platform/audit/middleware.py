"""Requests of staff: whoever is signed in has done what they write."""

from collections.abc import Callable
from uuid import uuid4

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from cpo_platform.audit.models import Way
from cpo_platform.common import acting
from cpo_platform.common.acting import Actor

# Requests that change nothing are not looked at.
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class ActingPerson:
    """Have what a request writes recorded as done by the person who is signed in."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.method in SAFE:
            return self._get_response(request)
        request_id = request.headers.get("X-Request-ID", "") or uuid4().hex
        with acting.as_found(lambda: _person(request, request_id)):
            return self._get_response(request)


def _person(request: HttpRequest, request_id: str) -> Actor:
    user = request.user
    return Actor(
        way=Way.ADMIN.value,
        what=f"{request.method} {request.path}",
        name=user.get_username(),
        user_id=user.pk,
        request_id=request_id,
    )
