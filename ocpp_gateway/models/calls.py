"""What we asked of stations, and what came of it."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from cpo_platform.common.fields import CiStringField, StringField
from ocpp_gateway.models.stations import Outlet, Station
from sessions_app.models import AuthMethod, Session


class CallState(models.TextChoices):
    WAITING = "WAITING", _("Under way")
    ANSWERED = "ANSWERED", _("Answered")
    REFUSED = "REFUSED", _("The station answered with an error")
    TIMEOUT = "TIMEOUT", _("No answer in time")
    OFFLINE = "OFFLINE", _("The station is not connected")


class StationCall(models.Model):
    """A call of ours to a station, with the moment of each of its steps. Secrets are left out."""

    station = models.ForeignKey(
        Station, on_delete=models.CASCADE, related_name="calls", verbose_name=_("station")
    )
    session = models.ForeignKey(
        Session,
        on_delete=models.SET_NULL,
        related_name="station_calls",
        verbose_name=_("session"),
        null=True,
        blank=True,
    )
    action = models.CharField(_("action"), max_length=36)
    payload = models.JSONField(_("request"), default=dict)
    # Who wanted it: a user's name, or what of the platform did.
    asked_by = StringField(_("asked by"), max_length=150, blank=True, default="")
    state = models.CharField(
        _("state"), max_length=8, choices=CallState.choices, default=CallState.WAITING
    )
    answer = models.JSONField(_("answer"), null=True, blank=True)
    error = models.TextField(_("error"), blank=True, default="")
    asked_at = models.DateTimeField(_("asked"))
    sent_at = models.DateTimeField(_("sent to the station"), null=True, blank=True)
    answered_at = models.DateTimeField(_("answered"), null=True, blank=True)

    class Meta:
        verbose_name = _("call to a station")
        verbose_name_plural = _("calls to stations")
        indexes = [
            # Staff: what was asked of a station lately.
            models.Index(fields=["station", "-asked_at"], name="station_call_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.station}"


class RemoteStart(models.Model):
    """A start that a station has accepted, or is being asked for: whose it is when it comes.

    `id_tag` is what the station was told: the token's uid, or a stand-in where that is longer than
    OCPP 1.6 allows. In 2.0.1 `pk` is the remoteStartId.
    """

    outlet = models.ForeignKey(Outlet, on_delete=models.CASCADE, related_name="remote_starts")
    id_tag = CiStringField(max_length=36)
    cdr_token = models.JSONField(_("contract"))
    authorization_reference = CiStringField(max_length=36, blank=True, default="")
    group_id = CiStringField(max_length=36, blank=True, default="")
    # How it was found out that the token may charge: an eMSP's command vouches for it.
    auth_method = models.CharField(
        max_length=12,
        choices=AuthMethod.choices,
        default=AuthMethod.COMMAND,
        db_default=AuthMethod.COMMAND.value,
    )
    asked_at = models.DateTimeField(_("asked"))
    until = models.DateTimeField(_("until"))
    refused = models.BooleanField(default=False)

    class Meta:
        verbose_name = _("remote start")
        verbose_name_plural = _("remote starts")
        indexes = [
            # The gateway: is this token one that a start was accepted for?
            models.Index(
                fields=["outlet", "until"],
                name="remote_start_awaited",
                condition=Q(refused=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.outlet} {self.id_tag}"
