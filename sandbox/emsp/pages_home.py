"""The pages about the connection: home, message log, violations, misbehave."""

from sandbox.emsp.config import NEWEST
from sandbox.emsp.faults import KINDS
from sandbox.emsp.html import Html, each, html, join
from sandbox.emsp.hub import STATUSES
from sandbox.emsp.layout import (
    as_json,
    button,
    empty,
    heading,
    hidden,
    live,
    moment,
    pill,
    select,
)
from sandbox.emsp.ocpi import MODULES
from sandbox.emsp.peer import Peer
from sandbox.emsp.store import Store
from sandbox.emsp.wire import VERSIONS, Json

SHOWN_MESSAGES = 200
SHOWN_VIOLATIONS = 500
_TILES = ("locations", "tariffs", "tokens", "sessions", "cdrs")


def home(store: Store, peer: Peer, state: Json, tried: Json) -> Html:
    """Show who we are, whether we are registered, and how much we hold.

    `tried` is what the last attempt to register was made with, where it failed.
    """
    tiles = [(f"/{name}", "", store.count(name), name) for name in _TILES]
    broken = store.count_records("violations")
    tiles.append(("/violations", "bad" if broken else "", broken, "violations"))
    return html(
        "{}{}{}",
        heading(
            state["name"],
            _introduction(state),
        ),
        live(
            "tiles",
            html(
                '<div class="tiles">{}</div>',
                each('<a class="tile {1}" href="{0}"><b>{2}</b><span>{3}</span></a>', tiles),
            ),
        ),
        live(
            "registration",
            _connected(store, state) if peer.registered else _connect(peer, state, tried),
        ),
    )


def _introduction(state: Json) -> str:
    kind = f"A small eMSP, party {state['party']}"
    if state["behind"]:
        kind = f"A small hub, {state['party']}, for {' and '.join(state['behind'])}"
    return (
        f"{kind}: an independent partner of the charge point operator that knows it only through"
        f" OCPI {state['version']}."
    )


def _switch(state: Json) -> Html:
    """Offer the other versions: the registration moves there and back."""
    versions = [version for version in VERSIONS if version != "2.1.1" or not state["behind"]]
    rows = [(version, f"OCPI {version}") for version in versions]
    return html(
        '<form class="inline" method="post" action="/actions/switch">{}{}'
        '<button class="quiet">Switch the version (PUT)</button></form>',
        hidden("back", "/"),
        select("version", rows, state["version"], label="Version"),
    )


def _behind(store: Store, state: Json) -> Html:
    """Show the parties behind the hub; each may be set offline and so on."""
    if not state["behind"]:
        return Html("")
    choices = [(status, status) for status in STATUSES]
    rows = [
        (
            f"{client['country_code']}*{client['party_id']}",
            pill(client["status"]),
            moment(client["last_updated"]),
            html(
                '<form class="inline" method="post" action="/actions/client_info">{}{}{}'
                '<button class="quiet">Tell the CPO</button></form>',
                hidden("back", "/"),
                hidden("party", f"{client['country_code']}*{client['party_id']}"),
                select("connection", choices, client["status"], label="Status"),
            ),
        )
        for client in store.objects("clients")
    ]
    return html(
        '<section class="card"><h2>Behind this hub</h2><div class="scroll"><table><tr>'
        "<th>Party</th><th>Status</th><th>Since</th><th></th></tr>{}</table></div></section>",
        each("<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>", rows),
    )


def _connected(store: Store, state: Json) -> Html:
    cpo = state["cpo"]
    roles = ", ".join(f"{r['country_code']}*{r['party_id']} ({r['role']})" for r in cpo["roles"])
    return html(
        '<div class="grid"><section class="card"><h2>Registration {}</h2><dl>'
        "<dt>CPO</dt><dd>{}</dd><dt>Parties</dt><dd>{}</dd><dt>Versions</dt><dd><code>{}</code></dd><dt>Since</dt>"
        "<dd>{}, started by {}</dd><dt>OCPI</dt><dd>{}</dd></dl></section>"
        '<section class="card"><h2>Actions</h2><div class="actions">{}{}{}{}{}</div>'
        '</section></div>{}<section class="card"><h2>Endpoints of the CPO</h2><div class="scroll">'
        "<table><tr><th>Module</th><th>Role</th><th>URL</th></tr>{}</table></div></section>",
        pill("registered"),
        cpo["roles"][0]["business_details"]["name"],
        roles,
        cpo["versions_url"],
        moment(cpo["at"]),
        "us" if cpo["initiated_by"] == "emsp" else "the CPO",
        state["version"],
        button("pull", "Pull everything", "/"),
        button("tokens", "Send our tokens", "/", style="quiet"),
        _switch(state),
        button("renew", "Renew both tokens (PUT)", "/", style="quiet"),
        button("unregister", "Unregister (DELETE)", "/", style="quiet"),
        _behind(store, state),
        each(
            "<tr><td>{}</td><td>{}</td><td><code>{}</code></td></tr>",
            [(e["identifier"], e.get("role", ""), e["url"]) for e in cpo["endpoints"]],
        ),
    )


