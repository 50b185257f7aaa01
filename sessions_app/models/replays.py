"""Replays: what the CDRs of the past would have come to by another tariff."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Abs
from django.utils.translation import gettext_lazy as _

from cpo_platform.common.fields import CiStringField, StringField
from cpo_platform.common.models import currency_rule
from sessions_app.models.cdrs import Cdr
from tariffs.models import Tariff


class ReplayStatus(models.TextChoices):
    """How far a replay is."""

    RUNNING = "RUNNING", _("Running")
    DONE = "DONE", _("Done")
    CANCELED = "CANCELED", _("Stopped")


class Replay(models.Model):
    """One tariff, priced over the CDRs of a period: revenue before and after.

    Its inputs are frozen: the tariff as it was, and the CDRs up to `last_cdr` (CDRs never change).
    It is worked on in batches; `cursor` is the last CDR that is in the sums, so that whoever goes
    on after a crash neither leaves one out nor counts one twice.
    """

    tariff = models.ForeignKey(
        Tariff, on_delete=models.PROTECT, related_name="replays", verbose_name=_("tariff")
    )
    candidate = models.JSONField(_("tariff as it was tried"))
    currency = models.CharField(_("currency"), max_length=3, validators=[currency_rule])
    period_start = models.DateTimeField(_("from"))
    period_end = models.DateTimeField(_("until"))
    country_code = CiStringField(_("country code"), max_length=2, blank=True, default="")
    party_id = CiStringField(_("party id"), max_length=3, blank=True, default="")
    location_ids = ArrayField(
        models.BigIntegerField(),
        verbose_name=_("locations"),
        null=True,
        blank=True,
        help_text=_("Empty: all."),
    )
    place = StringField(_("where"), max_length=255, blank=True, default="")
    use_readings = models.BooleanField(_("by meter readings"), default=True)
    status = models.CharField(
        _("status"), max_length=8, choices=ReplayStatus.choices, default=ReplayStatus.RUNNING
    )
    total = models.PositiveIntegerField(_("CDRs"), default=0)
    done = models.PositiveIntegerField(_("done"), default=0)
    cursor = models.BigIntegerField(_("last CDR that was priced"), default=0)
    last_cdr = models.BigIntegerField(_("last CDR to price"), default=0)
    skipped = models.PositiveIntegerField(_("CDRs left out"), default=0)
    problems = models.JSONField(_("why they were left out"), default=list, blank=True)
    before_taxes = models.DecimalField(
        _("revenue before taxes"), max_digits=18, decimal_places=4, default=0
    )
    new_before_taxes = models.DecimalField(
        _("by this tariff, before taxes"), max_digits=18, decimal_places=4, default=0
    )
    taxed = models.PositiveIntegerField(_("CDRs with known taxes"), default=0)
    after_taxes = models.DecimalField(
        _("revenue after taxes"), max_digits=18, decimal_places=4, default=0
    )
    new_after_taxes = models.DecimalField(
        _("by this tariff, after taxes"), max_digits=18, decimal_places=4, default=0
    )
    histogram = models.JSONField(_("differences"), default=list, blank=True)
    started_by = StringField(_("started by"), max_length=150, blank=True, default="")
    started_at = models.DateTimeField(_("started"))
    moved_at = models.DateTimeField(_("last progress"))
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)

    class Meta:
        verbose_name = _("replay")
        verbose_name_plural = _("replays")
        constraints = [
            models.CheckConstraint(
                name="replay_ends_after_it_starts",
                condition=Q(period_end__gt=F("period_start")),
                violation_error_message=_("The period must end after it starts."),
            ),
            models.CheckConstraint(
                name="replay_finished_has_a_moment",
                condition=Q(status=ReplayStatus.RUNNING) | Q(finished_at__isnull=False),
            ),
        ]
        indexes = [
            # The beat: which replays have stopped moving?
            models.Index(
                fields=["moved_at"],
                name="replay_running",
                condition=Q(status=ReplayStatus.RUNNING),
            ),
            # Admin: newest first.
            models.Index(fields=["-started_at"], name="replay_started"),
        ]

    def __str__(self) -> str:
        return f"{self.candidate.get('id', '')} {self.period_start:%Y-%m-%d}"

    @property
    def percent(self) -> int:
        """Return how much is done."""
        return 100 if not self.total else min(100, 100 * self.done // self.total)


class ReplayResult(models.Model):
    """What one CDR would have come to; written with the batch it is in."""

    replay = models.ForeignKey(Replay, on_delete=models.CASCADE, related_name="results")
    # Neither a constraint nor an index of its own: the database lets nobody delete a CDR, and
    # nobody asks from there.
    cdr = models.ForeignKey(
        Cdr,
        on_delete=models.DO_NOTHING,
        related_name="+",
        db_index=False,
        db_constraint=False,
    )
    before_taxes = models.DecimalField(max_digits=14, decimal_places=4)
    after_taxes = models.DecimalField(max_digits=14, decimal_places=4, null=True)
    new_before_taxes = models.DecimalField(max_digits=14, decimal_places=4)
    new_after_taxes = models.DecimalField(max_digits=14, decimal_places=4, null=True)
    difference = models.DecimalField(max_digits=14, decimal_places=4)

    class Meta:
        constraints = [
            # Also the order of an export, and the proof that nothing counts twice.
            models.UniqueConstraint(fields=["replay", "cdr"], name="replay_result_once_a_cdr"),
        ]
        indexes = [
            # The sessions that change most.
            models.Index("replay", Abs("difference").desc(), name="replay_result_by_change"),
        ]

    def __str__(self) -> str:
        return f"{self.replay_id}/{self.cdr_id}"
