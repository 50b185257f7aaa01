"""Panels that sessions and CDRs share: costs, lines, periods and the tariff."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.utils.text import capfirst
from django.utils.translation import get_language, gettext
from django.utils.translation import gettext_lazy as _

from cpo_platform.common.admin import NONE, Panel, link, moment, money, number
from cpo_platform.common.shapes import ShapeError, parse, parse_datetime
from sessions_app.models import Cdr
from tariffs.admin import element_sentence
from tariffs.models import Tariff
from tariffs.pricing.explain import StoredLine, remark_text, told_again
from tariffs.pricing.phrases import Language, language_of
from tariffs.pricing.types import InvalidTariff, LineKind, TariffDimensionType
from tariffs.pricing.types import Tariff as PricingTariff
from tariffs.shapes import TariffShape

AT_THE_START = _("Tariff when the session started")
COST_LABELS = {
    "total_fixed_cost": _("fixed"),
    "total_energy_cost": _("energy"),
    "total_time_cost": _("charging time"),
    "total_parking_cost": _("parking"),
    "total_reservation_cost": _("reservation"),
    "total_cost": _("total"),
}
DIMENSION_LABELS = {
    "ENERGY": (_("energy"), "kWh"),
    "TIME": (_("charging time"), "h"),
    "PARKING_TIME": (_("parking"), "h"),
    "RESERVATION_TIME": (_("reservation"), "h"),
    "MAX_POWER": (_("max. power"), "kW"),
    "MIN_POWER": (_("min. power"), "kW"),
    "MAX_CURRENT": (_("max. current"), "A"),
    "MIN_CURRENT": (_("min. current"), "A"),
    "FLAT": (_("flat fee"), ""),
}


def costs_panel(costs: Mapping[str, Any], currency: str) -> Panel:
    """Return the OCPI totals: before taxes, taxes, after taxes."""
    rows = [
        _cost_row(label, costs[name], currency)
        for name, label in COST_LABELS.items()
        if name in costs
    ]
    return Panel(
        title=_("Costs"),
        columns=("", _("before taxes"), _("taxes"), _("after taxes")),
        numeric=frozenset({1, 2, 3}),
        rows=rows,
        empty=_("No price yet: it comes with the first meter values."),
        half=True,
    )


def _cost_row(label: Any, price: Mapping[str, Any], currency: str) -> tuple[object, ...]:
    taxes = price.get("taxes")
    after = None if taxes is None else _sum(price["before_taxes"], taxes)
    texts = [_tax_text(tax, currency) for tax in taxes or []] or [money("0", currency)]
    shown = NONE if taxes is None else ", ".join(texts)
    return capfirst(label), money(price["before_taxes"], currency), shown, money(after, currency)


def _sum(before_taxes: str, taxes: Iterable[Mapping[str, str]]) -> str:
    return str(sum((Decimal(tax["amount"]) for tax in taxes), Decimal(before_taxes)))


def _tax_text(tax: Mapping[str, str], currency: str) -> str:
    rate = f" {number(tax['percentage'])} %" if tax.get("percentage") else ""
    return f"{tax['name']}{rate}: {money(tax['amount'], currency)}"


def lines_panel(
    lines: Sequence[Mapping[str, Any]],
    currency: str,
    remarks: Sequence[str],
    *,
    tariffs: Sequence[Mapping[str, Any]],
    zone: str,
) -> Panel:
    """Return every part of the price with the numbers it was computed from.

    `tariffs` are those that were frozen, and `zone` is that of the location.
    """
    language = language_of(get_language())
    texts = _line_texts(lines, tariffs, zone, language)
    return Panel(
        title=_("Price, line by line"),
        columns=(
            *(_("line"), _("used"), _("billed"), _("unit price"), _("VAT")),
            *(_("before taxes"), _("after taxes")),
        ),
        numeric=frozenset({1, 2, 3, 4, 5, 6}),
        rows=[
            (
                text,
                number(line["volume"], line["unit"]) if line["dimension"] else NONE,
                number(line["billed_volume"], line["unit"]) if line["dimension"] else NONE,
                money(line["unit_price"], currency),
                NONE if line["vat"] is None else number(line["vat"], "%"),
                money(line["before_taxes"], currency),
                money(line["after_taxes"], currency),
            )
            for text, line in zip(texts, lines, strict=True)
        ],
        empty=_("Nothing is charged."),
        facts=[(_("remark"), gettext(remark_text(remark, language))) for remark in remarks],
    )


def _line_texts(
    lines: Sequence[Mapping[str, Any]],
    documents: Sequence[Mapping[str, Any]],
    zone: str,
    language: Language,
) -> list[str]:
    """Return the sentences of lines in a language; what is stored where they cannot be told again.

    English is stored. Lines of earlier releases do not say which element they come from.
    """
    stored = [str(line["text"]) for line in lines]
    if language is Language.ENGLISH or not documents:
        return stored
    try:
        tariffs = {item["id"]: PricingTariff.from_json(item) for item in documents}
        first, local = documents[0]["id"], ZoneInfo(zone or "UTC")
        told = [
            told_again(_stored_line(line), tariffs[line.get("tariff_id", first)], local, language)
            for line in lines
        ]
    except (InvalidTariff, KeyError, ValueError):
        return stored
    return [again or text for again, text in zip(told, stored, strict=True)]


def _stored_line(line: Mapping[str, Any]) -> StoredLine:
    return StoredLine(
        kind=LineKind(line["kind"]),
        start=datetime.fromisoformat(line["start"]),
        end=datetime.fromisoformat(line["end"]),
        dimension=TariffDimensionType(line["dimension"]) if line["dimension"] else None,
        element=line["element"],
        volume=Decimal(line["volume"]),
        billed_volume=Decimal(line["billed_volume"]),
    )


def periods_panel(
    periods: Iterable[tuple[datetime | None, Sequence[Mapping[str, str]], str]],
    zone: str,
    empty: Any,
) -> Panel:
    """Return the charging periods."""
    return Panel(
        title=_("Charging periods"),
        columns=(_("start"), _("use"), _("tariff")),
        rows=[
            (
                moment(start, zone),
                ", ".join(_dimension_text(dimension) for dimension in dimensions),
                tariff_id or NONE,
            )
            for start, dimensions, tariff_id in periods
        ],
        empty=empty,
    )


def _dimension_text(dimension: Mapping[str, str]) -> str:
    label, unit = DIMENSION_LABELS.get(dimension["type"], (dimension["type"], ""))
    return f"{label} {number(dimension['volume'], unit)}"


def document_panels(cdr: Cdr, zone: str) -> list[Panel]:
    """Return what a CDR, issued or not, says of the price and how it came about."""
    tariff = cdr.tariffs[0] if cdr.tariffs else None
    return [
        costs_panel(cdr.costs, cdr.currency),
        tariff_panel(tariff, _tariff_title(cdr)),
        *(tariff_panel(other, _("Tariff later in the session")) for other in cdr.tariffs[1:]),
        lines_panel(
            cdr.price_lines,
            cdr.currency,
            [cdr.remark] if cdr.remark else [],
            tariffs=cdr.tariffs,
            zone=zone,
        ),
        periods_panel(
            (
                (
                    _as_moment(period["start_date_time"]),
                    period["dimensions"],
                    period.get("tariff_id", ""),
                )
                for period in cdr.charging_periods
            ),
            zone,
            "",
        ),
    ]


def _tariff_title(cdr: Cdr) -> Any:
    changes = (cdr.correction or {}).get("changes", {})
    if {"tariff_id", "without_parking"} & changes.keys():
        return _("Tariff, as staff corrected it")
    return AT_THE_START


def _as_moment(text: str) -> datetime | None:
    value = parse_datetime(text)
    return value if isinstance(value, datetime) else None


def switch_panels(switches: Sequence[Mapping[str, Any]], zone: str) -> list[Panel]:
    """Return the tariffs that a session went on with, and from when on."""
    return [
        tariff_panel(
            switch["tariff"],
            gettext("Tariff from %(moment)s on")
            % {"moment": moment(datetime.fromisoformat(switch["at"]), zone)},
        )
        for switch in switches
    ]


def tariff_panel(document: Mapping[str, Any] | None, title: Any = AT_THE_START) -> Panel:
    """Return the tariff of a session as it was when the session started."""
    if document is None:
        return Panel(
            title=_("Tariff"),
            note=_("The connector had no tariff when the session started: it costs nothing."),
            half=True,
        )
    try:
        shape = parse(TariffShape, document)
    except ShapeError:
        # A tariff of an older release, or of another platform: show it as it is.
        return Panel(title=_("Tariff"), code=str(document), half=True)
    row = Tariff.objects.filter(
        country_code=shape.country_code, party_id=shape.party_id, ocpi_id=shape.id
    ).first()
    return Panel(
        title=title,
        facts=[
            (_("tariff"), link(row, shape.id) if row else shape.id),
            *(
                (gettext("element %(number)s") % {"number": place}, text)
                for place, text in enumerate(
                    (element_sentence(element, shape.currency) for element in shape.elements),
                    start=1,
                )
            ),
        ],
        half=True,
    )
