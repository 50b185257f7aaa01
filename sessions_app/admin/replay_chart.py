"""The distribution of differences as an SVG, drawn on the server."""

from collections.abc import Sequence
from decimal import Decimal

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from cpo_platform.common.admin import money
from sessions_app.replaying import bounds_of

WIDTH, HEIGHT, TOP, BOTTOM = 760, 220, 18, 34


def chart(histogram: Sequence[int], currency: str) -> SafeString:
    """Return a bar per range of differences: cheaper to the left, dearer to the right."""
    bounds = bounds_of(currency)
    highest = max(histogram, default=0) or 1
    step = WIDTH / len(histogram)
    bars = format_html_join("", "{}", ((part,) for part in _bars(histogram, bounds, highest, step)))
    labels = format_html_join("", "{}", ((part,) for part in _labels(bounds, currency, step)))
    return format_html(
        '<svg class="cpo-chart" viewBox="0 0 {} {}" role="img" aria-label="{}">'
        '{}<line class="cpo-axis" x1="0" x2="{}" y1="{}" y2="{}"></line>{}</svg>',
        WIDTH,
        HEIGHT,
        gettext("How many sessions change by how much"),
        bars,
        WIDTH,
        HEIGHT - BOTTOM,
        HEIGHT - BOTTOM,
        labels,
    )


def _bars(
    histogram: Sequence[int], bounds: Sequence[Decimal], highest: int, step: float
) -> list[SafeString]:
    room = HEIGHT - BOTTOM - TOP
    middle = len(histogram) // 2
    parts = []
    for place, count in enumerate(histogram):
        if not count:
            continue
        tall = max(room * count / highest, 2)
        kind = "same" if place == middle else "less" if place < middle else "more"
        left, top = place * step, HEIGHT - BOTTOM - tall
        parts.append(
            format_html(
                '<g><title>{}: {}</title><rect class="cpo-bar-{}" x="{}" y="{}" width="{}" '
                'height="{}"></rect><text x="{}" y="{}">{}</text></g>',
                range_text(place, bounds),
                count,
                kind,
                f"{left + 2:.1f}",
                f"{top:.1f}",
                f"{step - 4:.1f}",
                f"{tall:.1f}",
                f"{left + step / 2:.1f}",
                f"{top - 4:.1f}",
                count,
            )
        )
    return parts


def _labels(bounds: Sequence[Decimal], currency: str, step: float) -> list[SafeString]:
    """Return the bounds below the axis; those around zero are too close to be written."""
    parts = []
    for place, bound in enumerate(bounds, start=1):
        if abs(bound) != min(map(abs, bounds)):
            parts.append(_label(place * step, f"{bound.normalize():+f}", 14))
    parts.append(_label((len(bounds) + 1) * step / 2, gettext("no change"), 14))
    parts.append(_label(step * 3, gettext("cheaper (%(currency)s)") % {"currency": currency}, 30))
    right = (len(bounds) - 2) * step
    parts.append(_label(right, gettext("dearer (%(currency)s)") % {"currency": currency}, 30))
    return parts


def _label(x: float, text: str, below: int) -> SafeString:
    return format_html('<text x="{}" y="{}">{}</text>', f"{x:.1f}", HEIGHT - BOTTOM + below, text)


def range_text(place: int, bounds: Sequence[Decimal]) -> str:
    """Return the range of a bar."""
    low = bounds[place - 1] if place else None
    high = bounds[place] if place < len(bounds) else None
    if low is None:
        return f"< {money(high, '')}"
    if high is None:
        return f"> {money(low, '')}"
    return f"{low.normalize():+f} … {high.normalize():+f}"
