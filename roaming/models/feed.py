"""The change feed: what changed, how far each partner is, and what each partner has.

See docs/adr/0003-change-feed.md.
"""

from django.db import models
from django.utils.translation import gettext_lazy as _

from roaming.models.partners import Partner


class Change(models.Model):
    """One fact: this object of ours changed. One row, whatever the number of partners.

    Row ids are drawn before the commit, so that `id > position` can step over a row that commits
    late. Readers go by `sequence` instead, which a row gets after its commit, one sequencer at a
    time (`roaming.operations.feed.sequence_changes`).
    """

    sequence = models.BigIntegerField(null=True, blank=True, unique=True)
    partner = models.ForeignKey(
        Partner,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        help_text="Set: only this partner is concerned.",
    )
    module = models.CharField(max_length=20)
    object_id = models.BigIntegerField()
    created_at = models.DateTimeField(db_default=models.functions.Now())

    class Meta:
        verbose_name = _("change")
        verbose_name_plural = _("changes")
        indexes = [
            # The sequencer: rows that are committed and have no sequence yet.
            models.Index(
                fields=["id"], condition=models.Q(sequence__isnull=True), name="change_fresh"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.module} {self.object_id}"


class Feed(models.Model):
    """How far one partner is in the change feed, and how it is doing."""

    partner = models.OneToOneField(Partner, on_delete=models.CASCADE, related_name="feed")
    position = models.BigIntegerField(default=0)
    lease_key = models.CharField(max_length=32, blank=True, default="")
    lease_until = models.DateTimeField(null=True, blank=True)
    failures = models.PositiveIntegerField(_("failures in a row"), default=0)
    retry_at = models.DateTimeField(_("next attempt"), null=True, blank=True)
    introduced_at = models.DateTimeField(
        null=True, blank=True, help_text="When we last tried to tell of a new party of ours."
    )
    last_success_at = models.DateTimeField(_("last success"), null=True, blank=True)
    last_error = models.TextField(_("last error"), blank=True, default="")
    last_error_at = models.DateTimeField(_("last error at"), null=True, blank=True)

    class Meta:
        verbose_name = _("feed")
        verbose_name_plural = _("feeds")

    def __str__(self) -> str:
        return f"{self.partner_id}"


class Delivery(models.Model):
    """What one partner has of one object of ours, and how sending it went.

    `sent` is the module's own note of what the partner holds (see `roaming.ocpi.pushing`), so that
    the next push says only what differs. `url` is where the partner keeps a CDR.
    """

    partner = models.ForeignKey(Partner, on_delete=models.CASCADE, related_name="deliveries")
    module = models.CharField(_("module"), max_length=20)
    object_id = models.BigIntegerField()
    sent = models.JSONField(default=dict, blank=True)
    url = models.CharField(_("stored at"), max_length=2000, blank=True, default="")
    delivered_at = models.DateTimeField(_("delivered"), null=True, blank=True)
    attempts = models.PositiveIntegerField(_("attempts"), default=0)
    error = models.TextField(_("error"), blank=True, default="")
    refused_at = models.DateTimeField(
        _("refused"),
        null=True,
        blank=True,
        help_text=_("The partner refused this object; the others went on."),
    )

    class Meta:
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        constraints = [
            models.UniqueConstraint(
                fields=["partner", "module", "object_id"], name="delivery_identity"
            ),
        ]
        indexes = [
            # Admin: what was sent of this object, to whom.
            models.Index(fields=["module", "object_id"], name="delivery_object"),
            # Admin: what a partner refused.
            models.Index(
                fields=["partner", "refused_at"],
                condition=models.Q(refused_at__isnull=False),
                name="delivery_refused",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.module} {self.object_id}"
