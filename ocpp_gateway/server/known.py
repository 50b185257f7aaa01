"""What a gateway knows of a station while it is connected."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from cpo_platform.common.shapes import CdrToken, plain
from ocpp_gateway.authorizing import Decision
from ocpp_gateway.frames import Version
from ocpp_gateway.server.database import Pool, rows

# Transactions of one station that are remembered: one that invents ids must not fill our memory.
MOST_REMEMBERED = 200
_FIND = (
    "SELECT id, ref, outlet_id, verdict FROM ocpp_gateway_transaction WHERE station_id = %s AND "
)


@dataclass(frozen=True, slots=True)
class KnownOutlet:
    id: int
    ordinal: int
    evse_number: int
    connector_number: int


@dataclass(frozen=True, slots=True)
class KnownTransaction:
    """`verdict` is OCPI's AllowedType, "" while nobody presented a token."""

    id: int
    ref: str
    outlet_id: int | None
    verdict: str = ""


@dataclass(slots=True)
class KnownStation:
    """`transactions` are those under way, and others that were named, by `ref`."""

    id: int
    identity: str
    version: Version
    connection: int
    is_placed: bool
    is_to_reconnect: bool = False
    outlets: list[KnownOutlet] = field(default_factory=list)
    transactions: dict[str, KnownTransaction] = field(default_factory=dict)
    # Of those under way, the newest at each outlet, and all.
    at_outlet: dict[int, int] = field(default_factory=dict)
    under_way: set[int] = field(default_factory=set)

    def outlet_of_1_6(self, ordinal: object) -> KnownOutlet | None:
        return next((one for one in self.outlets if one.ordinal == ordinal), None)

    def outlet_of_2_0_1(self, evse: dict[str, Any]) -> KnownOutlet | None:
        """Return an outlet by `EVSEType`; without a connector it is the EVSE's first."""
        connector = evse.get("connectorId")
        found = [
            one
            for one in self.outlets
            if one.evse_number == evse.get("id") and connector in {None, one.connector_number}
        ]
        return min(found, key=lambda one: one.connector_number, default=None)

    def begins(self, transaction: KnownTransaction) -> list[int]:
        """Take note of a transaction; return what it is news of: itself, and the one before it."""
        others: list[int] = []
        if transaction.outlet_id is not None:
            before = self.at_outlet.get(transaction.outlet_id)
            others = [before] if before is not None and before != transaction.id else []
            # An older one whose start is told again does not go on for that.
            if before is None or before < transaction.id:
                self.at_outlet[transaction.outlet_id] = transaction.id
        self.under_way.add(transaction.id)
        if len(self.under_way) > MOST_REMEMBERED:
            self.under_way.discard(min(self.under_way))
        return [transaction.id, *others]

    def ends(self, transaction: KnownTransaction) -> None:
        self.under_way.discard(transaction.id)
        if transaction.outlet_id is not None:
            at = self.at_outlet.get(transaction.outlet_id)
            if at == transaction.id:
                del self.at_outlet[transaction.outlet_id]

    def remember(self, transaction: KnownTransaction) -> None:
        if len(self.transactions) > MOST_REMEMBERED:
            kept = {r: t for r, t in self.transactions.items() if t.id in self.under_way}
            # Those under way are as many at most: of these, the oldest.
            self.transactions = dict(list(kept.items())[-MOST_REMEMBERED:])
        self.transactions[transaction.ref] = transaction


@dataclass(frozen=True, slots=True)
class Presented:
    """A token that was shown, and what was decided on it."""

    uid: str
    token_type: str
    decision: Decision


async def learn(pool: Pool, station: KnownStation) -> None:
    """Read the outlets of a station, and what it has under way."""
    outlets = await rows(
        pool,
        "SELECT id, ordinal, evse_number, connector_number FROM ocpp_gateway_outlet"
        " WHERE station_id = %s ORDER BY ordinal",
        [station.id],
    )
    station.outlets = [KnownOutlet(*row) for row in outlets]
    condition = f"ended_at IS NULL ORDER BY id DESC LIMIT {MOST_REMEMBERED}"
    for row in reversed(await rows(pool, _FIND + condition, [station.id])):
        transaction = KnownTransaction(*row)
        station.remember(transaction)
        station.begins(transaction)


