"""The distribution of differences as an SVG, drawn on the server."""

from collections.abc import Iterator, Sequence
from decimal import Decimal

from django.utils.safestring import SafeString
from django.utils.translation import gettext

from cpo_platform.common.admin import charts, money
from sessions_app.replaying import bounds_of

WIDTH, HEIGHT, TOP, BOTTOM = 760, 220, 18, 34


def chart(histogram: Sequence[int], currency: str) -> SafeString:
    """Return a bar per range of differences: cheaper to the left, dearer to the right."""
    bounds = bounds_of(currency)
    step = WIDTH / len(histogram)
    return charts.drawing(
        "cpo-chart",
        (WIDTH, HEIGHT),
        gettext("How many sessions change by how much"),
        [
            *_bars(histogram, bounds, step),
            charts.axis(HEIGHT - BOTTOM, 0, WIDTH),
            *_labels(bounds, currency, step),
        ],
    )


def _bars(histogram: Sequence[int], bounds: Sequence[Decimal], step: float) -> Iterator[SafeString]:
    room, highest = HEIGHT - BOTTOM - TOP, max(histogram, default=0)
    middle = len(histogram) // 2
    for place, count in enumerate(histogram):
        if not count:
            continue
        tall = max(room * count / highest, 2)
        kind = "same" if place == middle else "less" if place < middle else "more"
        left, top = place * step, HEIGHT - BOTTOM - tall
        yield charts.told(
            f"{range_text(place, bounds)}: {count}",
            [
                charts.box(f"cpo-bar-{kind}", (left + 2, top), step - 4, tall),
                charts.text(count, (left + step / 2, top - 4)),
            ],
        )


def _labels(bounds: Sequence[Decimal], currency: str, step: float) -> Iterator[SafeString]:
    """Yield the bounds below the axis; those around zero are too close to be written."""
    for place, bound in enumerate(bounds, start=1):
        if abs(bound) != min(map(abs, bounds)):
            yield _label(place * step, f"{bound.normalize():+f}", 14)
    yield _label((len(bounds) + 1) * step / 2, gettext("no change"), 14)
    yield _label(step * 3, gettext("cheaper (%(currency)s)") % {"currency": currency}, 30)
    right = (len(bounds) - 2) * step
    yield _label(right, gettext("dearer (%(currency)s)") % {"currency": currency}, 30)


def _label(x: float, words: str, below: int) -> SafeString:
    return charts.text(words, (x, HEIGHT - BOTTOM + below))


def range_text(place: int, bounds: Sequence[Decimal]) -> str:
    """Return the range of a bar."""
    low = bounds[place - 1] if place else None
    high = bounds[place] if place < len(bounds) else None
    if low is None:
        return f"< {money(high, '')}"
    if high is None:
        return f"> {money(low, '')}"
    return f"{low.normalize():+f} … {high.normalize():+f}"
