"""EVSEs, where cars stand at them, and their connectors."""

from decimal import Decimal

from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from cpo_platform.common.fields import CiStringField, ShapeField, StringField
from cpo_platform.common.models import Updated, fragments_index
from cpo_platform.common.shapes import (
    DisplayText,
    Image,
    StatusSchedule,
    listed,
)
from locations.models.choices import (
    PHASES,
    ConnectorFormat,
    EvsePosition,
    PowerType,
    Status,
)
from locations.models.fields import open_enum_array
from locations.models.locations import Location, ParkingPlace
from tariffs.models import Tariff


class Evse(Updated):
    """One place where one vehicle charges at a time (OCPI EVSE).

    It is never deleted: it becomes REMOVED, and its `uid` is never used again (OCPI 2.2.1,
    mod_locations, EVSE.uid). The database refuses both.
    """

    location = models.ForeignKey(
        Location, on_delete=models.PROTECT, related_name="evses", verbose_name=_("location")
    )
    uid = CiStringField(
        _("uid"),
        max_length=36,
        help_text=_("Never changes and is never used again; not a serial number."),
    )
    evse_id = CiStringField(
        _("EVSE id"),
        max_length=48,
        blank=True,
        default="",
        help_text=_("As printed on the station: DE*ABC*E0001."),
    )
    status = models.CharField(
        _("status"), max_length=11, choices=Status.choices, default=Status.UNKNOWN
    )
    status_schedule = ShapeField(
        _("status schedule"), shape=listed(StatusSchedule), default=list, blank=True
    )
    capabilities = open_enum_array(_("capabilities"))
    floor_level = StringField(_("floor level"), max_length=4, blank=True, default="")
    latitude = models.DecimalField(
        _("latitude"), max_digits=9, decimal_places=7, null=True, blank=True
    )
    longitude = models.DecimalField(
        _("longitude"), max_digits=10, decimal_places=7, null=True, blank=True
    )
    physical_reference = StringField(_("physical reference"), max_length=16, blank=True, default="")
    directions = ShapeField(_("directions"), shape=listed(DisplayText), default=list, blank=True)
    parking_restrictions = open_enum_array(_("parking restrictions"))
    images = ShapeField(_("images"), shape=listed(Image), default=list, blank=True)
    accepted_service_providers = open_enum_array(_("accepted service providers"), max_length=50)
    created_at = models.DateTimeField(
        _("created"), db_default=models.functions.Now(), editable=False
    )

    class Meta:
        verbose_name = _("EVSE")
        verbose_name_plural = _("EVSEs")
        constraints = [
            models.UniqueConstraint(
                Lower("uid"),
                name="evse_uid",
                violation_error_message=_("Another EVSE has or had this uid."),
            ),
            models.CheckConstraint(
                name="evse_coordinates_both_or_none",
                condition=Q(latitude__isnull=True, longitude__isnull=True)
                | Q(latitude__range=(-90, 90), longitude__range=(-180, 180)),
                violation_error_message=_("Give both coordinates, or none."),
            ),
            models.CheckConstraint(name="evse_status_known", condition=Q(status__in=Status.values)),
        ]
        indexes = [
            # Staff: search by fragments.
            fragments_index("evse_fragments", "uid", "evse_id", "physical_reference"),
            # Admin: search by the id that is printed on the station.
            models.Index(Lower("evse_id"), name="evse_evse_id_lower"),
            # Admin: list filtered by status.
            models.Index(fields=["status"], name="evse_status"),
        ]

    def __str__(self) -> str:
        return str(self.evse_id or self.uid)


class EvseParking(models.Model):
    """Where an EVSE stands relative to a parking place (OCPI 2.3.0 EVSEParking)."""

    evse = models.ForeignKey(Evse, on_delete=models.CASCADE, related_name="parking")
    parking_place = models.ForeignKey(
        ParkingPlace, on_delete=models.PROTECT, related_name="evse_parking"
    )
    evse_position = models.CharField(
        _("position"), max_length=6, choices=EvsePosition.choices, blank=True, default=""
    )

    class Meta:
        verbose_name = _("EVSE parking")
        verbose_name_plural = _("EVSE parking")
        constraints = [
            models.UniqueConstraint(fields=["evse", "parking_place"], name="evse_parking_once"),
        ]

    def __str__(self) -> str:
        return f"{self.evse_id} {self.parking_place_id}"


class Connector(Updated):
    """A socket or cable of an EVSE (OCPI Connector): volts, amperes, watts."""

    evse = models.ForeignKey(
        Evse, on_delete=models.PROTECT, related_name="connectors", verbose_name=_("EVSE")
    )
    ocpi_id = CiStringField(_("id"), max_length=36)
    standard = models.CharField(_("standard"), max_length=64)
    format = models.CharField(_("format"), max_length=6, choices=ConnectorFormat.choices)
    power_type = models.CharField(_("power type"), max_length=16, choices=PowerType.choices)
    max_voltage = models.PositiveIntegerField(
        _("max. voltage (V)"), help_text=_("Line to neutral for AC with three phases.")
    )
    max_amperage = models.PositiveIntegerField(_("max. current (A)"))
    max_electric_power = models.PositiveIntegerField(
        _("max. power (W)"),
        null=True,
        blank=True,
        help_text=_("Only where it is lower than voltage × current."),
    )
    tariffs = models.ManyToManyField(
        Tariff, related_name="connectors", blank=True, verbose_name=_("tariffs")
    )
    terms_and_conditions = models.URLField(_("terms and conditions"), max_length=255, blank=True)
    capabilities = open_enum_array(_("capabilities"))

    class Meta:
        verbose_name = _("connector")
        verbose_name_plural = _("connectors")
        constraints = [
            models.UniqueConstraint(
                "evse",
                Lower("ocpi_id"),
                name="connector_identity",
                violation_error_message=_("This EVSE has a connector with this id."),
            ),
        ]

    def __str__(self) -> str:
        return str(self.ocpi_id)

    @property
    def phases(self) -> int:
        return PHASES[PowerType(self.power_type)]

    @property
    def power_kw(self) -> Decimal:
        """What it can give: its own limit, or what voltage and current come to."""
        watts = self.max_electric_power or self.max_voltage * self.max_amperage * self.phases
        return Decimal(watts) / 1000
