"""Power and energy of a session over time, as a small SVG, drawn on the server."""

from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from cpo_platform.common.admin import charts, number
from cpo_platform.common.admin.charts import Point
from sessions_app.models import MeterReading

WIDTH, HEIGHT, LEFT, FOOT, HEAD = 640, 150, 44, 20, 14
# So many points are drawn; more are thinned out.
MOST_POINTS = 300


def curve(readings: Sequence[MeterReading]) -> SafeString:
    """Return power (an area, kW) and energy (a line, from nought up) of readings in order."""
    shown = _thinned(readings)
    if len(shown) < 2 or shown[0].at == shown[-1].at:
        return format_html(
            '<span class="cpo-note">{}</span>', gettext("A curve appears with the second reading.")
        )
    powers = _powers(shown)
    energies = [float(reading.kwh - shown[0].kwh) for reading in shown]
    top_power = max(*powers, 0.1)
    top_energy = max(*energies, 0.1)
    drawn = charts.drawing(
        "cpo-curve",
        (WIDTH, HEIGHT + FOOT + HEAD),
        gettext("Power and energy of the session"),
        [
            charts.axis(HEAD, LEFT, WIDTH - LEFT),
            charts.axis(HEAD + HEIGHT, LEFT, WIDTH - LEFT),
            charts.area(
                "cpo-curve-power",
                _placed([(0.0, 0.0), *_steps(shown, powers, top_power), (1.0, 0.0)]),
            ),
            charts.line("cpo-curve-energy", _placed(_line(shown, energies, top_energy))),
            *_labels(shown, top_power, top_energy),
        ],
    )
    return charts.together([drawn, _legend()])


def _thinned(readings: Sequence[MeterReading]) -> list[MeterReading]:
    step = max(1, -(-len(readings) // MOST_POINTS))
    kept = list(readings[::step])
    if readings and kept[-1] is not readings[-1]:
        kept.append(readings[-1])
    return kept


def _powers(readings: Sequence[MeterReading]) -> list[float]:
    """Return the power up to each reading: as it was told, else what the register makes of it."""
    powers = [float(readings[0].power or 0)]
    for before, reading in pairwise(readings):
        if reading.power is not None:
            powers.append(float(reading.power))
            continue
        hours = Decimal((reading.at - before.at).total_seconds()) / 3600
        powers.append(float(max(reading.kwh - before.kwh, Decimal(0)) / hours) if hours else 0.0)
    return powers


def _shares(readings: Sequence[MeterReading]) -> list[float]:
    begin = readings[0].at
    whole = (readings[-1].at - begin).total_seconds()
    return [(reading.at - begin).total_seconds() / whole for reading in readings]


def _line(readings: Sequence[MeterReading], values: Sequence[float], top: float) -> list[Point]:
    return [(share, value / top) for share, value in zip(_shares(readings), values, strict=True)]


def _steps(readings: Sequence[MeterReading], values: Sequence[float], top: float) -> list[Point]:
    """Return a step per reading: a power holds from the reading before on."""
    points: list[Point] = []
    before = 0.0
    for share, value in zip(_shares(readings), values, strict=True):
        points += [(before, value / top), (share, value / top)]
        before = share
    return points


def _placed(points: Sequence[Point]) -> list[Point]:
    room = WIDTH - 2 * LEFT
    return [(LEFT + x * room, HEAD + (1 - y) * HEIGHT) for x, y in points]


def _labels(readings: Sequence[MeterReading], power: float, energy: float) -> list[SafeString]:
    foot, end = HEAD + HEIGHT + FOOT - 4, "cpo-curve-end"
    return [
        charts.text(number(Decimal(f"{power:.1f}"), "kW"), (0, 10)),
        charts.text(number(Decimal(f"{energy:.2f}"), "kWh"), (WIDTH, 10), end),
        charts.text(f"{readings[0].at:%H:%M}", (LEFT, foot)),
        charts.text(f"{readings[-1].at:%H:%M} UTC", (WIDTH - LEFT, foot), end),
    ]


def _legend() -> SafeString:
    return format_html(
        '<div class="cpo-legend"><span><i class="cpo-curve-power"></i>{}</span>'
        '<span><i class="cpo-curve-energy"></i>{}</span></div>',
        gettext("power"),
        gettext("energy"),
    )
