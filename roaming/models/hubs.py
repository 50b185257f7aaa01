"""What hubs tell us of the parties behind them (OCPI 2.2.1, mod_hub_client_info)."""

from django.db import models
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from cpo_platform.common.fields import CiStringField
from cpo_platform.common.models import Updated, country_code_rule, party_id_rule
from roaming.models.partners import Partner, Role


class ConnectionStatus(models.TextChoices):
    """OCPI 2.2.1, mod_hub_client_info, ConnectionStatus (closed)."""

    CONNECTED = "CONNECTED", _("Connected")
    OFFLINE = "OFFLINE", _("Offline")
    PLANNED = "PLANNED", _("Planned")
    SUSPENDED = "SUSPENDED", _("Suspended")


class ClientInfo(Updated):
    """A party behind a hub, and whether it can be reached (OCPI ClientInfo): never deleted.

    `last_updated` is the hub's. The URL has no role, but a party may have several.
    """

    partner = models.ForeignKey(Partner, on_delete=models.CASCADE, related_name="client_infos")
    country_code = CiStringField(_("country code"), max_length=2, validators=[country_code_rule])
    party_id = CiStringField(_("party id"), max_length=3, validators=[party_id_rule])
    role = models.CharField(_("role"), max_length=5, choices=Role.choices)
    status = models.CharField(_("status"), max_length=9, choices=ConnectionStatus.choices)

    class Meta:
        verbose_name = _("party behind a hub")
        verbose_name_plural = _("parties behind hubs")
        constraints = [
            models.UniqueConstraint(
                "partner",
                Lower("country_code"),
                Lower("party_id"),
                "role",
                name="client_info_identity",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.country_code}*{self.party_id} {self.role}"
