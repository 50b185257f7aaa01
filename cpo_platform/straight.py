"""The short way for partners: OCPI needs no session, no language, no form token and no messages.

What is left is what every answer needs: a host that is ours, and the headers of transport security.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import cast

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.security import SecurityMiddleware
from django.urls import ResolverMatch, resolve
from django.utils import translation

PREFIX = "/ocpi/"
# Paths that are found again without trying every pattern: lists and versions are short.
MOST_REMEMBERED = 1000
MAX_REMEMBERED_PATH = 100


class StraightToOcpi:
    """The outermost middleware: requests of partners pass by all that are for people."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._around = get_response
        self._straight = SecurityMiddleware(_view)

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not request.path_info.startswith(PREFIX):
            return self._around(request)
        request.get_host()  # refuses hosts that are not ours
        # The thread may have spoken another language to the person before.
        translation.activate(settings.LANGUAGE_CODE)
        return cast("HttpResponseBase", self._straight(request))


def _view(request: HttpRequest) -> HttpResponseBase:
    path = request.path_info
    match = _remembered(path) if len(path) <= MAX_REMEMBERED_PATH else resolve(path)
    request.resolver_match = match
    response: HttpResponseBase = match.func(request, *match.args, **match.kwargs)
    return response


@lru_cache(maxsize=MOST_REMEMBERED)
def _remembered(path: str) -> ResolverMatch:
    return resolve(path)