def _connect(peer: Peer, state: Json, tried: Json) -> Html:
    return html(
        '<div class="grid"><section class="card"><h2>Not registered: we start</h2>'
        '<p class="soft">Paste what the CPO handed out.</p>'
        '<form class="stack" method="post" action="/actions/register">{}'
        '<label>Versions URL of the CPO<input name="versions_url" required maxlength="255"'
        ' value="{}"></label>'
        '<label>Token A<input name="token_a" required maxlength="64" autocomplete="off"'
        ' value="{}"></label>'
        "<label>Version{}</label>"
        "<button>Register</button></form></section>"
        '<section class="card"><h2>Or the CPO starts</h2><p class="soft">Give this to the CPO.</p>'
        "<dl><dt>Versions URL</dt><dd><code>{}</code></dd><dt>Token A</dt><dd><code>{}</code></dd>"
        "</dl></section></div>",
        hidden("back", "/"),
        tried.get("versions_url", ""),
        tried.get("token_a", ""),
        select(
            "version",
            [(version, f"OCPI {version}") for version in (*VERSIONS, NEWEST)],
            tried.get("version") or state["version"],
            label="Version",
        ),
        state["versions_url"],
        peer.own_token_a,
    )


def messages(store: Store) -> Html:
    """Show the last messages in both directions, with bodies; tokens are redacted."""
    found = store.records("messages", limit=SHOWN_MESSAGES)
    rows = join(map(_message, found))
    table = html(
        '<section class="card"><div class="scroll"><table><tr><th>At</th><th></th><th>Message</th>'
        '<th>HTTP</th><th>OCPI</th><th class="n">ms</th></tr>{}</table></div></section>',
        rows,
    )
    lead = f"The last {SHOWN_MESSAGES} messages, newest first. Token values are redacted."
    return html(
        "{}{}",
        heading("Messages", lead),
        live("messages", table if found else empty("No messages yet.")),
    )


def _message(message: Json) -> Html:
    incoming = message["direction"] == "in"
    good = 200 <= message["status"] < 300 and (message["status_code"] or 1000) < 2000
    bodies = html(
        "<details><summary>{}</summary><pre>{}\n\n{}</pre></details>",
        f"{message['method']} {message['url'][:150]}",
        message["request"] or "(no body)",
        message["response"] or message["error"] or "(no body)",
    )
    return html(
        '<tr><td>{}</td><td>{}</td><td>{}{}</td><td><span class="pill {}">{}</span></td><td>{}</td>'
        '<td class="n">{}</td></tr>',
        moment(message["at"]),
        "CPO to us" if incoming else "us to CPO",
        bodies,
        html(" <small>{}</small>", message["error"]) if message["error"] else "",
        "good" if good else "bad",
        message["status"] or "none",
        "" if message["status_code"] is None else message["status_code"],
        message["milliseconds"],
    )


def violations(store: Store) -> Html:
    """Show which rules the CPO broke."""
    found = store.records("violations", limit=SHOWN_VIOLATIONS)
    table = html(
        '<section class="card"><div class="scroll"><table><tr><th>At</th><th>Rule</th><th></th>'
        "<th>Module</th><th>Object</th><th>What</th></tr>{}</table></div></section>",
        each(
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td><code>{}</code></td><td>{}</td></tr>",
            [
                (
                    moment(v["at"]),
                    v["rule"],
                    pill(v["severity"]),
                    v["module"],
                    v["object_id"],
                    v["detail"],
                )
                for v in found
            ],
        ),
    )
    lead = "Rules of OCPI the CPO broke: refused messages were not stored, noted ones were"
    lead += " (but never an older copy over a newer one)."
    return html(
        "{}{}",
        heading("Violations", lead),
        live("violations", table if found else empty("None: everything received was in order.")),
    )


def misbehave(active: list[Json]) -> Html:
    """Offer the switch panel of faults."""
    kinds = [(kind, kind) for kind in KINDS]
    modules = [("*", "every module"), ("versions", "versions")] + [(m, m) for m in MODULES]
    stages = [("before", "instead of processing"), ("after", "after processing")]
    return html(
        '{}<div class="grid"><section class="card"><h2>Switch a fault on</h2>'
        '<form class="stack" method="post" action="/actions/misbehave">{}'
        "<label>Fault{}</label><label>Module{}</label><label>When{}</label>"
        "<label>How often (0: until switched off)"
        '<input type="number" name="count" value="0" min="0"></label>'
        '<label>Seconds (hang)<input type="number" name="seconds" value="30" min="0"'
        ' max="600"></label><label>HTTP status (status)<input type="number" name="status"'
        ' value="429" min="200" max="599"></label><label>Retry-After, seconds (429, 503)'
        '<input type="number" name="retry_after" value="5" min="0"></label>'
        "<button>Switch on</button></form></section>{}</div>",
        heading("Misbehave", "Be a broken partner for a while, to see how the CPO copes."),
        hidden("back", "/misbehave"),
        select("kind", kinds),
        select("module", modules),
        select("stage", stages),
        live("faults", _active(active)),
    )


def _active(active: list[Json]) -> Html:
    if not active:
        return html('<section class="card"><h2>Active</h2>{}</section>', empty("Behaving well."))
    rows = [
        (fault["kind"], fault["module"], fault["stage"], fault["count"] or "always", as_json(fault))
        for fault in active
    ]
    return html(
        '<section class="card"><h2>Active</h2><table><tr><th>Fault</th><th>Module</th><th>When</th>'
        "<th>Left</th><th></th></tr>{}</table>{}</section>",
        each("<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>", rows),
        button("misbehave", "Behave again", "/misbehave", clear="yes"),
    )
