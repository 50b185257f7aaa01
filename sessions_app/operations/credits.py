"""Credit CDRs: how a CDR, which nobody can change, is taken back (OCPI 2.2.1, mod_cdrs, 3.1.1)."""

from copy import deepcopy
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction

from sessions_app.models import Cdr
from sessions_app.operations.cdrs import issue

SUFFIX = "-C"


class NotCreditable(ValueError):
    """The CDR cannot be credited: it was before, or it is a credit CDR itself."""


def credit_cdr(*, cdr_id: int, now: datetime) -> Cdr:
    """Issue the credit CDR of a CDR, once; the original stays as it is.

    All of it is as in the original, but for its id and the values in `total_cost`, which are
    negative: the other costs and the volumes are not (OCPI 2.2.1, mod_cdrs, Credit CDRs).

    Raises:
        Cdr.DoesNotExist: there is no such CDR.
        NotCreditable: it was credited before, or is a credit CDR.

    """
    with transaction.atomic():
        original = Cdr.objects.select_for_update().get(pk=cdr_id)
        require_creditable(original)
        return issue(draft_credit(original, now), now)


def require_creditable(original: Cdr) -> None:
    """Refuse a CDR that cannot be credited.

    Raises:
        NotCreditable: it was credited before, or is a credit CDR.

    """
    if original.credit:
        raise NotCreditable(f"CDR {original.ocpi_id} is a credit CDR itself")
    before = credit_of(original)
    if before is not None:
        raise NotCreditable(f"CDR {original.ocpi_id} was credited before by {before.ocpi_id}")


def draft_credit(original: Cdr, now: datetime) -> Cdr:
    """Return the credit CDR of a CDR; it is not saved."""
    credit = Cdr(**_copied(original))
    credit.ocpi_id = original.ocpi_id + SUFFIX
    credit.credit = True
    credit.credit_reference_id = original.ocpi_id
    credit.total_cost_before_taxes = -original.total_cost_before_taxes
    if original.total_cost_after_taxes is not None:
        credit.total_cost_after_taxes = -original.total_cost_after_taxes
    credit.costs = original.costs | {"total_cost": _negated(original.costs["total_cost"])}
    credit.touch(now)
    # Of what is copied, nothing is new; what is empty in the original may be so here.
    credit.full_clean(
        exclude={"tariffs", "price_lines"}, validate_unique=False, validate_constraints=False
    )
    return credit


def credit_of(cdr: Cdr) -> Cdr | None:
    """Return the credit CDR that takes a CDR back, if there is one."""
    return Cdr.objects.filter(
        country_code=cdr.country_code,
        party_id=cdr.party_id,
        credit=True,
        credit_reference_id=cdr.ocpi_id,
    ).first()


def replacement_of(cdr: Cdr) -> Cdr | None:
    """Return the CDR that took the place of one that was credited, if there is one."""
    return cdr.replacements.first()


def first_of(cdr: Cdr) -> Cdr:
    """Return the CDR that a session was first billed by: what every partner was sent.

    Of a credit, that of what it credits.
    """
    if cdr.credit:
        cdr = Cdr.objects.get(
            country_code=cdr.country_code, party_id=cdr.party_id, ocpi_id=cdr.credit_reference_id
        )
    while cdr.replaces is not None:
        cdr = cdr.replaces
    return cdr


def valid_of(first: Cdr) -> Cdr | None:
    """Return the CDR that counts after all that was credited and replaced; None: nothing is due."""
    cdr = first
    while (replacement := replacement_of(cdr)) is not None:
        cdr = replacement
    return None if credit_of(cdr) else cdr


def _copied(original: Cdr) -> dict[str, Any]:
    # What it replaced, and how it was corrected, is the original's own story.
    own = {"id", "created_at", "last_updated", "replaces_id", "correction"}
    return {
        field.attname: deepcopy(getattr(original, field.attname))
        for field in Cdr._meta.concrete_fields  # noqa: SLF001  Django's own public name
        if field.attname not in own
    }


def _negated(price: dict[str, Any]) -> dict[str, Any]:
    """Return a canonical Price with every amount negative; unknown taxes stay unknown."""
    negated: dict[str, Any] = {"before_taxes": str(-Decimal(price["before_taxes"]))}
    if "taxes" in price:
        negated["taxes"] = [
            tax | {"amount": str(-Decimal(tax["amount"]))} for tax in price["taxes"]
        ]
    return negated
