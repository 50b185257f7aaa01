"""Drift checks: what partners hold of ours, compared with what they should hold."""

from typing import Any

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from cpo_platform.common.fields import StringField
from roaming.models.partners import Partner


class DriftState(models.TextChoices):
    """How far a check is."""

    WAITING = "WAITING", _("Waiting")
    RUNNING = "RUNNING", _("Running")
    DONE = "DONE", _("Done")
    STOPPED = "STOPPED", _("Stopped")


class DriftKind(models.TextChoices):
    """What is wrong with the partner's copy."""

    DIFFERENT = "DIFFERENT", _("Different")
    MISSING = "MISSING", _("Missing there")
    UNEXPECTED = "UNEXPECTED", _("Still there")


OPEN_STATES = (DriftState.WAITING, DriftState.RUNNING)


class DriftCheck(models.Model):
    """One look at what a partner holds.

    Objects are asked for in chunks: `module` and `cursor` say behind which object the next chunk
    begins, so that whoever goes on after a crash neither leaves one out nor counts one twice.
    `tallies` has the counts of each module, see `roaming.operations.drift.Tally`.
    """

    partner = models.ForeignKey(
        Partner,
        on_delete=models.CASCADE,
        related_name="drift_checks",
        verbose_name=_("partner"),
    )
    started_by = StringField(
        _("started by"),
        max_length=150,
        blank=True,
        default="",
        help_text=_("Empty: by itself, at night."),
    )
    sample = models.PositiveIntegerField(
        _("objects of each kind"), null=True, blank=True, help_text=_("Empty: all.")
    )
    seed = models.BigIntegerField(
        _("seed"), help_text=_("The same seed chooses the same objects, as long as they are there.")
    )
    modules = models.JSONField(_("modules"), default=list)
    state = models.CharField(
        _("state"), max_length=7, choices=DriftState.choices, default=DriftState.WAITING
    )
    reason = models.TextField(_("why it stopped"), blank=True, default="")
    module = models.CharField(_("module"), max_length=20, blank=True, default="")
    cursor = models.CharField(_("last object"), max_length=40, blank=True, default="")
    tallies = models.JSONField(_("counts"), default=dict, blank=True)
    created_at = models.DateTimeField(_("created"))
    due_at = models.DateTimeField(_("next look at it"))
    started_at = models.DateTimeField(_("started"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)

    class Meta:
        verbose_name = _("drift check")
        verbose_name_plural = _("drift checks")
        constraints = [
            models.UniqueConstraint(
                fields=["partner"],
                condition=Q(state__in=OPEN_STATES),
                name="drift_check_one_at_a_time",
                violation_error_message=_("A check of this partner is under way already."),
            ),
            models.CheckConstraint(
                name="drift_check_finished_has_a_moment",
                condition=Q(state__in=OPEN_STATES) | Q(finished_at__isnull=False),
            ),
        ]
        indexes = [
            # The beat: which checks are to begin, or have stopped moving?
            models.Index(
                fields=["due_at"], condition=Q(state__in=OPEN_STATES), name="drift_check_due"
            ),
            # Admin: newest first.
            models.Index(fields=["-created_at"], name="drift_check_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.partner} {self.created_at:%Y-%m-%d %H:%M}"

    def count(self, *names: str) -> int:
        """Return the sum of some counts over all modules."""
        return sum(tally.get(name, 0) for tally in self._tallies() for name in names)

    @property
    def total(self) -> int:
        """Return how many objects it is about."""
        return self.count("total")

    @property
    def compared(self) -> int:
        return self.count("equal", "different", "missing", "unexpected")

    @property
    def drifted(self) -> int:
        return self.count("different", "missing", "unexpected")

    @property
    def done(self) -> int:
        """Return how many objects were looked at."""
        return self.compared + self.count("skipped", "unreadable")

    @property
    def percent(self) -> int:
        """Return how much is done."""
        return 100 if not self.total else min(100, 100 * self.done // self.total)

    def _tallies(self) -> list[dict[str, Any]]:
        return list(self.tallies.values())


class Drift(models.Model):
    """One object of which the partner's copy is not what it should be.

    `differences` are those of `roaming.ocpi.comparing.Difference`, `more` counts those beyond.
    """

    check_run = models.ForeignKey(DriftCheck, on_delete=models.CASCADE, related_name="drifts")
    module = models.CharField(_("module"), max_length=20)
    object_id = models.BigIntegerField()
    kind = models.CharField(_("kind"), max_length=10, choices=DriftKind.choices)
    differences = models.JSONField(_("differences"), default=list, blank=True)
    more = models.PositiveIntegerField(default=0)
    found_at = models.DateTimeField(_("found"))
    healed_at = models.DateTimeField(_("sent again"), null=True, blank=True)

    class Meta:
        verbose_name = _("difference")
        verbose_name_plural = _("differences")
        constraints = [
            # Admin: the differences of a check, by module and kind; its prefix serves as index.
            models.UniqueConstraint(
                fields=["check_run", "module", "object_id"], name="drift_identity"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.module} {self.object_id}"
