"""Commands that partners sent us, from the request to the result they were told."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from cpo_platform.common.fields import CiStringField
from locations.models import Connector, Evse, Location
from roaming.models.partners import Partner
from sessions_app.models import Reservation, Session


class CommandState(models.TextChoices):
    ACCEPTED = "ACCEPTED", _("Accepted, waiting for the station")
    FINISHED = "FINISHED", _("Finished")
    REFUSED = "REFUSED", _("Refused at once")


class Command(models.Model):
    """One command (OCPI StartSession, StopSession): answered at once, its result follows.

    The result is posted to `response_url` once, by the partner's feed. One that is REFUSED was
    never passed on, and nothing follows: `result` and `message` are the immediate answer, and
    `parameters` has what it named.
    """

    partner = models.ForeignKey(Partner, on_delete=models.CASCADE, related_name="commands")
    command = models.CharField(_("command"), max_length=20)
    response_url = models.CharField(max_length=255)
    state = models.CharField(
        _("state"), max_length=8, choices=CommandState.choices, default=CommandState.ACCEPTED
    )
    location = models.ForeignKey(
        Location, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    evse = models.ForeignKey(
        Evse, on_delete=models.PROTECT, null=True, blank=True, related_name="commands"
    )
    connector = models.ForeignKey(
        Connector, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    session = models.ForeignKey(
        Session, on_delete=models.PROTECT, null=True, blank=True, related_name="commands"
    )
    reservation = models.ForeignKey(
        Reservation, on_delete=models.PROTECT, null=True, blank=True, related_name="commands"
    )
    follows = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="followed_by",
        help_text=_("A later result of that command, such as CANCELED_RESERVATION."),
    )
    parameters = models.JSONField(
        default=dict, blank=True, help_text=_("What else the command says: expiry, reservation id.")
    )
    token = models.JSONField(null=True, blank=True)
    authorization_reference = CiStringField(max_length=36, blank=True, default="")
    result = models.CharField(_("result"), max_length=20, blank=True, default="")
    message = models.CharField(_("message"), max_length=512, blank=True, default="")
    received_at = models.DateTimeField(_("received"))
    deadline = models.DateTimeField(_("deadline"))
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)

    class Meta:
        verbose_name = _("command")
        verbose_name_plural = _("commands")
        constraints = [
            models.CheckConstraint(
                name="command_answered_has_a_result",
                condition=models.Q(state=CommandState.ACCEPTED, result="")
                | (~models.Q(state=CommandState.ACCEPTED) & ~models.Q(result="")),
            ),
        ]
        indexes = [
            # The beat that answers TIMEOUT: accepted commands past their deadline.
            models.Index(
                fields=["deadline"],
                condition=models.Q(state=CommandState.ACCEPTED),
                name="command_waiting",
            ),
            # What is kept for a while only.
            models.Index(
                fields=["received_at"],
                condition=models.Q(state=CommandState.REFUSED),
                name="command_refused",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.command} {self.pk}"
