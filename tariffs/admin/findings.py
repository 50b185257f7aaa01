"""Remarks on a tariff as pages show them, also while it is being edited."""

from collections.abc import Sequence
from datetime import datetime

from django.http import HttpRequest

from cpo_platform.common import clock
from cpo_platform.common.admin import scope_of
from tariffs.checking import Remark, check_tariffs, remarks_of
from tariffs.models import Tariff
from tariffs.pricing.linting import Severity
from tariffs.shapes import TariffShape

TONES = {Severity.ERROR: "red", Severity.WARNING: "amber", Severity.HINT: "blue"}


def findings(shape: TariffShape, time_zone: str) -> list[Remark]:
    """Return what is to be said of a tariff, in the reader's language, the worst first.

    Nothing is read from the database: the tariff need not be saved.

    Raises:
        ZoneInfoNotFoundError: the time zone does not exist.

    """
    return remarks_of(shape, time_zone=time_zone, now=clock.now())


def stored_findings(
    request: HttpRequest, tariffs: Sequence[Tariff], now: datetime
) -> dict[int, list[Remark]]:
    """Return what is to be said of stored tariffs by their keys, as far as the person may know.

    Who may not see all locations is told nothing of their connectors.
    """
    return check_tariffs(tariffs, now=now, with_use=scope_of(request).locations is None)
