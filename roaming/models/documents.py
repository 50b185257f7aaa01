"""Rendered bodies: each object once per OCPI version, ready to be served and pushed."""

from django.db import models


class Document(models.Model):
    """The JSON text of one object in one version, and the `last_updated` it was rendered from."""

    module = models.CharField(max_length=20)
    object_id = models.BigIntegerField()
    version = models.CharField(max_length=10)
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
