"""EVSEs and connectors inside a Location: found, replaced, and what they name."""

from sandbox.emsp.validation import newer
from sandbox.emsp.wire import Json


def walk(location: Json | None, path: tuple[str, ...]) -> list[Json | None]:
    """Walk from a Location to its EVSE and Connector; None where a level is unknown."""
    chain: list[Json | None] = [location]
    for (children, id_field), name in zip(
        (("evses", "uid"), ("connectors", "id")), path, strict=False
    ):
        parent = chain[-1] or {}
        found = [e for e in parent.get(children) or [] if e[id_field].lower() == name.lower()]
        chain.append(found[0] if found else None)
    return chain


def put_back(chain: list[Json | None], leaf: Json) -> Json:
    """Put a new leaf into its parents; `last_updated` of the parents follows (cascade)."""
    node = leaf
    for depth in range(len(chain) - 2, -1, -1):
        parent = chain[depth] or {}
        children, id_field = (("evses", "uid"), ("connectors", "id"))[depth]
        siblings = list(parent.get(children) or [])
        name = node[id_field].lower()
        places = [i for i, entry in enumerate(siblings) if entry[id_field].lower() == name]
        if places:
            siblings[places[0]] = node
        else:
            siblings.append(node)
        stamp = node if newer(node, parent) else parent
        node = {**parent, children: siblings, "last_updated": stamp["last_updated"]}
    return node


def connectors_in(body: Json) -> list[Json]:
    """Return the connectors in a Location, an EVSE, or a connector itself."""
    evses = body.get("evses") or [body]
    return [entry for evse in evses for entry in evse.get("connectors") or [evse]]


def tariff_names(connector: Json) -> list[str]:
    """Return the tariffs of a connector, whichever way its version names them."""
    names = connector.get("tariff_ids") or []
    return [connector["tariff_id"]] if connector.get("tariff_id") else list(names)
