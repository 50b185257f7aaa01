"""Transactions of stations, and what is still to be made of what was said of them."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from cpo_platform.common.fields import CiStringField, StringField
from cpo_platform.common.models import fragments_index
from cpo_platform.common.saying import Saying
from cpo_platform.common.telling import tell
from ocpp_gateway.models.calls import RemoteStart
from ocpp_gateway.models.stations import Outlet, Station
from ocpp_gateway.signatures import Verdict
from sessions_app.models import AuthMethod, Session


class Transaction(models.Model):
    """A transaction of a station: the gateway opens it, `operations.digesting` makes it a session.

    What was said of it are the messages that name it. `ref` tells it from the station's others: in
    2.0.1 its transactionId; in 1.6 what its start said, as a start that is repeated must get the
    same answer, which is `pk`. Its start there may never have come: `#` and the id that was named.

    `verdict` is OCPI's AllowedType, "" while nobody presented a token. `ended_at` is set when
    nothing more is expected of it.
    """

    station = models.ForeignKey(
        Station, on_delete=models.PROTECT, related_name="transactions", verbose_name=_("station")
    )
    outlet = models.ForeignKey(
        Outlet,
        on_delete=models.SET_NULL,
        related_name="transactions",
        verbose_name=_("outlet"),
        null=True,
        blank=True,
    )
    ref = models.CharField(max_length=255)
    ocpp_version = models.CharField(_("OCPP version"), max_length=10)
    opened_at = models.DateTimeField(_("first heard of"))

    token_uid = CiStringField(_("token"), max_length=255, blank=True, default="")
    token_type = models.CharField(_("kind of token"), max_length=20, blank=True, default="")
    verdict = models.CharField(_("authorisation"), max_length=16, blank=True, default="")
    cdr_token = models.JSONField(_("contract"), null=True, blank=True)
    auth_method = models.CharField(
        _("authorised by"), max_length=12, choices=AuthMethod.choices, blank=True, default=""
    )
    authorization_reference = CiStringField(
        _("authorisation reference"), max_length=36, blank=True, default=""
    )
    authorization_info = models.TextField(blank=True, default="")
    remote_start = models.ForeignKey(
        RemoteStart,
        on_delete=models.SET_NULL,
        related_name="transactions",
        verbose_name=_("remote start"),
        null=True,
        blank=True,
    )

    session = models.OneToOneField(
        Session,
        on_delete=models.PROTECT,
        related_name="ocpp_transaction",
        verbose_name=_("session"),
        null=True,
        blank=True,
    )
    started_at = models.DateTimeField(_("started"), null=True, blank=True)
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)
    end_reason = StringField(_("reason of the end"), max_length=30, blank=True, default="")
    energy = models.DecimalField(_("energy (kWh)"), max_digits=14, decimal_places=4, default=0)
    # Each: code, and a sentence with its values (`facts.Finding`).
    findings = models.JSONField(_("what was odd"), default=list, blank=True)
    # A sentence in English, with a gap for the verdict: `why_unbilled` is for readers.
    unbilled_reason = models.TextField(_("why there is no session"), blank=True, default="")
    digested_at = models.DateTimeField(null=True, blank=True, editable=False)
    look_again_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("transaction")
        verbose_name_plural = _("transactions")
        constraints = [
            models.UniqueConstraint(fields=["station", "ref"], name="transaction_once"),
        ]
        indexes = [
            # Staff: search by fragments.
            fragments_index("transaction_fragments", "token_uid", "ref"),
            # The gateway: which transactions a station that connects has under way.
            models.Index(
                fields=["station"], name="transaction_open", condition=Q(ended_at__isnull=True)
            ),
            # Workers: where time alone changes what is known.
            models.Index(
                fields=["look_again_at"],
                name="transaction_to_look_at",
                condition=Q(look_again_at__isnull=False),
            ),
            # Staff: the newest of a station.
            models.Index(fields=["station", "-opened_at"], name="transaction_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.station} {self.pk}"

    @property
    def reason_unbilled(self) -> Saying:
        """Why there is no session; empty where there is one, or may be."""
        return Saying(self.unbilled_reason, (("verdict", self.verdict),))

    @property
    def why_unbilled(self) -> str:
        """Why there is no session, in the present language."""
        return tell(self.reason_unbilled)


class News(models.Model):
    """Something was said of a transaction, and has yet to be made part of its session.

    The gateway adds rows with the message itself; a worker deletes those that it has seen. So they
    never wait for one another, and nothing that was kept is forgotten.
    """

    transaction = models.ForeignKey(
        Transaction, on_delete=models.CASCADE, related_name="news", db_constraint=False
    )
    due_at = models.DateTimeField()

    class Meta:
        verbose_name = _("news")
        verbose_name_plural = _("news")
        indexes = [
            # Workers: what is due.
            models.Index(fields=["due_at"], name="news_due"),
        ]

    def __str__(self) -> str:
        return f"{self.transaction_id} {self.due_at}"


class SignedMeterValue(models.Model):
    """What a meter signed, untouched, and whether it did."""

    transaction = models.ForeignKey(
        Transaction, on_delete=models.PROTECT, related_name="signed_values"
    )
    position = models.PositiveIntegerField(_("order"))
    at = models.DateTimeField(_("at"))
    context = models.CharField(_("context"), max_length=30, blank=True, default="")
    data = models.TextField(_("signed value"))
    signing_method = models.CharField(_("method"), max_length=100, blank=True, default="")
    encoding_method = models.CharField(_("encoding"), max_length=100, blank=True, default="")
    # As the station named it; it is verified with that of the outlet, where there is one.
    public_key = models.TextField(_("public key that it came with"), blank=True, default="")
    verdict = models.CharField(
        _("verdict"), max_length=10, choices=[(verdict.value, verdict.value) for verdict in Verdict]
    )
    reason = models.TextField(_("reason"), blank=True, default="")
    judged_at = models.DateTimeField(_("judged"))

    class Meta:
        verbose_name = _("signed meter value")
        verbose_name_plural = _("signed meter values")
        constraints = [
            models.UniqueConstraint(fields=["transaction", "position"], name="signed_value_order"),
        ]

    def __str__(self) -> str:
        return f"{self.transaction_id}/{self.position}"
