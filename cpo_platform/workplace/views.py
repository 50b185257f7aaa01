"""The pages and parts of the workplace; every one of them behind the admin's own door."""

from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.template.response import TemplateResponse
from django.utils.translation import gettext

from cpo_platform.admin_site import may_see
from cpo_platform.common.admin import visible
from cpo_platform.workplace import home, mapping, searching
from locations.models import Location, LocationGroup


def search(request: HttpRequest) -> HttpResponse:
    """Return what was found for `q`, as a part of a page."""
    text = searching.cleaned(request.GET.get("q", ""))
    found = searching.find(request, text) if searching.is_enough(text) else None
    context = {"text": text, "found": found, "searched": searching.searched(request)}
    return render(request, "admin/workplace/found.html", context)


def home_parts(request: HttpRequest) -> HttpResponse:
    """Return what the home page asks for again and again."""
    return render(request, "admin/workplace/home_parts.html", home.parts(request))


def map_page(request: HttpRequest) -> HttpResponse:
    """Show the map; `location` names a place to begin at."""
    _needs_locations(request)
    groups = visible(request, LocationGroup.objects.order_by("name"))
    if not may_see(request, "locations.locationgroup"):
        groups = groups.none()
    request.current_app = admin.site.name
    context = {
        **admin.site.each_context(request),
        "title": gettext("Map"),
        "groups": groups,
        "tones": mapping.TONES,
        "begin": mapping.begin(request),
        "tile_url": settings.MAP_TILE_URL,
        "attribution": settings.MAP_ATTRIBUTION,
    }
    return TemplateResponse(request, "admin/workplace/map.html", context)


def map_points(request: HttpRequest) -> HttpResponse:
    """Return the marks within `bbox` at `zoom` as JSON; 400 and the reason where they are wrong."""
    _needs_locations(request)
    try:
        asked = mapping.read(request.GET)
    except mapping.BadView as error:
        return JsonResponse({"error": str(error)}, status=400)
    return JsonResponse(mapping.points(request, asked))


def map_site(request: HttpRequest, location_id: int) -> HttpResponse:
    """Return what stands at a place, as a part of the map."""
    _needs_locations(request)
    location = visible(request, Location.objects.filter(pk=location_id)).first()
    if location is None:
        raise Http404
    context = {"location": location, "evses": mapping.evses_at(request, location)}
    return render(request, "admin/workplace/site.html", context)


def _needs_locations(request: HttpRequest) -> None:
    if not may_see(request, "locations.location"):
        raise PermissionDenied
