"""Channels: who is told of what, when and how; and each thing that was told."""

import uuid

from django.contrib.auth.models import User
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from cpo_platform.alerting.models.incidents import Incident
from cpo_platform.alerting.models.rules import Rule, Severity
from cpo_platform.common.fields import StringField
from locations.models import LocationGroup
from tariffs.models import Party


class ChannelKind(models.TextChoices):
    EMAIL = "EMAIL", _("E-mail")
    WEBHOOK = "WEBHOOK", _("Webhook")


class Channel(models.Model):
    """A way to tell people or another system of incidents.

    Without rules, parties and groups it tells of all. In its quiet hours it waits until they are
    over, but for critical incidents where `critical_goes_through`.
    """

    name = StringField(_("name"), max_length=100, unique=True)
    kind = models.CharField(_("kind"), max_length=8, choices=ChannelKind.choices)
    is_on = models.BooleanField(_("on"), default=True)
    users = models.ManyToManyField(
        User,
        related_name="+",
        blank=True,
        verbose_name=_("people"),
        help_text=_(
            "They get what their scope lets them see, at the e-mail address of their account."
        ),
    )
    addresses = ArrayField(
        models.EmailField(), verbose_name=_("further addresses"), default=list, blank=True
    )
    url = models.URLField(_("address"), max_length=500, blank=True, default="")
    secret_encrypted = models.TextField(blank=True, default="", editable=False)
    language = models.CharField(_("language"), max_length=8, default="en")
    rules = models.ManyToManyField(Rule, related_name="+", blank=True, verbose_name=_("rules"))
    parties = models.ManyToManyField(Party, related_name="+", blank=True, verbose_name=_("parties"))
    location_groups = models.ManyToManyField(
        LocationGroup, related_name="+", blank=True, verbose_name=_("location groups")
    )
    least_severity = models.PositiveSmallIntegerField(
        _("at least"), choices=Severity.choices, default=Severity.WARNING
    )
    quiet_from = models.TimeField(_("quiet from"), null=True, blank=True)
    quiet_until = models.TimeField(_("quiet until"), null=True, blank=True)
    time_zone = models.CharField(_("time zone"), max_length=64, default="UTC")
    critical_goes_through = models.BooleanField(
        _("critical goes through"),
        default=True,
        help_text=_("What is critical is told in quiet hours, too."),
    )
    reminder_hours = models.PositiveSmallIntegerField(
        _("reminds after so many hours"),
        default=4,
        help_text=_("As long as nobody has acknowledged it. 0: never."),
    )
    tells_end = models.BooleanField(_("tells when it is over"), default=True)

    class Meta:
        verbose_name = _("channel")
        verbose_name_plural = _("channels")
        constraints = [
            models.CheckConstraint(
                name="channel_webhook_is_complete",
                condition=~Q(kind=ChannelKind.WEBHOOK) | (~Q(url="") & ~Q(secret_encrypted="")),
            ),
            models.CheckConstraint(
                name="channel_quiet_hours_both_or_none",
                condition=Q(quiet_from__isnull=True, quiet_until__isnull=True)
                | Q(quiet_from__isnull=False, quiet_until__isnull=False),
                violation_error_message=_("Give both times, or none."),
            ),
        ]

    def __str__(self) -> str:
        return str(self.name)


class Event(models.TextChoices):
    OPENED = "opened", _("Opened")
    UPDATED = "updated", _("Grown")
    REMINDER = "reminder", _("Reminder")
    CLOSED = "closed", _("Over")


class NotificationState(models.TextChoices):
    WAITING = "WAITING", _("Waits")
    SENT = "SENT", _("Sent")
    SKIPPED = "SKIPPED", _("Not needed any more")
    FAILED = "FAILED", _("Given up")


class Notification(models.Model):
    """One event of an incident for one channel: there is one row for it, and it is sent once.

    `number` tells updates and reminders of one incident apart. `due_at` is when a worker takes it;
    one that takes it keeps it until `leased_until`.
    """

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, related_name="notifications")
    incident = models.ForeignKey(Incident, on_delete=models.CASCADE, related_name="notifications")
    event = models.CharField(_("event"), max_length=8, choices=Event.choices)
    number = models.PositiveIntegerField(default=1)
    state = models.CharField(
        _("state"),
        max_length=7,
        choices=NotificationState.choices,
        default=NotificationState.WAITING,
    )
    created_at = models.DateTimeField(_("created"))
    due_at = models.DateTimeField(_("due"))
    leased_until = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    sent_at = models.DateTimeField(_("sent"), null=True, blank=True)
    answer = models.CharField(_("what came back"), max_length=300, blank=True, default="")

    class Meta:
        verbose_name = _("notification")
        verbose_name_plural = _("notifications")
        constraints = [
            models.UniqueConstraint(
                fields=["channel", "incident", "event", "number"], name="notification_once"
            ),
        ]
        indexes = [
            # Workers: what is due.
            models.Index(
                fields=["due_at"],
                name="notification_due",
                condition=Q(state=NotificationState.WAITING),
            ),
            # The page of a channel: its last deliveries.
            models.Index(fields=["channel", "-created_at"], name="notification_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.get_event_display()} {self.incident_id}"
