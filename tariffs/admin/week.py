"""The week of a tariff as pictures: a day is a row, and a price is a bar with its number in it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.utils.dates import WEEKDAYS_ABBR
from django.utils.translation import get_language, gettext

from cpo_platform.common.admin import money
from tariffs.models import TariffDimensionType as Labels
from tariffs.pricing.calendar import Band, Day
from tariffs.pricing.explain import restriction_text
from tariffs.pricing.phrases import language_of
from tariffs.pricing.types import Tariff, TariffDimensionType

# The drawing, in units of its own: 24 hours are as wide as they are here, and scale with the page.
LEFT, HOURS_WIDE, TOP, ROW, BAR = 44, 720, 20, 26, 22
WIDTH = LEFT + HOURS_WIDE + 12
# As wide as a digit is in the larger of the two sizes that the style sheet has.
LETTER = 9.5
# There are this many colours from cheap to dear; more prices than that share some.
TONES = 6

MOST_ELSEWHERE = 12

DRAWN = (
    TariffDimensionType.ENERGY,
    TariffDimensionType.TIME,
    TariffDimensionType.PARKING_TIME,
)


@dataclass(frozen=True)
class Bar:
    """A stretch of a day with one price; `tone` is "none" where nothing is charged."""

    x: float
    width: float
    tone: str
    text: str
    title: str

    @property
    def middle(self) -> float:
        return self.x + self.width / 2


@dataclass(frozen=True)
class Row:
    """A day of the picture."""

    y: int
    label: str
    bars: Sequence[Bar]

    @property
    def base(self) -> int:
        """Return where the text stands."""
        return self.y + 16


@dataclass(frozen=True)
class Chart:
    """The picture of one dimension, and the same as a table: days, times, price.

    `elsewhere` are the prices that do not hold in this week, or for a session in this state.
    """

    key: str
    title: str
    description: str
    rows: Sequence[Row]
    legend: Sequence[tuple[str, str]]
    table: Sequence[tuple[str, str, str]]
    elsewhere: Sequence[str]

    width = WIDTH
    left = LEFT
    height = TOP + 7 * ROW
    bar = BAR

    @property
    def hours(self) -> list[tuple[float, str]]:
        """Return the marks of the clock."""
        return [(_x(hour * 60), f"{hour}") for hour in range(0, 25, 3)]


def charts(tariff: Tariff, week: Sequence[Day]) -> tuple[list[Chart], list[str]]:
    """Return a picture of each dimension that has a price, and sentences on fees per session."""
    pictures = [_chart(tariff, week, kind) for kind in DRAWN if _has(tariff, kind)]
    return pictures, list(_fees(tariff, week))


def _has(tariff: Tariff, kind: TariffDimensionType) -> bool:
    return any(
        component.type is kind
        for element in tariff.elements
        if element.restrictions.reservation is None
        for component in element.price_components
    )


def _fees(tariff: Tariff, week: Sequence[Day]) -> Iterator[str]:
    """Say what is charged once, and when, where it is not the same all week."""
    kind = TariffDimensionType.FLAT
    if not _has(tariff, kind):
        return
    prices = {_price(band, kind) for day in week for band in day.bands}
    label = Labels.FLAT.label
    if len(prices) == 1:
        (price,) = prices
        yield f"{label}: {_price_text(price, tariff.currency, '')}"
        return
    for days, times, price_text in _table(tariff, week, kind):
        yield f"{label}, {days} {times}: {price_text}"


def _chart(tariff: Tariff, week: Sequence[Day], kind: TariffDimensionType) -> Chart:
    prices = sorted({price for day in week for band in day.bands if (price := _price(band, kind))})
    tones = {price: _tone(place, len(prices)) for place, price in enumerate(prices)}
    unit = _unit(kind)
    label = str(Labels(kind.value).label)
    legend = [(tones[price], _price_text(price, tariff.currency, unit)) for price in prices]
    if any(not _price(band, kind) for day in week for band in day.bands):
        legend.insert(0, ("none", gettext("nothing is charged")))
    return Chart(
        key=kind.value,
        title=label,
        description=gettext("From Monday to Sunday, 0 to 24 h: %(prices)s")
        % {"prices": "; ".join(text for _tone_name, text in legend)},
        rows=[
            Row(
                y=TOP + place * ROW,
                label=str(WEEKDAYS_ABBR[place]),
                bars=[_bar(span, tones, tariff.currency, unit) for span in _spans(day, kind)],
            )
            for place, day in enumerate(week)
        ],
        legend=legend,
        table=_table(tariff, week, kind),
        elsewhere=list(_elsewhere(tariff, week, kind))[:MOST_ELSEWHERE],
    )


def _elsewhere(tariff: Tariff, week: Sequence[Day], kind: TariffDimensionType) -> Iterator[str]:
    shown = {band.active[kind].element for day in week for band in day.bands if kind in band.active}
    language, unit = language_of(get_language()), _unit(kind)
    for place, element in enumerate(tariff.elements):
        if place in shown or element.restrictions.reservation is not None:
            continue
        for component in element.price_components:
            if component.type is kind:
                price = _price_text(component.price, tariff.currency, unit)
                yield f"{price} · {restriction_text(element.restrictions, language)}"


def _tone(place: int, total: int) -> str:
    # Few prices keep away from the ends: a price is not alarming for being the dearer of two.
    low, high = {1: (2, 2), 2: (1, 3), 3: (1, 4)}.get(total, (0, TONES - 1))
    return str(low + round(place * (high - low) / max(total - 1, 1)))


@dataclass(frozen=True)
class _Span:
    """A stretch of a day with one price of one dimension."""

    start: int
    end: int
    price: Decimal | None

    @property
    def times(self) -> str:
        return f"{_clock(self.start)}\N{EN DASH}{_clock(self.end)}"


def _spans(day: Day, kind: TariffDimensionType) -> list[_Span]:
    """Return a day cut where this dimension changes its price, and not where another does."""
    spans: list[_Span] = []
    for band in day.bands:
        price = _price(band, kind)
        if spans and spans[-1].price == price:
            spans[-1] = _Span(spans[-1].start, band.end_minute, price)
        else:
            spans.append(_Span(band.start_minute, band.end_minute, price))
    return spans


def _price(band: Band, kind: TariffDimensionType) -> Decimal | None:
    active = band.active.get(kind)
    return None if active is None else active.component.price


def _bar(span: _Span, tones: dict[Decimal, str], currency: str, unit: str) -> Bar:
    x, width = _x(span.start), _x(span.end) - _x(span.start)
    text = money(span.price, currency).removesuffix(f" {currency}") if span.price else "0"
    fits = width >= len(text) * LETTER + 4
    return Bar(
        x=x,
        width=max(width, 0.5),
        tone=tones[span.price] if span.price else "none",
        text=text if fits else "",
        title=f"{span.times}: {_price_text(span.price, currency, unit)}",
    )


def _table(
    tariff: Tariff, week: Sequence[Day], kind: TariffDimensionType
) -> list[tuple[str, str, str]]:
    """Return days, times and price; days in a row that are alike are one line."""
    groups: list[tuple[int, int, list[_Span]]] = []
    for place, day in enumerate(week):
        spans = _spans(day, kind)
        if groups and groups[-1][2] == spans:
            groups[-1] = (groups[-1][0], place, spans)
        else:
            groups.append((place, place, spans))
    unit = _unit(kind)
    return [
        (_days(first, last), span.times, _price_text(span.price, tariff.currency, unit))
        for first, last, spans in groups
        for span in spans
    ]


def _days(first: int, last: int) -> str:
    names = [str(WEEKDAYS_ABBR[first]), str(WEEKDAYS_ABBR[last])]
    return names[0] if first == last else "\N{EN DASH}".join(names)


def _price_text(price: Decimal | None, currency: str, unit: str) -> str:
    if not price:
        return gettext("nothing is charged")
    return f"{money(price, currency)}{unit}"


def _unit(kind: TariffDimensionType) -> str:
    if kind is TariffDimensionType.FLAT:
        return ""
    return "/kWh" if kind is TariffDimensionType.ENERGY else "/h"


def _x(minute: int) -> float:
    return round(LEFT + minute * HOURS_WIDE / 1440, 2)


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"
