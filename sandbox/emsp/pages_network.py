"""The pages of what the CPO publishes (locations, tariffs) and of our own tokens."""

from sandbox.emsp.html import Html, each, html, join
from sandbox.emsp.layout import (
    PER_PAGE,
    as_json,
    button,
    empty,
    heading,
    hidden,
    live,
    moment,
    number,
    pager,
    pill,
    price,
    select,
)
from sandbox.emsp.peer import Peer
from sandbox.emsp.sender import ALLOWED_TYPES
from sandbox.emsp.store import Store
from sandbox.emsp.wire import Json

_UNITS = {
    "ENERGY": "per kWh",
    "TIME": "per hour",
    "PARKING_TIME": "per hour parked",
    "FLAT": "flat",
}


def locations(store: Store, peer: Peer, page: int, search: str) -> Html:
    """List locations with their EVSEs; every EVSE can be started with one of our tokens."""
    found = store.objects(
        "locations", limit=PER_PAGE, offset=(page - 1) * PER_PAGE, containing=search
    )
    total = store.count("locations", containing=search)
    tokens = [(token["uid"], _token_label(token)) for token in store.objects("tokens")]
    cards = join(_location(peer, location, tokens) for location in found)
    return html(
        "{}{}{}{}",
        heading("Locations", "What the CPO pushed here or we pulled from it."),
        _search(search),
        live("locations", cards if found else empty("No locations yet. Pull them, or wait.")),
        pager("/locations", page, total, q=search),
    )


def _search(search: str) -> Html:
    return html(
        '<div class="card head"><form class="inline" method="get" action="/locations">'
        '<input name="q" value="{}" aria-label="Search" placeholder="Name, city, id ...">'
        "<button>Search</button></form>{}</div>",
        search,
        button("pull", "Pull everything", "/locations", style="quiet"),
    )


def _token_label(token: Json) -> str:
    return f"{token.get('visual_number') or token['uid']} ({token['type']})"


def _location(peer: Peer, received: Json, tokens: list[tuple[str, str]]) -> Html:
    location = peer.read("locations", received)
    rows = join(_evse(location, evse, tokens) for evse in location.get("evses") or [])
    return html(
        '<section class="card"><div class="head"><h2>{}</h2><small>{} {} | updated {}</small></div>'
        '<p class="soft">{}, {} {} {} {}</p>{}{}</section>',
        location.get("name") or location["address"],
        f"{location['country_code']}*{location['party_id']}",
        location["id"],
        moment(location["last_updated"]),
        location["address"],
        location.get("postal_code") or "",
        location["city"],
        location["country"],
        "" if location["publish"] else pill("not published"),
        _evse_table(rows) if rows else empty("No EVSEs"),
        as_json(received),
    )


def _evse_table(rows: Html) -> Html:
    return html(
        '<div class="scroll"><table><tr><th>EVSE</th><th>Status</th><th>Connectors</th>'
        "<th>Tariffs</th><th>Ask</th></tr>{}</table></div>",
        rows,
    )


def _evse(location: Json, evse: Json, tokens: list[tuple[str, str]]) -> Html:
    connectors = evse["connectors"]
    names = sorted({name for entry in connectors for name in entry.get("tariff_ids") or []})
    return html(
        "<tr><td>{}<br><small>{}</small></td><td>{}<br><small>{}</small></td><td>{}</td>"
        "<td>{}</td><td>{}</td></tr>",
        evse.get("evse_id") or evse["uid"],
        evse["uid"],
        pill(evse["status"]),
        moment(evse["last_updated"]),
        each("{} <small>{} {} V {} A</small><br>", [_connector(entry) for entry in connectors]),
        each('<a href="/tariffs">{}</a><br>', [(name,) for name in names]),
        _start_form(location, evse, tokens),
    )


def _connector(connector: Json) -> tuple[str, str, str, str]:
    standard = connector["standard"].replace("IEC_62196_", "").replace("_", " ")
    return (
        f"{connector['id']}: {standard}",
        connector["power_type"].replace("_", " "),
        str(connector["max_voltage"]),
        str(connector["max_amperage"]),
    )


def _start_form(location: Json, evse: Json, tokens: list[tuple[str, str]]) -> Html:
    choices = [("", "any connector")] + [
        (c["id"], f"connector {c['id']}") for c in evse["connectors"]
    ]
    picker = select("connector_id", choices, choices[1][0]) if len(choices) > 2 else Html("")
    return html(
        '<form class="inline" method="post" action="/actions/start">{}{}{}{}{}'
        "<button>Start</button>"
        '<button class="quiet" formaction="/actions/reserve">Reserve 15 min</button>'
        '<button class="quiet" formaction="/actions/unlock">Unlock</button></form>',
        hidden("back", "/sessions"),
        hidden("location_id", location["id"]),
        hidden("evse_uid", evse["uid"]),
        select("token_uid", tokens, label="Token"),
        picker or hidden("connector_id", choices[-1][0]),
    )


