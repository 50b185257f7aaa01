"""Credit and bill again: a CDR that was sent is taken back, and another takes its place.

The session stays as it was first billed: its partner may be told of no change any more. What is
priced anew is a copy in memory, and what counts is the CDR.
"""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from sessions_app.corrections import Correction, ImpossibleCorrection
from sessions_app.models import Cdr, Session
from sessions_app.operations.cdrs import draft_cdr, issue
from sessions_app.operations.correcting import corrected, correction_json
from sessions_app.operations.credits import draft_credit, require_creditable
from sessions_app.operations.holds import examine
from sessions_app.preflight import Finding


class NotRebillable(ValueError):
    """The CDR has no session of ours, so it cannot be computed again."""


@dataclass(frozen=True)
class Rebilling:
    """Both documents, the CDR that they take back, and what is doubtful about the new one."""

    original: Cdr
    credit: Cdr
    replacement: Cdr
    findings: tuple[Finding, ...]


def rebill_cdr(
    *, cdr_id: int, correction: Correction, by: str, now: datetime, note: str = ""
) -> Rebilling:
    """Issue the credit CDR of a CDR, and then a new CDR for the same session.

    The new one has an id of its own and both credit fields absent (OCPI 2.2.1, mod_cdrs, Credit
    CDRs). It can be credited and billed again in turn.

    Raises:
        Cdr.DoesNotExist: there is no such CDR.
        sessions_app.operations.credits.NotCreditable: it was credited before, or is a credit.
        NotRebillable: it has no session.
        ImpossibleCorrection: it changes nothing, or contradicts itself or the session.

    """
    with transaction.atomic():
        original = Cdr.objects.select_for_update().get(pk=cdr_id)
        drafts = _drafts(original, correction, by=by, note=note, now=now)
        # Partners are told in this order: what is taken back first.
        issue(drafts.credit, now)
        issue(drafts.replacement, now)
    return drafts


def preview_rebilling(*, cdr_id: int, correction: Correction, now: datetime) -> Rebilling:
    """Return both documents as `rebill_cdr` would issue them. Nothing is saved.

    Raises:
        Whatever `rebill_cdr` raises.

    """
    original = Cdr.objects.get(pk=cdr_id)
    return _drafts(original, correction, by="", note="", now=now)


def _drafts(
    original: Cdr, correction: Correction, *, by: str, note: str, now: datetime
) -> Rebilling:
    require_creditable(original)
    if original.session_id is None:
        raise NotRebillable(f"CDR {original.ocpi_id} has no session to compute it from")
    if correction.is_empty and original.correction is None:
        raise ImpossibleCorrection("", "nothing is corrected: the new CDR would be the same")
    session = Session.objects.select_related("reservation", "connector").get(pk=original.session_id)
    settlement = corrected(session, correction, now)
    assert session.end_date_time is not None  # noqa: S101  it has a CDR
    found = examine(session, settlement, stopped_at=session.end_date_time, correction=correction)
    replacement = draft_cdr(
        session,
        settlement,
        now,
        replaces=original,
        correction=correction_json(correction, by=by, note=note),
    )
    return Rebilling(original, draft_credit(original, now), replacement, found)
