"""Locations, EVSEs and connectors, complete for OCPI 2.3.0 and richer than any wire version."""

from decimal import Decimal
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from cpo_platform.common.fields import CiStringField, ShapeField, StringField
from cpo_platform.common.models import OcpiObject, Updated, fragments_index, identity_constraint
from cpo_platform.common.shapes import (
    AdditionalGeoLocation,
    BusinessDetails,
    DisplayText,
    EnergyMix,
    Hours,
    Image,
    PublishTokenType,
    StatusSchedule,
    listed,
)
from tariffs.models import Tariff


class Status(models.TextChoices):
    """OCPI 2.3.0, mod_locations, Status (closed)."""

    AVAILABLE = "AVAILABLE", _("Available")
    BLOCKED = "BLOCKED", _("Blocked")
    CHARGING = "CHARGING", _("Charging")
    INOPERATIVE = "INOPERATIVE", _("Inoperative")
    OUTOFORDER = "OUTOFORDER", _("Out of order")
    PLANNED = "PLANNED", _("Planned")
    REMOVED = "REMOVED", _("Removed")
    RESERVED = "RESERVED", _("Reserved")
    UNKNOWN = "UNKNOWN", _("Unknown")


class ParkingType(models.TextChoices):
    """OCPI 2.3.0, mod_locations, ParkingType (open)."""

    ALONG_MOTORWAY = "ALONG_MOTORWAY", _("Along a motorway")
    PARKING_GARAGE = "PARKING_GARAGE", _("Parking garage")
    PARKING_LOT = "PARKING_LOT", _("Parking lot")
    ON_DRIVEWAY = "ON_DRIVEWAY", _("On a driveway")
    ON_STREET = "ON_STREET", _("On the street")
    UNDERGROUND_GARAGE = "UNDERGROUND_GARAGE", _("Underground garage")


class Facility(models.TextChoices):
    """OCPI 2.3.0, mod_locations, Facility (open)."""

    HOTEL = "HOTEL", _("Hotel")
    RESTAURANT = "RESTAURANT", _("Restaurant")
    CAFE = "CAFE", _("Café")
    MALL = "MALL", _("Mall")
    SUPERMARKET = "SUPERMARKET", _("Supermarket")
    SPORT = "SPORT", _("Sports facilities")
    RECREATION_AREA = "RECREATION_AREA", _("Recreation area")
    NATURE = "NATURE", _("Nature")
    MUSEUM = "MUSEUM", _("Museum")
    BIKE_SHARING = "BIKE_SHARING", _("Bike sharing")
    BUS_STOP = "BUS_STOP", _("Bus stop")
    TAXI_STAND = "TAXI_STAND", _("Taxi stand")
    TRAM_STOP = "TRAM_STOP", _("Tram stop")
    METRO_STATION = "METRO_STATION", _("Metro station")
    TRAIN_STATION = "TRAIN_STATION", _("Train station")
    AIRPORT = "AIRPORT", _("Airport")
    PARKING_LOT = "PARKING_LOT", _("Parking lot")
    CARPOOL_PARKING = "CARPOOL_PARKING", _("Carpool parking")
    FUEL_STATION = "FUEL_STATION", _("Fuel station")
    WIFI = "WIFI", _("Wi-Fi")


class Capability(models.TextChoices):
    """OCPI 2.3.0, mod_locations, Capability (open)."""

    CHARGING_PROFILE_CAPABLE = "CHARGING_PROFILE_CAPABLE", _("Charging profiles")
    CHARGING_PREFERENCES_CAPABLE = "CHARGING_PREFERENCES_CAPABLE", _("Charging preferences")
    CHIP_CARD_SUPPORT = "CHIP_CARD_SUPPORT", _("Chip card terminal")
    CONTACTLESS_CARD_SUPPORT = "CONTACTLESS_CARD_SUPPORT", _("Contactless card terminal")
    CREDIT_CARD_PAYABLE = "CREDIT_CARD_PAYABLE", _("Credit card")
    DEBIT_CARD_PAYABLE = "DEBIT_CARD_PAYABLE", _("Debit card")
    PED_TERMINAL = "PED_TERMINAL", _("PIN entry device")
    REMOTE_START_STOP_CAPABLE = "REMOTE_START_STOP_CAPABLE", _("Remote start and stop")
    RESERVABLE = "RESERVABLE", _("Reservable")
    RFID_READER = "RFID_READER", _("RFID reader")
    START_SESSION_CONNECTOR_REQUIRED = (
        "START_SESSION_CONNECTOR_REQUIRED",
        _("Remote start needs a connector"),
    )
    TOKEN_GROUP_CAPABLE = "TOKEN_GROUP_CAPABLE", _("Token groups")
    UNLOCK_CAPABLE = "UNLOCK_CAPABLE", _("Remote unlock")


