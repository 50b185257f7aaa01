"""The message log: what went over the wire, without secrets."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from roaming.models.partners import Partner

# What is kept of a body, in bytes or characters.
MAX_LOGGED_BODY = 8192


class Direction(models.TextChoices):
    IN = "IN", _("from the partner")
    OUT = "OUT", _("to the partner")


class Message(models.Model):
    """One HTTP exchange with a partner. Bodies are cut, tokens are left out."""

    partner = models.ForeignKey(Partner, on_delete=models.CASCADE, related_name="messages")
    at = models.DateTimeField(_("at"))
    direction = models.CharField(_("direction"), max_length=3, choices=Direction.choices)
    method = models.CharField(_("method"), max_length=7)
    url = models.TextField(_("URL"))
    module = models.CharField(_("module"), max_length=20, blank=True, default="")
    object_id = models.BigIntegerField(null=True, blank=True)
    http_status = models.PositiveSmallIntegerField(_("HTTP"), null=True, blank=True)
    status_code = models.PositiveSmallIntegerField(_("OCPI"), null=True, blank=True)
    duration_ms = models.PositiveIntegerField(_("ms"), default=0)
    error = models.TextField(_("error"), blank=True, default="")
    request_id = models.CharField(max_length=64, blank=True, default="")
    correlation_id = models.CharField(max_length=64, blank=True, default="")
    request_body = models.TextField(_("request"), blank=True, default="")
    response_body = models.TextField(_("response"), blank=True, default="")

    class Meta:
        verbose_name = _("message")
        verbose_name_plural = _("messages")
        indexes = [
            # Admin: a partner's newest messages.
            models.Index(fields=["partner", "-id"], name="message_partner_newest"),
            # Admin: what was sent of this object.
            models.Index(fields=["module", "object_id"], name="message_object"),
            # Clean-up by age.
            models.Index(fields=["at"], name="message_at"),
        ]

    def __str__(self) -> str:
        return f"{self.method} {self.url}"
