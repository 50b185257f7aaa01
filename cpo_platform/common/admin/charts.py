"""Charts as SVG, drawn on the server: no script, and a table that says the same."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext

WIDTH, HEIGHT, TOP, FOOT = 480, 120, 14, 18


@dataclass(frozen=True)
class HourChart:
    """Values of a day by the hour, as bars, beside those of another day, as a line."""

    title: str
    now: Sequence[float]
    before: Sequence[float]

    @property
    def rows(self) -> list[tuple[str, str, str]]:
        """Return the hours with both values, for the table."""
        return [
            (
                f"{hour:02}:00",
                shown(self.now[hour]) if hour < len(self.now) else "",
                shown(value),
            )
            for hour, value in enumerate(self.before)
        ]

    def svg(self) -> SafeString:
        """Return the chart."""
        top = max((*self.now, *self.before), default=0.0) or 1.0
        step = WIDTH / max(len(self.before), 1)
        bars = format_html_join(
            "",
            '<rect class="cpo-hour" x="{}" y="{}" width="{}" height="{}"><title>{}</title></rect>',
            (
                (
                    f"{hour * step + 1:.1f}",
                    f"{_y(value, top):.1f}",
                    f"{step - 2:.1f}",
                    f"{TOP + HEIGHT - _y(value, top):.1f}",
                    f"{hour:02}:00 {shown(value)}",
                )
                for hour, value in enumerate(self.now)
            ),
        )
        points = " ".join(
            f"{(hour + 0.5) * step:.1f},{_y(value, top):.1f}"
            for hour, value in enumerate(self.before)
        )
        return format_html(
            '<svg class="cpo-chart cpo-hours" viewBox="0 0 {} {}" role="img" aria-label="{}">'
            '{}<polyline class="cpo-hours-before" points="{}"></polyline>'
            '<line class="cpo-axis" x1="0" x2="{}" y1="{}" y2="{}"></line>'
            '<text x="0" y="10">{}</text>{}</svg>',
            *(WIDTH, TOP + HEIGHT + FOOT),
            gettext("%(title)s by the hour, today and a week ago") % {"title": self.title},
            *(bars, points, WIDTH, TOP + HEIGHT, TOP + HEIGHT, shown(top)),
            format_html_join(
                "",
                '<text x="{}" y="{}">{}</text>',
                (
                    (f"{hour * step:.1f}", TOP + HEIGHT + FOOT - 4, f"{hour:02}:00")
                    for hour in range(0, len(self.before), 6)
                ),
            ),
        )


def shown(value: float) -> str:
    """Return a value as people read it: no more digits than say something."""
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:,.1f}"


def _y(value: float, top: float) -> float:
    return TOP + HEIGHT * (1 - value / top)
