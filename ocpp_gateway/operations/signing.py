"""Signed meter values: kept untouched, and judged once. A step of `digesting`."""

from collections.abc import Sequence
from datetime import datetime

from cpo_platform.common.saying import say
from ocpp_gateway.facts import SignedValue
from ocpp_gateway.models import SignedMeterValue, Transaction
from ocpp_gateway.signatures import Judgement, Verdict, judge

NO_KEY = say(
    "the station named a public key, but none of the meter is known here: what comes with a value "
    "proves nothing"
).text


def keep_signed(
    row: Transaction, signed: Sequence[SignedValue], *, now: datetime
) -> list[SignedMeterValue]:
    """Keep the signed values that are new, and return those."""
    if not signed:
        return []
    known = set(row.signed_values.values_list("at", "context", "data"))
    new = [value for value in signed if (value.at, value.context, value.data) not in known]
    kept = [
        _judged(row, value, position, now) for position, value in enumerate(new, start=len(known))
    ]
    return SignedMeterValue.objects.bulk_create(kept)


def key_of(row: Transaction) -> str:
    """Return the public key that is known of the meter; "" where none is."""
    return row.outlet.public_key if row.outlet else ""


def _judged(row: Transaction, value: SignedValue, position: int, now: datetime) -> SignedMeterValue:
    judgement = judge(value.data, key_of(row))
    if value.public_key and not key_of(row):
        judgement = Judgement(Verdict.UNVERIFIED, NO_KEY)
    return SignedMeterValue(
        transaction=row,
        position=position,
        at=value.at,
        context=value.context,
        data=value.data,
        signing_method=value.signing_method,
        encoding_method=value.encoding_method,
        public_key=value.public_key,
        verdict=judgement.verdict.value,
        reason=judgement.reason,
        judged_at=now,
    )
