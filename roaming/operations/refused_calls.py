"""Count calls that were refused for their token, and read the counts for staff.

Whoever calls decides how many calls there are, from how many addresses: the rows of an hour are
limited, and what comes from further addresses is counted together.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, Max, Q, Sum

from cpo_platform.common import json
from roaming.models import Partner, PartnerStatus, PartnerToken, RefusedCall, Why
from roaming.operations.partners import HAS_A_REGISTRATION

# Of each hour, beside those of known partners: a partner has a row per reason at most, then.
MOST_AN_HOUR = 500
# What anybody can show: no token of ours.
OF_STRANGERS = (Why.NO_TOKEN, Why.NO_FORM, Why.OTHER_LENGTH, Why.UNKNOWN)
# Names our lock among PostgreSQL's advisory locks: any number that nobody else uses.
COUNTING = 7_301_126


@dataclass(frozen=True, slots=True)
class Shown:
    """What a call showed: digests, never the token itself.

    `why` holds unless the database knows better. `digests` are of the token as it was read, `near`
    of what it would be, had it been written as it should.
    """

    why: Why
    digests: tuple[str, ...] = ()
    near: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """One call that was refused; `address` is limited together: see `network_of`."""

    at: datetime
    address: str
    module: str
    shown: Shown


@dataclass(frozen=True)
class Counted:
    """What came from one address for one reason: how many calls, and when the last.

    `is_its_own`: they showed a token of the partner that was asked for; else nobody knows.
    """

    is_its_own: bool
    address: str
    why: Why
    calls: int
    last_at: datetime


# Address, module, reason, the partner's id or 0: with the hour what a row stands for.
_Key = tuple[str, str, str, int]
_Counts = dict[_Key, tuple[int, datetime]]


def add(*, refusals: Sequence[Refusal]) -> None:
    """Count calls in the rows of their hours."""
    hours: dict[datetime, _Counts] = {}
    with transaction.atomic(), connection.cursor() as cursor:
        # One process after the other: together they keep to the limit.
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [COUNTING])
        owners = _owners(refusals)
        for one in refusals:
            why, partner_id = _why(one, owners)
            hour = one.at.replace(minute=0, second=0, microsecond=0)
            key = (one.address, one.module, why, partner_id)
            _count(hours.setdefault(hour, {}), key, 1, one.at)
        for hour, counts in sorted(hours.items()):
            cursor.execute(_ADD, [hour, json.dump_text(_rows(_limited(hour, counts)))])


def _owners(refusals: Iterable[Refusal]) -> Mapping[str, PartnerToken]:
    """Return the tokens of ours that were shown, good or not, by their digests."""
    digests = {text for one in refusals for text in (*one.shown.digests, *one.shown.near)}
    rows = PartnerToken.objects.filter(digest__in=digests).select_related("partner")
    return {row.digest: row for row in rows} if digests else {}


def _why(one: Refusal, owners: Mapping[str, PartnerToken]) -> tuple[Why, int]:
    """Return why a call was refused, and the id of the partner whose token it showed, or 0."""
    for digest in (*one.shown.digests, *one.shown.near):
        if token := owners.get(digest):
            if token.partner.status == PartnerStatus.SUSPENDED:
                return Why.SUSPENDED, token.partner_id
            if token.valid_until is not None and token.valid_until <= one.at:
                return Why.EXPIRED, token.partner_id
            if digest in one.shown.near:
                return Why.MISWRITTEN, token.partner_id
    return one.shown.why, 0


def _count(counts: _Counts, key: _Key, calls: int, at: datetime) -> None:
    before, last_at = counts.get(key, (0, at))
    counts[key] = before + calls, max(last_at, at)


def _limited(hour: datetime, counts: _Counts) -> _Counts:
    """Return the counts with those of further addresses together, where an hour is full.

    Whose token was shown is kept: no stranger can hide a partner's calls behind its own.
    """
    rows = RefusedCall.objects.filter(hour=hour)
    room = MOST_AN_HOUR - rows.count()
    if len(counts) <= room:
        return counts
    known = {
        (address, module, why, partner_id or 0)
        for address, module, why, partner_id in rows.values_list(
            "address", "module", "why", "partner_id"
        )
    }
    limited: _Counts = {}
    for key, (calls, at) in counts.items():
        if key not in known:
            room -= 1
        _count(limited, key if key in known or room >= 0 else ("", "", *key[2:]), calls, at)
    return limited


def _rows(counts: _Counts) -> list[dict[str, object]]:
    return [
        {
            "address": address,
            "module": module,
            "why": why,
            "partner_id": partner_id or None,
            "count": calls,
            "last_at": at.isoformat(),
        }
        for (address, module, why, partner_id), (calls, at) in sorted(counts.items())
    ]


_ADD = """
INSERT INTO roaming_refusedcall AS row
    (hour, address, module, why, partner_id, count, last_at)
SELECT %s::timestamptz, fresh.address, fresh.module, fresh.why, fresh.partner_id, fresh.count,
    fresh.last_at
FROM jsonb_to_recordset(%s::jsonb) AS fresh (
    address text, module text, why text, partner_id bigint, count bigint, last_at timestamptz
)
ON CONFLICT (hour, address, module, why, COALESCE(partner_id, 0)) DO UPDATE SET
    count = row.count + excluded.count, last_at = GREATEST(row.last_at, excluded.last_at)
"""


def of_partner(partner: Partner, *, since: datetime, most: int) -> list[Counted]:
    """Return the calls since a moment that showed a token of the partner's, the latest first.

    Of one that is not connected also those of nobody known: any of them may be its own. They come
    last, as anybody can make many of them.
    """
    whose = Q(partner=partner)
    if partner.status not in HAS_A_REGISTRATION:
        whose |= Q(partner=None, why__in=OF_STRANGERS)
    rows = (
        RefusedCall.objects.filter(whose, last_at__gte=since)
        .values("partner", "address", "why")
        .annotate(calls=Sum("count"), last=Max("last_at"))
        .order_by(F("partner").asc(nulls_last=True), "-last", "address", "why")
    )
    return [
        Counted(
            row["partner"] is not None,
            row["address"],
            Why(row["why"]),
            row["calls"],
            row["last"],
        )
        for row in rows[:most]
    ]


def forget(*, now: datetime) -> None:
    """Delete what is as old as the messages that are deleted."""
    oldest = now - timedelta(days=settings.MESSAGE_LOG_DAYS)
    RefusedCall.objects.filter(last_at__lt=oldest).delete()
