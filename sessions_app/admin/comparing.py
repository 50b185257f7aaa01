"""CDRs side by side, with every total and the difference: what staff sees before it decides."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Any

from django.utils.text import capfirst
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from cpo_platform.common.admin import NONE, Panel, moment, money, number
from sessions_app.admin.panels import COST_LABELS
from sessions_app.models import Cdr


def digest(cdrs: Iterable[Cdr]) -> str:
    """Return a text that differs when what a preview showed has changed."""
    shown = [
        (
            cdr.costs,
            cdr.charging_periods,
            cdr.tariffs,
            str(cdr.start_date_time),
            str(cdr.total_time),
        )
        for cdr in cdrs
    ]
    return hashlib.sha256(repr(shown).encode()).hexdigest()[:16]


def comparison_panel(
    title: Any, columns: Sequence[tuple[Any, Cdr]], before: Cdr, after: Cdr, zone: str
) -> Panel:
    """Return CDRs side by side, with every total, and what the last differs from the first by."""
    cdrs = [cdr for _title, cdr in columns]
    rows: list[tuple[object, ...]] = [
        (capfirst(label), *(show(cdr) for cdr in cdrs), NONE) for label, show in _facts(zone)
    ]
    for label, value, unit in _quantities():
        gap = value(after) - value(before)
        rows.append(
            (capfirst(label), *(number(value(cdr), unit) for cdr in cdrs), _signed(gap, unit))
        )
    rows += [_money_row(label, part, cdrs, before, after) for label, part in _amounts()]
    return Panel(
        title=title,
        columns=("", *(head for head, _cdr in columns), _("difference")),
        numeric=frozenset(range(1, len(columns) + 2)),
        rows=rows,
        whole=True,
    )


def _facts(zone: str) -> list[tuple[Any, Callable[[Cdr], object]]]:
    return [
        (_("started"), lambda cdr: moment(cdr.start_date_time, zone)),
        (_("ended"), lambda cdr: moment(cdr.end_date_time, zone)),
        (_("tariff"), lambda cdr: ", ".join(tariff["id"] for tariff in cdr.tariffs) or NONE),
    ]


def _quantities() -> list[tuple[Any, Callable[[Cdr], Decimal], str]]:
    return [
        (_("energy"), lambda cdr: cdr.total_energy, "kWh"),
        (_("time"), lambda cdr: cdr.total_time, "h"),
        (_("parking time"), lambda cdr: cdr.total_parking_time, "h"),
    ]


def _amounts() -> list[tuple[Any, Callable[[Cdr], Decimal | None]]]:
    """Return the parts of the cost before taxes, and the total before and after them."""
    parts: list[tuple[Any, Callable[[Cdr], Decimal | None]]] = [
        (gettext("%(part)s, before taxes") % {"part": label}, _part(name))
        for name, label in COST_LABELS.items()
        if name != "total_cost"
    ]
    return [
        *parts,
        (_("total before taxes"), lambda cdr: cdr.total_cost_before_taxes),
        (_("taxes"), _taxes),
        (_("total after taxes"), lambda cdr: cdr.total_cost_after_taxes),
    ]


def _part(name: str) -> Callable[[Cdr], Decimal | None]:
    return lambda cdr: Decimal(cdr.costs[name]["before_taxes"]) if name in cdr.costs else None


def _taxes(cdr: Cdr) -> Decimal | None:
    after = cdr.total_cost_after_taxes
    return None if after is None else after - cdr.total_cost_before_taxes


def _money_row(
    label: Any,
    part: Callable[[Cdr], Decimal | None],
    cdrs: Sequence[Cdr],
    before: Cdr,
    after: Cdr,
) -> tuple[object, ...]:
    old, new = part(before), part(after)
    known = old is not None and new is not None and before.currency == after.currency
    gap = (
        _signed_money(new - old, after.currency)
        if known and new is not None and old is not None
        else NONE
    )
    return (capfirst(label), *(money(part(cdr), cdr.currency) for cdr in cdrs), gap)


def _signed(value: Decimal, unit: str) -> str:
    return f"+{number(value, unit)}" if value > 0 else number(value, unit)


def _signed_money(value: Decimal, currency: str) -> str:
    return f"+{money(value, currency)}" if value > 0 else money(value, currency)


def money_gap(before: Cdr, after: Cdr) -> str:
    """Say in a sentence how much more or less is due after a correction."""
    gap = after.total_cost_before_taxes - before.total_cost_before_taxes
    new, old = after.total_cost_after_taxes, before.total_cost_after_taxes
    gross = None if new is None or old is None else new - old
    text = (
        gettext("%(before)s more is due before taxes, %(after)s more after taxes.")
        if gap > 0
        else gettext("%(before)s less is due before taxes, %(after)s less after taxes.")
    )
    if not gap and not gross:
        return gettext("The amount that is due stays the same.")
    return text % {
        "before": money(abs(gap), after.currency),
        "after": money(None if gross is None else abs(gross), after.currency),
    }
