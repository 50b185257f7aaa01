"""Celery's part: wake up, drain, execute, tidy. Every task may run twice, or be lost, unharmed."""

import logging
from typing import Any

from celery import shared_task
from celery.signals import worker_shutdown, worker_shutting_down

from cpo_platform.common import clock
from roaming import drifting, executing, pulling, traffic, wake
from roaming.draining import attending
from roaming.models import ProfileResult
from roaming.ocpi import handshake
from roaming.operations import (
    charging_profiles,
    commands,
    drift,
    feed,
    message_log,
    partner_tokens,
    partners,
    refused_calls,
    refused_commands,
    token_pull,
    walks,
)
from roaming.operations import traffic as traffic_figures
from sessions_app.stations import StationResult
from tariffs import operations as tariff_operations

logger = logging.getLogger(__name__)

# How long the end of a worker waits for partners that have yet to answer.
LEAVING_SECONDS = 4.0


@shared_task(name=wake.WAKE_FEEDS)
def wake_feeds(**_kwargs: Any) -> None:
    """Have every feed drained that has something to send and may; go on while there is news."""
    attending.watch(_send_for)
    # The beat sends for us every two seconds: what drains count meanwhile is not old then.
    traffic.flush_now_and_then(clock.now())


def _send_for(feed_id: int) -> None:
    drain_feed.delay(feed_id=feed_id)


@shared_task(name="roaming.drain_feed")
def drain_feed(*, feed_id: int, **_kwargs: Any) -> None:
    """Send a partner what a lane has for it, and stay with it while there is more.

    That goes on after the task: there is a thread for it, which many partners share.
    """
    attending.attend(feed_id)


@worker_shutting_down.connect
def leave(**_kwargs: Any) -> None:
    """Leave the partners that we stay with: what is left of their feeds is for the next worker."""
    attending.leave()


@worker_shutdown.connect
def finish(**_kwargs: Any) -> None:
    """Wait for the requests that are under way, and write down what was counted of all of them."""
    attending.leave(seconds=LEAVING_SECONDS)
    traffic.flush(clock.now())


@shared_task(name="roaming.announce_due")
def announce_due(**_kwargs: Any) -> None:
    """Announce what could wait and has: progress of sessions, and what failed a moment ago."""
    feed.announce_due(now=clock.now())


@shared_task(name="roaming.skip_others_changes")
def skip_others_changes(**_kwargs: Any) -> None:
    """Have no feed look again and again at what is for others."""
    feed.skip_others_changes(now=clock.now())


@shared_task(name=wake.EXECUTE_COMMAND)
def execute_command(*, command_id: int, **_kwargs: Any) -> None:
    """Pass a command on to the station, and note what it says."""
    executing.execute(command_id)


@shared_task(name="roaming.expire_commands")
def expire_commands(**_kwargs: Any) -> None:
    """Answer TIMEOUT for every command whose station did not answer; a result is always sent."""
    now = clock.now()
    for command_id in commands.expired_commands(now=now):
        commands.finish_command(
            command_id=command_id,
            result=StationResult.TIMEOUT.value,
            message="The station did not answer in time.",
            now=now,
        )


@shared_task(name=wake.EXECUTE_PROFILE_REQUEST)
def execute_profile_request(*, request_id: int, **_kwargs: Any) -> None:
    """Pass a request on a charging profile on to the station, and note what it says."""
    executing.execute_profile_request(request_id)


@shared_task(name="roaming.expire_profile_requests")
def expire_profile_requests(**_kwargs: Any) -> None:
    """Answer REJECTED for every request whose station is silent: OCPI has no TIMEOUT here."""
    now = clock.now()
    for request_id in charging_profiles.expired_profile_requests(now=now):
        charging_profiles.finish_profile_request(
            request_id=request_id,
            result=ProfileResult.REJECTED.value,
            message="The station did not answer in time.",
            now=now,
        )


@shared_task(name="roaming.turn_tariffs")
def turn_tariffs(**_kwargs: Any) -> None:
    """Notice tariffs that have become valid, or are valid no more: 2.1.1 shows only what holds."""
    now = clock.now()
    for tariff_id in tariff_operations.due_turns(now=now):
        tariff_operations.turn_tariff(tariff_id=tariff_id, now=now)


@shared_task(name="roaming.pull_partners")
def pull_partners(**_kwargs: Any) -> None:
    """Have the tokens of every partner pulled that is due; each has a time of its own."""
    for partner_id in token_pull.due_partners(now=clock.now()):
        pull_partner.delay(partner_id=partner_id)


@shared_task(name=wake.PULL)
def pull_partner(*, partner_id: int, **_kwargs: Any) -> None:
    try:
        pulling.pull_partner(partner_id)
    except pulling.PullFailed as error:
        # Noted at the partner, and tried again by the beat.
        logger.warning("partner %s: %s", partner_id, error)


@shared_task(name="roaming.check_drift_nightly")
def check_drift_nightly(**_kwargs: Any) -> None:
    """Have a sample of what each partner holds compared, in the hours that follow."""
    drift.start_nightly(now=clock.now())


@shared_task(name="roaming.tend_drift_checks")
def tend_drift_checks(**_kwargs: Any) -> None:
    """Begin the checks whose moment has come, and go on with those whose worker is gone."""
    for check_id in drift.due_checks(now=clock.now()):
        check_drift.delay(check_id=check_id)


@shared_task(name=wake.CHECK_DRIFT)
def check_drift(*, check_id: int, **_kwargs: Any) -> None:
    """Work on a drift check for a while, and come back if there is more to do."""
    if drifting.work_on(check_id):
        check_drift.delay(check_id=check_id)


@shared_task(name="roaming.renew_registrations")
def renew_registrations(**_kwargs: Any) -> None:
    """Exchange tokens that are about a month old (OCPI 2.2.1, credentials: at least monthly)."""
    for partner_id in partner_tokens.due_for_renewal(now=clock.now()):
        try:
            handshake.update_registration(partner_id=partner_id, now=clock.now())
        except (handshake.HandshakeFailed, partners.NotRegistered) as error:
            logger.warning("partner %s: tokens were not renewed: %s", partner_id, error)


@shared_task(name="roaming.tidy")
def tidy(**_kwargs: Any) -> None:
    """Do away with what is old: changes that all have, tokens, messages, what was refused."""
    now = clock.now()
    walks.forget_old_changes(now=now)
    drift.forget_old_checks(now=now)
    partner_tokens.forget_expired_tokens(now=now)
    traffic_figures.forget_old(now=now)
    refused_calls.forget(now=now)
    refused_commands.forget(now=now)
    tended = message_log.tend(now=now)
    if tended.made or tended.dropped:
        logger.info("message log: made %s, dropped %s", tended.made, tended.dropped)
