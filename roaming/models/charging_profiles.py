"""Charging profiles that partners asked for, set or cleared (OCPI 2.2.1, mod_charging_profiles)."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from cpo_platform.common.fields import ShapeField
from cpo_platform.common.shapes import ActiveChargingProfile, ChargingProfile
from roaming.models.commands import CommandState
from roaming.models.partners import Partner
from sessions_app.models import Session


class ProfileAction(models.TextChoices):
    GET = "GET", _("Ask for the active profile")
    SET = "SET", _("Set a profile")
    CLEAR = "CLEAR", _("Clear the profile")


class ProfileResult(models.TextChoices):
    """OCPI 2.2.1, mod_charging_profiles, ChargingProfileResultType (closed)."""

    ACCEPTED = "ACCEPTED", _("Accepted")
    REJECTED = "REJECTED", _("Rejected")
    UNKNOWN = "UNKNOWN", _("There was no profile")


class ProfileRequest(models.Model):
    """One request of a partner on a session's charging profile; its result follows.

    A partner that has an ACCEPTED `SET` here is told of every change of the active profile; nobody
    else is (OCPI 2.2.1, mod_charging_profiles, 3.1).
    """

    partner = models.ForeignKey(Partner, on_delete=models.CASCADE, related_name="profile_requests")
    session = models.ForeignKey(Session, on_delete=models.PROTECT, related_name="profile_requests")
    action = models.CharField(_("action"), max_length=5, choices=ProfileAction.choices)
    response_url = models.CharField(max_length=2000)
    duration = models.PositiveIntegerField(_("duration (s)"), null=True, blank=True)
    charging_profile = ShapeField(
        _("charging profile"), shape=ChargingProfile, null=True, blank=True
    )
    state = models.CharField(
        _("state"), max_length=8, choices=CommandState.choices, default=CommandState.ACCEPTED
    )
    result = models.CharField(
        _("result"), max_length=8, choices=ProfileResult.choices, blank=True, default=""
    )
    message = models.CharField(_("message"), max_length=512, blank=True, default="")
    active_profile = ShapeField(
        _("active profile"), shape=ActiveChargingProfile, null=True, blank=True
    )
    received_at = models.DateTimeField(_("received"))
    deadline = models.DateTimeField(_("deadline"))
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)

    class Meta:
        verbose_name = _("charging profile request")
        verbose_name_plural = _("charging profile requests")
        constraints = [
            models.CheckConstraint(
                name="profile_request_finished_has_a_result",
                condition=models.Q(state=CommandState.ACCEPTED, result="")
                | (models.Q(state=CommandState.FINISHED) & ~models.Q(result="")),
            ),
        ]
        indexes = [
            # The beat that answers for a station that did not: accepted ones past their deadline.
            models.Index(
                fields=["deadline"],
                condition=models.Q(state=CommandState.ACCEPTED),
                name="profile_request_waiting",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.pk}"
