"""What the home page counted, hour by hour: what its trends are told by."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class Tally(models.Model):
    """How many of a kind needed somebody at an hour, of all that one scope holds.

    People with the same scope share their tallies; "" is the scope that holds everything.
    """

    scope = models.CharField(_("scope"), max_length=32)
    kind = models.CharField(_("kind"), max_length=40)
    at = models.DateTimeField(_("hour"))
    count = models.PositiveIntegerField(_("count"))

    class Meta:
        verbose_name = _("tally")
        verbose_name_plural = _("tallies")
        constraints = [
            models.UniqueConstraint(fields=["scope", "at", "kind"], name="tally_once_an_hour"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.at}: {self.count}"
