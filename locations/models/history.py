"""What EVSEs were: each change of a status, and how available they and their sites were."""

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.utils.translation import gettext_lazy as _

from locations.models.choices import Status
from locations.models.evses import Evse
from locations.models.locations import Location


class StatusChange(models.Model):
    """An EVSE got a status, which it has until its next row. Partitioned by month on `at`.

    `at` is the EVSE's `last_updated` of that change, which always increases: the two are the key.
    Rows are written by whoever writes the status, in the same statement or transaction.
    """

    pk = models.CompositePrimaryKey("evse_id", "at")
    # Without a constraint: an EVSE is never deleted, and this is written for every car.
    evse = models.ForeignKey(
        Evse,
        verbose_name=_("EVSE"),
        on_delete=models.DO_NOTHING,
        related_name="status_changes",
        db_constraint=False,
        db_index=False,
    )
    at = models.DateTimeField(_("at"))
    status = models.CharField(_("status"), max_length=11, choices=Status.choices)

    class Meta:
        verbose_name = _("change of status")
        verbose_name_plural = _("changes of status")
        indexes = [
            # The tally of a day. Rows come in the order of time, so a few bytes for many of them.
            BrinIndex(fields=["at"], name="status_change_at", autosummarize=True),
        ]

    def __str__(self) -> str:
        return f"{self.evse_id} {self.status}"


class EvseUptime(models.Model):
    """How long an EVSE was up until midnight `at` (UTC), since its history began: seconds.

    Totals that only grow: what a period had is the difference of two rows, however long it is.
    `up` and `measured` are those of `locations.uptime`; `status` is the one at that moment.
    Partitioned by month on `at`. Made of `StatusChange` by `locations.tallying`.
    """

    pk = models.CompositePrimaryKey("at", "evse_id")
    at = models.DateTimeField(_("at"))
    evse = models.ForeignKey(
        Evse,
        verbose_name=_("EVSE"),
        on_delete=models.DO_NOTHING,
        related_name="uptimes",
        db_constraint=False,
        db_index=False,
    )
    up = models.BigIntegerField(_("seconds up"))
    measured = models.BigIntegerField(_("seconds measured"))
    status = models.CharField(_("status"), max_length=11, choices=Status.choices)

    class Meta:
        verbose_name = _("uptime of an EVSE")
        verbose_name_plural = _("uptimes of EVSEs")

    def __str__(self) -> str:
        return f"{self.evse_id} {self.up}/{self.measured}"


class LocationUptime(models.Model):
    """The same of all EVSEs of a location together: seconds of EVSEs."""

    pk = models.CompositePrimaryKey("at", "location_id")
    at = models.DateTimeField(_("at"))
    location = models.ForeignKey(
        Location,
        verbose_name=_("location"),
        on_delete=models.DO_NOTHING,
        related_name="uptimes",
        db_constraint=False,
        db_index=False,
    )
    up = models.BigIntegerField(_("seconds up"))
    measured = models.BigIntegerField(_("seconds measured"))

    class Meta:
        verbose_name = _("uptime of a location")
        verbose_name_plural = _("uptimes of locations")

    def __str__(self) -> str:
        return f"{self.location_id} {self.up}/{self.measured}"
