"""Who is to be told of what: rows that workers deliver, one for each event and channel."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, F, Max, OuterRef, Q, QuerySet, prefetch_related_objects

from cpo_platform.alerting import quiet
from cpo_platform.alerting.models import (
    Alert,
    Channel,
    Event,
    Incident,
    Notification,
    NotificationState,
    Severity,
)
from locations.models import LocationGroup

# What belongs together comes within a minute: it is waited for, so that it is told once.
GATHER = timedelta(seconds=60)
# Growth is told no more often than this; and where it is less than double, only after so long.
UPDATE_EVERY = timedelta(minutes=10)
LEASE = timedelta(minutes=2)
FIRST_PAUSE = timedelta(seconds=30)
LONGEST_PAUSE = timedelta(hours=1)
# With these pauses: more than a day.
MOST_ATTEMPTS = 32
# So many are taken at once by one worker.
BATCH = 10


@transaction.atomic
def announce(*, now: datetime) -> int:
    """Write down what is to be told now; return how many notifications that makes."""
    channels = _channels()
    made = 0
    for incident in _to_tell(now):
        event = Event.OPENED if incident.told_at is None else Event.UPDATED
        made += _tell(incident, event, _next_number(incident, event), channels, now)
        Incident.objects.filter(pk=incident.pk).update(
            told_at=now, told_alerts=incident.alert_count, told_severity=incident.severity
        )
    made += _remind(channels, now)
    return made + _tell_ends(channels, now)


def _channels() -> list[Channel]:
    return list(Channel.objects.filter(is_on=True).order_by("pk"))


def _to_tell(now: datetime) -> "QuerySet[Incident]":
    awake = Q(snoozed_until=None) | Q(snoozed_until__lte=now)
    new = Q(told_at=None, opened_at__lte=now - GATHER)
    grown = Q(alert_count__gte=F("told_alerts") * 2, told_alerts__gt=0) | Q(
        alert_count__gt=F("told_alerts"), grown_at__gt=F("told_at") + UPDATE_EVERY
    )
    worse = Q(severity__gt=F("told_severity"))
    more = Q(told_at__lte=now - UPDATE_EVERY) & (grown | worse)
    return Incident.objects.filter(awake, new | more, closed_at=None).order_by("pk")


def _next_number(incident: Incident, event: Event) -> int:
    if event is Event.OPENED:
        return 1
    rows = Notification.objects.filter(incident=incident, event=event)
    return (rows.aggregate(n=Max("number"))["n"] or 0) + 1


def _tell(
    incident: Incident, event: Event, number: int, channels: Iterable[Channel], now: datetime
) -> int:
    rows = [
        Notification(
            channel=channel,
            incident=incident,
            event=event,
            number=number,
            created_at=now,
            due_at=due_at(channel, incident.severity, now),
        )
        for channel in _concerned(channels, incident)
    ]
    # There is one for an event already where somebody was quicker.
    return len(Notification.objects.bulk_create(rows, ignore_conflicts=True))


def due_at(channel: Channel, severity: int, now: datetime) -> datetime:
    """Return when a channel may be told of something: now, or when its quiet hours are over."""
    if severity >= Severity.CRITICAL and channel.critical_goes_through:
        return now
    start, end = channel.quiet_from, channel.quiet_until
    return quiet.ends_at(now, start, end, channel.time_zone) or now


@dataclass(frozen=True)
class _About:
    """What the alerts of an incident are about."""

    rules: frozenset[int]
    parties: frozenset[tuple[str, str]]
    locations: frozenset[int]


def _concerned(channels: Iterable[Channel], incident: Incident) -> list[Channel]:
    """Return the channels that an incident is for."""
    wanted = [channel for channel in channels if incident.severity >= channel.least_severity]
    if not wanted:
        return []
    # Only here, once for all incidents: mostly there is nothing to tell.
    prefetch_related_objects(wanted, "rules", "parties", "location_groups")
    rows = Alert.objects.filter(incident=incident)
    found = list(rows.values_list("rule_id", "country_code", "party_id", "location_id").distinct())
    about = _About(
        frozenset(rule for rule, _code, _party, _place in found),
        frozenset((code.lower(), party.lower()) for _rule, code, party, _place in found),
        frozenset(place for *_others, place in found if place),
    )
    return [channel for channel in wanted if _is_for(channel, about)]


def _is_for(channel: Channel, about: _About) -> bool:
    rules = {rule.pk for rule in channel.rules.all()}
    parties = {
        (party.country_code.lower(), party.party_id.lower()) for party in channel.parties.all()
    }
    groups = [group.pk for group in channel.location_groups.all()]
    return (
        (not rules or bool(rules & about.rules))
        and (not parties or bool(parties & about.parties))
        and (not groups or _holds_one(groups, about.locations))
    )


def _holds_one(groups: Sequence[int], locations: Collection[int]) -> bool:
    held = LocationGroup.locations.through.objects.filter(
        locationgroup_id__in=groups, location_id__in=locations
    )
    return held.exists()


def _remind(channels: Iterable[Channel], now: datetime) -> int:
    """Remind of what nobody has acknowledged: one query for each channel."""
    made = 0
    for channel in channels:
        if not channel.reminder_hours:
            continue
        oldest = now - timedelta(hours=channel.reminder_hours)
        told = Notification.objects.filter(channel=channel, incident=OuterRef("pk"))
        rows = Incident.objects.filter(
            Q(snoozed_until=None) | Q(snoozed_until__lte=now),
            Exists(told.filter(event=Event.OPENED)),
            ~Exists(told.filter(created_at__gt=oldest)),
            closed_at=None,
            acknowledged_at=None,
        )
        for incident in rows:
            its = Notification.objects.filter(
                channel=channel, incident=incident, event=Event.REMINDER
            )
            number = (its.aggregate(n=Max("number"))["n"] or 0) + 1
            made += _tell(incident, Event.REMINDER, number, [channel], now)
    return made


def _tell_ends(channels: Sequence[Channel], now: datetime) -> int:
    """Tell those who were told of an incident that it is over, once for each time."""
    over = Incident.objects.filter(
        closed_at__isnull=False, told_at__isnull=False, round__gt=F("end_told_round")
    )
    made = 0
    for incident in over.order_by("pk"):
        told = set(
            Notification.objects.filter(incident=incident, event=Event.OPENED).values_list(
                "channel_id", flat=True
            )
        )
        its = [one for one in channels if one.pk in told and one.tells_end]
        rows = [
            Notification(
                channel=channel,
                incident=incident,
                event=Event.CLOSED,
                number=incident.round,
                created_at=now,
                due_at=due_at(channel, incident.severity, now),
            )
            for channel in its
        ]
        made += len(Notification.objects.bulk_create(rows, ignore_conflicts=True))
        Incident.objects.filter(pk=incident.pk).update(end_told_round=incident.round)
    return made


@transaction.atomic
def take_due(*, now: datetime) -> list[int]:
    """Take notifications that are due, for one worker; return their keys.

    What one incident has to say to one channel keeps its order.
    """
    earlier = Notification.objects.filter(
        channel=OuterRef("channel"),
        incident=OuterRef("incident"),
        state=NotificationState.WAITING,
        pk__lt=OuterRef("pk"),
    )
    rows = Notification.objects.filter(
        Q(leased_until=None) | Q(leased_until__lte=now),
        ~Exists(earlier),
        state=NotificationState.WAITING,
        due_at__lte=now,
    )
    found = list(
        rows.order_by("due_at", "pk")
        .select_for_update(of=("self",), skip_locked=True)
        .values_list("pk", flat=True)[:BATCH]
    )
    Notification.objects.filter(pk__in=found).update(leased_until=now + LEASE)
    return found


def is_needed(notification: Notification) -> bool:
    """Tell whether a notification still says something new.

    What waited for the end of quiet hours, and is over by then, is told to nobody; nor is its end.
    What could not be delivered before is told, however late.
    """
    incident, channel = notification.incident, notification.channel
    if not channel.is_on:
        return False
    rows = Notification.objects.filter(
        incident=incident, channel=channel, state=NotificationState.SENT
    )
    if notification.event != Event.CLOSED:
        # Whoever was told after it was written knows it.
        is_known = rows.filter(sent_at__gte=notification.created_at).exists()
        return not is_known and (incident.closed_at is None or notification.attempts > 0)
    if notification.number < incident.round and incident.closed_at is None:
        # It has come back before its end was told.
        return False
    return rows.filter(event=Event.OPENED).exists()


@transaction.atomic
def note_sent(*, notification_id: int, answer: str, now: datetime) -> None:
    """Write down that a notification was delivered."""
    Notification.objects.filter(pk=notification_id).update(
        state=NotificationState.SENT,
        sent_at=now,
        answer=answer[:300],
        attempts=F("attempts") + 1,
        leased_until=None,
    )


@transaction.atomic
def note_skipped(*, notification_id: int) -> None:
    """Write down that a notification has nothing to say any more."""
    Notification.objects.filter(pk=notification_id).update(
        state=NotificationState.SKIPPED, leased_until=None
    )


@transaction.atomic
def note_failed(*, notification_id: int, answer: str, now: datetime) -> None:
    """Write down why a delivery failed, and when it is tried again, unless it was too often."""
    row = Notification.objects.select_for_update().get(pk=notification_id)
    row.attempts += 1
    row.answer = answer[:300]
    row.leased_until = None
    row.due_at = now + min(FIRST_PAUSE * 2 ** (row.attempts - 1), LONGEST_PAUSE)
    if row.attempts >= MOST_ATTEMPTS:
        row.state = NotificationState.FAILED
    row.save(update_fields=["attempts", "answer", "leased_until", "due_at", "state"])
