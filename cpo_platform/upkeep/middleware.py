"""The outermost middleware: requests are counted, timed and named; probes go no further."""

import time
from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import resolve

from cpo_platform.common import correlation, figures
from cpo_platform.upkeep import families

HEADER = "X-Correlation-ID"
# What an endpoint is called that no address leads to: it must not make figures without end.
NOWHERE = "none"
_PROBES = frozenset({"/healthz", "/readyz"})
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Observed:
    """Count requests by the name of what they reach, never by their address."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._inner = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        began = time.perf_counter()
        given = correlation.readable(request.headers.get(HEADER, ""))
        cause = given or correlation.new()
        with correlation.caused_by(cause):
            response = self._inner(request)
        endpoint = _endpoint(request)
        method = request.method if request.method in _METHODS else "other"
        figures.count(families.REQUESTS, endpoint, str(method), str(response.status_code))
        figures.observe(families.REQUEST_SECONDS, endpoint, seconds=time.perf_counter() - began)
        if not response.has_header(HEADER):
            response[HEADER] = cause
        return response


class Probes:
    """Answer probes whatever name they call us by: kubelets and load balancers use addresses."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._inner = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.path_info not in _PROBES:
            return self._inner(request)
        match = resolve(request.path_info)
        request.resolver_match = match
        answer: HttpResponseBase = match.func(request)
        return answer


def _endpoint(request: HttpRequest) -> str:
    match = request.resolver_match
    return match.view_name or NOWHERE if match is not None else NOWHERE
