"""Find what staff wants sent again to a partner."""

from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet

from roaming import visibility
from roaming.models import Delivery, Partner


class UnknownObject(Exception):
    """The partner may not see such an object, or there is none."""


class SeveralObjects(Exception):
    """Several parties of ours have an object of this id."""


def find_visible(*, partner: Partner, module: str, name: str, now: datetime) -> int:
    """Return the row of an object that a partner may see, by its OCPI id, or `NL*ABC/ID`.

    Raises:
        UnknownObject: there is none.
        SeveralObjects: name the party as well.

    """
    party, slash, ocpi_id = name.rpartition("/")
    wanted = Q(ocpi_id=name)
    if slash:
        country_code, _star, party_id = party.partition("*")
        wanted |= Q(ocpi_id=ocpi_id, country_code=country_code, party_id=party_id)
    found = list(_door(partner, module, now).filter(wanted).values_list("pk", flat=True)[:2])
    if not found:
        raise UnknownObject(f"{partner} may see nothing of this id in {module}: {name}")
    if len(found) > 1:
        raise SeveralObjects(f"several parties have {name}: name one, such as NL*ABC/{name}")
    return int(found[0])


def may_have(*, partner: Partner, module: str, object_id: int, now: datetime) -> bool:
    """Tell whether an object is any business of a partner: it may see it, or was sent it."""
    if Delivery.objects.filter(partner=partner, module=module, object_id=object_id).exists():
        return True
    return _door(partner, module, now).filter(pk=object_id).exists()


def is_acknowledged_cdr(*, partner: Partner, module: str, object_id: int) -> bool:
    """Tell whether this is a CDR that the partner has taken: it is never sent twice."""
    return (
        module == "cdrs"
        and Delivery.objects.filter(
            partner=partner, module=module, object_id=object_id, sent__delivered=True
        ).exists()
    )


def _door(partner: Partner, module: str, now: datetime) -> "QuerySet[Any, Any]":
    doors: dict[str, Any] = {
        "tariffs": visibility.tariffs_for,
        "locations": visibility.locations_for,
        "sessions": visibility.sessions_for,
        "cdrs": visibility.cdrs_for,
    }
    rows: QuerySet[Any, Any] = doors[module](partner, now=now)
    return rows
