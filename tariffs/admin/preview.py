"""What a tariff means, shown while it is edited: its week, what sessions cost, what drivers read.

Everything is computed from the form as it stands, by the same form class that saves it; nothing is
saved. The number of queries is that of the form, and the pictures are bounded by the form's limits.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.utils.functional import Promise
from django.utils.translation import get_language, gettext
from django.utils.translation import gettext_lazy as _

from cpo_platform.common.admin import money, number, pill
from cpo_platform.common.money import Price, currency_places, round_money
from cpo_platform.common.shapes import ShapeError, parse
from tariffs.admin.findings import TONES, findings
from tariffs.admin.forms import TariffForm
from tariffs.admin.preview_form import Inputs
from tariffs.admin.sentences import element_sentence
from tariffs.admin.week import Chart, charts
from tariffs.checking import Remark
from tariffs.pricing import told
from tariffs.pricing.calendar import Reference, typical_week
from tariffs.pricing.driver_text import driver_texts
from tariffs.pricing.engine import price_session
from tariffs.pricing.explain import StoredLine, remark_text, told_again
from tariffs.pricing.linting import severity_name
from tariffs.pricing.phrases import Language, language_of
from tariffs.pricing.results import PricedSession, PriceLine
from tariffs.pricing.samples import SAMPLES, Sample, segments
from tariffs.pricing.types import Tariff
from tariffs.shapes import TariffElementShape, TariffShape

OWN = "own"
NAMES: dict[str, str | Promise] = {
    "ac": _("20 kWh AC in 3 h"),
    "dc": _("40 kWh DC in 25 min"),
    "overnight": _("Overnight: 30 kWh AC in 3 h, then 6 h parked"),
    "short_stop": _("Short stop: 5 kWh AC in 30 min, then 10 min parked"),
    "reserved": _("Reserved for 15 min, then 20 kWh AC in 3 h"),
    "not_used": _("Reserved for 30 min, and nobody came"),
    OWN: _("Your own session"),
}
# As their speakers call them.
LANGUAGES = {
    Language.ENGLISH: "English",
    Language.GERMAN: "Deutsch",
    Language.JAPANESE: "日本語",
}


@dataclass(frozen=True)
class Cost:
    """What one session comes to, and how: a line and its amount each."""

    name: object
    net: str
    gross: str
    lines: Sequence[tuple[str, str]]
    remarks: Sequence[str]
    elsewhere: Sequence[str]
    is_own: bool = False


@dataclass(frozen=True)
class Preview:
    """Everything that the preview shows."""

    charts: Sequence[Chart]
    always: Sequence[str]
    costs: Sequence[Cost]
    texts: Sequence[tuple[str, str, str]]
    findings: Sequence[tuple[object, Remark]]
    week: date
    state: str


def pricing_tariff(shape: TariffShape) -> Tariff:
    """Return a tariff as the engine reads it."""
    return Tariff.from_json(shape.model_dump(mode="json", exclude_none=True))


def preview(shape: TariffShape, inputs: Inputs) -> Preview:
    """Return what a tariff means, in the language of the person who looks."""
    tariff = pricing_tariff(shape)
    week = typical_week(tariff, week=inputs.start.date(), reference=inputs.reference)
    pictures, always = charts(tariff, week)
    return Preview(
        charts=pictures,
        always=always,
        costs=[_cost(tariff, sample, inputs) for sample in (*SAMPLES, *inputs.own)],
        texts=[
            (language.value, LANGUAGES[language], text)
            for language, text in driver_texts(tariff).items()
        ],
        findings=[
            (pill(severity_name(remark.severity, gettext), TONES[remark.severity]), remark)
            for remark in findings(shape, inputs.zone.key)
        ],
        week=week[0].date,
        state=_state(inputs.reference),
    )


def _state(reference: Reference) -> str:
    """Say which session the prices of the week are for."""
    parts = [
        number(reference.power, "kW"),
        number(reference.current, "A"),
        gettext("%(kwh)s kWh so far") % {"kwh": number(reference.kwh)},
        gettext("%(minutes)s min after the start") % {"minutes": reference.minutes},
    ]
    return ", ".join(parts)


def _cost(tariff: Tariff, sample: Sample, inputs: Inputs) -> Cost:
    use, zone = segments(sample, start=inputs.start), inputs.zone.key
    priced = price_session(tariff=tariff, segments=use, time_zone=zone)
    language = language_of(get_language())
    return Cost(
        name=NAMES[sample.key],
        net=_total(priced.total_cost.before_taxes, tariff.currency),
        gross=_gross(priced, tariff.currency),
        lines=[
            (_line_text(line, tariff, inputs.zone, language), _amount(line.price, tariff))
            for line in priced.lines
        ],
        remarks=[gettext(remark_text(remark, language)) for remark in priced.remarks],
        elsewhere=list(_elsewhere(told.readings(tariff, use, zone), tariff.currency)),
        is_own=sample.key == OWN,
    )


def _elsewhere(readings: Iterable[told.Reading], currency: str) -> Iterator[str]:
    """Yield where a partner that prices the session by the tariff it was told gets another amount.

    In ten-thousandths every version may differ; what a driver could pay is what counts.
    """
    least = Decimal(1).scaleb(-currency_places(currency))
    for reading in readings:
        if reading.told is None:
            yield gettext("OCPI %(version)s is told no tariff for it.") % {
                "version": reading.version
            }
        elif reading.difference is not None and abs(reading.difference) >= least:
            yield gettext(
                "A partner in OCPI %(version)s that prices it by the tariff it was told gets "
                "%(amount)s before tax."
            ) % {
                "version": reading.version,
                "amount": _total(reading.told.before_taxes, currency),
            }


def _line_text(line: PriceLine, tariff: Tariff, zone: ZoneInfo, language: Language) -> str:
    if language is Language.ENGLISH:
        return line.text
    stored = StoredLine(
        kind=line.kind,
        start=line.start,
        end=line.end,
        dimension=line.dimension,
        element=line.element,
        volume=line.volume,
        billed_volume=line.billed_volume,
    )
    return told_again(stored, tariff, zone, language) or line.text


def _amount(price: Price, tariff: Tariff) -> str:
    return money(round_money(price.before_taxes), tariff.currency)


def _total(amount: Decimal, currency: str) -> str:
    return money(round_money(amount, currency_places(currency)), currency)


def _gross(priced: PricedSession, currency: str) -> str:
    gross = priced.total_cost.after_taxes
    return gettext("plus tax") if gross is None else _total(gross, currency)


def sentences(form: TariffForm) -> list[tuple[str, str]]:
    """Return the sentence of every element that is right, with the prefix of its form."""
    currency = str(form.data.get("currency", "")).upper()[:3]
    return [(part.prefix, text) for part in form.elements.forms if (text := _said(part, currency))]


def _said(part: Any, currency: str) -> str:
    # One that nobody has touched yet is right, and has no values.
    if not part.is_valid() or not part.has_changed() or part.cleaned_data.get("DELETE"):
        return ""
    try:
        return element_sentence(parse(TariffElementShape, part.document()), currency)
    except ShapeError:
        return ""
