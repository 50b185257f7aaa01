"""Ask a partner whether it has a CDR, so that none is booked twice.

OCPI has no way to look a CDR up by its id: a partner keeps it at a URL of its choice, and says so
in the answer to our POST (OCPI 2.2.1, mod_cdrs, POST). Where that answer was lost, the URL is
guessed: where it kept its last one, below its endpoint, or in a list of that time.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any
from urllib.parse import quote, urlencode

from roaming.client import Reply, http_join
from roaming.models import Delivery, Partner
from sessions_app.models import Cdr

# What must be the same for two CDRs to be one: the rest is how it is written.
COMPARED = ("start_date_time", "end_date_time", "stop_date_time", "currency", "total_energy")
# How partners say that a CDR is not new to them; OCPI has no code for it.
ALREADY_THERE = ("exist", "duplicate", "already", "known")
LOOKED_AROUND = timedelta(hours=1)


class Found(StrEnum):
    SAME = "SAME"
    DIFFERENT = "DIFFERENT"
    NOT_SAID = "NOT_SAID"


def last_place(partner: Partner) -> tuple[str, str] | None:
    """Return the id and the URL of the last CDR that a partner took: two queries at most."""
    last = (
        Delivery.objects.filter(partner=partner, module="cdrs", delivered_at__isnull=False)
        .exclude(url="")
        .order_by("-delivered_at")
        .values_list("object_id", "url")
        .first()
    )
    if last is None:
        return None
    ocpi_id = Cdr.objects.filter(pk=last[0]).values_list("ocpi_id", flat=True).first()
    return (str(ocpi_id), last[1]) if ocpi_id else None


def places_of(
    document: Mapping[str, Any],
    *,
    stored_at: str,
    endpoint: str,
    last: tuple[str, str] | None,
) -> tuple[str, ...]:
    """Return the URLs at which a partner may have a CDR, the likeliest first."""
    ocpi_id = str(document["id"])
    places = [stored_at] if stored_at else []
    if last is not None:
        its_id, its_url = last
        if quote(its_id, safe="") in its_url:
            places.append(its_url.replace(quote(its_id, safe=""), quote(ocpi_id, safe="")))
    places.append(http_join(endpoint, ocpi_id))
    if "party_id" in document:
        owner = (str(document["country_code"]), str(document["party_id"]))
        places.append(http_join(endpoint, *owner, ocpi_id))
    moment = datetime.fromisoformat(document["last_updated"])
    query = urlencode(
        {
            "date_from": _plain(moment - LOOKED_AROUND),
            "date_to": _plain(moment + LOOKED_AROUND),
        }
    )
    places.append(endpoint + ("&" if "?" in endpoint else "?") + query)
    return tuple(dict.fromkeys(places))


def _plain(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def says_it_has_it(reply: Reply) -> bool:
    """Tell whether a partner refused a CDR since it has it already, by HTTP 409 or by words."""
    return reply.http_status == 409 or any(word in reply.reason.lower() for word in ALREADY_THERE)


def look(reply: Reply, document: Mapping[str, Any]) -> Found:
    """Tell whether an answer to a GET is our CDR, or has it in a list."""
    if not reply.ok:
        return Found.NOT_SAID
    found = reply.data if isinstance(reply.data, list) else [reply.data]
    ocpi_id = str(document["id"]).lower()
    for one in found:
        if isinstance(one, dict) and str(one.get("id", "")).lower() == ocpi_id:
            return Found.SAME if _is_same(document, one) else Found.DIFFERENT
    return Found.NOT_SAID


def _is_same(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> bool:
    names = [name for name in COMPARED if name in ours]
    return all(_value(ours[name]) == _value(theirs.get(name)) for name in names) and (
        _cost(ours) == _cost(theirs)
    )


def _cost(cdr: Mapping[str, Any]) -> object:
    """Return the total before taxes: a number in 2.1.1, part of a Price later."""
    cost = cdr.get("total_cost")
    if isinstance(cost, dict):
        cost = cost.get("before_taxes", cost.get("excl_vat"))
    return _value(cost)


def _value(value: object) -> object:
    """Return a value so that two spellings of it are equal."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int | float | Decimal):
        return round(Decimal(str(value)), 4)
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        return str(value)
    return moment.replace(microsecond=0).timestamp() if moment.tzinfo else str(value)
