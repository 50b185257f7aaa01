"""Calls that showed no token that opens anything: counted, as they are of no partner's log."""

from django.db import models
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from roaming.models.partners import Partner


class Why(models.TextChoices):
    """Why a call was refused, as exactly as can be known. Who calls is told less."""

    NO_TOKEN = "NO_TOKEN", _("No token: there is no Authorization header")
    NO_FORM = "NO_FORM", _("The Authorization header is not the word Token and a token")
    OTHER_LENGTH = "OTHER_LENGTH", _("Not as long as our tokens: cut short, or not one of ours")
    UNKNOWN = "UNKNOWN", _("Unknown token: mistyped, used already, or ended")
    MISWRITTEN = (
        "MISWRITTEN",
        _("A token of ours, in a wrong form: it must be Token and the token, plain or Base64 once"),
    )
    EXPIRED = "EXPIRED", _("A token that was replaced by a newer one")
    SUSPENDED = "SUSPENDED", _("The partner is suspended")


class RefusedCall(models.Model):
    """Calls of one hour from one address to one module that were refused for one reason.

    Never with the token. `address` is of IPv6 the network, and empty for what came from further
    addresses when there were too many. `partner` is known where a token of its own was shown.
    """

    hour = models.DateTimeField(_("hour (UTC)"))
    address = models.CharField(_("address"), max_length=45, blank=True)
    module = models.CharField(_("module"), max_length=20, blank=True)
    why = models.CharField(_("reason"), max_length=12, choices=Why.choices)
    partner = models.ForeignKey(
        Partner,
        on_delete=models.CASCADE,
        related_name="refused_calls",
        null=True,
        blank=True,
        db_index=False,
    )
    count = models.PositiveBigIntegerField(_("calls"))
    last_at = models.DateTimeField(_("last (UTC)"))

    class Meta:
        verbose_name = _("refused call")
        verbose_name_plural = _("refused calls")
        constraints = [
            # A row without a partner is one as well: to PostgreSQL 14 no NULL is like another.
            # Also how many rows an hour has.
            models.UniqueConstraint(
                *("hour", "address", "module", "why"),
                Coalesce("partner", models.Value(0, output_field=models.BigIntegerField())),
                name="refused_call_identity",
            ),
        ]
        indexes = [
            # Admin: the newest, those of the last day; clean-up by age.
            models.Index(fields=["last_at", "id"], name="refused_call_newest"),
            # A partner takes its rows along.
            models.Index(
                fields=["partner"],
                condition=models.Q(partner__isnull=False),
                name="refused_call_partner",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.address} {self.module}".strip()
