"""The pages of CDRs: what is billed, and the bill computed again from the CDR itself."""

from urllib.parse import quote

from sandbox.emsp.html import Html, each, html, join
from sandbox.emsp.layout import (
    PER_PAGE,
    as_json,
    empty,
    heading,
    live,
    moment,
    number,
    pager,
    periods,
    pill,
    price,
    whole_seconds,
)
from sandbox.emsp.pages_network import elements
from sandbox.emsp.peer import Peer
from sandbox.emsp.recompute import Recomputation, duration, recompute
from sandbox.emsp.store import Store, object_key
from sandbox.emsp.wire import Json

_COSTS = (
    ("total_fixed_cost", "Fixed"),
    ("total_energy_cost", "Energy"),
    ("total_time_cost", "Time"),
    ("total_parking_cost", "Parking"),
    ("total_reservation_cost", "Reservation"),
    ("total_cost", "Total"),
)


def cdrs(store: Store, peer: Peer, page: int) -> Html:
    """List CDRs, newest first."""
    found = store.objects("cdrs", limit=PER_PAGE, offset=(page - 1) * PER_PAGE, newest_first=True)
    rows = join(_cdr_row(store, peer.read("cdrs", cdr)) for cdr in found)
    table = html(
        '<section class="card"><div class="scroll"><table><tr><th>CDR</th><th>Ended</th>'
        '<th>Where</th><th class="n">Energy</th><th class="n">Total excl. VAT</th>'
        "<th>Computed again</th></tr>{}</table></div></section>",
        rows,
    )
    return html(
        "{}{}{}",
        heading("CDRs", "What the CPO bills; every total is computed again from the CDR itself."),
        live("cdrs", table if found else empty("No CDRs yet.")),
        pager("/cdrs", page, store.count("cdrs")),
    )


def _path(cdr: Json) -> str:
    parts = (quote(cdr[name], safe="") for name in ("country_code", "party_id", "id"))
    return f"/cdrs/{'/'.join(parts)}"


def _cdr_row(store: Store, cdr: Json) -> Html:
    return html(
        '<tr><td><a href="{}">{}</a> {}</td><td>{}</td><td>{}, {}</td><td class="n">{} kWh</td>'
        '<td class="n">{} {}</td><td>{}</td></tr>',
        _path(cdr),
        cdr["id"],
        pill("credit") if cdr.get("credit") else "",
        moment(cdr["end_date_time"]),
        cdr["cdr_location"].get("name") or cdr["cdr_location"]["address"],
        cdr["cdr_location"]["city"],
        number(cdr["total_energy"]),
        number(cdr["total_cost"]["excl_vat"]),
        cdr["currency"],
        _verdict(recompute(cdr, time_zone(store, cdr))),
    )


def time_zone(store: Store, cdr: Json) -> str:
    """Look up the time zone of a CDR's location; UTC when we do not hold the location."""
    key = object_key(cdr["country_code"], cdr["party_id"], cdr["cdr_location"]["id"])
    location = store.get("locations", key) or {}
    return str(location.get("time_zone") or "UTC")


def _verdict(again: Recomputation | None) -> Html:
    if again is None:
        return pill("no tariff in the CDR")
    style = "good" if again.agrees else "bad"
    word = "agrees" if again.agrees else f"we get {number(again.net)}"
    return html('<span class="pill {}">{}</span>', style, word)


def cdr(store: Store, peer: Peer, received: Json) -> Html:
    """Show one CDR with every figure of its total."""
    found = peer.read("cdrs", received)
    place, token = found["cdr_location"], found["cdr_token"]
    zone = time_zone(store, found)
    again = recompute(found, zone)
    return html(
        '{}<div class="grid"><section class="card"><h2>Session</h2><dl><dt>From</dt><dd>{}</dd>'
        "<dt>To</dt><dd>{} ({})</dd><dt>Energy</dt><dd>{} kWh</dd><dt>Time</dt><dd>{} h, of which "
        "{} h parking</dd><dt>Where</dt><dd>{}, {}<br><small>{} {} | {}</small></dd><dt>Token</dt>"
        "<dd>{} {} <small>{}</small></dd><dt>Authorised</dt><dd>{} <small>{}</small></dd>"
        "<dt>Session</dt><dd>{}</dd></dl></section>"
        '<section class="card"><h2>Cost as billed</h2>{}</section></div>'
        '<section class="card"><div class="head"><h2>Computed again {}</h2>'
        "<small>Local time of the tariff: {}</small></div>{}</section>"
        '<section class="card"><h2>Charging periods</h2>{}</section>'
        '<section class="card"><h2>Tariffs in the CDR</h2>{}</section>'
        '<section class="card">{}</section>',
        heading(f"CDR {found['id']}", f"{found['country_code']}*{found['party_id']}, UTC times."),
        moment(found["start_date_time"]),
        moment(found["end_date_time"]),
        whole_seconds(duration(found)),
        number(found["total_energy"]),
        number(found["total_time"]),
        number(found.get("total_parking_time") or 0),
        place.get("name") or place["address"],
        place["city"],
        place["evse_id"],
        place["connector_id"],
        place["connector_standard"],
        token["type"],
        token["uid"],
        token["contract_id"],
        found["auth_method"],
        found.get("authorization_reference") or "",
        found.get("session_id") or "none",
        _costs(found),
        _verdict(again),
        zone,
        _lines(again, found["currency"]) if again else empty("The CDR embeds no tariff."),
        periods(found["charging_periods"]),
        join(html("<h3>{}</h3>{}", t["id"], elements(t)) for t in found.get("tariffs") or []),
        as_json(received, "The CDR as received"),
    )


def _costs(cdr: Json) -> Html:
    rows = join(
        html(
            '<tr class="{}"><td>{}</td><td class="n">{}</td></tr>',
            "sum" if name == "total_cost" else "",
            label,
            price(cdr[name], cdr["currency"]),
        )
        for name, label in _COSTS
        if cdr.get(name)
    )
    return html("<table>{}</table>", rows)


def _lines(again: Recomputation, currency: str) -> Html:
    rows = [
        (
            line.dimension,
            line.tariff_id,
            f"{number(line.used)} {line.unit}",
            f"{number(line.billed)} {line.unit}",
            line.step_size,
            number(line.price),
            number(line.net),
            "none" if line.vat is None else f"{line.vat} %",
            number(line.gross),
        )
        for line in again.lines
    ]
    stated = "not given" if again.stated_gross is None else number(again.stated_gross)
    return html(
        '<div class="scroll"><table><tr><th>Dimension</th><th>Tariff</th><th class="n">Used</th>'
        '<th class="n">Billed</th><th class="n">Step</th><th class="n">Price</th>'
        '<th class="n">Excl. VAT</th><th class="n">VAT</th><th class="n">Incl. VAT</th></tr>{}'
        '<tr class="sum"><td colspan="6">Our total, {}</td><td class="n">{}</td><td></td>'
        '<td class="n">{}</td></tr><tr><td colspan="6">Billed by the CPO</td><td class="n">{}</td>'
        '<td></td><td class="n">{}</td></tr></table></div>{}',
        each(
            '<tr><td>{}</td><td>{}</td><td class="n">{}</td><td class="n">{}</td>'
            '<td class="n">{}</td><td class="n">{}</td><td class="n">{}</td><td class="n">{}</td>'
            '<td class="n">{}</td></tr>',
            rows,
        ),
        currency,
        number(again.net),
        number(again.gross),
        number(again.stated_net),
        stated,
        each('<p class="soft">{}</p>', [(remark,) for remark in again.remarks]),
    )
