"""The months of the audit: made ahead, and dropped when they are older than is wanted."""

from datetime import datetime

from django.conf import settings

from cpo_platform.common import partitions
from cpo_platform.common.partitions import MONTH, Kept, Tended

ENTRIES = "audit_entry"


def tend(*, now: datetime) -> Tended:
    """Make the months that come; drop those that `AUDIT_RETENTION_MONTHS` says, if it says any.

    Each month refuses TRUNCATE, as the whole does.
    """
    months = settings.AUDIT_RETENTION_MONTHS or None
    tended = partitions.tend({ENTRIES: Kept(months, MONTH)}, now=now)
    partitions.guard(ENTRIES, trigger="audit_never_truncated", function="refuse_audit_change")
    return tended
