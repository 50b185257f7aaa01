"""What people have decided on periodic tasks."""

from datetime import time

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from cpo_platform.upkeep import schedules
from cpo_platform.upkeep.schedules import Default

LONGEST_SECONDS = 86_400


class Schedule(models.Model):
    """A periodic task of the code, and what differs from its default.

    There is a row for each, made and removed with the code; what the beat reads (`PeriodicTask` of
    django-celery-beat) is made of it by `operations`.
    """

    name = models.CharField(_("name"), max_length=100)
    is_on = models.BooleanField(
        _("is on"), default=True, help_text=_("Off: the beat does not send for it any more.")
    )
    seconds = models.PositiveIntegerField(
        _("every (seconds)"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(LONGEST_SECONDS)],
        help_text=_("From one second to a day."),
    )
    at = models.TimeField(_("daily at (UTC)"), null=True, blank=True)

    class Meta:
        verbose_name = _("schedule")
        verbose_name_plural = _("schedules")
        constraints = [
            models.UniqueConstraint(fields=["name"], name="schedule_name_unique"),
            models.CheckConstraint(
                condition=Q(seconds=None) | Q(seconds__range=(1, LONGEST_SECONDS)),
                name="schedule_seconds_bounded",
            ),
        ]

    def __str__(self) -> str:
        return self.default.task

    @property
    def default(self) -> Default:
        """Return how the code has it; of a row that the code does not know any more, its name."""
        known = schedules.defaults().get(self.name)
        return known or Default(self.name, self.name, None, None, None)

    @property
    def every(self) -> int | None:
        """Return after how many seconds it is sent for; None: it is daily."""
        return self.seconds or self.default.seconds

    @property
    def daily_at(self) -> time | None:
        """Return when it is sent for each day; None: it is not daily."""
        return self.at or self.default.at

    @property
    def is_default(self) -> bool:
        """Tell whether nobody has changed it."""
        return self.is_on and self.seconds is None and self.at is None

    @property
    def is_vital_and_off(self) -> bool:
        """Tell whether something stops that the platform cannot do without."""
        return not self.is_on and bool(schedules.about(self.name).without)
