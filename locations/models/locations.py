"""Locations, groups of them, and their parking places."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from cpo_platform.common.fields import CiStringField, ShapeField, StringField
from cpo_platform.common.models import OcpiObject, fragments_index, identity_constraint
from cpo_platform.common.shapes import (
    AdditionalGeoLocation,
    BusinessDetails,
    DisplayText,
    EnergyMix,
    Hours,
    Image,
    PublishTokenType,
    listed,
)
from locations.models.choices import ParkingDirection
from locations.models.fields import open_enum_array


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
    facilities = open_enum_array(_("facilities"))
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
    vehicle_types = open_enum_array(_("vehicle types"))
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
    standards = open_enum_array(_("standards"), max_length=36)
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