class ParkingRestriction(models.TextChoices):
    """OCPI 2.3.0, mod_locations, ParkingRestriction (open)."""

    EV_ONLY = "EV_ONLY", _("Electric vehicles only")
    PLUGGED = "PLUGGED", _("Only while plugged in")
    DISABLED = "DISABLED", _("Disabled people")
    CUSTOMERS = "CUSTOMERS", _("Customers or guests")
    MOTORCYCLES = "MOTORCYCLES", _("Motorcycles")
    EMPLOYEES = "EMPLOYEES", _("Employees")
    TAXIS = "TAXIS", _("Taxis")
    TENANTS = "TENANTS", _("Tenants")


class ConnectorFormat(models.TextChoices):
    """OCPI 2.3.0, mod_locations, ConnectorFormat (closed)."""

    SOCKET = "SOCKET", _("Socket")
    CABLE = "CABLE", _("Cable")


class PowerType(models.TextChoices):
    """OCPI 2.3.0, mod_locations, PowerType (closed)."""

    AC_1_PHASE = "AC_1_PHASE", _("AC, 1 phase")
    AC_2_PHASE = "AC_2_PHASE", _("AC, 2 phases")
    AC_2_PHASE_SPLIT = "AC_2_PHASE_SPLIT", _("AC, 2 phases (split)")
    AC_3_PHASE = "AC_3_PHASE", _("AC, 3 phases")
    DC = "DC", _("DC")


CONNECTOR_TYPES = [
    "CHADEMO",
    "CHAOJI",
    "DOMESTIC_A",
    "DOMESTIC_B",
    "DOMESTIC_C",
    "DOMESTIC_D",
    "DOMESTIC_E",
    "DOMESTIC_F",
    "DOMESTIC_G",
    "DOMESTIC_H",
    "DOMESTIC_I",
    "DOMESTIC_J",
    "DOMESTIC_K",
    "DOMESTIC_L",
    "DOMESTIC_M",
    "DOMESTIC_N",
    "DOMESTIC_O",
    "GBT_AC",
    "GBT_DC",
    "IEC_60309_2_single_16",
    "IEC_60309_2_three_16",
    "IEC_60309_2_three_32",
    "IEC_60309_2_three_64",
    "IEC_62196_T1",
    "IEC_62196_T1_COMBO",
    "IEC_62196_T2",
    "IEC_62196_T2_COMBO",
    "IEC_62196_T3A",
    "IEC_62196_T3C",
    "MCS",
    "NEMA_5_20",
    "NEMA_6_30",
    "NEMA_6_50",
    "NEMA_10_30",
    "NEMA_10_50",
    "NEMA_14_30",
    "NEMA_14_50",
    "PANTOGRAPH_BOTTOM_UP",
    "PANTOGRAPH_TOP_DOWN",
    "SAE_J3400",
    "TESLA_R",
    "TESLA_S",
]
"""OCPI 2.3.0, mod_locations, ConnectorType (open); the names are the plugs' own."""

VEHICLE_TYPES = [
    "MOTORCYCLE",
    "PERSONAL_VEHICLE",
    "PERSONAL_VEHICLE_WITH_TRAILER",
    "VAN",
    "SEMI_TRACTOR",
    "RIGID",
    "TRUCK_WITH_TRAILER",
    "BUS",
    "DISABLED",
]
"""OCPI 2.3.0, mod_locations, VehicleType (open)."""


class ConnectorCapability(models.TextChoices):
    """OCPI 2.3.0, mod_locations, ConnectorCapability (open)."""

    ISO_15118_2_PLUG_AND_CHARGE = "ISO_15118_2_PLUG_AND_CHARGE", _("Plug and Charge (ISO 15118-2)")
    ISO_15118_20_PLUG_AND_CHARGE = (
        "ISO_15118_20_PLUG_AND_CHARGE",
        _("Plug and Charge (ISO 15118-20)"),
    )


