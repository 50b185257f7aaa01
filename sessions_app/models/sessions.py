"""Sessions, their meter readings and their charging periods."""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from cpo_platform.common.fields import CiStringField, ShapeField, StringField
from cpo_platform.common.models import (
    OcpiObject,
    currency_rule,
    fragments_index,
    identity_constraint,
)
from cpo_platform.common.shapes import CdrDimension, ChargingPreferences, listed
from locations.models import Connector, Evse, Location
from sessions_app.models.tokens import CdrTokenColumns
from tariffs.models import Tariff


class SessionStatus(models.TextChoices):
    """OCPI 2.3.0, mod_sessions, SessionStatus (closed)."""

    ACTIVE = "ACTIVE", _("Active")
    COMPLETED = "COMPLETED", _("Completed")
    INVALID = "INVALID", _("Invalid (will not be billed)")
    PENDING = "PENDING", _("Pending")
    RESERVATION = "RESERVATION", _("Reservation")


ONGOING = (SessionStatus.PENDING, SessionStatus.ACTIVE)
UNFINISHED = (*ONGOING, SessionStatus.RESERVATION)
ENDED = (SessionStatus.COMPLETED, SessionStatus.INVALID)


class AuthMethod(models.TextChoices):
    """OCPI 2.3.0, mod_cdrs, AuthMethod (closed)."""

    AUTH_REQUEST = "AUTH_REQUEST", _("The eMSP was asked")
    COMMAND = "COMMAND", _("Started by command")
    WHITELIST = "WHITELIST", _("Whitelist")


def stuck(*, now: datetime) -> Q:
    """Return what a session meets that seems stuck: it lasts, or is silent, for too long."""
    seems = Q(pk__in=[])
    if settings.CDR_SILENT_MINUTES:
        seems |= silent_since(now - timedelta(minutes=settings.CDR_SILENT_MINUTES))
    if settings.CDR_LONGEST_HOURS:
        seems |= Q(start_date_time__lt=now - timedelta(hours=settings.CDR_LONGEST_HOURS))
    return seems & Q(status__in=ONGOING)


def silent_since(moment: datetime) -> Q:
    """Return what a session meets that had begun by a moment, and whose meter told nothing since.

    A meter that tells the same again and again, as with a full battery, is not silent.
    """
    return Q(start_date_time__lte=moment) & ~Q(meter_readings__at__gt=moment)


class SessionQuerySet(models.QuerySet["Session"]):
    def ongoing(self) -> "SessionQuerySet":
        return self.filter(status__in=ONGOING)

    def unfinished(self) -> "SessionQuerySet":
        """Return what goes on, and the reservations that nobody has come for yet."""
        return self.filter(status__in=UNFINISHED)

    def complete(self) -> "SessionQuerySet":
        """Fetch what rendering a session needs: one more query, whatever the number."""
        return self.select_related("location", "evse", "connector").prefetch_related(
            "charging_periods"
        )


