"""Read a tariff as a careful colleague would, before a bill shows what is wrong."""

from collections.abc import Iterable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from tariffs.pricing.linting import amounts, conditions
from tariffs.pricing.linting import texts as contradictions
from tariffs.pricing.linting.examples import Stage
from tariffs.pricing.linting.findings import Finding, in_order
from tariffs.pricing.linting.order import Order
from tariffs.pricing.types import Tariff


def lint(
    tariff: Tariff,
    *,
    time_zone: str,
    now: datetime,
    texts: Iterable[str] = (),
) -> tuple[Finding, ...]:
    """Return what is wrong, doubtful or worth knowing about a tariff, the worst first.

    Whether a price is ever charged is decided exactly, over all states that a session can be in;
    where that would take too long, a finding says so. Examples are priced by the engine, in the
    time zone of a location, on a day not before `now`. `texts` are what drivers read beside it.

    Source: OCPI 2.3.0, mod_tariffs (TariffElement, TariffRestrictions, PriceComponent).

    Raises:
        ZoneInfoNotFoundError: the time zone does not exist.
    """
    zone = ZoneInfo(time_zone)
    today = now.astimezone(zone).date()
    starts = tariff.start_date_time
    if starts is not None:
        today = max(today, starts.astimezone(UTC).date())
    stage = Stage(tariff, zone, today)
    found = [
        *Order(tariff, stage).findings(),
        *conditions.findings(tariff, stage, now),
        *amounts.findings(tariff, stage),
        *contradictions.findings(tariff, texts),
    ]
    return in_order(found)
