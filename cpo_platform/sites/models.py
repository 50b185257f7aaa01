"""What was found of the quality of what we say of locations."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _

from locations.models import Location


class SiteQuality(models.Model):
    """The score of a location, and the rules of `locations.quality` that it broke at that time."""

    location = models.OneToOneField(
        Location,
        on_delete=models.CASCADE,
        primary_key=True,
        related_name="quality",
        verbose_name=_("location"),
    )
    score = models.PositiveSmallIntegerField(_("score"))
    rules = ArrayField(models.CharField(max_length=40), verbose_name=_("rules"), default=list)
    checked_at = models.DateTimeField(_("checked at"))
    # When it was last changed, or a person asked for it. Later than `checked_at`: it is due.
    asked_at = models.DateTimeField(_("asked at"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("data quality of a location")
        verbose_name_plural = _("data quality of locations")
        constraints = [
            models.CheckConstraint(
                name="site_quality_score_to_100", condition=models.Q(score__range=(0, 100))
            )
        ]
        indexes = [
            # The page: the worst sites first.
            models.Index(fields=["score", "location"], name="site_quality_worst"),
            # The task: which was checked longest ago.
            models.Index(fields=["checked_at"], name="site_quality_oldest"),
        ]

    def __str__(self) -> str:
        return f"{self.location_id}: {self.score}"
