"""What went over the chargers' WebSockets: facts to the one, a log to the other."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from ocpp_gateway.models.stations import Station
from ocpp_gateway.models.transactions import Transaction


class Direction(models.TextChoices):
    IN = "IN", _("from the station")
    OUT = "OUT", _("to the station")


class StationMessage(models.Model):
    """A call and what it was answered with. Its key in the database is (id, at).

    Partitioned by day on `at`, our clock. Those that name a transaction are what its session is
    made of: they are kept before they are answered. `payload` and `answer` are JSON as text, digit
    by digit; secrets are left out. Where it is no call that we can read, `action` is empty and
    `payload` what came, cut.
    """

    # Without constraints: they would lock the station's and the transaction's row each time.
    station = models.ForeignKey(
        Station,
        on_delete=models.CASCADE,
        related_name="messages",
        db_constraint=False,
        db_index=False,
    )
    transaction = models.ForeignKey(
        Transaction,
        on_delete=models.SET_NULL,
        related_name="messages",
        db_constraint=False,
        db_index=False,
        null=True,
        blank=True,
    )
    at = models.DateTimeField(_("at"))
    direction = models.CharField(_("direction"), max_length=3, choices=Direction.choices)
    ocpp_version = models.CharField(_("OCPP version"), max_length=10)
    action = models.CharField(_("action"), max_length=36, blank=True, default="")
    unique_id = models.CharField(_("message id"), max_length=36, blank=True, default="")
    payload = models.TextField(_("request"), blank=True, default="")
    answer = models.TextField(_("answer"), blank=True, default="")
    # "" where it was answered; else the error code and its text.
    error = models.TextField(_("error"), blank=True, default="")
    duration_ms = models.PositiveIntegerField(_("ms"), default=0)

    class Meta:
        verbose_name = _("station message")
        verbose_name_plural = _("station messages")
        # Each exists in every partition.
        indexes = [
            # Staff: the newest of a span of time.
            models.Index(fields=["at", "id"], name="station_message_newest"),
            # Staff: the newest of a station. Workers: its boots while a transaction was open.
            models.Index(fields=["station", "at", "id"], name="station_message_of_station"),
            # Workers: everything that was said of a transaction.
            models.Index(
                fields=["transaction", "at", "id"],
                name="station_message_of_transaction",
                condition=Q(transaction__isnull=False),
            ),
            # Staff: the newest errors.
            models.Index(
                fields=["at", "id"], name="station_message_failed", condition=~Q(error="")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.unique_id}"