def tariffs(store: Store, peer: Peer) -> Html:
    """List tariffs, element by element, in their order (the first match counts)."""
    found = store.objects("tariffs", limit=200)
    return html(
        "{}{}",
        heading("Tariffs", "Per dimension the first element whose restrictions match counts."),
        live(
            "tariffs",
            join(_tariff(peer, tariff) for tariff in found) if found else empty("No tariffs yet."),
        ),
    )


def _tariff(peer: Peer, received: Json) -> Html:
    tariff = peer.read("tariffs", received)
    texts = [entry["text"] for entry in tariff.get("tariff_alt_text") or []]
    return html(
        '<section class="card"><div class="head"><h2>{}</h2>'
        '<small>{} | {} | updated {}</small></div>{}{}<p class="soft">{}</p>{}</section>',
        tariff["id"],
        f"{tariff['country_code']}*{tariff['party_id']}",
        " | ".join([tariff.get("type") or "all sessions", *_taxes(tariff)]),
        moment(tariff["last_updated"]),
        each('<p class="soft">{}</p>', [(text,) for text in texts]),
        elements(tariff),
        _limits(tariff),
        as_json(received),
    )


def _taxes(tariff: Json) -> list[str]:
    words = {"YES": "taxes included", "NO": "taxes on top", "N/A": "no taxes"}
    return [words[tariff["tax_included"]]] if "tax_included" in tariff else []


def _limits(tariff: Json) -> Html:
    parts = [
        html("{}: {} ", name.replace("_", " "), price(tariff[name], tariff["currency"]))
        for name in ("min_price", "max_price")
        if tariff.get(name)
    ]
    return join(parts)


def elements(tariff: Json) -> Html:
    """Render the elements of a tariff as a table, in their order."""
    rows = [
        (
            place,
            component["type"],
            number(component["price"]),
            tariff["currency"],
            _UNITS.get(component["type"], ""),
            "none" if component.get("vat") is None else f"{component['vat']} %",
            component["step_size"],
            _restrictions(element.get("restrictions") or {}),
        )
        for place, element in enumerate(tariff["elements"], start=1)
        for component in element["price_components"]
    ]
    return html(
        '<div class="scroll"><table><tr><th>Element</th><th>Dimension</th><th class="n">Price</th>'
        '<th></th><th class="n">VAT</th><th class="n">Step</th><th>Only</th></tr>{}</table></div>',
        each(
            '<tr><td>{}</td><td>{}</td><td class="n">{} {}</td><td>{}</td><td class="n">{}</td>'
            '<td class="n">{}</td><td>{}</td></tr>',
            rows,
        ),
    )


def _restrictions(restrictions: Json) -> str:
    parts = (
        f"{name.replace('_', ' ')} {', '.join(value) if isinstance(value, list) else value}"
        for name, value in restrictions.items()
    )
    return "; ".join(parts) or "always"


def tokens(store: Store, answers: dict[str, Json]) -> Html:
    """List our tokens and the answer each gets in real-time authorization."""
    rows = join(_token(token, answers) for token in store.objects("tokens", limit=200))
    return html(
        '{}<section class="card"><div class="scroll"><table><tr><th>Token</th><th>Type</th>'
        "<th>Contract</th><th>Whitelist</th><th>Valid</th><th>Real-time answer</th></tr>{}</table>"
        "</div></section>{}",
        heading("Tokens", "Our drivers' cards and apps, and what we answer when the CPO asks."),
        rows,
        button("tokens", "Send all tokens to the CPO", "/tokens"),
    )


def _token(token: Json, answers: dict[str, Json]) -> Html:
    key = "/".join(token[n] for n in ("country_code", "party_id", "uid", "type")).lower()
    chosen = str(answers.get(key, {}).get("allowed", ""))
    choices = [("", "default"), *((name, name) for name in ALLOWED_TYPES)]
    return html(
        "<tr><td>{}<br><small>{}</small></td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>"
        '<form class="inline" method="post" action="/actions/authorize">{}{}{}{}'
        '<button class="quiet">Set</button></form></td></tr>',
        token["uid"],
        token.get("visual_number") or "",
        token["type"],
        token["contract_id"],
        pill(token["whitelist"]),
        pill("valid" if token["valid"] else "invalid"),
        hidden("back", "/tokens"),
        hidden("token_uid", token["uid"]),
        hidden("type", token["type"]),
        select("allowed", choices, chosen, label="Answer"),
    )
