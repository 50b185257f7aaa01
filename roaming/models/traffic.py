"""How requests to partners went: counted per minute, and in sums that never decrease."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _

from roaming.models.partners import Partner


class _Figures(models.Model):
    """Requests by what became of them, and how long they took.

    `lag` counts how long after its first change an object was told, `answer` how long the partner
    took to answer: numbers per bucket of `roaming.histograms`, and their sums in seconds.
    """

    partner = models.ForeignKey(Partner, on_delete=models.CASCADE, related_name="+")
    module = models.CharField(_("module"), max_length=20)
    done = models.BigIntegerField(default=0)
    unknown = models.BigIntegerField(default=0)
    refused = models.BigIntegerField(default=0)
    failed = models.BigIntegerField(default=0)
    lag = ArrayField(models.BigIntegerField())
    lag_seconds = models.FloatField(default=0.0)
    answer = ArrayField(models.BigIntegerField())
    answer_seconds = models.FloatField(default=0.0)

    class Meta:
        abstract = True


class TrafficMinute(_Figures):
    """One minute of what went to a partner: for its page."""

    minute = models.DateTimeField(_("minute"))

    class Meta:
        verbose_name = _("traffic of a minute")
        verbose_name_plural = _("traffic of minutes")
        constraints = [
            # Also the partner's page: its last hour, its last day.
            models.UniqueConstraint(
                fields=["partner", "minute", "module"], name="traffic_minute_identity"
            ),
        ]
        indexes = [
            # Clean-up by age.
            models.Index(fields=["minute"], name="traffic_minute_age"),
        ]

    def __str__(self) -> str:
        return f"{self.partner_id} {self.module} {self.minute}"


class TrafficTotal(_Figures):
    """All that ever went to a partner: for monitoring, whose counters must not decrease."""

    class Meta:
        verbose_name = _("traffic in all")
        verbose_name_plural = _("traffic in all")
        constraints = [
            models.UniqueConstraint(fields=["partner", "module"], name="traffic_total_identity"),
        ]

    def __str__(self) -> str:
        return f"{self.partner_id} {self.module}"
