"""The page of charging: sessions with what can be asked of them, and what was asked."""

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
    periods,
    pill,
    price,
    select,
    whole_seconds,
)
from sandbox.emsp.peer import Peer
from sandbox.emsp.store import Store, object_key
from sandbox.emsp.wire import Json, parse_date_time

SHOWN_REQUESTS = 8
_RUNNING = frozenset({"ACTIVE", "PENDING", "RESERVATION"})
_PROFILE_TYPES = ("REGULAR", "CHEAP", "FAST", "GREEN")
_LEAD = (
    "As the CPO pushes them; a session started here can be stopped here. Energy and cost come about"
    " once a minute (its SESSION_UPDATE_SECONDS)."
)
_PROFILE_WORDS = {"set": "Set", "get": "Get", "clear": "Clear"}


def sessions(store: Store, peer: Peer, page: int) -> Html:
    """List sessions, newest first, and the last commands and charging profiles."""
    found = store.objects(
        "sessions", limit=PER_PAGE, offset=(page - 1) * PER_PAGE, newest_first=True
    )
    commands = store.objects("commands", limit=SHOWN_REQUESTS, newest_first=True)
    profiles = store.objects("profiles", limit=SHOWN_REQUESTS, newest_first=True)
    cards = join(_session(store, peer, session) for session in found)
    return html(
        "{}{}{}{}{}",
        heading("Sessions", _LEAD),
        live("commands", _commands(commands, old=peer.version == "2.1.1")),
        live("profiles", _profiles(profiles)),
        live("sessions", cards if found else empty("No sessions yet.")),
        pager("/sessions", page, store.count("sessions")),
    )


def _session(store: Store, peer: Peer, received: Json) -> Html:
    session = peer.read("sessions", received)
    running = session["status"] in _RUNNING
    found = session.get("charging_periods") or []
    key = object_key(session["country_code"], session["party_id"], session["location_id"])
    location = store.get("locations", key) or {}
    return html(
        '<section class="card"><div class="head"><h2>{} {}</h2>{}</div><div class="figures">'
        "<div><b>{} kWh</b><small>energy</small></div>"
        "<div><b>{}</b><small>{}</small></div>"
        "<div><b>{}</b><small>from {}<br>updated {}</small></div>{}</div>"
        '<p class="soft">{}, EVSE {}, connector {} | {} {} ({})</p>{}{}{}</section>',
        session["id"],
        pill(session["status"]),
        _stop(session) if running else Html(""),
        number(session["kwh"]),
        price(session.get("total_cost"), session["currency"]),
        "cost so far" if running else "cost",
        _elapsed(session),
        moment(session["start_date_time"]),
        moment(session["last_updated"]),
        _active_profile(store, session),
        location.get("name") or session["location_id"],
        session["evse_uid"],
        session["connector_id"],
        session["cdr_token"]["type"],
        session["cdr_token"]["uid"],
        session["auth_method"],
        _smart_charging(store, session) if running and peer.version != "2.1.1" else Html(""),
        html(
            "<details><summary>Charging periods: {}</summary>{}</details>",
            len(found),
            periods(found),
        ),
        as_json(received),
    )


def _stop(session: Json) -> Html:
    return button("stop", "Stop", "/sessions", style="stop", session_id=session["id"])


def _active_profile(store: Store, session: Json) -> Html:
    """Show the limit the CPO last told us of, as its ActiveChargingProfile starts."""
    active = store.get("active_profiles", object_key(session["id"]))
    steps = active and active["profile"]["charging_profile"].get("charging_profile_period")
    if not active or not steps:
        return Html("")
    return html(
        "<div><b>{} {}</b><small>limit now<br>{} {}</small></div>",
        number(steps[0]["limit"]),
        active["profile"]["charging_profile"]["charging_rate_unit"],
        "told" if active["how"] == "told" else "asked",
        moment(active["at"]),
    )