class ParkingDirection(models.TextChoices):
    """OCPI 2.3.0, mod_locations, ParkingDirection."""

    PARALLEL = "PARALLEL", _("Parallel")
    PERPENDICULAR = "PERPENDICULAR", _("Perpendicular")
    ANGLE = "ANGLE", _("At an angle")


class EvsePosition(models.TextChoices):
    """OCPI 2.3.0, mod_locations, EVSEPosition."""

    LEFT = "LEFT", _("Left")
    RIGHT = "RIGHT", _("Right")
    CENTER = "CENTER", _("Centre")


def _open_enum_array(label: Any, max_length: int = 64) -> "ArrayField[list[str], list[str]]":
    """Return a field for a list of open enum values: unknown ones are legal and kept."""
    return ArrayField(
        models.CharField(max_length=max_length), verbose_name=label, default=list, blank=True
    )


PHASES = {
    PowerType.AC_1_PHASE: 1,
    PowerType.AC_2_PHASE: 2,
    PowerType.AC_2_PHASE_SPLIT: 2,
    PowerType.AC_3_PHASE: 3,
    PowerType.DC: 1,
}


class LocationQuerySet(models.QuerySet["Location"]):
    def complete(self) -> "LocationQuerySet":
        """Fetch what rendering a location needs: five more queries, whatever the number."""
        return self.prefetch_related(
            "parking_places",
            "evses__connectors__tariffs",
            "evses__parking__parking_place",
        )


class Location(OcpiObject):
    """A site with charging equipment (OCPI Location), owned by one of our parties."""

    publish = models.BooleanField(
        _("publish"),
        default=True,
        help_text=_("Show this location in apps and on maps. Unpublished: only to certain tokens."),
    )
    publish_allowed_to = ShapeField(
        _("publish to tokens"), shape=listed(PublishTokenType), default=list, blank=True
    )
    name = StringField(_("name"), max_length=255, blank=True, default="")
    address = StringField(_("address"), max_length=255)
    city = StringField(_("city"), max_length=45)
    postal_code = StringField(
        _("postal code"),
        max_length=10,
        blank=True,
        default="",
        help_text=_("May only be left out where there is none."),
    )
    state = StringField(_("state or province"), max_length=45, blank=True, default="")
    country = models.CharField(
        _("country"), max_length=3, help_text=_("Three letters (ISO 3166-1 alpha-3): DEU, NLD.")
    )
    latitude = models.DecimalField(_("latitude"), max_digits=9, decimal_places=7)
    longitude = models.DecimalField(_("longitude"), max_digits=10, decimal_places=7)
    related_locations = ShapeField(
        _("related places"), shape=listed(AdditionalGeoLocation), default=list, blank=True
    )
    parking_type = models.CharField(_("parking type"), max_length=64, blank=True, default="")
    directions = ShapeField(_("directions"), shape=listed(DisplayText), default=list, blank=True)
    operator = ShapeField(_("operator"), shape=BusinessDetails, null=True, blank=True)
    suboperator = ShapeField(_("suboperator"), shape=BusinessDetails, null=True, blank=True)
    owner = ShapeField(_("owner"), shape=BusinessDetails, null=True, blank=True)
    facilities = _open_enum_array(_("facilities"))
    time_zone = models.CharField(
        _("time zone"), max_length=255, help_text=_("IANA name: Europe/Amsterdam.")
    )
    opening_times = ShapeField(_("opening times"), shape=Hours, null=True, blank=True)
    charging_when_closed = models.BooleanField(_("charging continues when closed"), default=True)
    images = ShapeField(_("images"), shape=listed(Image), default=list, blank=True)
    energy_mix = ShapeField(_("energy mix"), shape=EnergyMix, null=True, blank=True)
    help_phone = CiStringField(_("help phone"), max_length=25, blank=True, default="")
    # Kept by the database (migration 0004), for lists of many locations: None without an EVSE,
    # True if one of them is not REMOVED.
    evses_in_place = models.BooleanField(null=True, blank=True, editable=False)

    objects = LocationQuerySet.as_manager()

    class Meta:
        verbose_name = _("location")
        verbose_name_plural = _("locations")
        constraints = [
            identity_constraint("location_identity"),
            models.CheckConstraint(
                name="location_latitude_in_range",
                condition=Q(latitude__range=(-90, 90)),
                violation_error_message=_("A latitude is between -90 and 90."),
            ),
            models.CheckConstraint(
                name="location_longitude_in_range",
                condition=Q(longitude__range=(-180, 180)),
                violation_error_message=_("A longitude is between -180 and 180."),
            ),
            models.CheckConstraint(
                # OCPI 2.2.1, mod_locations: publish_allowed_to only with publish=false.
                name="location_published_to_tokens_only_if_unpublished",
                condition=Q(publish=False) | Q(publish_allowed_to=[]),
                violation_error_message=_("“Publish to tokens” needs “publish” to be off."),
            ),
        ]
        indexes = [
            # Staff: search by fragments.
            fragments_index(
                "location_fragments", "name", "address", "city", "postal_code", "ocpi_id"
            ),
            # Admin: by city and name.
            models.Index(fields=["city", "name", "id"], name="location_by_place"),
            # OCPI pull: GET locations?date_from=...
            models.Index(fields=["last_updated"], name="location_last_updated"),
            # OCPI pull: GET locations/{location_id} names no party.
            models.Index(Lower("ocpi_id"), name="location_ocpi_id_lower"),
        ]


