"""Rendered bodies: each object once per OCPI version, ready to be served and pushed."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class Document(models.Model):
    """The JSON text of one object in one version, and the `last_updated` it was rendered from."""

    module = models.CharField(max_length=20)
    object_id = models.BigIntegerField()
    version = models.CharField(max_length=60)
    last_updated = models.DateTimeField()
    body = models.TextField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["module", "version", "object_id"], name="document_identity"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.module} {self.object_id} ({self.version})"


class Quarantined(models.Model):
    """An object that breaks the rules of an OCPI version: not served, not pushed, shown to staff.

    It ends with the next change of the object that can be rendered by the rules.
    """

    module = models.CharField(_("module"), max_length=20)
    object_id = models.BigIntegerField()
    version = models.CharField(_("rendering"), max_length=60)
    last_updated = models.DateTimeField(_("as of"))
    problems = models.JSONField(_("problems"), default=list)
    found_at = models.DateTimeField(_("found"))

    class Meta:
        verbose_name = _("quarantined object")
        verbose_name_plural = _("quarantined objects")
        constraints = [
            models.UniqueConstraint(
                fields=["module", "version", "object_id"], name="quarantined_identity"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.module} {self.object_id} ({self.version})"
