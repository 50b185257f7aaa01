"""What the pre-flight checks found, in plain words, in the language of whoever reads it."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from cpo_platform.common.admin import Button, Panel, moment, money, number, pill
from sessions_app.models import MeterReading, Session
from sessions_app.preflight import Code, Finding

READINGS_SHOWN = 50

_TEXTS = {
    Code.ENDS_BEFORE_START: _(
        "The station says that it stopped at %(stopped_at)s, before the start at %(start)s. The "
        "end was set to the start."
    ),
    Code.TOO_LONG: _("It took %(hours)s h; more than %(limit)s h is not plausible."),
    Code.NO_READINGS: _("The station sent no meter reading after the start."),
    Code.SILENT_BEFORE_END: _(
        "The last meter reading is of %(at)s, %(hours)s h before the end: no energy is counted "
        "from then on, but the time is."
    ),
    Code.METER_FELL: _("The meter ran backwards: %(before)s kWh, then %(after)s kWh at %(at)s."),
    Code.METER_RESTARTED: _(
        "The meter began anew: %(before)s kWh, then %(after)s kWh at %(at)s. It was reset or "
        "exchanged."
    ),
    Code.ENERGY_JUMP: _(
        "The meter jumped by %(kwh)s kWh in %(minutes)s min, to %(after)s kWh at %(at)s. A "
        "connector of %(power)s kW gives %(limit)s kWh at most."
    ),
    Code.TOO_MUCH_ENERGY: _(
        "%(kwh)s kWh in %(hours)s h is more than a connector of %(power)s kW can give: "
        "%(limit)s kWh."
    ),
    Code.BILLED_WITHOUT_ENERGY: _("It costs %(cost)s before taxes, and no energy was measured."),
    Code.NO_ENERGY: _("No energy was measured, and it costs nothing."),
    Code.TOO_EXPENSIVE: _("It costs %(cost)s before taxes; more than %(limit)s is not plausible."),
}
_MOMENTS = ("start", "stopped_at", "before_at", "at")
_ROUGHLY = ("hours", "minutes", "limit", "kwh")
_MONEY = {Code.BILLED_WITHOUT_ENERGY: ("cost",), Code.TOO_EXPENSIVE: ("cost", "limit")}
_AT_A_READING = {Code.METER_FELL, Code.METER_RESTARTED, Code.ENERGY_JUMP}


def documents_of(found: Iterable[Finding]) -> list[dict[str, Any]]:
    """Return findings as they are stored."""
    return [finding.to_json() for finding in found]


def finding_text(document: Mapping[str, Any], session: Session) -> str:
    """Return what was found as a sentence, with the clock of the location."""
    zone = ZoneInfo(str(session.frozen_location.get("time_zone") or "UTC"))
    values = dict(document["values"])
    code = Code(document["code"])
    for name in _MOMENTS:
        if name in values:
            local = datetime.fromisoformat(values[name]).astimezone(zone)
            values[name] = f"{local:%Y-%m-%d %H:%M:%S %Z}"
    for name in _ROUGHLY:
        if name in values:
            values[name] = number(round(Decimal(values[name]), 2))
    for name in _MONEY.get(code, ()):
        values[name] = money(values[name], session.currency)
    return str(_TEXTS[code]) % values


def findings_panel(title: Any, found: Sequence[Mapping[str, Any]], session: Session) -> Panel:
    """Return what was found as a table: what holds the CDR first."""
    return Panel(
        title=title,
        columns=("", _("what is doubtful")),
        rows=[(_weight(document), finding_text(document, session)) for document in found],
        empty=_("Nothing is doubtful."),
    )


def _weight(document: Mapping[str, Any]) -> str:
    return pill(_("Reason"), "red") if document["holds"] else pill(_("Also seen"), "amber")


def suspicious_moments(found: Iterable[Mapping[str, Any]]) -> set[datetime]:
    """Return the moments of the readings that something is wrong with, or comes before it."""
    return {
        datetime.fromisoformat(document["values"][name])
        for document in found
        if Code(document["code"]) in _AT_A_READING
        for name in ("before_at", "at")
    }


def readings_panel(
    session: Session, found: Sequence[Mapping[str, Any]], zone: str, page: int | None
) -> Panel:
    """Return one page of the meter readings, the doubtful ones marked.

    Without a page: that of the first doubtful reading.
    """
    marked = {
        datetime.fromisoformat(document["values"]["at"])
        for document in found
        if Code(document["code"]) in _AT_A_READING
    }
    rows = session.meter_readings.order_by("at")
    pages = max(-(-rows.count() // READINGS_SHOWN), 1)
    if page is None:
        before = rows.filter(at__lt=min(marked)).count() if marked else 0
        page = before // READINGS_SHOWN + 1
    page = min(max(page, 1), pages)
    shown = list(rows[(page - 1) * READINGS_SHOWN : page * READINGS_SHOWN])
    return Panel(
        title=_("Meter readings"),
        anchor="readings",
        note=gettext("Oldest first, page %(page)s of %(pages)s. Doubtful in all: %(marked)s.")
        % {"page": page, "pages": pages, "marked": len(marked)},
        columns=(
            *(_("at"), _("register"), _("power"), _("current")),
            *(_("vehicle asks for power"), ""),
        ),
        numeric=frozenset({1, 2, 3}),
        rows=[_reading_row(reading, zone, doubtful=reading.at in marked) for reading in shown],
        empty=_("The station has not sent any meter values."),
        buttons=[
            Button(text, f"?readings={other}#readings")
            for text, other in ((_("Earlier readings"), page - 1), (_("Later readings"), page + 1))
            if 1 <= other <= pages
        ],
    )


def _reading_row(reading: MeterReading, zone: str, *, doubtful: bool) -> tuple[object, ...]:
    return (
        moment(reading.at, zone),
        number(reading.kwh, "kWh"),
        number(reading.power, "kW"),
        number(reading.current, "A"),
        gettext("yes") if reading.requesting_power else gettext("no"),
        pill(_("Doubtful"), "red") if doubtful else "",
    )