class LocationGroup(models.Model):
    """Locations that belong together for staff: some partners see certain groups only."""

    name = StringField(_("name"), max_length=100, unique=True)
    locations = models.ManyToManyField(
        Location, related_name="groups", blank=True, verbose_name=_("locations")
    )

    class Meta:
        verbose_name = _("location group")
        verbose_name_plural = _("location groups")

    def __str__(self) -> str:
        return str(self.name)


class ParkingPlace(models.Model):
    """A kind of parking space at a location (OCPI 2.3.0 Parking): kg, cm, minutes."""

    location = models.ForeignKey(Location, on_delete=models.PROTECT, related_name="parking_places")
    ocpi_id = CiStringField(_("id"), max_length=36)
    physical_reference = StringField(_("physical reference"), max_length=12, blank=True, default="")
    vehicle_types = _open_enum_array(_("vehicle types"))
    max_vehicle_weight = models.DecimalField(
        _("max. vehicle weight (kg)"), max_digits=10, decimal_places=2, null=True, blank=True
    )
    max_vehicle_height = models.DecimalField(
        _("max. vehicle height (cm)"), max_digits=10, decimal_places=2, null=True, blank=True
    )
    max_vehicle_length = models.DecimalField(
        _("max. vehicle length (cm)"), max_digits=10, decimal_places=2, null=True, blank=True
    )
    max_vehicle_width = models.DecimalField(
        _("max. vehicle width (cm)"), max_digits=10, decimal_places=2, null=True, blank=True
    )
    parking_space_length = models.DecimalField(
        _("space length (cm)"), max_digits=10, decimal_places=2, null=True, blank=True
    )
    parking_space_width = models.DecimalField(
        _("space width (cm)"), max_digits=10, decimal_places=2, null=True, blank=True
    )
    dangerous_goods_allowed = models.BooleanField(
        _("dangerous goods allowed"), null=True, blank=True
    )
    direction = models.CharField(
        _("direction"), max_length=13, choices=ParkingDirection.choices, blank=True, default=""
    )
    drive_through = models.BooleanField(_("drive-through"), null=True, blank=True)
    restricted_to_type = models.BooleanField(_("only for these vehicle types"), default=False)
    reservation_required = models.BooleanField(_("reservation required"), default=False)
    time_limit = models.DecimalField(
        _("time limit (minutes)"), max_digits=10, decimal_places=2, null=True, blank=True
    )
    roofed = models.BooleanField(_("roofed"), null=True, blank=True)
    images = ShapeField(_("images"), shape=listed(Image), default=list, blank=True)
    lighting = models.BooleanField(_("lighting"), null=True, blank=True)
    refrigeration_outlet = models.BooleanField(_("refrigeration outlet"), null=True, blank=True)
    standards = _open_enum_array(_("standards"), max_length=36)
    apds_reference = CiStringField(_("APDS reference"), max_length=255, blank=True, default="")

    class Meta:
        verbose_name = _("parking place")
        verbose_name_plural = _("parking places")
        constraints = [
            models.UniqueConstraint(
                "location",
                Lower("ocpi_id"),
                name="parking_place_identity",
                violation_error_message=_("This location has a parking place with this id."),
            ),
            models.CheckConstraint(
                name="parking_place_has_vehicle_types",
                condition=Q(vehicle_types__len__gt=0),
                violation_error_message=_("Name at least one vehicle type."),
            ),
        ]

    def __str__(self) -> str:
        return str(self.ocpi_id)


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
    capabilities = _open_enum_array(_("capabilities"))
    floor_level = StringField(_("floor level"), max_length=4, blank=True, default="")
    latitude = models.DecimalField(
        _("latitude"), max_digits=9, decimal_places=7, null=True, blank=True
    )
    longitude = models.DecimalField(
        _("longitude"), max_digits=10, decimal_places=7, null=True, blank=True
    )
    physical_reference = StringField(_("physical reference"), max_length=16, blank=True, default="")
    directions = ShapeField(_("directions"), shape=listed(DisplayText), default=list, blank=True)
    parking_restrictions = _open_enum_array(_("parking restrictions"))
    images = ShapeField(_("images"), shape=listed(Image), default=list, blank=True)
    accepted_service_providers = _open_enum_array(_("accepted service providers"), max_length=50)
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
    capabilities = _open_enum_array(_("capabilities"))

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