class Session(OcpiObject, CdrTokenColumns):
    """One use of an EVSE (OCPI Session), owned by the location's party.

    The location and the tariff are frozen when it starts: what happens to them afterwards does not
    change its price or its CDR; only another charging preference may (`tariff_switches`: `at`,
    the `row` of a tariff, and the `tariff` as it was then). Money and time are settled by
    `sessions_app.operations.settlement`.
    """

    start_date_time = models.DateTimeField(_("started"))
    end_date_time = models.DateTimeField(_("ended"), null=True, blank=True)
    kwh = models.DecimalField(_("energy (kWh)"), max_digits=12, decimal_places=4, default=0)
    auth_method = models.CharField(_("authorised by"), max_length=12, choices=AuthMethod.choices)
    authorization_reference = CiStringField(
        _("authorisation reference"), max_length=36, blank=True, default=""
    )
    location = models.ForeignKey(
        Location, on_delete=models.PROTECT, related_name="sessions", verbose_name=_("location")
    )
    evse = models.ForeignKey(
        Evse,
        on_delete=models.PROTECT,
        related_name="sessions",
        verbose_name=_("EVSE"),
        null=True,
        blank=True,
        help_text=_("Empty: a reservation that no EVSE was assigned to yet."),
    )
    connector = models.ForeignKey(
        Connector,
        on_delete=models.PROTECT,
        related_name="sessions",
        verbose_name=_("connector"),
        null=True,
        blank=True,
    )
    meter_id = StringField(_("meter"), max_length=255, blank=True, default="")
    currency = models.CharField(_("currency"), max_length=3, validators=[currency_rule])
    status = models.CharField(_("status"), max_length=11, choices=SessionStatus.choices)
    total_cost_before_taxes = models.DecimalField(
        _("cost before taxes"), max_digits=14, decimal_places=4, null=True, blank=True
    )
    total_cost_after_taxes = models.DecimalField(
        _("cost after taxes"), max_digits=14, decimal_places=4, null=True, blank=True
    )
    price_details = models.JSONField(
        _("price"),
        default=dict,
        blank=True,
        help_text=_("Every part of the price so far, with its explanation."),
    )
    tariff = models.ForeignKey(
        Tariff,
        on_delete=models.PROTECT,
        related_name="sessions",
        verbose_name=_("tariff"),
        null=True,
        blank=True,
    )
    frozen_tariff = models.JSONField(_("tariff at the start"), null=True, blank=True)
    tariff_switches = models.JSONField(
        _("tariffs since then"),
        default=list,
        blank=True,
        help_text=_("From which moment on the session is priced by which other tariff."),
    )
    frozen_location = models.JSONField(_("location at the start"), default=dict)
    charging_preferences = ShapeField(
        _("charging preferences"), shape=ChargingPreferences, null=True, blank=True
    )
    meter_start = models.DecimalField(
        _("meter at the start (kWh)"), max_digits=14, decimal_places=4, default=0
    )
    # OCPI's SignedData, for the CDR, which may be issued later or again.
    signed_data = models.JSONField(_("signed data"), null=True, blank=True)

    objects = SessionQuerySet.as_manager()

    @property
    def tariffs(self) -> list[dict[str, Any]]:
        """Return every tariff that the session is priced by (canonical), each once, in order."""
        switched = [switch["tariff"] for switch in self.tariff_switches]
        first = [self.frozen_tariff] if self.frozen_tariff else []
        return list({tariff["id"]: tariff for tariff in [*first, *switched]}.values())

    class Meta:
        verbose_name = _("session")
        verbose_name_plural = _("sessions")
        constraints = [
            identity_constraint("session_identity"),
            models.UniqueConstraint(
                fields=["evse"],
                condition=Q(status__in=ONGOING),
                name="session_one_ongoing_per_evse",
                violation_error_message=_("A session is running at this EVSE."),
            ),
            models.CheckConstraint(
                name="session_completed_has_an_end",
                condition=~Q(status=SessionStatus.COMPLETED) | Q(end_date_time__isnull=False),
            ),
            models.CheckConstraint(
                name="session_ends_not_before_it_starts",
                condition=Q(end_date_time__isnull=True)
                | Q(end_date_time__gte=F("start_date_time")),
            ),
            models.CheckConstraint(name="session_kwh_not_negative", condition=Q(kwh__gte=0)),
            models.CheckConstraint(
                # OCPI 2.2.1, mod_sessions: only a reservation may lack its EVSE (#NA).
                name="session_has_an_evse_unless_reservation",
                condition=Q(status=SessionStatus.RESERVATION)
                | Q(evse__isnull=False, connector__isnull=False)
                | Q(status__in=[SessionStatus.COMPLETED, SessionStatus.INVALID]),
            ),
        ]
        indexes = [
            # Staff: search by fragments.
            fragments_index(
                "session_fragments",
                *("ocpi_id", "token_uid", "token_contract_id", "authorization_reference"),
            ),
            # OCPI pull: one eMSP's sessions, GET sessions?date_from=...
            models.Index(
                Lower("token_country_code"),
                Lower("token_party_id"),
                "last_updated",
                name="session_owner_last_updated",
            ),
            # Admin: what runs by a tariff, newest first.
            models.Index(
                fields=["tariff", "-start_date_time"],
                condition=Q(status__in=UNFINISHED),
                name="session_runs_by",
            ),
            # Admin: sessions whose tariff was switched while they go on.
            models.Index(
                fields=["id"],
                condition=Q(status__in=UNFINISHED) & ~Q(tariff_switches=[]),
                name="session_switched",
            ),
            # Admin: newest first, and by status.
            models.Index(fields=["-start_date_time"], name="session_start"),
            models.Index(fields=["status", "-start_date_time"], name="session_status_start"),
        ]


class ChargingPeriod(models.Model):
    """A closed stretch of a session with one constant price (OCPI ChargingPeriod).

    Rows are only ever added: OCPI appends the periods of a PATCH, so a period that a partner may
    have must not change (OCPI 2.2.1, mod_sessions, PATCH method). One exception: a held CDR is
    corrected before it is issued. The session is PUT whole then.
    """

    session = models.ForeignKey(Session, on_delete=models.CASCADE, related_name="charging_periods")
    position = models.PositiveIntegerField(_("order"))
    start_date_time = models.DateTimeField(_("start"))
    dimensions = ShapeField(_("dimensions"), shape=listed(CdrDimension))
    tariff_id = CiStringField(_("tariff"), max_length=36, blank=True, default="")

    class Meta:
        verbose_name = _("charging period")
        verbose_name_plural = _("charging periods")
        constraints = [
            models.UniqueConstraint(fields=["session", "position"], name="charging_period_order"),
            models.CheckConstraint(
                name="charging_period_has_dimensions", condition=~Q(dimensions=[])
            ),
        ]

    def __str__(self) -> str:
        return f"{self.session_id}/{self.position}"


class MeterReading(models.Model):
    """What the meter showed: a register that only grows (kWh), and that moment's power."""

    session = models.ForeignKey(Session, on_delete=models.CASCADE, related_name="meter_readings")
    at = models.DateTimeField(_("at"))
    kwh = models.DecimalField(_("register (kWh)"), max_digits=14, decimal_places=4)
    power = models.DecimalField(
        _("power (kW)"), max_digits=10, decimal_places=4, null=True, blank=True
    )
    current = models.DecimalField(
        _("current, all phases (A)"), max_digits=10, decimal_places=4, null=True, blank=True
    )
    requesting_power = models.BooleanField(_("vehicle asks for power"), default=True)
    stamped_at = models.DateTimeField(
        _("as the station's clock had it"),
        null=True,
        blank=True,
        help_text=_("Where that was ahead of ours: the reading counts as of its arrival."),
    )

    class Meta:
        verbose_name = _("meter reading")
        verbose_name_plural = _("meter readings")
        constraints = [
            models.UniqueConstraint(fields=["session", "at"], name="meter_reading_once_a_moment"),
        ]

    def __str__(self) -> str:
        return f"{self.session_id} {self.at} {self.kwh} kWh"
