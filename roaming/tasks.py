"""Celery's part: wake up, drain, execute, tidy. Every task may run twice, or be lost, unharmed."""

import logging
from datetime import timedelta
from typing import Any

from celery import shared_task

from cpo_platform.common import clock
from cpo_platform.common.shapes import CdrToken
from roaming import draining, wake
from roaming.models import Command, CommandState, Message
from roaming.operations import commands, feed
from sessions_app.stations import StartRequest, StationAnswer, StationResult, station_control

logger = logging.getLogger(__name__)

KEEP_MESSAGES = timedelta(days=30)


@shared_task(name=wake.WAKE_FEEDS)
def wake_feeds(**_kwargs: Any) -> None:
    """Have every feed drained that has something to send and may."""
    feed.sequence_changes()
    for feed_id in feed.due_feeds(now=clock.now()):
        drain_feed.delay(feed_id=feed_id)


@shared_task(name="roaming.drain_feed")
def drain_feed(*, feed_id: int, **_kwargs: Any) -> None:
    sent = draining.drain(feed_id)
    if sent:
        logger.info("feed %s: %s requests sent", feed_id, sent)


@shared_task(name=wake.EXECUTE_COMMAND)
def execute_command(*, command_id: int, **_kwargs: Any) -> None:
    """Pass a command on to the station, and note what it says."""
    command = Command.objects.get(pk=command_id)
    if command.state != CommandState.ACCEPTED:
        return
    answer = _ask_station(command)
    commands.finish_command(
        command_id=command_id,
        result=answer.result.value,
        message=answer.message,
        now=clock.now(),
    )


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


@shared_task(name="roaming.tidy")
def tidy(**_kwargs: Any) -> None:
    """Delete what is old: changes that everybody has, and messages."""
    now = clock.now()
    feed.forget_old_changes(now=now)
    Message.objects.filter(at__lt=now - KEEP_MESSAGES).delete()


def _ask_station(command: Command) -> StationAnswer:
    control = station_control()
    now = clock.now()
    if command.command == "STOP_SESSION" and command.session_id is not None:
        return control.stop(session_id=command.session_id, now=now)
    if command.connector_id is None or command.token is None:
        return StationAnswer(StationResult.REJECTED, "The connector is not there any more.")
    return control.start(
        StartRequest(
            connector_id=command.connector_id,
            cdr_token=CdrToken.model_validate(command.token),
            authorization_reference=command.authorization_reference,
        ),
        now=now,
    )
