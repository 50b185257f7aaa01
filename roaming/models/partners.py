"""Partners: the platforms we are connected to, the parties behind them, and their endpoints."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from cpo_platform.common.fields import CiStringField, ShapeField, StringField
from cpo_platform.common.models import country_code_rule, party_id_rule
from cpo_platform.common.shapes import BusinessDetails
from locations.models import LocationGroup
from roaming.dialect import Dialect
from tariffs.models import Party, Tariff


class PartnerStatus(models.TextChoices):
    INVITED = "INVITED", _("Not registered yet")
    REGISTERED = "REGISTERED", _("Registered")
    SUSPENDED = "SUSPENDED", _("Suspended by us")
    UNREGISTERED = "UNREGISTERED", _("Unregistered")


class Role(models.TextChoices):
    """OCPI 2.2.1, types, Role (2.3.0 has no HUB)."""

    CPO = "CPO", _("Charge point operator")
    EMSP = "EMSP", _("E-mobility service provider")
    HUB = "HUB", _("Hub")
    NAP = "NAP", _("National access point")
    NSP = "NSP", _("Navigation service provider")
    OTHER = "OTHER", _("Other")
    SCSP = "SCSP", _("Smart charging service provider")


class TokenPurpose(models.TextChoices):
    REGISTRATION = "REGISTRATION", _("Registration (CREDENTIALS_TOKEN_A)")
    OPERATION = "OPERATION", _("Operation")


class Partner(models.Model):
    """A platform on the other side of an OCPI connection: one pair of tokens, one version.

    Several parties may stand behind it (`roles`). The token that it gave us is kept encrypted; the
    ones that we gave it are `PartnerToken` rows, kept as digests.
    """

    name = StringField(_("name"), max_length=100, unique=True)
    status = models.CharField(
        _("status"), max_length=12, choices=PartnerStatus.choices, default=PartnerStatus.INVITED
    )
    version = models.CharField(_("OCPI version"), max_length=10, blank=True, default="")
    versions_url = models.URLField(_("its versions URL"), max_length=255, blank=True, default="")
    token_encrypted = models.TextField(blank=True, default="", editable=False)
    token_base64 = models.BooleanField(
        _("Base64 in the Authorization header"),
        default=True,
        help_text=_("As OCPI 2.2 and later say; some platforms want the plain token."),
    )
    previous_token_encrypted = models.TextField(blank=True, default="", editable=False)
    previous_token_until = models.DateTimeField(
        null=True,
        blank=True,
        editable=False,
        help_text=_("Until then the token before the last exchange is tried where the new fails."),
    )
    dialect = ShapeField(_("dialect"), shape=Dialect, default=dict, blank=True)
    hub_party_id = CiStringField(
        _("hub party id"),
        max_length=5,
        blank=True,
        default="",
        help_text=_("Country code and party id of a hub: it stands for the parties behind it."),
    )
    auto_grant = models.BooleanField(
        _("its parties are granted as it names them"),
        default=False,
        help_text=_("For hubs that you trust. Never for a party that another partner speaks for."),
    )
    our_party = models.ForeignKey(
        Party,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("our party"),
        help_text=_("An OCPI 2.1.1 connection is with one party of ours. Empty: the first."),
    )
    all_locations = models.BooleanField(
        _("sees every location"), default=True, help_text=_("Off: those of its groups only.")
    )
    location_groups = models.ManyToManyField(
        LocationGroup, blank=True, related_name="partners", verbose_name=_("location groups")
    )
    tariffs = models.ManyToManyField(
        Tariff,
        blank=True,
        related_name="partners",
        verbose_name=_("own tariffs"),
        help_text=_("Tariffs that are not for every partner, but for this one."),
    )
    token_pull = models.JSONField(
        _("pull of its tokens"),
        default=dict,
        blank=True,
        editable=False,
        help_text=_("How far the last pull of its tokens got, and since when the next one asks."),
    )
    told_parties = models.JSONField(
        _("our parties that it knows"),
        default=list,
        blank=True,
        editable=False,
        help_text=_("Every party whose objects we push must be in our credentials."),
    )
    handshake = models.JSONField(
        _("last handshake"),
        default=list,
        blank=True,
        editable=False,
        help_text=_("Step by step: what we did and what came back."),
    )
    registered_at = models.DateTimeField(_("registered"), null=True, blank=True, editable=False)
    created_at = models.DateTimeField(
        _("created"), db_default=models.functions.Now(), editable=False
    )

    class Meta:
        verbose_name = _("partner")
        verbose_name_plural = _("partners")
        constraints = [
            models.CheckConstraint(
                name="partner_registered_is_complete",
                condition=~Q(status=PartnerStatus.REGISTERED)
                | (~Q(version="") & ~Q(versions_url="") & ~Q(token_encrypted="")),
            ),
        ]

    def __str__(self) -> str:
        return str(self.name)


class PartnerRole(models.Model):
    """A party behind a partner (OCPI CredentialsRole): what the partner may speak for."""

    partner = models.ForeignKey(Partner, on_delete=models.CASCADE, related_name="roles")
    role = models.CharField(_("role"), max_length=5, choices=Role.choices)
    country_code = CiStringField(_("country code"), max_length=2, validators=[country_code_rule])
    party_id = CiStringField(_("party id"), max_length=3, validators=[party_id_rule])
    business_details = ShapeField(
        _("business details"), shape=BusinessDetails, null=True, blank=True
    )
    granted = models.BooleanField(
        _("granted"),
        default=True,
        help_text=_("An eMSP's sessions, CDRs and tokens are shown to a partner only if granted."),
    )
    via_hub = models.BooleanField(
        _("behind the hub"),
        default=False,
        help_text=_("Told by the hub's client info, not by its credentials (OCPI 2.2.1)."),
    )

    class Meta:
        verbose_name = _("role")
        verbose_name_plural = _("roles")
        constraints = [
            models.UniqueConstraint(
                # Across partners: two that speak for one eMSP would see each other's data.
                "role",
                Lower("country_code"),
                Lower("party_id"),
                condition=Q(granted=True),
                name="partner_role_identity",
                violation_error_message=_("Another partner speaks for this party already."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.country_code}*{self.party_id} {self.role}"


class Endpoint(models.Model):
    """An endpoint of a partner, as its version details list it (OCPI Endpoint)."""

    partner = models.ForeignKey(Partner, on_delete=models.CASCADE, related_name="endpoints")
    identifier = models.CharField(_("module"), max_length=64)
    role = models.CharField(_("interface"), max_length=8)
    url = models.URLField(_("URL"), max_length=255)

    class Meta:
        verbose_name = _("endpoint")
        verbose_name_plural = _("endpoints")
        constraints = [
            models.UniqueConstraint(
                fields=["partner", "identifier", "role"], name="endpoint_identity"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.identifier} ({self.role})"


class PartnerToken(models.Model):
    """A token that we gave a partner to call us with. Only its SHA-256 digest is kept.

    A token is 43 random characters, so a plain digest can neither be reversed nor guessed, and
    looking one up is one index probe.
    """

    partner = models.ForeignKey(Partner, on_delete=models.CASCADE, related_name="tokens")
    digest = models.CharField(max_length=64, unique=True)
    purpose = models.CharField(_("purpose"), max_length=12, choices=TokenPurpose.choices)
    created_at = models.DateTimeField(_("created"))
    valid_until = models.DateTimeField(_("valid until"), null=True, blank=True)

    class Meta:
        verbose_name = _("token")
        verbose_name_plural = _("tokens")

    def __str__(self) -> str:
        return f"{self.get_purpose_display()} {self.pk}"
