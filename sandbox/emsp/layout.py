"""What the pages share: the frame, pills, buttons, money, JSON."""

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import orjson

from sandbox.emsp.html import Html, each, html
from sandbox.emsp.wire import Json

PAGES = (
    ("/", "Home"),
    ("/locations", "Locations"),
    ("/tariffs", "Tariffs"),
    ("/tokens", "Tokens"),
    ("/sessions", "Sessions"),
    ("/cdrs", "CDRs"),
    ("/messages", "Messages"),
    ("/violations", "Violations"),
    ("/misbehave", "Misbehave"),
)
PER_PAGE = 25
_PILLS = {
    "good": "AVAILABLE ALLOWED ACCEPTED COMPLETED CONNECTED valid registered",
    "busy": "CHARGING ACTIVE PENDING RESERVED RESERVATION",
    "bad": "OUTOFORDER BLOCKED REJECTED FAILED INVALID TIMEOUT refused invalid NO_CREDIT EXPIRED"
    " NOT_ALLOWED UNKNOWN_SESSION NOT_SUPPORTED EVSE_INOPERATIVE EVSE_OCCUPIED REMOVED"
    " CANCELED_RESERVATION UNKNOWN_RESERVATION SUSPENDED TOO_OFTEN NOT_POSSIBLE",
    "warn": "INOPERATIVE PLANNED UNKNOWN NEVER OFFLINE DEPARTURE_REQUIRED ENERGY_NEED_REQUIRED"
    " noted",
}
_PILL_OF = {word: style for style, words in _PILLS.items() for word in words.split()}


def frame(title: str, path: str, name: str, content: Html, *, notice: Html, version: str) -> str:
    """Put a page's content into the frame."""
    links = [
        (Html(' aria-current="page"') if where == path else "", where, label)
        for where, label in PAGES
    ]
    return html(
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<title>{title} - {name}</title><link rel="stylesheet" href="/static/style.css">'
        '<link rel="icon" href="data:,"><script src="/static/refresh.js" defer></script></head>'
        '<body><header><div class="bar"><a class="brand" href="/">{name}'
        "<small>OCPI {version}</small></a><nav>{links}</nav></div></header>"
        "<main>{notice}{content}</main></body></html>",
        title=title,
        name=name,
        version=version,
        links=each("<a{} href={}>{}</a>", [(c, html('"{}"', w), t) for c, w, t in links]),
        notice=notice,
        content=content,
    )


def heading(title: str, lead: str) -> Html:
    """Render a page's title and one sentence about it."""
    return html('<h1>{}</h1><p class="lead">{}</p>', title, lead)


def live(name: str, content: Html) -> Html:
    """Mark a part that refreshes itself; its id is `name`."""
    return html('<div id="{}" data-live>{}</div>', name, content)


def pill(text: Any) -> Html:
    """Render a status in its colour."""
    return html('<span class="pill {}">{}</span>', _PILL_OF.get(str(text), ""), text)


def whole_seconds(span: timedelta) -> str:
    """Render a duration as `0:01:32`."""
    return str(timedelta(seconds=int(span.total_seconds())))


def empty(text: str) -> Html:
    """Render what to say when a list is empty."""
    return html('<p class="empty">{}</p>', text)


def button(action: str, label: str, back: str, *, style: str = "", **values: Any) -> Html:
    """Render a form of one button with hidden values."""
    return html(
        '<form class="inline" method="post" action="/actions/{}">{}{}'
        '<button class="{}">{}</button></form>',
        action,
        hidden("back", back),
        Html("".join(hidden(name, value) for name, value in values.items())),
        style,
        label,
    )


def hidden(name: str, value: Any) -> Html:
    """Render a hidden field."""
    return html('<input type="hidden" name="{}" value="{}">', name, value)


def options(rows: list[tuple[str, str]], chosen: str = "") -> Html:
    """Render the options of a select: (value, label)."""
    return each(
        "<option value={}{}>{}</option>",
        [(html('"{}"', v), Html(" selected") if v == chosen else "", t) for v, t in rows],
    )


def select(name: str, rows: list[tuple[str, str]], chosen: str = "", label: str = "") -> Html:
    """Render a select with an accessible name."""
    return html(
        '<select name="{}" aria-label="{}">{}</select>', name, label or name, options(rows, chosen)
    )


def as_json(value: Any, label: str = "JSON") -> Html:
    """Render an object behind a fold."""
    text = orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
    return html("<details><summary>{}</summary><pre>{}</pre></details>", label, text)


def price(value: Json | None, currency: str) -> Html:
    """Render a Price: before VAT, and with VAT when given; absent is not free."""
    if not value:
        return html('<span class="soft">{}</span>', "not given")
    including = value.get("incl_vat")
    tail = "" if including is None else html("<br><small>{} incl. VAT</small>", number(including))
    return html("{} {}{}", number(value["excl_vat"]), currency, tail)


def number(value: Any) -> str:
    """Render an amount with at least two decimals and no noise behind them."""
    whole, _, decimals = f"{value:.6f}".partition(".")
    return f"{whole}.{decimals.rstrip('0').ljust(2, '0')}"


def moment(text: Any) -> str:
    """Render a DateTime for reading (UTC)."""
    return str(text or "").replace("T", " ").removesuffix("Z")[:19]


def pager(path: str, page: int, total: int, **query: str) -> Html:
    """Render links to the previous and next page."""
    pages = max(1, -(-total // PER_PAGE))
    links = [
        html('<a href="{}?{}">{}</a>', path, urlencode({**query, "page": target}), label)
        for target, label in ((page - 1, "Previous"), (page + 1, "Next"))
        if 1 <= target <= pages
    ]
    if pages == 1:
        return Html("")
    return html(
        '<p class="pager"><small>Page {} of {}, {} in all</small>{}</p>',
        page,
        pages,
        total,
        Html("".join(links)),
    )


def periods(found: list[Json]) -> Html:
    """Render ChargingPeriods as a table."""
    rows = [
        (
            moment(period["start_date_time"]),
            period.get("tariff_id") or "none",
            ", ".join(f"{e['type']} {e['volume']}" for e in period["dimensions"]),
        )
        for period in found
    ]
    return html(
        '<div class="scroll"><table><tr><th>From</th><th>Tariff</th><th>Dimensions</th></tr>{}'
        "</table></div>",
        each("<tr><td>{}</td><td>{}</td><td>{}</td></tr>", rows),
    )
