"""The description of what we serve, to read and to download. Public: it says nothing of anyone."""

from functools import cache

from csp.constants import SELF
from csp.decorators import csp_replace
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from roaming.ocpi.description.generator import as_yaml
from roaming.ocpi.description.pages import Page, lay_out
from roaming.ocpi.versions import VERSIONS, versions_url

ONE_HOUR = 3600
# Staff's pages may do more: their library evaluates attributes, and writes styles.
POLICY = {"script-src": [SELF], "style-src": [SELF]}


@require_safe
@cache_control(public=True, max_age=ONE_HOUR)
@csp_replace(POLICY)
def page(request: HttpRequest, number: str | None = None) -> HttpResponse:
    """Show a version's description; the newest one's when none is named."""
    version = number or list(VERSIONS)[-1]
    context = {
        "page": _page(_known(version)),
        "versions": list(VERSIONS),
        "versions_url": versions_url(),
    }
    return render(request, "roaming/description/page.html", context)


@require_safe
@cache_control(public=True, max_age=ONE_HOUR)
def download(request: HttpRequest, number: str) -> HttpResponse:  # noqa: ARG001
    """Hand out a version's description as OpenAPI 3.1."""
    return HttpResponse(_yaml(_known(number)), content_type="application/yaml; charset=utf-8")


def _known(number: str) -> str:
    if number not in VERSIONS:
        raise Http404
    return number


# The same for everyone and for as long as the process lives.
@cache
def _page(number: str) -> Page:
    return lay_out(number)


@cache
def _yaml(number: str) -> str:
    return as_yaml(number)
