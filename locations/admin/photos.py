"""Photos of a location: fetched by us, checked, and shown on its page.

They are on hosts of others. Browsers of our staff ask nobody but us: hosts do not learn who looks
at what, and what an import wrote as an address is never loaded as it comes. The guarded client
decides where we go; what comes back is shown only if its first bytes are those of a picture.
"""

import hashlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.core.cache import cache
from django.http import Http404, HttpResponse, JsonResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from cpo_platform.common import http
from cpo_platform.common.admin import NONE, Panel, address
from cpo_platform.common.wording import failure_in_words
from locations.models import Location

# Photos of a location that are named, and those of them that are shown.
MOST_IMAGES, MOST_SHOWN = 50, 12
TIMEOUT_SECONDS = 5.0
MOST_BYTES = 2 * 1024 * 1024
# Threads of this process that may wait for hosts of others, and how long a further one waits.
_PLACES = threading.BoundedSemaphore(3)
WAIT_SECONDS = 1.0
# What is kept: at most 32 MB in all, whatever people look at. A new photo takes the place of an old
# one whose address falls into the same slot.
SLOTS, MOST_KEPT = 128, 256 * 1024
KEPT_SECONDS, FAILED_SECONDS = 3600, 300
# No script and no style, nothing loaded, an origin of its own: also if opened by itself.
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": f"private, max-age={KEPT_SECONDS}",
}
_REDIRECTS = range(300, 400)


@dataclass(frozen=True)
class Photo:
    """What is at an address: a picture of this `kind`, or the key of `REASONS` why there is none.

    `detail` goes with the reason: an HTTP status, or what the network said.
    """

    body: bytes = b""
    kind: str = ""
    reason: str = ""
    detail: str = ""

    @property
    def sentence(self) -> str:
        """Return in words why there is no picture."""
        return str(REASONS[self.reason]) % {"detail": failure_in_words(self.detail)}


REASONS: Mapping[str, Any] = {
    "unsafe": _("Its address is not public, or does not begin with https://."),
    "slow": _("Its host did not answer within 5 seconds."),
    "big": _("It is larger than 2 MB."),
    "away": _("Its host cannot be reached: %(detail)s."),
    "moved": _("Its host sends us elsewhere: write the address to which it leads."),
    "status": _("Its host answers with the HTTP status %(detail)s."),
    "foreign": _("It is not a JPEG, PNG, WebP or GIF."),
    "busy": _("Many photos are being loaded: open the page again in a moment."),
}


def kind_of(body: bytes) -> str:
    """Return the media type that the first bytes say, of those that are shown; "" for others."""
    if body.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if body.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if body.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    return "image/webp" if body[:4] == b"RIFF" and body[8:12] == b"WEBP" else ""


def photo_at(url: str) -> Photo:
    """Return the picture at an address: the one that is kept, or fetched now."""
    try:
        http.check_url(url)
    except http.UnsafeUrl:
        return Photo(reason="unsafe")
    slot = f"photo:{int(hashlib.sha256(url.encode()).hexdigest(), 16) % SLOTS}"
    kept = cache.get(slot)
    if kept is not None and kept[0] == url:
        return Photo(*kept[1:])
    # A host that did not answer is not waited for again by each of its photos.
    host = f"photo-host:{urlsplit(url).netloc[:200].lower()}"
    if cache.get(host):
        return Photo(reason="slow")
    if not _PLACES.acquire(timeout=WAIT_SECONDS):
        return Photo(reason="busy")
    try:
        photo = _fetched(url)
    finally:
        _PLACES.release()
    if photo.reason == "slow":
        cache.set(host, 1, timeout=FAILED_SECONDS)
    if len(photo.body) <= MOST_KEPT:
        seconds = FAILED_SECONDS if photo.reason else KEPT_SECONDS
        kept = (url, photo.body, photo.kind, photo.reason, photo.detail)
        cache.set(slot, kept, timeout=seconds)
    return photo


def _fetched(url: str) -> Photo:
    answer = http.send(
        "GET",
        url,
        headers={"Accept": "image/webp, image/png, image/jpeg, image/gif"},
        timeout_seconds=TIMEOUT_SECONDS,
        most_bytes=MOST_BYTES,
    )
    if answer.status is None:
        return _unreached(answer.error)
    if answer.status in _REDIRECTS:
        return Photo(reason="moved")
    if answer.status != 200:
        return Photo(reason="status", detail=str(answer.status))
    kind = kind_of(answer.body)
    return Photo(body=answer.body, kind=kind) if kind else Photo(reason="foreign")


def _unreached(error: str) -> Photo:
    if error == http.NO_ANSWER:
        return Photo(reason="slow")
    if http.TOO_LONG in error:
        return Photo(reason="big")
    if http.NOT_PUBLIC in error:
        return Photo(reason="unsafe")
    return Photo(reason="away", detail=error[:300].rstrip("."))


def photo_response(location: Location, number: int) -> HttpResponse:
    """Return one of the photos of a location, or why it cannot be shown as JSON: `reason`.

    Raises:
        Http404: the location has no such photo.

    """
    if number >= min(len(location.images), MOST_SHOWN):
        raise Http404
    image = location.images[number]
    photo = photo_at(image.get("thumbnail") or image["url"])
    if photo.reason:
        return JsonResponse({"reason": photo.sentence}, headers={"Cache-Control": "no-store"})
    return HttpResponse(photo.body, content_type=photo.kind, headers=HEADERS)


def images_panel(location: Location) -> Panel:
    """Return the photos of a location: the first of them shown, all of them named."""
    return Panel(
        title=_("Photos"),
        anchor="photos",
        note=_(
            "They are on hosts of others. This platform fetches them, so that nobody else "
            "learns who looks."
        ),
        columns=(_("photo"), _("category"), _("size"), _("type"), _("image"), _("thumbnail")),
        rows=[
            (
                _shown(location, number, image),
                *(image["category"], _size(image), image["type"], elsewhere(image["url"])),
                elsewhere(image["thumbnail"]) if image.get("thumbnail") else NONE,
            )
            for number, image in enumerate(location.images[:MOST_IMAGES])
        ],
        empty=_("There is no photo: drivers find a place sooner that they have seen."),
        whole=True,
        script="cpo/photos.js",
    )


def _shown(location: Location, number: int, image: Mapping[str, Any]) -> object:
    """Return the place of a photo: a script fills it in, one after the other."""
    if number >= MOST_SHOWN:
        return NONE
    return format_html(
        '<span class="cpo-photo" data-photo="{}" data-alt="{}">{}</span>',
        reverse("admin:locations_location_photo", args=[location.pk, number]),
        gettext("Photo: %(category)s") % {"category": image["category"]},
        gettext("Loading…"),
    )


def _size(image: Mapping[str, Any]) -> str:
    width, height = image.get("width"), image.get("height")
    return f"{width} × {height}" if width and height else NONE


def elsewhere(url: str) -> object:
    """Return a link to a page of others: it opens beside ours, and is not told where it was."""
    return format_html(
        '<a class="cpo-link" href="{}" target="_blank" rel="noopener noreferrer">{}</a>',
        *(url, address(url)),
    )