async def find_by_ref(pool: Pool, station: KnownStation, ref: str) -> KnownTransaction | None:
    """Return a transaction of the station by what tells it from the others."""
    known = station.transactions.get(ref)
    return known or await _found(pool, station, "ref = %s", ref)


async def find_by_number(pool: Pool, station: KnownStation, number: int) -> KnownTransaction | None:
    """Return a transaction of the station by the number that we gave it."""
    known = (one for one in station.transactions.values() if one.id == number)
    return next(known, None) or await _found(pool, station, "id = %s", number)


async def _found(
    pool: Pool, station: KnownStation, condition: str, value: object
) -> KnownTransaction | None:
    found = await rows(pool, _FIND + condition, [station.id, value])
    if not found:
        return None
    transaction = KnownTransaction(*found[0])
    station.remember(transaction)
    return transaction


async def open_transaction(
    pool: Pool,
    station: KnownStation,
    ref: str,
    outlet: KnownOutlet | None,
    presented: Presented | None,
    *,
    now: datetime,
) -> KnownTransaction:
    """Open a transaction, or return the one that there is, whoever was presented for it."""
    values = [station.id, outlet and outlet.id, ref, station.version.value, now]
    found = await rows(pool, _OPEN, [*values, *_columns(presented)])
    transaction = KnownTransaction(*found[0])
    station.remember(transaction)
    return transaction


async def locate(
    pool: Pool, station: KnownStation, transaction: KnownTransaction, outlet: KnownOutlet
) -> KnownTransaction:
    """Note where a transaction goes on that began before its station knew it."""
    await rows(pool, _LOCATE, [outlet.id, transaction.id])
    located = replace(transaction, outlet_id=outlet.id)
    station.remember(located)
    return located


async def authorise(
    pool: Pool, station: KnownStation, transaction: KnownTransaction, presented: Presented
) -> KnownTransaction:
    """Note who charges: the first token that was presented, and what was decided on it."""
    await rows(pool, _AUTHORISE, [*_columns(presented), transaction.id])
    authorised = replace(transaction, verdict=presented.decision.verdict)
    station.remember(authorised)
    return authorised


def _columns(presented: Presented | None) -> tuple[object, ...]:
    if presented is None:
        return ("", "", "", None, "", "", "", None)
    decision = presented.decision
    token = None if decision.cdr_token is None else plain(CdrToken, decision.cdr_token)
    return (
        presented.uid,
        presented.token_type,
        decision.verdict,
        None if token is None else Jsonb(token),
        decision.auth_method,
        decision.authorization_reference,
        decision.info,
        decision.remote_start,
    )


_OPEN = """
INSERT INTO ocpp_gateway_transaction AS transaction (
    station_id, outlet_id, ref, ocpp_version, opened_at, token_uid, token_type, verdict, cdr_token,
    auth_method, authorization_reference, authorization_info, remote_start_id, end_reason, energy,
    findings, unbilled_reason
) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, '', 0, '[]', '')
ON CONFLICT (station_id, ref) DO UPDATE SET ref = EXCLUDED.ref
RETURNING id, ref, outlet_id, verdict
"""
_LOCATE = """
UPDATE ocpp_gateway_transaction SET outlet_id = %s WHERE id = %s AND outlet_id IS NULL
"""
_AUTHORISE = """
UPDATE ocpp_gateway_transaction
SET token_uid = %s, token_type = %s, verdict = %s, cdr_token = %s, auth_method = %s,
    authorization_reference = %s, authorization_info = %s, remote_start_id = %s
WHERE id = %s AND verdict = ''
"""
