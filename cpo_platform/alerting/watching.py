"""One look at everything: rules, alerts, incidents, and who is to be told."""

import logging
from collections.abc import Iterator
from datetime import datetime, timedelta

from cpo_platform.alerting import wrongs
from cpo_platform.alerting.kinds import EVERY
from cpo_platform.alerting.models import Rule
from cpo_platform.alerting.operations import notifying, tending
from cpo_platform.alerting.wrongs import Wanted

logger = logging.getLogger(__name__)


def watch(*, now: datetime) -> int:
    """Look at the rules that are due; return how many notifications are to be sent.

    A rule that cannot be looked at must not keep the others: its alerts stay as they are.
    """
    for rule in due_rules(now):
        try:
            found = wrongs.look(Wanted.of(rule), now)
        except Exception:  # whatever it is, the other rules are looked at
            logger.exception("rule %s could not be looked at", rule.pk)
            continue
        tending.tend_rule(rule_id=rule.pk, wrongs=found, now=now)
    tending.close_those_switched_off(now=now)
    tending.group_alerts(now=now)
    return notifying.announce(now=now)


def due_rules(now: datetime) -> Iterator[Rule]:
    """Yield the rules that are to be looked at now: what costs more, less often."""
    rows = Rule.objects.filter(is_on=True).order_by("pk")
    for rule in rows.prefetch_related("parties", "location_groups"):
        pause = EVERY.get(rule.kind, timedelta(0))
        if rule.looked_at is None or rule.looked_at <= now - pause:
            yield rule
