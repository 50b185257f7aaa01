"""Reservations: an EVSE, or any of a location, kept free for one token until a moment."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from cpo_platform.common.fields import CiStringField
from locations.models import Connector, Evse, Location
from sessions_app.models.sessions import Session


class ReservationStatus(models.TextChoices):
    ACTIVE = "ACTIVE", _("Active")
    USED = "USED", _("Used")
    EXPIRED = "EXPIRED", _("Expired unused")
    CANCELED = "CANCELED", _("Canceled by the eMSP")
    CANCELED_BY_CPO = "CANCELED_BY_CPO", _("Canceled by us")


class ReservationQuerySet(models.QuerySet["Reservation"]):
    def active(self) -> "ReservationQuerySet":
        return self.filter(status=ReservationStatus.ACTIVE)


class Reservation(models.Model):
    """A reservation (OCPI RESERVE_NOW), with its session in status RESERVATION.

    `reservation_id` is the eMSP's and unique among its own only: the station is told the row's own
    number (OCPI 2.2.1, mod_commands, ReserveNow.reservation_id). Without `evse`, any EVSE of the
    location is kept free.
    """

    owner_country_code = CiStringField(_("eMSP country code"), max_length=2)
    owner_party_id = CiStringField(_("eMSP party id"), max_length=3)
    reservation_id = CiStringField(_("the eMSP's id"), max_length=36)
    session = models.OneToOneField(
        Session, on_delete=models.PROTECT, related_name="reservation", verbose_name=_("session")
    )
    location = models.ForeignKey(
        Location, on_delete=models.PROTECT, related_name="reservations", verbose_name=_("location")
    )
    evse = models.ForeignKey(
        Evse,
        on_delete=models.PROTECT,
        related_name="reservations",
        null=True,
        blank=True,
        verbose_name=_("EVSE"),
    )
    connector = models.ForeignKey(
        Connector, on_delete=models.SET_NULL, related_name="+", null=True, blank=True
    )
    group_id = CiStringField(_("token group"), max_length=36, blank=True, default="")
    status = models.CharField(
        _("status"),
        max_length=15,
        choices=ReservationStatus.choices,
        default=ReservationStatus.ACTIVE,
    )
    reserved_at = models.DateTimeField(_("reserved"))
    expiry_date = models.DateTimeField(_("expires"))
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)

    objects = ReservationQuerySet.as_manager()

    class Meta:
        verbose_name = _("reservation")
        verbose_name_plural = _("reservations")
        constraints = [
            models.UniqueConstraint(
                Lower("owner_country_code"),
                Lower("owner_party_id"),
                Lower("reservation_id"),
                condition=Q(status=ReservationStatus.ACTIVE),
                name="reservation_identity",
            ),
            models.UniqueConstraint(
                fields=["evse"],
                condition=Q(status=ReservationStatus.ACTIVE),
                name="reservation_one_active_per_evse",
                violation_error_message=_("This EVSE is reserved."),
            ),
        ]
        indexes = [
            # The beat that lets reservations expire.
            models.Index(
                fields=["expiry_date"],
                condition=Q(status=ReservationStatus.ACTIVE),
                name="reservation_expiry",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.owner_country_code}*{self.owner_party_id} {self.reservation_id}"
