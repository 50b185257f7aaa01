"""The change feed: what changed, how far each partner is, and what each partner has.

See docs/adr/0003-change-feed.md and docs/push.md.
"""

from collections.abc import Mapping

from django.db import models
from django.utils.translation import gettext_lazy as _

from roaming.models.partners import Partner


class Lane(models.TextChoices):
    """What goes to a partner side by side: what is slow in one lane does not hold up the others.

    What must keep an order is in one lane: tariffs before the locations that name them, a session
    before its CDR.
    """

    NETWORK = "NETWORK", _("locations and tariffs")
    CHARGING = "CHARGING", _("sessions and CDRs")
    RESULTS = "RESULTS", _("results of commands and charging profiles")


LANES: Mapping[str, Lane] = {
    "tariffs": Lane.NETWORK,
    "locations": Lane.NETWORK,
    "sessions": Lane.CHARGING,
    "cdrs": Lane.CHARGING,
    "commands": Lane.RESULTS,
    # The limits that a profile led to go after the result of setting it.
    "profileresults": Lane.RESULTS,
    "chargingprofiles": Lane.RESULTS,
}


class ClockTime(models.Func):
    """The time of the statement, where `now()` is that of the transaction's begin."""

    template = "clock_timestamp()"
    output_field = models.DateTimeField()


class WalkReason(models.TextChoices):
    REGISTERED = "REGISTERED", _("First push after the registration")
    EVERYTHING = "EVERYTHING", _("Everything sent again by staff")
    WINDOW = "WINDOW", _("What changed in a time window, sent again by staff")
    ABSENCE = "ABSENCE", _("What it missed while it was suspended")
    TOO_OLD = "TOO_OLD", _("It was away for longer than changes are kept")
    VERSION = "VERSION", _("It changed its OCPI version")
    ACCESS = "ACCESS", _("What it may see was changed")


class Walk(models.Model):
    """Many objects that one partner is sent at once, and how far that is.

    Each object is a `Change` for this partner alone: a walk stops and goes on with the feed, and
    what is left of it is counted there.
    """

    partner = models.ForeignKey(Partner, on_delete=models.CASCADE, related_name="walks")
    reason = models.CharField(_("reason"), max_length=10, choices=WalkReason.choices)
    total = models.PositiveIntegerField(_("objects"), default=0)
    started_at = models.DateTimeField(_("started"), db_default=ClockTime())

    class Meta:
        verbose_name = _("walk")
        verbose_name_plural = _("walks")

    def __str__(self) -> str:
        return self.get_reason_display()


class Change(models.Model):
    """One fact: this object of ours changed. One row, whatever the number of partners.

    Row ids are drawn before the commit, so that `id > position` can step over a row that commits
    late. Readers go by `sequence` instead, which a row gets after its commit, one sequencer at a
    time (`roaming.operations.feed.sequence_changes`).
    """

    sequence = models.BigIntegerField(null=True, blank=True)
    partner = models.ForeignKey(
        Partner,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        help_text="Set: only this partner is concerned.",
    )
    lane = models.CharField(max_length=8, choices=Lane.choices)
    module = models.CharField(max_length=20)
    object_id = models.BigIntegerField()
    evse_id = models.BigIntegerField(
        default=0, help_text="Of a location: only the status of this EVSE changed. 0: the object."
    )
    walk = models.ForeignKey(Walk, on_delete=models.CASCADE, null=True, blank=True)
    created_at = models.DateTimeField(db_default=ClockTime())
    cause = models.CharField(
        max_length=64,
        default="",
        db_default="",
        help_text="What it came of (`common.correlation`): the id that its pushes carry.",
    )

    class Meta:
        verbose_name = _("change")
        verbose_name_plural = _("changes")
        constraints = [
            # A drain: what comes after its position in its lane. It is the only index that has the
            # sequence: with another one the planner walks through all lanes to find news of one.
            models.UniqueConstraint(
                fields=["lane", "sequence"],
                condition=models.Q(sequence__isnull=False),
                name="change_lane_sequence",
            ),
        ]
        indexes = [
            # The sequencer: rows that are committed and have no sequence yet.
            models.Index(
                fields=["id"], condition=models.Q(sequence__isnull=True), name="change_fresh"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.module} {self.object_id}"


class Feed(models.Model):
    """How far one partner is in one lane of the change feed, and how it is doing there."""

    partner = models.ForeignKey(Partner, on_delete=models.CASCADE, related_name="feeds")
    lane = models.CharField(_("lane"), max_length=8, choices=Lane.choices)
    position = models.BigIntegerField(default=0)
    lease_key = models.CharField(max_length=32, blank=True, default="")
    lease_until = models.DateTimeField(null=True, blank=True)
    failures = models.PositiveIntegerField(_("failures in a row"), default=0)
    retry_at = models.DateTimeField(_("next attempt"), null=True, blank=True)
    paused_at = models.DateTimeField(
        _("paused"),
        null=True,
        blank=True,
        help_text=_("By staff: nothing is sent until it goes on."),
    )
    unauthorized_at = models.DateTimeField(
        _("our token is refused since"),
        null=True,
        blank=True,
        help_text=_("Nothing is sent but one request an hour, until the partner takes it again."),
    )
    introduced_at = models.DateTimeField(
        null=True, blank=True, help_text="When we last tried to tell of a new party of ours."
    )
    endpoints_read_at = models.DateTimeField(
        null=True, blank=True, help_text="When we last read its endpoints since one was not there."
    )
    last_success_at = models.DateTimeField(_("last success"), null=True, blank=True)
    last_error = models.TextField(_("last error"), blank=True, default="")
    last_error_at = models.DateTimeField(_("last error at"), null=True, blank=True)

    class Meta:
        verbose_name = _("feed")
        verbose_name_plural = _("feeds")
        constraints = [
            models.UniqueConstraint(fields=["partner", "lane"], name="feed_identity"),
        ]

    def __str__(self) -> str:
        return f"{self.partner_id} {self.lane}"


class Pace(models.Model):
    """Until when the turns of a partner are taken that wants only so many requests a minute.

    One for all its lanes, and for every worker.
    """

    partner = models.OneToOneField(Partner, on_delete=models.CASCADE, primary_key=True)
    taken_until = models.DateTimeField()

    class Meta:
        verbose_name = _("pace")
        verbose_name_plural = _("paces")

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
    due_at = models.DateTimeField(
        null=True, blank=True, help_text="There is news of it that may wait until then."
    )
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
            # Beat: news that has waited long enough.
            models.Index(
                fields=["due_at"],
                condition=models.Q(due_at__isnull=False),
                name="delivery_due",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.module} {self.object_id}"
