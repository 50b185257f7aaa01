"""Simulated stations: what a charger and the car at it would know themselves."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from locations.models import Evse


class SimulatedStation(models.Model):
    """The hardware at one EVSE, played by `sessions_app.simulator`.

    A table, so that the web process that starts, the worker that ticks and a command that plugs
    in agree. What partners see of it goes through the operations, as a real station's news would.
    """

    evse = models.OneToOneField(
        Evse,
        on_delete=models.PROTECT,
        related_name="simulated_station",
        verbose_name=_("EVSE"),
    )
    has_driver = models.BooleanField(
        _("a driver is there"),
        default=True,
        help_text=_("He plugs in when a start was accepted, and leaves some time after the end."),
    )
    plugged_in = models.BooleanField(_("a car is plugged in"), default=False)
    car_power_kw = models.DecimalField(
        _("power of the car (kW)"), max_digits=7, decimal_places=3, default=0
    )
    car_need_kwh = models.DecimalField(
        _("energy the car still wants (kWh)"), max_digits=8, decimal_places=4, default=0
    )
    leaves_at = models.DateTimeField(_("the car leaves"), null=True, blank=True)
    faulted = models.BooleanField(_("broken"), default=False)
    request = models.JSONField(
        _("start that waits for a car"),
        null=True,
        blank=True,
        help_text=_("Connector, token and authorisation of a session that is about to start."),
    )
    request_until = models.DateTimeField(_("waits until"), null=True, blank=True)
    reservation = models.JSONField(
        _("reserved for"),
        null=True,
        blank=True,
        help_text=_("The reservation's number, its token and its end, as the station was told."),
    )
    charging_profile = models.JSONField(
        _("charging profile"),
        null=True,
        blank=True,
        help_text=_("The limits that the station was told (OCPI ChargingProfile)."),
    )
    meter_kwh = models.DecimalField(_("meter (kWh)"), max_digits=14, decimal_places=4, default=0)
    meter_at = models.DateTimeField(_("meter read"), null=True, blank=True)

    class Meta:
        verbose_name = _("simulated station")
        verbose_name_plural = _("simulated stations")
        constraints = [
            models.CheckConstraint(
                name="simulated_station_car_has_power_and_need",
                condition=Q(car_power_kw__gte=0, car_need_kwh__gte=0, meter_kwh__gte=0),
            ),
            models.CheckConstraint(
                name="simulated_station_request_has_an_end",
                condition=Q(request__isnull=True, request_until__isnull=True)
                | Q(request__isnull=False, request_until__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.evse_id}"
