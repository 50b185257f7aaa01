"""Flower behind the admin: for people who keep the platform running, and to look only.

Flower is an optional process (Procfile.flower) that listens on this machine. Requests for its pages
are passed on to it; nothing else is: no API that changes something, no cookie, no token of ours.
"""

import http.client
import re
import time
from collections.abc import Iterator
from urllib.parse import quote, urlsplit

from csp.constants import SELF
from csp.decorators import csp_replace
from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from cpo_platform.staff.roles import VIEW_OPERATIONS

# Its pages and what they load. Its API, its metrics and its login are left out.
_PAGES = re.compile(r"|workers|worker/[^/]+|tasks|task/[^/]+|broker|static/.+")
_ASKED = ("Accept", "Accept-Language", "If-None-Match", "If-Modified-Since")
_ANSWERED = ("Content-Type", "ETag", "Last-Modified")
TIMEOUT_SECONDS = 5.0
LONGEST_SECONDS = 20.0
MOST_BYTES = 16 * 1024 * 1024
MOST_QUESTION_BYTES = 16 * 1024
CHUNK_BYTES = 64 * 1024
# Its one script within a page, which says whether it refreshes by itself: 1 or 0.
_SCRIPTS = [
    "'sha256-A0YIP5A+DKoseGAUTHRoMPDkKPK5cKzfYH3mjcCKtj8='",
    "'sha256-Plc72SJ5jJr8U3f1AUIRpRT60gipUj+EwCvnh1JkE68='",
]


class NotThere(Exception):
    """Flower does not answer."""


@require_safe
def flower(request: HttpRequest, page: str = "") -> HttpResponseBase:
    """Pass a request for a page on to Flower.

    Raises:
        PermissionDenied: the person may not see operations.
        Http404: it is none of the pages that may be looked at.

    """
    if not request.user.has_perm(VIEW_OPERATIONS):
        raise PermissionDenied
    if not _PAGES.fullmatch(page) or ".." in page:
        raise Http404
    return _shown(request, request.META.get("QUERY_STRING", ""))


# Its page of tasks asks by POST, without our token; it is asked by GET, and nothing is changed.
@csrf_exempt
@require_POST
def tasks(request: HttpRequest) -> HttpResponseBase:
    """Pass the question of the page of tasks for its rows on to Flower.

    Raises:
        PermissionDenied: the person may not see operations.

    """
    if not request.user.has_perm(VIEW_OPERATIONS):
        raise PermissionDenied
    if len(request.body) > MOST_QUESTION_BYTES:
        return HttpResponse(status=http.HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    return _shown(request, request.POST.urlencode())


def _shown(request: HttpRequest, query: str) -> HttpResponseBase:
    try:
        return _passed_on(request, query)  # type: ignore[call-arg]  # its decorator knows of one argument
    except NotThere:
        return _absent(request)


# Its pages need less than ours: no evaluated attributes.
@csp_replace({"script-src": [SELF, *_SCRIPTS]})  # type: ignore[arg-type]
def _passed_on(request: HttpRequest, query: str) -> HttpResponseBase:
    if not settings.FLOWER_URL:
        raise NotThere
    parts = urlsplit(settings.FLOWER_URL)
    connection = http.client.HTTPConnection(
        parts.hostname or "", parts.port or 80, timeout=TIMEOUT_SECONDS
    )
    headers = {name: request.headers[name] for name in _ASKED if name in request.headers}
    target = quote(request.path, safe="/@") + (f"?{query}" if query else "")
    try:
        connection.request("GET", target, headers={**headers, "Accept-Encoding": "identity"})
        answer = connection.getresponse()
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        raise NotThere from error
    return _answer(_Body(connection, answer))


def _answer(body: "_Body") -> HttpResponseBase:
    """Return what Flower said, without what is between it and us only."""
    answer = body.answer
    kept = {name: value for name in _ANSWERED if (value := answer.getheader(name))}
    if answer.status == http.HTTPStatus.NOT_MODIFIED:
        body.close()
        return HttpResponse(status=answer.status, headers=kept)
    if 300 <= answer.status < 400:
        body.close()
        raise NotThere
    return StreamingHttpResponse(body, status=answer.status, headers=kept)


class _Body:
    """What Flower answers, as it comes, within bounds of size and time.

    Django closes it with its own answer, also where nobody has read it.
    """

    def __init__(
        self, connection: http.client.HTTPConnection, answer: http.client.HTTPResponse
    ) -> None:
        self.answer = answer
        self._connection = connection

    def __iter__(self) -> Iterator[bytes]:
        ends, left = time.monotonic() + LONGEST_SECONDS, MOST_BYTES
        while left > 0 and time.monotonic() < ends:
            chunk = self.answer.read1(min(left, CHUNK_BYTES))
            if not chunk:
                return
            left -= len(chunk)
            yield chunk

    def close(self) -> None:
        self.answer.close()
        self._connection.close()


def _absent(request: HttpRequest) -> HttpResponse:
    """Say that it does not run, and how to start it."""
    request.current_app = admin.site.name
    return TemplateResponse(
        request,
        "admin/cpo/confirm.html",
        {
            **admin.site.each_context(request),
            "title": gettext("Flower is not running"),
            "sentences": [
                gettext("It is an optional process that shows workers and their tasks live."),
                gettext("With make run: set FLOWER_PORT, such as 5555, and start again."),
                gettext(
                    "Elsewhere: run “python -m cpo_platform.runner start flower” beside the "
                    "workers, and set FLOWER_URL for the web processes."
                ),
                gettext("The page Operations shows each task's last run without it."),
            ],
            "cancel_url": reverse("operations"),
            "blocked": True,
        },
    )
