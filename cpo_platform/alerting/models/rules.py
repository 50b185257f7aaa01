"""Rules: what is looked for, how long it has to last, and how bad it is."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from cpo_platform.common.fields import StringField
from locations.models import LocationGroup
from tariffs.models import Party


class Severity(models.IntegerChoices):
    """How bad something is; numbers, as channels ask for "at least"."""

    INFO = 1, _("Info")
    WARNING = 2, _("Warning")
    CRITICAL = 3, _("Critical")


class Kind(models.TextChoices):
    """What a rule looks for; `cpo_platform.alerting.kinds` says the rest of each."""

    EVSE_STATUS = "EVSE_STATUS", _("EVSE in a bad status")
    STATION_OFFLINE = "STATION_OFFLINE", _("Station offline")
    STATION_ALERT = "STATION_ALERT", _("Station needs a look")
    PARTNER_LAG = "PARTNER_LAG", _("Partner is told late")
    PARTNER_FAILING = "PARTNER_FAILING", _("Partner cannot be reached")
    PARTNER_TOKEN = "PARTNER_TOKEN", _("Partner refuses our token")
    SESSION_SILENT = "SESSION_SILENT", _("Session without readings")
    SESSION_LONG = "SESSION_LONG", _("Session that lasts too long")
    HELD_COUNT = "HELD_COUNT", _("Many held CDRs")
    HELD_AGE = "HELD_AGE", _("Held CDR that waits")
    CDR_COST = "CDR_COST", _("Expensive CDR")
    REVENUE = "REVENUE", _("Revenue of a day out of line")
    PLATFORM = "PLATFORM", _("Part of the platform missing")


class Rule(models.Model):
    """One thing to look for. An alert opens when it lasts for `delay_minutes`.

    `choices` are statuses, kinds or parts, by the kind; `limit` and `upper` are its numbers.
    Without parties and groups it looks everywhere.
    """

    kind = models.CharField(_("what"), max_length=20, choices=Kind.choices)
    name = StringField(
        _("name"), max_length=100, blank=True, default="", help_text=_("Empty: what it looks for.")
    )
    severity = models.PositiveSmallIntegerField(
        _("severity"), choices=Severity.choices, default=Severity.WARNING
    )
    is_on = models.BooleanField(_("on"), default=True)
    delay_minutes = models.PositiveIntegerField(
        _("for so many minutes"),
        default=5,
        help_text=_("What is over sooner is told to nobody."),
    )
    clear_minutes = models.PositiveIntegerField(
        _("over after so many minutes"),
        default=5,
        help_text=_("So long it has to be right again: what comes and goes is one alert."),
    )
    choices = ArrayField(
        models.CharField(max_length=40), verbose_name=_("which"), default=list, blank=True
    )
    limit = models.DecimalField(
        _("more than"), max_digits=14, decimal_places=2, null=True, blank=True
    )
    upper = models.DecimalField(
        _("or above"), max_digits=14, decimal_places=2, null=True, blank=True
    )
    currency = models.CharField(_("currency"), max_length=3, blank=True, default="")
    parties = models.ManyToManyField(Party, related_name="+", blank=True, verbose_name=_("parties"))
    location_groups = models.ManyToManyField(
        LocationGroup, related_name="+", blank=True, verbose_name=_("location groups")
    )
    # When it was looked at last: what costs more is looked at less often.
    looked_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("rule")
        verbose_name_plural = _("rules")
        constraints = [
            models.CheckConstraint(
                name="alerting_rule_kind_known", condition=Q(kind__in=Kind.values)
            ),
            models.CheckConstraint(
                name="alerting_rule_severity_known", condition=Q(severity__in=Severity.values)
            ),
        ]

    def __str__(self) -> str:
        return str(self.name or self.get_kind_display())