def _smart_charging(store: Store, session: Json) -> Html:
    """Offer charging preferences and a flat charging profile."""
    last = store.get("preferences", object_key(session["id"]))
    return html(
        '<div class="asks"><form class="inline" method="post" action="/actions/preferences">{}{}'
        '{}<label class="beside">until<input name="departure_time" size="20"'
        ' placeholder="2030-01-01T08:00:00Z"></label><label class="beside">kWh'
        '<input type="number" name="energy_need" min="0" step="0.1" class="narrow"></label>'
        '<button class="quiet">Set preferences</button>{}</form>'
        '<form class="inline" method="post" action="/actions/set_profile">{}{}'
        '<label class="beside">at most<input type="number" name="limit" value="4000" min="0"'
        ' step="0.1" class="narrow"></label>{}<button class="quiet">Set profile</button>'
        '<button class="quiet" formaction="/actions/get_profile" formnovalidate>Get</button>'
        '<button class="quiet" formaction="/actions/clear_profile" formnovalidate>Clear</button>'
        "</form></div>",
        hidden("back", "/sessions"),
        hidden("session_id", session["id"]),
        select("profile_type", [(name, name) for name in _PROFILE_TYPES], label="Profile type"),
        html("{} {}", last["sent"]["profile_type"], pill(last["answer"])) if last else "",
        hidden("back", "/sessions"),
        hidden("session_id", session["id"]),
        select("unit", [("W", "W"), ("A", "A per phase")], label="Unit"),
    )


def _elapsed(session: Json) -> str:
    """Return the time until the end, or until the last update of a running session."""
    end = parse_date_time(session.get("end_date_time") or session["last_updated"])
    return whole_seconds(end - parse_date_time(session["start_date_time"]))


def _commands(commands: list[Json], *, old: bool) -> Html:
    if not commands:
        return Html("")
    rows = [
        (
            moment(command["sent_at"]),
            command["command"],
            _about(command["request"]),
            pill((command["response"] or {}).get("result") or command["error"] or "no answer"),
            _result(command),
            _cancel(command) if _can_cancel(command) and not old else Html(""),
        )
        for command in commands
    ]
    return html(
        '<section class="card"><h2>Last commands</h2><div class="scroll"><table><tr><th>Sent</th>'
        "<th>Command</th><th>For</th><th>Answer</th><th>Result</th><th></th></tr>{}</table></div>"
        "</section>",
        each("<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>", rows),
    )


def _about(request: Json) -> str:
    names = ("evse_uid", "session_id", "reservation_id", "location_id")
    return str(next((request[name] for name in names if request.get(name)), ""))


def _result(command: Json) -> Html:
    result = html("{} {}", pill(_outcome(command)), _said(command))
    if not command.get("cancellation"):
        return result
    return html("{} {}", result, pill(command["cancellation"]["result"]))


def _outcome(request: Json) -> str:
    """Say what came of a request: a result follows only what was accepted."""
    if request["result"]:
        return str(request["result"]["result"])
    if request["error"]:
        return "failed"
    response = request["response"]
    return "refused" if response and response["result"] != "ACCEPTED" else "waiting"


def _said(command: Json) -> Html:
    """Show what the CPO said with its result, or with its refusal."""
    body = command["result"] or command["response"] or {}
    # A list of DisplayText in OCPI 2.2.1 and later, nothing in 2.1.1.
    texts = " ".join(entry["text"] for entry in body.get("message") or [])
    return html("<small>{}</small>", texts) if texts else Html("")


def _can_cancel(command: Json) -> bool:
    accepted = (command["result"] or {}).get("result") == "ACCEPTED"
    return command["command"] == "RESERVE_NOW" and accepted and not command.get("cancellation")


def _cancel(command: Json) -> Html:
    name = command["request"]["reservation_id"]
    return button("cancel", "Cancel", "/sessions", style="quiet", reservation_id=name)


def _profiles(requests: list[Json]) -> Html:
    if not requests:
        return Html("")
    rows = [
        (
            moment(request["sent_at"]),
            _PROFILE_WORDS[request["kind"]],
            request["session_id"],
            pill((request["response"] or {}).get("result") or request["error"] or "no answer"),
            pill(_outcome(request)),
            as_json(request, "request and result"),
        )
        for request in requests
    ]
    return html(
        '<section class="card"><h2>Charging profiles</h2><div class="scroll"><table><tr>'
        "<th>Sent</th><th>What</th><th>Session</th><th>Answer</th><th>Result</th><th></th></tr>{}"
        "</table></div></section>",
        each("<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>", rows),
    )
