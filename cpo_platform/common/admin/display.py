"""Moments, amounts, links and coloured labels, as people read them."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from django.contrib.admin.utils import quote
from django.db.models import Model
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from cpo_platform.common.clock import in_utc
from cpo_platform.common.money import currency_places, round_money, trimmed

NONE = "\N{EN DASH}"


def moment(value: datetime | None, zone: str = "") -> SafeString:
    """Return a moment for people: in the given time zone, which it names, else in UTC."""
    if value is None:
        return SafeString(NONE)
    local = value.astimezone(ZoneInfo(zone) if zone else UTC)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        value.isoformat(),
        in_utc(value),
        f"{local:%Y-%m-%d %H:%M:%S %Z}" if zone else f"{local:%Y-%m-%d %H:%M:%S}",
    )


def minute(value: datetime | None) -> SafeString:
    """Return a moment for lists: in UTC, without seconds."""
    if value is None:
        return SafeString(NONE)
    local = value.astimezone(UTC)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        value.isoformat(),
        in_utc(value),
        f"{local:%Y-%m-%d %H:%M}",
    )


def unbroken(text: object) -> SafeString:
    """Return a text that stays on one line."""
    return format_html('<span class="cpo-unbroken">{}</span>', text)


def address(text: object) -> SafeString:
    """Return a long address that may break anywhere, so that it crowds no column out."""
    return format_html('<span class="cpo-address">{}</span>', text)


def money(amount: Decimal | str | None, currency: str) -> str:
    """Return an amount with its currency: no more decimals than it has, at least the currency's."""
    if amount is None:
        return NONE
    exact = Decimal(amount)
    shown = round_money(exact, currency_places(currency))
    return f"{shown if shown == exact else trimmed(exact):f} {currency}".strip()


def number(value: Decimal | str | None, unit: str = "") -> str:
    """Return a number without trailing zeros, with its unit."""
    if value is None:
        return NONE
    return f"{trimmed(Decimal(value)):f} {unit}".strip()


def change_url(row: Model) -> str:
    """Return the address of the admin page of a row."""
    meta = row._meta  # noqa: SLF001  Django's own public name
    return reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=[quote(str(row.pk))])


def link(row: Model | None, text: object = None) -> str:
    """Return a link to the admin page of a row; a dash for none."""
    if row is None:
        return NONE
    return link_to(change_url(row), row if text is None else text)


def link_to(url: str, text: object) -> str:
    """Return a link."""
    return format_html('<a class="cpo-link" href="{}">{}</a>', url, text)


def pill(text: object, tone: str = "grey") -> SafeString:
    """Return a label in a colour: green, blue, amber, red or grey. The text says the same."""
    return format_html('<span class="cpo-pill cpo-{}">{}</span>', tone, text)


def duration(seconds: float | None) -> str:
    """Return a duration as people read it: 120 ms, 1.4 s, 35 s, 12 min, 3 h 20 min, 2 d 4 h."""
    if seconds is None:
        return NONE
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return _long_duration(int(seconds // 60))


def _long_duration(minutes: int) -> str:
    hours = minutes // 60
    if hours < 2:
        return f"{minutes} min"
    if hours < 48:
        return f"{hours} h {minutes % 60} min"
    return f"{hours // 24} d {hours % 24} h"


def pretty_body(body: str) -> str:
    """Return JSON with indentation; what was cut or is no JSON as it stands."""
    try:
        return json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return body
