"""What partners cannot be told of a tariff, among the remarks on it."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from django.utils.translation import gettext

from roaming.models import Partner, PartnerStatus
from roaming.ocpi.losses import Loss, losses
from tariffs.checking import Remark
from tariffs.models import Tariff
from tariffs.pricing.linting import Severity

# Said of nearly every tariff, and on its own page: how 2.1.1 and 2.2.1 tell taxes.
KNOWN = frozenset({"vat", "tax_included"})


def loss_remarks(tariffs: Sequence[Tariff], _now: datetime) -> dict[int, list[Remark]]:
    """Return what the versions of registered partners cannot say of tariffs, in one query."""
    versions = set(
        Partner.objects.filter(status=PartnerStatus.REGISTERED)
        .values_list("version", flat=True)
        .distinct()
    )
    return {row.pk: list(_remarks(losses(row), versions)) for row in tariffs}


def _remarks(found: Iterable[Loss], versions: set[str]) -> Iterable[Remark]:
    for loss in found:
        if loss.version in versions and loss.what not in KNOWN:
            text = gettext("Partners with OCPI %(version)s: %(text)s") % {
                "version": loss.version,
                "text": loss.text,
            }
            yield Remark(Severity.HINT, "VERSION", text, loss.what)
