"""CDRs: the only thing that is billed, and the one thing nobody can change."""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from cpo_platform.common.fields import CiStringField, StringField
from cpo_platform.common.models import (
    OcpiObject,
    currency_rule,
    fragments_index,
    identity_constraint,
)
from sessions_app.models.sessions import AuthMethod, Session
from sessions_app.models.tokens import CdrTokenColumns


class Cdr(OcpiObject, CdrTokenColumns):
    """A charge detail record (OCPI CDR): everything needed to bill a session and to check the bill.

    Immutable: the database refuses every UPDATE and DELETE. `last_updated` is the time of issue.
    `cdr_location`, `tariffs` and `charging_periods` are copies as of the session's start, in the
    canonical (2.3.0) form; `costs` holds the OCPI totals by name, each as a Price. One that was
    credited may be replaced by another (`replaces`).
    """

    # Only credit CDRs may be longer than 36 (OCPI 2.2.1, mod_cdrs, CDR.id).
    ocpi_id = CiStringField(_("id"), max_length=39)
    start_date_time = models.DateTimeField(_("started"))
    end_date_time = models.DateTimeField(_("ended"))
    session = models.ForeignKey(
        Session,
        on_delete=models.PROTECT,
        related_name="cdrs",
        null=True,
        blank=True,
        verbose_name=_("session"),
    )
    session_ocpi_id = CiStringField(_("session id"), max_length=36, blank=True, default="")
    auth_method = models.CharField(_("authorised by"), max_length=12, choices=AuthMethod.choices)
    authorization_reference = CiStringField(
        _("authorisation reference"), max_length=36, blank=True, default=""
    )
    cdr_location = models.JSONField(_("location"))
    meter_id = StringField(_("meter"), max_length=255, blank=True, default="")
    currency = models.CharField(_("currency"), max_length=3, validators=[currency_rule])
    tariffs = models.JSONField(_("tariffs"), default=list)
    charging_periods = models.JSONField(_("charging periods"))
    signed_data = models.JSONField(_("signed data"), null=True, blank=True)
    total_cost_before_taxes = models.DecimalField(
        _("cost before taxes"), max_digits=14, decimal_places=4
    )
    total_cost_after_taxes = models.DecimalField(
        _("cost after taxes"), max_digits=14, decimal_places=4, null=True, blank=True
    )
    costs = models.JSONField(_("costs"))
    price_lines = models.JSONField(_("price lines"), default=list)
    total_energy = models.DecimalField(_("energy (kWh)"), max_digits=12, decimal_places=4)
    total_time = models.DecimalField(_("time (h)"), max_digits=12, decimal_places=4)
    total_parking_time = models.DecimalField(
        _("parking time (h)"), max_digits=12, decimal_places=4, default=0
    )
    remark = StringField(_("remark"), max_length=255, blank=True, default="")
    invoice_reference_id = CiStringField(
        _("invoice reference"), max_length=39, blank=True, default=""
    )
    credit = models.BooleanField(_("credit CDR"), default=False)
    credit_reference_id = CiStringField(_("credits the CDR"), max_length=39, blank=True, default="")
    home_charging_compensation = models.BooleanField(
        _("home charging compensation"), null=True, blank=True
    )
    # Ours alone: OCPI has no word for either.
    replaces = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        related_name="replacements",
        null=True,
        blank=True,
        # Its constraint has an index.
        db_index=False,
        verbose_name=_("replaces the CDR"),
    )
    correction = models.JSONField(
        _("correction"),
        null=True,
        blank=True,
        help_text=_("What staff changed of what was measured, who and why."),
    )

    class Meta:
        verbose_name = _("CDR")
        verbose_name_plural = _("CDRs")
        constraints = [
            identity_constraint("cdr_identity"),
            models.UniqueConstraint(
                fields=["session"],
                condition=Q(credit=False, replaces__isnull=True),
                name="cdr_one_per_session",
            ),
            # Those that replace it can be replaced in turn: what counts is the end of a chain.
            models.UniqueConstraint(fields=["replaces"], name="cdr_replaced_once"),
            models.CheckConstraint(
                name="cdr_credit_replaces_nothing",
                condition=Q(credit=False) | Q(replaces__isnull=True),
            ),
            models.CheckConstraint(
                name="cdr_ends_not_before_it_starts",
                condition=Q(end_date_time__gte=F("start_date_time")),
            ),
            models.CheckConstraint(
                name="cdr_credit_has_a_reference",
                condition=Q(credit=False, credit_reference_id="")
                | (Q(credit=True) & ~Q(credit_reference_id="")),
            ),
            models.CheckConstraint(
                # OCPI 2.2.1, mod_cdrs: at least one ChargingPeriod.
                name="cdr_has_charging_periods",
                condition=~Q(charging_periods=[]),
            ),
        ]
        indexes = [
            # Staff: search by fragments.
            fragments_index(
                "cdr_fragments",
                *("ocpi_id", "session_ocpi_id", "token_uid", "token_contract_id"),
                *("authorization_reference", "invoice_reference_id"),
            ),
            # OCPI pull: one eMSP's CDRs, GET cdrs?date_from=...
            models.Index(
                Lower("token_country_code"),
                Lower("token_party_id"),
                "last_updated",
                name="cdr_owner_last_updated",
            ),
            # Admin: newest first.
            models.Index(fields=["-end_date_time"], name="cdr_end"),
            # Which of these CDRs were credited?
            models.Index(
                Lower("credit_reference_id"), name="cdr_credits", condition=Q(credit=True)
            ),
        ]
