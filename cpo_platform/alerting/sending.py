"""Deliveries over the network: never within a transaction."""

from dataclasses import dataclass
from datetime import datetime
from smtplib import SMTPException
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.models import User
from django.core.mail import EmailMessage
from django.db.models import Q
from django.utils.translation import gettext, override

from cpo_platform.alerting import messages
from cpo_platform.alerting.models import Channel, ChannelKind, Incident, Notification
from cpo_platform.alerting.operations import notifying
from cpo_platform.common import clock, http, secrets
from cpo_platform.common.admin.scopes import Way
from cpo_platform.staff.scopes import scope_of_user

TIMEOUT_SECONDS = 10.0
MOST_ANSWER = 200
# How incidents belong to a party and to a place: those of partners and the platform to neither.
INCIDENTS = Way(party="", location="location")


@dataclass(frozen=True)
class Outcome:
    """Whether something was taken, and what came back."""

    taken: bool
    answer: str


def deliver_due(*, now: datetime) -> int:
    """Deliver what is due, some at a time; return how many were tried."""
    taken = notifying.take_due(now=now)
    for key in taken:
        deliver(key, now=now)
    return len(taken)


def deliver(notification_id: int, *, now: datetime) -> None:
    """Deliver one notification, and write down what came of it."""
    rows = Notification.objects.select_related("channel", "incident__location", "incident__partner")
    notification = rows.get(pk=notification_id)
    if not notifying.is_needed(notification):
        notifying.note_skipped(notification_id=notification_id)
        return
    outcome = _send(notification, now)
    if outcome.taken:
        notifying.note_sent(notification_id=notification_id, answer=outcome.answer, now=now)
    else:
        notifying.note_failed(notification_id=notification_id, answer=outcome.answer, now=now)


def _send(notification: Notification, now: datetime) -> Outcome:
    channel = notification.channel
    alerts = messages.alerts_of(notification.incident)
    if channel.kind == ChannelKind.WEBHOOK:
        body = messages.webhook_body(notification, alerts, now)
        return _post(channel, body, str(notification.uid), f"incident.{notification.event}", now)
    recipients = recipients_of(channel, notification.incident)
    if not recipients:
        return Outcome(taken=True, answer=gettext("nobody of them may see it"))
    subject, text = messages.mail_of(notification, alerts)
    thread = f"<incident-{notification.incident_id}@{urlsplit(settings.PUBLIC_URL).hostname}>"
    return _mail(subject, text, recipients, uid=str(notification.uid), thread=thread)


def recipients_of(channel: Channel, incident: Incident | None) -> list[str]:
    """Return the addresses that are told: people only of what their scope lets them see."""
    people = channel.users.filter(is_active=True).exclude(email="").order_by("pk")
    seeing = [user.email for user in people if incident is None or _sees(user, incident)]
    return list(dict.fromkeys([*seeing, *channel.addresses]))


def _sees(user: User, incident: Incident) -> bool:
    scope = scope_of_user(user)
    if scope.is_whole:
        return True
    return Incident.objects.filter(Q(pk=incident.pk) & INCIDENTS.condition(scope)).exists()


def _mail(subject: str, text: str, recipients: list[str], *, uid: str, thread: str) -> Outcome:
    if not settings.EMAIL_IS_ON:
        return Outcome(taken=False, answer="EMAIL_URL is not set")
    host = urlsplit(settings.PUBLIC_URL).hostname
    headers = {"Message-ID": f"<{uid}@{host}>"}
    if thread:
        headers |= {"In-Reply-To": thread, "References": thread}
    message = EmailMessage(subject, text, to=recipients, headers=headers)
    try:
        message.send()
    except (SMTPException, OSError, ValueError) as error:
        return Outcome(taken=False, answer=f"{type(error).__name__}: {error}"[:MOST_ANSWER])
    return Outcome(taken=True, answer=f"{len(recipients)} × OK")


def _post(channel: Channel, body: bytes, uid: str, event: str, now: datetime) -> Outcome:
    try:
        secret = secrets.decrypt(channel.secret_encrypted)
    except secrets.Undecipherable as error:
        return Outcome(taken=False, answer=str(error))
    answer = http.send(
        "POST",
        channel.url,
        headers={
            "Content-Type": "application/json",
            "X-Cpo-Event": event,
            "X-Cpo-Event-Id": uid,
            "X-Cpo-Signature": messages.signature(secret, body, now),
        },
        body=body,
        timeout_seconds=TIMEOUT_SECONDS,
    )
    if answer.status is None:
        return Outcome(taken=False, answer=answer.error[:MOST_ANSWER])
    text = " ".join(answer.body[:MOST_ANSWER].decode(errors="replace").split())
    return Outcome(
        taken=200 <= answer.status < 300,
        answer=f"HTTP {answer.status} ({answer.duration_ms} ms) {text}".strip(),
    )


def test(channel: Channel) -> Outcome:
    """Send a test to a channel, whatever its rules and hours, and return what came back."""
    now = clock.now()
    if channel.kind == ChannelKind.WEBHOOK:
        body = messages.test_body(now)
        return _post(channel, body, f"test-{int(now.timestamp())}", "test", now)
    recipients = recipients_of(channel, None)
    if not recipients:
        return Outcome(taken=False, answer=gettext("nobody has an e-mail address"))
    with override(channel.language):
        subject = gettext("Test of the channel %(name)s") % {"name": channel.name}
        text = gettext("This channel works. You will be told of incidents here.")
    return _mail(subject, text, recipients, uid=f"test-{now.timestamp():.3f}", thread="")
