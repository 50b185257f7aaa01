"""The enumerations of OCPI 2.3.0, mod_locations: closed ones, and what is known of open ones."""

from django.db import models
from django.utils.translation import gettext_lazy as _


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


PHASES = {
    PowerType.AC_1_PHASE: 1,
    PowerType.AC_2_PHASE: 2,
    PowerType.AC_2_PHASE_SPLIT: 2,
    PowerType.AC_3_PHASE: 3,
    PowerType.DC: 1,
}
