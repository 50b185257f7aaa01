"""CDRs that wait for staff: the session has ended, and its numbers cannot be right."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from cpo_platform.common.fields import StringField
from sessions_app.models.sessions import Session


class HoldState(models.TextChoices):
    HELD = "HELD", _("Held")
    RELEASED = "RELEASED", _("Issued as it was")
    CORRECTED = "CORRECTED", _("Corrected and issued")


class CdrHoldQuerySet(models.QuerySet["CdrHold"]):
    def waiting(self) -> "CdrHoldQuerySet":
        return self.filter(state=HoldState.HELD)


class CdrHold(models.Model):
    """A CDR that is not issued yet, and why. While it waits there is no CDR, so nothing is sent.

    `reasons` are findings of `sessions_app.preflight`. The document is not kept: it is made of the
    session when it is looked at, and when it is issued.
    """

    session = models.OneToOneField(
        Session, on_delete=models.PROTECT, related_name="cdr_hold", verbose_name=_("session")
    )
    reasons = models.JSONField(_("reasons"))
    state = models.CharField(
        _("state"), max_length=9, choices=HoldState.choices, default=HoldState.HELD
    )
    held_at = models.DateTimeField(_("held since"))
    decided_at = models.DateTimeField(_("decided"), null=True, blank=True)
    # A name and not a user: who decided stays readable when the account is gone.
    decided_by = StringField(_("decided by"), max_length=150, blank=True, default="")
    note = StringField(_("note"), max_length=500, blank=True, default="")

    objects = CdrHoldQuerySet.as_manager()

    class Meta:
        verbose_name = _("held CDR")
        verbose_name_plural = _("held CDRs")
        constraints = [
            models.CheckConstraint(name="cdr_hold_has_reasons", condition=~Q(reasons=[])),
            models.CheckConstraint(
                name="cdr_hold_decided_by_somebody",
                condition=Q(state=HoldState.HELD, decided_at__isnull=True, decided_by="")
                | (~Q(state=HoldState.HELD) & Q(decided_at__isnull=False) & ~Q(decided_by="")),
            ),
        ]
        indexes = [
            # The home page: how many wait; the list: those that wait, longest first.
            models.Index(
                fields=["held_at"], condition=Q(state=HoldState.HELD), name="cdr_hold_waiting"
            ),
            # The list: what waits before what was decided last (NULLs come first in DESC).
            models.Index(fields=["-decided_at", "held_at"], name="cdr_hold_decided"),
        ]

    def __str__(self) -> str:
        return f"{self.session.party} {self.session.ocpi_id}"
