"""How long changes took to a partner over a day, as a small SVG, drawn on the server."""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime

from django.utils.safestring import SafeString
from django.utils.translation import gettext

from cpo_platform.common.admin import charts, duration
from roaming.histograms import quantile
from roaming.operations.traffic import Figures

WIDTH, HEIGHT, FAILED = 288, 44, 3
# The lower end of the scale, in seconds; what was quicker has the smallest bar.
SHORTEST = 0.01


def longest(modules: Mapping[str, Mapping[datetime, Figures]]) -> float:
    """Return the upper end of a scale that all these fit in, in seconds; at least one."""
    found = (
        quantile(part.lag, 0.95) or 0.0 for by_slot in modules.values() for part in by_slot.values()
    )
    return max(1.0, max(found, default=0.0))


def chart(
    by_slot: Mapping[datetime, Figures], moments: Sequence[datetime], *, top: float
) -> SafeString:
    """Return a bar per moment: dark, what half of the changes took; light, 95 of 100.

    `top` is the upper end of the scale, in seconds. Red on top: requests failed.
    """
    step = WIDTH / len(moments)
    return charts.drawing(
        "cpo-spark",
        (WIDTH, HEIGHT + 1),
        gettext("How long changes took over the last 24 hours"),
        [
            *(
                _bar(by_slot[moment], moment, left=place * step, step=step, top=top)
                for place, moment in enumerate(moments)
                if moment in by_slot
            ),
            charts.axis(HEIGHT, 0, WIDTH),
        ],
    )


def _bar(part: Figures, moment: datetime, *, left: float, step: float, top: float) -> SafeString:
    half, most = quantile(part.lag, 0.5), quantile(part.lag, 0.95)
    shapes = [("cpo-spark-most", _tall(most, top)), ("cpo-spark-half", _tall(half, top))]
    boxes = [
        charts.box(name, (left + 0.5, HEIGHT - tall), step - 1, tall)
        for name, tall in shapes
        if tall
    ]
    if part.failed:
        boxes.append(charts.box("cpo-spark-failed", (left + 0.5, 0), step - 1, FAILED))
    text = gettext("%(time)s: %(requests)s requests, %(failed)s failed; %(half)s, %(most)s") % {
        "time": f"{moment:%H:%M}",
        "requests": part.requests,
        "failed": part.failed,
        "half": duration(half),
        "most": duration(most),
    }
    return charts.told(text, boxes)


def _tall(seconds: float | None, top: float) -> float:
    """Return how tall the bar of a duration is, on a logarithmic scale; 0: no bar."""
    if seconds is None:
        return 0.0
    room = HEIGHT - FAILED - 1
    share = math.log(max(seconds, SHORTEST) / SHORTEST) / math.log(top / SHORTEST)
    return max(room * min(share, 1.0), 1.5)
