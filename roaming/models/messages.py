"""The message log: what went over the wire, without secrets.

Both tables are partitioned by day on `at` (docs/adr/0015-message-log.md): rows are written by
`roaming.message_log`, partitions are made and dropped by `roaming.operations.message_log`.
"""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from roaming.models.partners import Partner

# What is kept of a body, in bytes or characters.
MAX_LOGGED_BODY = 8192


class Direction(models.TextChoices):
    IN = "IN", _("from the partner")
    OUT = "OUT", _("to the partner")


class Message(models.Model):
    """One HTTP exchange with a partner, without its bodies. Its key in the database is (id, at)."""

    # Without a constraint: it would lock the partner's row once per message.
    partner = models.ForeignKey(
        Partner,
        on_delete=models.CASCADE,
        related_name="messages",
        db_constraint=False,
        db_index=False,
    )
    at = models.DateTimeField(_("at"))
    direction = models.CharField(_("direction"), max_length=3, choices=Direction.choices)
    method = models.CharField(_("method"), max_length=7)
    url = models.TextField(_("URL"))
    version = models.CharField(_("OCPI version"), max_length=10, blank=True, default="")
    module = models.CharField(_("module"), max_length=20, blank=True, default="")
    object_id = models.BigIntegerField(null=True, blank=True)
    http_status = models.PositiveSmallIntegerField(_("HTTP"), null=True, blank=True)
    status_code = models.PositiveSmallIntegerField(_("OCPI"), null=True, blank=True)
    duration_ms = models.PositiveIntegerField(_("ms"), default=0)
    failed = models.BooleanField(
        _("failed"), default=False, help_text=_("No answer, HTTP 400 and above, or OCPI 2000 on.")
    )
    error = models.TextField(_("error"), blank=True, default="")
    request_id = models.CharField(max_length=64, blank=True, default="")
    correlation_id = models.CharField(max_length=64, blank=True, default="")

    class Meta:
        verbose_name = _("message")
        verbose_name_plural = _("messages")
        # Each exists in every partition. `at` stands before `id`, so that a span of time within a
        # day is a range of the index, and days outside it are not looked at.
        indexes = [
            # Admin: the newest messages of a span of time.
            models.Index(fields=["at", "id"], name="message_newest"),
            # Admin and the pace of pushes: a partner's newest messages.
            models.Index(fields=["partner", "at", "id"], name="message_partner_newest"),
            # Admin: what was sent of this object.
            models.Index(
                fields=["module", "object_id", "at", "id"],
                name="message_object",
                condition=Q(object_id__isnull=False),
            ),
            # Admin: everything that was done for one cause, in both directions.
            models.Index(fields=["correlation_id"], name="message_correlation"),
            # Admin: the message that a partner asks about.
            models.Index(fields=["request_id"], name="message_request"),
            # Admin: the newest failures.
            models.Index(fields=["at", "id"], name="message_failed", condition=Q(failed=True)),
        ]

    def __str__(self) -> str:
        return f"{self.method} {self.url}"


class MessageBody(models.Model):
    """What a message and its answer said: cut, and dropped earlier than the message itself."""

    # The message's own. In the database the key is (id, at).
    id = models.BigIntegerField(primary_key=True)
    at = models.DateTimeField(_("at"))
    request_body = models.TextField(_("request"), blank=True, default="")
    response_body = models.TextField(_("response"), blank=True, default="")

    class Meta:
        verbose_name = _("body of a message")
        verbose_name_plural = _("bodies of messages")

    def __str__(self) -> str:
        return f"bodies of message {self.pk}"
