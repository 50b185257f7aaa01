"""What changed: an entry a row, written by triggers only."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy


class Action(models.TextChoices):
    INSERT = "insert", pgettext_lazy("audit", "created")
    UPDATE = "update", pgettext_lazy("audit", "changed")
    DELETE = "delete", pgettext_lazy("audit", "deleted")
    # What staff did with an object that may have changed no row of it: `note` in `after` says what.
    ACT = "act", pgettext_lazy("audit", "acted")


class Way(models.TextChoices):
    ADMIN = "admin", _("these pages")
    IMPORT = "import", _("import")
    OCPI = "ocpi", "OCPI"
    OCPP = "ocpp", "OCPP"
    TASK = "task", _("background task")
    COMMAND = "command", _("command line")
    UNKNOWN = "", _("SQL, or unknown")


class Entry(models.Model):
    """One change of one row. Its key in the database is (id, at); partitioned by month on `at`.

    `before` and `after` hold the columns that changed, and are null where a row came or went; `row`
    is the row after that, or as it was when it went, without the columns that machines move. The
    value of a secret is "…". `objects` names the row and all that it is a part of, as `table:key`.
    """

    at = models.DateTimeField(_("at"))
    table = models.CharField(_("table"), max_length=63, db_column="table_name")
    key = models.TextField(_("key"))
    objects_changed = ArrayField(models.TextField(), db_column="objects")
    action = models.CharField(_("action"), max_length=6, choices=Action.choices)
    before = models.JSONField(_("before"), null=True)
    after = models.JSONField(_("after"), null=True)
    row = models.JSONField(_("row"))
    # Without a constraint: who has left did what they did.
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("person"),
        on_delete=models.DO_NOTHING,
        related_name="+",
        db_constraint=False,
        db_index=False,
        null=True,
    )
    actor_name = models.CharField(_("Who"), max_length=150)
    way = models.CharField(_("way"), max_length=10, choices=Way.choices)
    what = models.TextField(_("address, task or command"))
    request_id = models.CharField(_("request"), max_length=64)
    # An xid8 of PostgreSQL, as a number.
    transaction_id = models.BigIntegerField(_("transaction"))

    class Meta:
        verbose_name = _("audit entry")
        verbose_name_plural = _("audit entries")
        default_permissions = ("view",)
        # Each exists in every partition.
        indexes = [
            # Staff: the newest of a span of time.
            models.Index(fields=["at", "id"], name="audit_newest"),
            # Staff: what a person or partner did.
            models.Index(fields=["actor_name", "at", "id"], name="audit_of_person"),
            # Staff: a row as it was at a moment; all entries of a kind of object.
            models.Index(fields=["table", "key", "at", "id"], name="audit_of_row"),
            # Staff: what happened to an object and its parts.
            GinIndex(fields=["objects_changed"], name="audit_of_object"),
            # Staff: what else changed in the same transaction.
            models.Index(fields=["transaction_id"], name="audit_of_transaction"),
        ]

    def __str__(self) -> str:
        return f"{self.table}:{self.key} {self.action}"
