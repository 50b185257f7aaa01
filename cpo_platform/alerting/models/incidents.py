"""Alerts are states of one thing; incidents are what people are told of."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from cpo_platform.alerting.models.rules import Rule, Severity
from cpo_platform.common.fields import CiStringField, StringField
from locations.models import Location
from roaming.models import Partner


class Cause(models.TextChoices):
    """What is behind an incident, most likely (`cpo_platform.alerting.grouping`)."""

    ALONE = "ALONE", _("One thing")
    STATION = "STATION", _("A station")
    SITE = "SITE", _("A site's router or power")
    GATEWAY = "GATEWAY", _("The gateway or its network")
    OUTBOUND = "OUTBOUND", _("Our own way out")
    MANY = "MANY", _("Many at once")


class Incident(models.Model):
    """Alerts that most likely have one cause; one notification per channel.

    `key` names the cause: there is one open incident for it. `told_alerts` and `told_severity` are
    what the last notification said.
    """

    cause = models.CharField(_("cause"), max_length=8, choices=Cause.choices)
    key = models.CharField(max_length=100)
    severity = models.PositiveSmallIntegerField(_("severity"), choices=Severity.choices)
    # What the title is made of, in the reader's language (`cpo_platform.alerting.texts`).
    params = models.JSONField(default=dict, blank=True)
    location = models.ForeignKey(
        Location,
        on_delete=models.CASCADE,
        related_name="+",
        verbose_name=_("location"),
        null=True,
        blank=True,
    )
    partner = models.ForeignKey(
        Partner,
        on_delete=models.CASCADE,
        related_name="+",
        verbose_name=_("partner"),
        null=True,
        blank=True,
    )
    country_code = CiStringField(_("country code"), max_length=2, blank=True, default="")
    party_id = CiStringField(_("party id"), max_length=3, blank=True, default="")
    alert_count = models.PositiveIntegerField(_("alerts"), default=0)
    open_count = models.PositiveIntegerField(_("still wrong"), default=0)
    opened_at = models.DateTimeField(_("since"))
    grown_at = models.DateTimeField(_("grown"))
    closed_at = models.DateTimeField(_("over"), null=True, blank=True)
    # Counts up when it comes back: then its end is told again.
    round = models.PositiveIntegerField(default=1)
    told_at = models.DateTimeField(null=True, blank=True)
    end_told_round = models.PositiveIntegerField(default=0)
    told_alerts = models.PositiveIntegerField(default=0)
    told_severity = models.PositiveSmallIntegerField(default=0)
    acknowledged_at = models.DateTimeField(_("acknowledged"), null=True, blank=True)
    # A name and not a user: who it was stays readable when the account is gone.
    acknowledged_by = StringField(_("acknowledged by"), max_length=150, blank=True, default="")
    note = StringField(_("note"), max_length=500, blank=True, default="")
    snoozed_until = models.DateTimeField(_("quiet until"), null=True, blank=True)

    class Meta:
        verbose_name = _("incident")
        verbose_name_plural = _("incidents")
        constraints = [
            models.UniqueConstraint(
                fields=["key"], condition=Q(closed_at__isnull=True), name="incident_open_once"
            ),
        ]
        indexes = [
            # Staff and the beat: what is open.
            models.Index(
                fields=["-opened_at"], name="incident_open", condition=Q(closed_at__isnull=True)
            ),
            # The list: newest first; one that comes back is found by its key.
            models.Index(fields=["-opened_at", "-id"], name="incident_newest"),
            models.Index(fields=["key", "-closed_at"], name="incident_by_key"),
        ]

    def __str__(self) -> str:
        # Late: texts are made of models.
        from cpo_platform.alerting.texts import incident_title

        return incident_title(self)


class Alert(models.Model):
    """One thing that a rule finds wrong, from when it began until it is right again.

    Until it has lasted for the rule's delay, `opened_at` is empty and nobody sees it. While it is
    wrong `last_seen_at` is empty; then it is when it was seen last, until the alert closes.
    """

    rule = models.ForeignKey(
        Rule, on_delete=models.CASCADE, related_name="alerts", verbose_name=_("rule")
    )
    incident = models.ForeignKey(
        Incident,
        on_delete=models.SET_NULL,
        related_name="alerts",
        verbose_name=_("incident"),
        null=True,
        blank=True,
    )
    # What is wrong, the same each time it is looked at.
    key = models.CharField(max_length=100)
    subject = models.CharField(max_length=20)
    subject_id = models.BigIntegerField(null=True, blank=True)
    station_id = models.BigIntegerField(null=True, blank=True)
    location = models.ForeignKey(
        Location, on_delete=models.CASCADE, related_name="+", null=True, blank=True
    )
    partner = models.ForeignKey(
        Partner, on_delete=models.CASCADE, related_name="+", null=True, blank=True
    )
    country_code = CiStringField(max_length=2, blank=True, default="")
    party_id = CiStringField(max_length=3, blank=True, default="")
    params = models.JSONField(default=dict, blank=True)
    since = models.DateTimeField(_("since"))
    opened_at = models.DateTimeField(_("opened"), null=True, blank=True)
    last_seen_at = models.DateTimeField(_("last seen"), null=True, blank=True)
    closed_at = models.DateTimeField(_("over"), null=True, blank=True)

    class Meta:
        verbose_name = _("alert")
        verbose_name_plural = _("alerts")
        constraints = [
            models.UniqueConstraint(
                fields=["rule", "key"],
                condition=Q(closed_at__isnull=True),
                name="alert_open_once",
            ),
        ]
        indexes = [
            # The beat: one that comes back soon is the same.
            models.Index(fields=["rule", "-closed_at"], name="alert_closed_lately"),
            # The beat: what was opened lately, and has no incident yet.
            models.Index(
                fields=["opened_at"], name="alert_open", condition=Q(closed_at__isnull=True)
            ),
        ]

    def __str__(self) -> str:
        # Late: texts are made of models.
        from cpo_platform.alerting.texts import alert_text

        return alert_text(self)
