"""Charts as SVG, drawn on the server: no script, and a table that says the same."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from cpo_platform.common.admin.display import NONE

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


# Where the scale of shares may begin: as near as all values allow, so that a per cent can be seen.
_FLOORS = (95.0, 90.0, 80.0, 50.0, 0.0)
SHARES_WIDTH, SCALE = 720, 44


@dataclass(frozen=True)
class ShareChart:
    """Shares of a whole in per cent, one a day or so, as a line; a goal as another.

    A point is what it is called and its value, None where there is none.
    """

    title: str
    points: Sequence[tuple[str, float | None]]
    goal: float
    goal_text: str

    @property
    def rows(self) -> list[tuple[str, str]]:
        """Return the points, for the table."""
        return [(name, percent_text(value)) for name, value in self.points]

    @property
    def _floor(self) -> float:
        least = min([value for _name, value in self.points if value is not None] + [self.goal])
        return next(floor for floor in _FLOORS if floor <= least)

    def svg(self) -> SafeString:
        """Return the chart."""
        goal = f"{self._y(self.goal):.1f}"
        return format_html(
            '<svg class="cpo-chart cpo-shares" viewBox="0 0 {} {}" role="img" aria-label="{}">'
            '<line class="cpo-axis" x1="{}" x2="{}" y1="{}" y2="{}"></line>'
            '<text x="0" y="{}">100 %</text><text x="0" y="{}">{} %</text>'
            '<line class="cpo-goal" x1="{}" x2="{}" y1="{}" y2="{}"><title>{}</title></line>'
            "{}{}{}</svg>",
            *(SHARES_WIDTH, TOP + HEIGHT + FOOT, self.title),
            *(SCALE, SHARES_WIDTH, TOP + HEIGHT, TOP + HEIGHT),
            *(TOP + 4, TOP + HEIGHT, shown(self._floor)),
            *(SCALE, SHARES_WIDTH, goal, goal, self.goal_text),
            *(self._lines(), self._dots(), self._names()),
        )

    def _lines(self) -> SafeString:
        """Return a line for each run of points without a gap."""
        runs: list[list[str]] = [[]]
        for place, (_name, value) in enumerate(self.points):
            if value is None:
                runs.append([])
            else:
                runs[-1].append(f"{self._x(place):.1f},{self._y(value):.1f}")
        return format_html_join(
            "",
            '<polyline class="cpo-share-line" points="{}"></polyline>',
            ((" ".join(run),) for run in runs if len(run) > 1),
        )

    def _dots(self) -> SafeString:
        return format_html_join(
            "",
            '<circle class="{}" cx="{}" cy="{}" r="4"><title>{}</title></circle>',
            (
                (
                    "cpo-share" if value >= self.goal else "cpo-share cpo-below-goal",
                    f"{self._x(place):.1f}",
                    f"{self._y(value):.1f}",
                    f"{name}: {percent_text(value)}",
                )
                for place, (name, value) in enumerate(self.points)
                if value is not None
            ),
        )

    def _names(self) -> SafeString:
        every = max(len(self.points) // 7, 1)
        return format_html_join(
            "",
            '<text x="{}" y="{}">{}</text>',
            (
                (f"{self._x(place) - 14:.1f}", TOP + HEIGHT + FOOT - 4, name[5:])
                for place, (name, _value) in enumerate(self.points)
                if place % every == 0
            ),
        )

    def _x(self, place: int) -> float:
        step = (SHARES_WIDTH - SCALE) / max(len(self.points), 1)
        return SCALE + (place + 0.5) * step

    def _y(self, value: float) -> float:
        share = (value - self._floor) / (100 - self._floor)
        return TOP + HEIGHT * (1 - max(share, 0))


@dataclass(frozen=True)
class Bar:
    """A bar whose parts stand one after the other: a class, a width (their sum is 1), and words."""

    title: str
    parts: Sequence[tuple[str, float, str]]
    height: int = 26

    def svg(self) -> SafeString:
        """Return the bar."""
        begin = 0.0
        drawn: list[tuple[str, str, str, int, str]] = []
        for name, width, words in self.parts:
            x, wide = f"{begin * SHARES_WIDTH:.2f}", f"{width * SHARES_WIDTH:.2f}"
            drawn.append((name, x, wide, self.height, words))
            begin += width
        return format_html(
            '<svg class="cpo-time-bar" viewBox="0 0 {} {}" preserveAspectRatio="none" role="img"'
            ' aria-label="{}">{}</svg>',
            *(SHARES_WIDTH, self.height, self.title),
            format_html_join(
                "",
                '<rect class="{}" x="{}" y="0" width="{}" height="{}"><title>{}</title></rect>',
                drawn,
            ),
        )


def percent_text(value: float | None) -> str:
    """Return a share with two decimals; a dash where there is none."""
    if value is None:
        return NONE
    # Never more than there is: 99.996 is not all of it.
    return f"{int(value * 100 + 1e-6) / 100:.2f} %"


def shown(value: float) -> str:
    """Return a value as people read it: no more digits than say something."""
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:,.1f}"


def _y(value: float, top: float) -> float:
    return TOP + HEIGHT * (1 - value / top)


@dataclass(frozen=True)
class WeekPicture:
    """Days by the clock: a row for each, with parts from a minute until another of the day.

    A part is a class, its begin and end in minutes, and words.
    """

    title: str
    rows: Sequence[tuple[str, Sequence[tuple[str, int, int, str]]]]

    LEFT, ROW, WIDE = 130, 24, 830

    def svg(self) -> SafeString:
        """Return the picture."""
        height = TOP + self.ROW * len(self.rows) + FOOT
        return format_html(
            '<svg class="cpo-open-week" viewBox="0 0 {} {}" role="img" aria-label="{}">{}{}</svg>',
            *(self.LEFT + self.WIDE + 20, height, self.title),
            format_html_join("", "{}", ((self._row(*row),) for row in enumerate(self.rows))),
            format_html_join(
                "",
                '<text class="cpo-hour" x="{}" y="{}">{}</text>',
                (
                    (f"{self._x(hour * 60):.0f}", height - 4, f"{hour:02}:00")
                    for hour in range(0, 25, 3)
                ),
            ),
        )

    def _row(self, number: int, row: tuple[str, Sequence[tuple[str, int, int, str]]]) -> SafeString:
        name, parts = row
        y = TOP + number * self.ROW
        return format_html(
            '<text x="0" y="{}">{}</text>'
            '<rect class="cpo-shut" x="{}" y="{}" width="{}" height="{}"></rect>{}',
            *(y + 15, name, self.LEFT, y, self.WIDE, self.ROW - 4),
            format_html_join(
                "",
                '<rect class="{}" x="{}" y="{}" width="{}" height="{}"><title>{}</title></rect>',
                (
                    (
                        *(kind, f"{self._x(begin):.1f}", y),
                        *(f"{self._x(end) - self._x(begin):.1f}", self.ROW - 4, words),
                    )
                    for kind, begin, end, words in parts
                ),
            ),
        )

    def _x(self, minute: int) -> float:
        return self.LEFT + self.WIDE * minute / (24 * 60)
