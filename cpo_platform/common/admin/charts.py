"""Charts as SVG, drawn on the server: no script, and a table that says the same.

Charts of one app only are drawn there, of the same pieces: `drawing` and what is below it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from cpo_platform.common.admin.display import NONE

WIDTH, HEIGHT, TOP, FOOT = 480, 120, 14, 18

Point = tuple[float, float]


def drawing(kind: str, size: tuple[int, int], title: str, parts: Iterable[object]) -> SafeString:
    """Return a picture as wide as there is room, made of these parts."""
    return format_html(
        '<svg class="{}" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>',
        *(kind, *size, title, together(parts)),
    )


def together(parts: Iterable[object]) -> SafeString:
    """Return parts as one."""
    return format_html_join("", "{}", ((part,) for part in parts))


def told(words: object, parts: Iterable[object]) -> SafeString:
    """Return parts as one, with the words that a pointer on them shows."""
    return format_html("<g><title>{}</title>{}</g>", words, together(parts))


def axis(y: float, begin: float, end: float) -> SafeString:
    """Return a line from left to right."""
    return format_html(
        '<line class="cpo-axis" x1="{}" x2="{}" y1="{}" y2="{}"></line>', *(begin, end, y, y)
    )


def box(kind: str, at: Point, width: float, height: float) -> SafeString:
    """Return a bar; `at` is its upper left corner."""
    return format_html(
        '<rect class="{}" x="{}" y="{}" width="{}" height="{}"></rect>',
        *(kind, *(f"{value:.1f}" for value in (*at, width, height))),
    )


def text(words: object, at: Point, kind: str = "") -> SafeString:
    """Return words; `at` is where they begin, or what their class says."""
    shape = '<text x="{}" y="{}" class="{}">{}</text>' if kind else '<text x="{}" y="{}">{}</text>'
    return format_html(shape, *(f"{value:.1f}" for value in at), *([kind] if kind else []), words)


def line(kind: str, points: Iterable[Point]) -> SafeString:
    """Return a line through points."""
    return format_html('<polyline class="{}" points="{}"></polyline>', kind, _listed(points))


def area(kind: str, points: Iterable[Point]) -> SafeString:
    """Return what points enclose."""
    return format_html('<polygon class="{}" points="{}"></polygon>', kind, _listed(points))


def _listed(points: Iterable[Point]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


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
        before = [((hour + 0.5) * step, _y(value, top)) for hour, value in enumerate(self.before)]
        return drawing(
            "cpo-chart cpo-hours",
            (WIDTH, TOP + HEIGHT + FOOT),
            gettext("%(title)s by the hour, today and a week ago") % {"title": self.title},
            [
                bars,
                line("cpo-hours-before", before),
                axis(TOP + HEIGHT, 0, WIDTH),
                text(shown(top), (0, 10)),
                *(
                    text(f"{hour:02}:00", (hour * step, TOP + HEIGHT + FOOT - 4))
                    for hour in range(0, len(self.before), 6)
                ),
            ],
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
        return drawing(
            "cpo-chart cpo-shares",
            (SHARES_WIDTH, TOP + HEIGHT + FOOT),
            self.title,
            [
                axis(TOP + HEIGHT, SCALE, SHARES_WIDTH),
                text("100 %", (0, TOP + 4)),
                text(f"{shown(self._floor)} %", (0, TOP + HEIGHT)),
                format_html(
                    '<line class="cpo-goal" x1="{}" x2="{}" y1="{}" y2="{}">'
                    "<title>{}</title></line>",
                    *(SCALE, SHARES_WIDTH, goal, goal, self.goal_text),
                ),
                *self._lines(),
                self._dots(),
                *self._names(),
            ],
        )

    def _lines(self) -> list[SafeString]:
        """Return a line for each run of points without a gap."""
        runs: list[list[Point]] = [[]]
        for place, (_name, value) in enumerate(self.points):
            if value is None:
                runs.append([])
            else:
                runs[-1].append((self._x(place), self._y(value)))
        return [line("cpo-share-line", run) for run in runs if len(run) > 1]

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

    def _names(self) -> list[SafeString]:
        every = max(len(self.points) // 7, 1)
        return [
            text(name[5:], (self._x(place) - 14, TOP + HEIGHT + FOOT - 4))
            for place, (name, _value) in enumerate(self.points)
            if place % every == 0
        ]

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
