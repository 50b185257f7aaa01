"""Commands that were refused at once: kept for staff, who is asked why nothing happened."""

from contextlib import suppress
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from roaming.models import Command, CommandState, Partner
from roaming.operations import places
from roaming.operations.command_requests import AnyRequest, Reception

# What a refused command may have named, in OCPI's words.
_NAMES = frozenset({"location_id", "evse_uid", "connector_id", "session_id", "reservation_id"})

# Of each partner: the message log has the others.
MOST_AN_HOUR = 100


def keep(
    *,
    partner: Partner,
    command: str,
    request: AnyRequest,
    receiver: tuple[str, str] | None,
    response_url: str,
    reception: Reception,
    now: datetime,
) -> None:
    """Keep a refused command, with what it was answered; of a flood of them only the beginning."""
    if _many_already(partner, now):
        return
    Command.objects.create(
        **_named(partner, request, receiver, now),
        partner=partner,
        command=command,
        response_url=response_url,
        state=CommandState.REFUSED,
        result=reception.result,
        message=reception.message[:512],
        received_at=now,
        deadline=now,
        finished_at=now,
    )


def _many_already(partner: Partner, now: datetime) -> bool:
    refused = Command.objects.filter(state=CommandState.REFUSED, partner=partner)
    return refused.filter(received_at__gt=now - timedelta(hours=1)).count() >= MOST_AN_HOUR


def forget(*, now: datetime) -> int:
    """Delete refused commands that are as old as the messages they came by; return how many."""
    oldest = now - timedelta(days=settings.MESSAGE_LOG_DAYS)
    old = Command.objects.filter(state=CommandState.REFUSED, received_at__lt=oldest)
    # Not by Django, which would read each of them first: partners send as many as they like. There
    # is nothing that follows them.
    gone: int = old._raw_delete(old.db)  # noqa: SLF001
    return gone


def _named(
    partner: Partner, request: AnyRequest, receiver: tuple[str, str] | None, now: datetime
) -> dict[str, Any]:
    """Return what a refused command is about, as far as it is known here."""
    said = {name: value for name, value in asdict(request).items() if name in _NAMES and value}
    token = getattr(request, "token", None)
    named: dict[str, Any] = {
        "parameters": said,
        "token": None if token is None else token.model_dump(),
        "authorization_reference": getattr(request, "authorization_reference", ""),
    }
    with suppress(places.UnknownPlace):
        if "location_id" in said:
            named["location"] = places.find_location(partner, said["location_id"], receiver, now)
        if "evse_uid" in said:
            named["evse"] = places.find_evse(named["location"], said["evse_uid"])
    return named