class StatusChange(models.Model):
    """An EVSE got a status, which it has until its next row. Partitioned by month on `at`.

    `at` is the EVSE's `last_updated` of that change, which always increases: the two are the key.
    Rows are written by whoever writes the status, in the same statement or transaction.
    """

    pk = models.CompositePrimaryKey("evse_id", "at")
    # Without a constraint: an EVSE is never deleted, and this is written for every car.
    evse = models.ForeignKey(
        Evse,
        verbose_name=_("EVSE"),
        on_delete=models.DO_NOTHING,
        related_name="status_changes",
        db_constraint=False,
        db_index=False,
    )
    at = models.DateTimeField(_("at"))
    status = models.CharField(_("status"), max_length=11, choices=Status.choices)

    class Meta:
        verbose_name = _("change of status")
        verbose_name_plural = _("changes of status")
        indexes = [
            # The tally of a day. Rows come in the order of time, so a few bytes for many of them.
            BrinIndex(fields=["at"], name="status_change_at", autosummarize=True),
        ]

    def __str__(self) -> str:
        return f"{self.evse_id} {self.status}"


class EvseUptime(models.Model):
    """How long an EVSE was up until midnight `at` (UTC), since its history began: seconds.

    Totals that only grow: what a period had is the difference of two rows, however long it is.
    `up` and `measured` are those of `locations.uptime`; `status` is the one at that moment.
    Partitioned by month on `at`. Made of `StatusChange` by `locations.tallying`.
    """

    pk = models.CompositePrimaryKey("at", "evse_id")
    at = models.DateTimeField(_("at"))
    evse = models.ForeignKey(
        Evse,
        verbose_name=_("EVSE"),
        on_delete=models.DO_NOTHING,
        related_name="uptimes",
        db_constraint=False,
        db_index=False,
    )
    up = models.BigIntegerField(_("seconds up"))
    measured = models.BigIntegerField(_("seconds measured"))
    status = models.CharField(_("status"), max_length=11, choices=Status.choices)

    class Meta:
        verbose_name = _("uptime of an EVSE")
        verbose_name_plural = _("uptimes of EVSEs")

    def __str__(self) -> str:
        return f"{self.evse_id} {self.up}/{self.measured}"


class LocationUptime(models.Model):
    """The same of all EVSEs of a location together: seconds of EVSEs."""

    pk = models.CompositePrimaryKey("at", "location_id")
    at = models.DateTimeField(_("at"))
    location = models.ForeignKey(
        Location,
        verbose_name=_("location"),
        on_delete=models.DO_NOTHING,
        related_name="uptimes",
        db_constraint=False,
        db_index=False,
    )
    up = models.BigIntegerField(_("seconds up"))
    measured = models.BigIntegerField(_("seconds measured"))

    class Meta:
        verbose_name = _("uptime of a location")
        verbose_name_plural = _("uptimes of locations")

    def __str__(self) -> str:
        return f"{self.location_id} {self.up}/{self.measured}"
