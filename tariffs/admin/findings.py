"""Remarks on a tariff as pages show them, also while it is being edited."""

from cpo_platform.common import clock
from tariffs.checking import Remark, remarks_of
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
