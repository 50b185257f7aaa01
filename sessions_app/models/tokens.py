"""Tokens of eMSPs, as they gave them to us, and the token a session was started with."""

from django.db import models
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from cpo_platform.common.fields import CiStringField, ShapeField, StringField
from cpo_platform.common.models import Updated, country_code_rule, fragments_index, party_id_rule
from cpo_platform.common.shapes import CdrToken, EnergyContract


class TokenType(models.TextChoices):
    """OCPI 2.3.0, mod_tokens, TokenType (open)."""

    AD_HOC_USER = "AD_HOC_USER", _("Ad hoc user")
    APP_USER = "APP_USER", _("App user")
    EMAID = "EMAID", _("EMAID (Plug & Charge)")
    OTHER = "OTHER", _("Other")
    RFID = "RFID", _("RFID card")


class WhitelistType(models.TextChoices):
    """OCPI 2.3.0, mod_tokens, WhitelistType (closed)."""

    ALWAYS = "ALWAYS", _("Always allowed, never ask")
    ALLOWED = "ALLOWED", _("Allowed, asking is optional")
    ALLOWED_OFFLINE = "ALLOWED_OFFLINE", _("Ask; allowed while the eMSP is unreachable")
    NEVER = "NEVER", _("Always ask")


class ProfileType(models.TextChoices):
    """OCPI 2.3.0, mod_sessions, ProfileType (closed)."""

    CHEAP = "CHEAP", _("Cheap")
    FAST = "FAST", _("Fast")
    GREEN = "GREEN", _("Green")
    REGULAR = "REGULAR", _("Regular")


class Token(Updated):
    """A token that an eMSP pushed to us (OCPI Token): owned by him, never deleted.

    Its identity is `country_code, party_id, uid, type`; two eMSPs may have one RFID `uid`.
    `last_updated` is the owner's, not ours.
    """

    country_code = CiStringField(_("country code"), max_length=2, validators=[country_code_rule])
    party_id = CiStringField(_("party id"), max_length=3, validators=[party_id_rule])
    uid = CiStringField(_("uid"), max_length=36)
    type = models.CharField(_("type"), max_length=64)
    contract_id = CiStringField(_("contract id"), max_length=36)
    visual_number = StringField(_("visual number"), max_length=64, blank=True, default="")
    issuer = StringField(_("issuer"), max_length=64)
    group_id = CiStringField(_("group id"), max_length=36, blank=True, default="")
    valid = models.BooleanField(_("valid"))
    whitelist = models.CharField(_("whitelist"), max_length=15, choices=WhitelistType.choices)
    language = models.CharField(_("language"), max_length=2, blank=True, default="")
    default_profile_type = models.CharField(
        _("default charging preference"),
        max_length=7,
        choices=ProfileType.choices,
        blank=True,
        default="",
    )
    energy_contract = ShapeField(_("energy contract"), shape=EnergyContract, null=True, blank=True)
    unknown_fields = models.JSONField(
        _("other fields"),
        default=dict,
        blank=True,
        help_text=_("Fields that OCPI does not define, kept as the eMSP sent them."),
    )
    created_at = models.DateTimeField(
        _("created"), db_default=models.functions.Now(), editable=False
    )

    class Meta:
        verbose_name = _("token")
        verbose_name_plural = _("tokens")
        constraints = [
            models.UniqueConstraint(
                Lower("country_code"),
                Lower("party_id"),
                Lower("uid"),
                "type",
                name="token_identity",
            ),
            models.CheckConstraint(
                name="token_whitelist_known",
                condition=models.Q(whitelist__in=WhitelistType.values),
            ),
        ]
        indexes = [
            # Staff: search by fragments.
            fragments_index(
                "token_fragments",
                *("uid", "contract_id", "visual_number", "issuer", "group_id"),
            ),
            # Authorisation: a charger knows the uid only.
            models.Index(Lower("uid"), name="token_uid_lower"),
        ]

    def __str__(self) -> str:
        return f"{self.country_code}*{self.party_id} {self.uid} ({self.type})"

    @property
    def cdr_token(self) -> CdrToken:
        return CdrToken(
            country_code=self.country_code,
            party_id=self.party_id,
            uid=self.uid,
            type=self.type,
            contract_id=self.contract_id,
        )


class CdrTokenColumns(models.Model):
    """The token of a session or a CDR, copied (OCPI CdrToken): it outlives the token itself."""

    token_country_code = CiStringField(_("token country code"), max_length=2)
    token_party_id = CiStringField(_("token party id"), max_length=3)
    token_uid = CiStringField(_("token uid"), max_length=36)
    token_type = models.CharField(_("token type"), max_length=64)
    token_contract_id = CiStringField(_("contract id"), max_length=36)

    class Meta:
        abstract = True

    @property
    def cdr_token(self) -> CdrToken:
        return CdrToken(
            country_code=self.token_country_code,
            party_id=self.token_party_id,
            uid=self.token_uid,
            type=self.token_type,
            contract_id=self.token_contract_id,
        )

    @cdr_token.setter
    def cdr_token(self, token: CdrToken) -> None:
        self.token_country_code = token.country_code
        self.token_party_id = token.party_id
        self.token_uid = token.uid
        self.token_type = token.type
        self.token_contract_id = token.contract_id
