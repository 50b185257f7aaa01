"""Parties and the tariffs they sell at, named after OCPI 2.3.0."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from cpo_platform.common.fields import CiStringField, ShapeField, StringField
from cpo_platform.common.models import (
    OcpiObject,
    country_code_rule,
    currency_rule,
    identity_constraint,
    party_id_rule,
)
from cpo_platform.common.shapes import DisplayText, EnergyMix, Image, listed


class Party(models.Model):
    """A CPO party that this platform operates: the owner of locations, tariffs, sessions and CDRs.

    In OCPI it is one of our `roles` with role CPO (OCPI 2.2.1, credentials, CredentialsRole).
    It lives in the lowest app because everything above is owned by one.
    """

    country_code = CiStringField(_("country code"), max_length=2, validators=[country_code_rule])
    party_id = CiStringField(_("party id"), max_length=3, validators=[party_id_rule])
    name = StringField(_("name"), max_length=100, help_text=_("What drivers and partners read."))
    website = models.URLField(_("website"), max_length=255, blank=True)
    logo = ShapeField(_("logo"), shape=Image, null=True, blank=True)

    class Meta:
        verbose_name = _("CPO party")
        verbose_name_plural = _("CPO parties")
        constraints = [
            models.UniqueConstraint(
                Lower("country_code"),
                Lower("party_id"),
                name="party_identity",
                violation_error_message=_("This party exists already."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.country_code}*{self.party_id} {self.name}"


class TariffType(models.TextChoices):
    """OCPI 2.3.0, mod_tariffs, TariffType."""

    AD_HOC_PAYMENT = "AD_HOC_PAYMENT", _("Ad hoc payment")
    PROFILE_CHEAP = "PROFILE_CHEAP", _("Charging preference: cheap")
    PROFILE_FAST = "PROFILE_FAST", _("Charging preference: fast")
    PROFILE_GREEN = "PROFILE_GREEN", _("Charging preference: green")
    REGULAR = "REGULAR", _("Regular")


class TaxIncluded(models.TextChoices):
    """OCPI 2.3.0, mod_tariffs, TaxIncluded."""

    YES = "YES", _("Prices include tax")
    NO = "NO", _("Tax is added to the prices")
    NOT_APPLICABLE = "N/A", _("No tax applies")


class TariffDimensionType(models.TextChoices):
    """OCPI 2.3.0, mod_tariffs, TariffDimensionType."""

    ENERGY = "ENERGY", _("Energy (per kWh)")
    FLAT = "FLAT", _("Flat fee (once)")
    PARKING_TIME = "PARKING_TIME", _("Parking (per hour)")
    TIME = "TIME", _("Charging time (per hour)")


class DayOfWeek(models.TextChoices):
    """OCPI 2.3.0, mod_tariffs, DayOfWeek."""

    MONDAY = "MONDAY", _("Monday")
    TUESDAY = "TUESDAY", _("Tuesday")
    WEDNESDAY = "WEDNESDAY", _("Wednesday")
    THURSDAY = "THURSDAY", _("Thursday")
    FRIDAY = "FRIDAY", _("Friday")
    SATURDAY = "SATURDAY", _("Saturday")
    SUNDAY = "SUNDAY", _("Sunday")


class ReservationRestrictionType(models.TextChoices):
    """OCPI 2.3.0, mod_tariffs, ReservationRestrictionType."""

    RESERVATION = "RESERVATION", _("While reserved")
    RESERVATION_EXPIRES = "RESERVATION_EXPIRES", _("When a reservation expires unused")


# The types of a tariff for every session, the more specific first (OCPI 2.2.1, TariffType).
ORDINARY_TYPES = (TariffType.REGULAR.value, "")


def valid_at(now: datetime) -> Q:
    """Return the condition that a tariff is valid: its start inclusive, its end exclusive."""
    return (Q(start_date_time__isnull=True) | Q(start_date_time__lte=now)) & (
        Q(end_date_time__isnull=True) | Q(end_date_time__gt=now)
    )


class TariffQuerySet(models.QuerySet["Tariff"]):
    def in_use(self) -> "TariffQuerySet":
        """Leave out the deleted ones."""
        return self.filter(deleted_at__isnull=True)

    def with_elements(self) -> "TariffQuerySet":
        """Fetch what rendering and pricing a tariff need: two more queries, whatever the number."""
        return self.prefetch_related("elements__price_components")


class Tariff(OcpiObject):
    """What charging costs (OCPI Tariff), owned by one of our parties.

    A row is never removed: a partner that missed the DELETE still has to learn of it.
    """

    public = models.BooleanField(
        _("for every partner"),
        default=True,
        help_text=_("Off: only the partners that it is given to see it, and are billed by it."),
    )
    currency = models.CharField(_("currency"), max_length=3, validators=[currency_rule])
    type = models.CharField(
        _("type"),
        max_length=20,
        choices=TariffType.choices,
        blank=True,
        default="",
        help_text=_("Empty: valid for every session."),
    )
    tariff_alt_text = ShapeField(
        _("text for drivers"), shape=listed(DisplayText), default=list, blank=True
    )
    tariff_alt_url = models.URLField(_("web page for drivers"), max_length=255, blank=True)
    min_price_before_taxes = models.DecimalField(
        _("minimum price before taxes"), max_digits=12, decimal_places=4, null=True, blank=True
    )
    min_price_after_taxes = models.DecimalField(
        _("minimum price after taxes"), max_digits=12, decimal_places=4, null=True, blank=True
    )
    max_price_before_taxes = models.DecimalField(
        _("maximum price before taxes"), max_digits=12, decimal_places=4, null=True, blank=True
    )
    max_price_after_taxes = models.DecimalField(
        _("maximum price after taxes"), max_digits=12, decimal_places=4, null=True, blank=True
    )
    preauthorize_amount = models.DecimalField(
        _("amount to reserve at a payment terminal"),
        max_digits=12,
        decimal_places=4,
        null=True,
        blank=True,
    )
    tax_included = models.CharField(
        _("tax"), max_length=3, choices=TaxIncluded.choices, default=TaxIncluded.NO
    )
    start_date_time = models.DateTimeField(_("valid from"), null=True, blank=True)
    end_date_time = models.DateTimeField(_("valid until"), null=True, blank=True)
    energy_mix = ShapeField(_("energy mix"), shape=EnergyMix, null=True, blank=True)
    supersedes = models.ForeignKey(
        "self",
        verbose_name=_("supersedes"),
        on_delete=models.PROTECT,
        related_name="successors",
        null=True,
        blank=True,
        editable=False,
    )
    deleted_at = models.DateTimeField(_("deleted"), null=True, blank=True, editable=False)

    objects = TariffQuerySet.as_manager()

    class Meta:
        verbose_name = _("tariff")
        verbose_name_plural = _("tariffs")
        constraints = [
            identity_constraint("tariff_identity"),
            models.CheckConstraint(
                name="tariff_ends_after_it_starts",
                condition=Q(end_date_time__isnull=True)
                | Q(start_date_time__isnull=True)
                | Q(end_date_time__gt=F("start_date_time")),
                violation_error_message=_("“Valid until” must be later than “valid from”."),
            ),
            models.CheckConstraint(
                name="tariff_min_price_not_above_max_price",
                condition=Q(min_price_before_taxes__isnull=True)
                | Q(max_price_before_taxes__isnull=True)
                | Q(min_price_before_taxes__lte=F("max_price_before_taxes")),
                violation_error_message=_("The minimum price is above the maximum price."),
            ),
            models.CheckConstraint(
                name="tariff_price_limits_before_taxes_first",
                condition=(
                    Q(min_price_after_taxes__isnull=True) | Q(min_price_before_taxes__isnull=False)
                )
                & (Q(max_price_after_taxes__isnull=True) | Q(max_price_before_taxes__isnull=False)),
                violation_error_message=_("A price limit after taxes needs one before taxes."),
            ),
            models.UniqueConstraint(
                fields=["supersedes"],
                condition=Q(deleted_at__isnull=True),
                name="tariff_superseded_once",
                violation_error_message=_("This tariff has a successor already."),
            ),
        ]
        indexes = [
            # OCPI pull: GET tariffs?date_from=...
            models.Index(fields=["last_updated"], name="tariff_last_updated"),
        ]

    def is_valid_at(self, now: datetime) -> bool:
        """Tell what the condition `valid_at` asks, of a row that is here."""
        starts, ends = self.start_date_time, self.end_date_time
        return (starts is None or starts <= now) and (ends is None or now < ends)

    def successor(self) -> "Tariff | None":
        """Return the tariff that holds from where this one ends, if it was superseded."""
        return Tariff.objects.in_use().filter(supersedes=self.pk).first()


def best_of(tariffs: Iterable[Tariff], *, types: Sequence[str], now: datetime) -> Tariff | None:
    """Return the tariff for a session that starts now: valid, of the first type there is, by id."""
    valid = [tariff for tariff in tariffs if tariff.type in types and tariff.is_valid_at(now)]
    return min(valid, key=lambda tariff: (types.index(tariff.type), tariff.ocpi_id), default=None)


class TariffElement(models.Model):
    """A group of price components and when it applies (OCPI TariffElement, TariffRestrictions).

    The first element that matches supplies the price of a dimension: `position` is the order.
    """

    tariff = models.ForeignKey(
        Tariff, on_delete=models.CASCADE, related_name="elements", verbose_name=_("tariff")
    )
    position = models.PositiveSmallIntegerField(_("order"))
    start_time = models.TimeField(_("from time"), null=True, blank=True)
    end_time = models.TimeField(_("until time"), null=True, blank=True)
    start_date = models.DateField(_("from date"), null=True, blank=True)
    end_date = models.DateField(_("until date"), null=True, blank=True)
    min_kwh = models.DecimalField(
        _("from kWh"), max_digits=12, decimal_places=4, null=True, blank=True
    )
    max_kwh = models.DecimalField(
        _("until kWh"), max_digits=12, decimal_places=4, null=True, blank=True
    )
    min_current = models.DecimalField(
        _("from A"), max_digits=12, decimal_places=4, null=True, blank=True
    )
    max_current = models.DecimalField(
        _("below A"), max_digits=12, decimal_places=4, null=True, blank=True
    )
    min_power = models.DecimalField(
        _("from kW"), max_digits=12, decimal_places=4, null=True, blank=True
    )
    max_power = models.DecimalField(
        _("below kW"), max_digits=12, decimal_places=4, null=True, blank=True
    )
    min_duration = models.PositiveIntegerField(
        _("after seconds"), null=True, blank=True, help_text=_("Since the session started.")
    )
    max_duration = models.PositiveIntegerField(_("until seconds"), null=True, blank=True)
    day_of_week = ArrayField(
        models.CharField(max_length=9, choices=DayOfWeek.choices),
        verbose_name=_("days of the week"),
        default=list,
        blank=True,
    )
    reservation = models.CharField(
        _("reservation"),
        max_length=20,
        choices=ReservationRestrictionType.choices,
        blank=True,
        default="",
    )

    class Meta:
        verbose_name = _("tariff element")
        verbose_name_plural = _("tariff elements")
        constraints = [
            models.UniqueConstraint(
                fields=["tariff", "position"],
                name="tariff_element_position",
                deferrable=models.Deferrable.DEFERRED,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.tariff_id}/{self.position}"


class PriceComponent(models.Model):
    """The price of one dimension within an element (OCPI PriceComponent).

    `price` is per kWh, per hour or once, in the tariff's currency; whether it includes tax is the
    tariff's `tax_included`. `vat` is a percentage; empty means that no VAT applies, which OCPI
    2.2.1 tells apart from 0. `step_size` counts Wh and seconds.
    """

    element = models.ForeignKey(
        TariffElement, on_delete=models.CASCADE, related_name="price_components"
    )
    type = models.CharField(_("dimension"), max_length=12, choices=TariffDimensionType.choices)
    price = models.DecimalField(_("price"), max_digits=12, decimal_places=4)
    vat = models.DecimalField(_("VAT %"), max_digits=7, decimal_places=4, null=True, blank=True)
    step_size = models.PositiveIntegerField(_("step size"), default=1)
    grace_period = models.PositiveIntegerField(
        _("free seconds of parking"),
        null=True,
        blank=True,
        help_text=_("Parking that costs nothing before the price is charged; not in OCPI."),
    )

    class Meta:
        verbose_name = _("price component")
        verbose_name_plural = _("price components")
        constraints = [
            models.UniqueConstraint(
                fields=["element", "type"],
                name="price_component_one_per_dimension",
                violation_error_message=_("An element has one price per dimension."),
            ),
            models.CheckConstraint(
                name="price_component_vat_not_negative",
                condition=Q(vat__isnull=True) | Q(vat__gte=0),
            ),
            models.CheckConstraint(
                name="price_component_grace_of_parking",
                condition=Q(grace_period__isnull=True)
                | Q(type=TariffDimensionType.PARKING_TIME, grace_period__gt=0),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.price}"
