"""What staff has to know of: seen by the gateway, and by the watchdog."""

from django.db import models
from django.db.models import Q, Value
from django.utils.translation import gettext_lazy as _

from cpo_platform.common.saying import Saying
from cpo_platform.common.telling import tell
from ocpp_gateway.models.stations import Station
from ocpp_gateway.models.transactions import Transaction


class AlertKind(models.TextChoices):
    BROKEN_SIGNATURE = "BROKEN_SIGNATURE", _("Broken signature of a meter")
    FAILED = "FAILED", _("News that cannot be understood")
    FLOOD = "FLOOD", _("Too many messages")
    LATE_FACTS = "LATE_FACTS", _("News after the bill")
    NO_PROGRESS = "NO_PROGRESS", _("Charging without energy")
    OFFLINE = "OFFLINE", _("Station offline")
    STUCK = "STUCK", _("Session that does not end")
    UNBILLED = "UNBILLED", _("Energy without a bill")


class StationAlert(models.Model):
    """One thing that needs a look; one of a kind for each transaction, or station, at a time."""

    kind = models.CharField(_("kind"), max_length=16, choices=AlertKind.choices)
    station = models.ForeignKey(
        Station, on_delete=models.CASCADE, related_name="alerts", verbose_name=_("station")
    )
    transaction = models.ForeignKey(
        Transaction,
        on_delete=models.CASCADE,
        related_name="alerts",
        verbose_name=_("transaction"),
        null=True,
        blank=True,
    )
    # A sentence with gaps, in English, and what stands in them (`common.saying`).
    text = models.TextField(_("what was seen"))
    values = models.JSONField(
        default=dict, db_default=Value({}, models.JSONField()), editable=False
    )
    raised_at = models.DateTimeField(_("since"))
    resolved_at = models.DateTimeField(_("resolved"), null=True, blank=True)
    # A user's name, or "" where what was wrong has gone by itself.
    resolved_by = models.CharField(_("resolved by"), max_length=150, blank=True, default="")

    class Meta:
        verbose_name = _("alert")
        verbose_name_plural = _("alerts")
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "station", "transaction"],
                condition=Q(resolved_at__isnull=True),
                nulls_distinct=False,
                name="station_alert_open_once",
            ),
        ]
        indexes = [
            # Staff: what is open, newest first.
            models.Index(
                fields=["-raised_at"],
                name="station_alert_open",
                condition=Q(resolved_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.station}"

    @property
    def seen(self) -> str:
        """What was seen, in the present language."""
        return tell(Saying.from_json({"text": self.text, "values": self.values}))
