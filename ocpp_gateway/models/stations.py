"""Charging stations, and which of our connectors their outlets are."""

from datetime import datetime
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from cpo_platform.common.fields import CiStringField, StringField
from cpo_platform.common.models import fragments_index
from locations.models import Connector, Location
from ocpp_gateway.frames import Version


class StationState(models.TextChoices):
    """Whether what a station says has an effect."""

    HELD = "HELD", _("Knocked: waits for you")
    PLACED = "PLACED", _("In service")
    REFUSED = "REFUSED", _("Refused")


class StationQuerySet(models.QuerySet["Station"]):
    def online(self, *, now: datetime) -> "StationQuerySet":
        return self.filter(online_until__gt=now)


class Station(models.Model):
    """A charging station (OCPP 1.6: charge point) that connects to us by its identity.

    The columns from `ocpp_version` on are what the station or its connection said last, written by
    the gateway; the others are staff's. `connection` counts up with each connection: the newest
    one is the station's. It is online while `online_until`, which its gateway moves on, is ahead.
    """

    identity = CiStringField(
        _("identity"),
        max_length=48,
        help_text=_("The last part of the address that the station connects to."),
    )
    state = models.CharField(
        _("state"), max_length=7, choices=StationState.choices, default=StationState.HELD
    )
    location = models.ForeignKey(
        Location,
        on_delete=models.PROTECT,
        related_name="stations",
        verbose_name=_("location"),
        null=True,
        blank=True,
    )
    password_hash = models.CharField(max_length=200, blank=True, default="", editable=False)
    # Sent to the station, which has not shown it yet: until then both open the door.
    next_password_hash = models.CharField(max_length=200, blank=True, default="", editable=False)
    in_maintenance = models.BooleanField(
        _("in maintenance"),
        default=False,
        help_text=_("Its EVSEs are shown as inoperative, whatever the station reports."),
    )

    ocpp_version = models.CharField(_("OCPP version"), max_length=10, blank=True, default="")
    vendor = StringField(_("vendor"), max_length=50, blank=True, default="")
    model = StringField(_("model"), max_length=50, blank=True, default="")
    serial_number = StringField(_("serial number"), max_length=50, blank=True, default="")
    firmware_version = StringField(_("firmware"), max_length=50, blank=True, default="")
    booted_at = models.DateTimeField(_("booted"), null=True, blank=True)
    boot_reason = StringField(_("reason of the boot"), max_length=30, blank=True, default="")
    remote_address = models.CharField(_("address"), max_length=64, blank=True, default="")
    first_seen_at = models.DateTimeField(_("first seen"), null=True, blank=True)
    connection = models.BigIntegerField(default=0, editable=False)
    connected_at = models.DateTimeField(_("connected"), null=True, blank=True)
    online_until = models.DateTimeField(_("online until"), null=True, blank=True)
    disconnected_at = models.DateTimeField(_("disconnected"), null=True, blank=True)
    offline_shown = models.BooleanField(
        _("shown as offline"),
        default=False,
        help_text=_("Its EVSEs are UNKNOWN to partners, as it was silent for too long."),
    )
    firmware_status = StringField(_("firmware update"), max_length=50, blank=True, default="")
    log_status = StringField(_("upload of logs"), max_length=50, blank=True, default="")
    # Name → value of 1.6's configuration, or `component/variable` → value of 2.0.1's variables.
    configuration = models.JSONField(_("configuration"), default=dict, blank=True)
    configuration_read_at = models.DateTimeField(_("configuration read"), null=True, blank=True)

    objects = StationQuerySet.as_manager()

    class Meta:
        verbose_name = _("station")
        verbose_name_plural = _("stations")
        constraints = [
            models.UniqueConstraint(
                Lower("identity"),
                name="station_identity",
                violation_error_message=_("There is a station with this identity."),
            ),
            models.CheckConstraint(
                name="station_in_service_has_a_place",
                condition=~Q(state=StationState.PLACED) | Q(location__isnull=False),
                violation_error_message=_("A station in service has a location."),
            ),
        ]
        indexes = [
            # Staff: search by fragments.
            fragments_index("station_fragments", "identity", "serial_number"),
            # Admin: who knocked first.
            models.Index(fields=["state", "identity"], name="station_by_state"),
            # The beat: who has been silent for too long and is not shown so yet.
            models.Index(
                fields=["online_until"],
                name="station_to_show_offline",
                condition=Q(state=StationState.PLACED, offline_shown=False),
            ),
        ]

    def __str__(self) -> str:
        return str(self.identity)

    @property
    def version(self) -> Version | None:
        """The version that it spoke last."""
        return Version(self.ocpp_version) if self.ocpp_version else None

    def is_online(self, *, now: datetime) -> bool:
        return self.online_until is not None and self.online_until > now


class Outlet(models.Model):
    """One connector of a station, by its numbers, and the connector of ours that it is.

    1.6 counts connectors only (`ordinal`, its connectorId); 2.0.1 counts EVSEs, and connectors
    within them. `reported_status` is the station's own word; partners see what
    `operations.statuses` makes of it, at `publish_due_at`.
    """

    station = models.ForeignKey(
        Station, on_delete=models.CASCADE, related_name="outlets", verbose_name=_("station")
    )
    connector = models.OneToOneField(
        Connector, on_delete=models.PROTECT, related_name="outlet", verbose_name=_("connector")
    )
    ordinal = models.PositiveSmallIntegerField(_("connectorId (1.6)"))
    evse_number = models.PositiveSmallIntegerField(_("EVSE (2.0.1)"))
    connector_number = models.PositiveSmallIntegerField(_("connector of the EVSE (2.0.1)"))
    public_key = models.TextField(
        _("public key of the meter"),
        blank=True,
        default="",
        help_text=_(
            "Signed meter values are verified with it: hex, base64 or PEM of the DER form."
        ),
    )

    reported_status = models.CharField(_("reported"), max_length=20, blank=True, default="")
    reported_at = models.DateTimeField(_("reported at"), null=True, blank=True)
    error = StringField(_("error"), max_length=100, blank=True, default="")
    charging_state = models.CharField(_("charging state"), max_length=20, blank=True, default="")
    publish_due_at = models.DateTimeField(null=True, blank=True, editable=False)
    # When it was published lately: who flaps is published less often.
    published = ArrayField(models.DateTimeField(), default=list, blank=True, editable=False)

    class Meta:
        verbose_name = _("outlet")
        verbose_name_plural = _("outlets")
        constraints = [
            models.UniqueConstraint(fields=["station", "ordinal"], name="outlet_of_1_6"),
            models.UniqueConstraint(
                fields=["station", "evse_number", "connector_number"], name="outlet_of_2_0_1"
            ),
            models.CheckConstraint(
                name="outlet_counts_from_one",
                condition=Q(ordinal__gte=1, evse_number__gte=1, connector_number__gte=1),
            ),
        ]
        indexes = [
            # Workers: what is to be shown to partners.
            models.Index(
                fields=["publish_due_at"],
                name="outlet_to_publish",
                condition=Q(publish_due_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.station} #{self.ordinal}"

    def number_of(self, version: Version) -> dict[str, Any]:
        """Return how a version names it in a payload."""
        if version is Version.V1_6:
            return {"connectorId": self.ordinal}
        return {"evse": {"id": self.evse_number, "connectorId": self.connector_number}}
