"""Jobs, and a row for each object of a job."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy


class JobKind(models.TextChoices):
    CHANGE = "CHANGE", pgettext_lazy("bulk", "change")
    IMPORT = "IMPORT", pgettext_lazy("bulk", "import")
    UNDO = "UNDO", pgettext_lazy("bulk", "undo")


class JobState(models.TextChoices):
    """Where a job is. Nothing is changed before APPLYING."""

    DRAFT = "DRAFT", _("not described yet")
    CHECKING = "CHECKING", _("being checked")
    READY = "READY", _("checked: nothing is changed yet")
    APPLYING = "APPLYING", _("being applied")
    DONE = "DONE", pgettext_lazy("bulk", "done")
    STOPPED = "STOPPED", pgettext_lazy("bulk", "stopped")
    FAILED = "FAILED", pgettext_lazy("bulk", "failed")


WORKING = (JobState.CHECKING, JobState.APPLYING)
IDLE = tuple(state for state in JobState if state not in WORKING)


class RowOutcome(models.TextChoices):
    """What was found out of a row, or became of it."""

    PENDING = "PENDING", _("not checked yet")
    UNCHANGED = "UNCHANGED", _("stays as it is")
    WOULD_CHANGE = "WOULD_CHANGE", _("would change")
    WOULD_CREATE = "WOULD_CREATE", _("would be created")
    REFUSED = "REFUSED", pgettext_lazy("bulk", "refused")
    CHANGED = "CHANGED", pgettext_lazy("bulk", "changed")
    CREATED = "CREATED", pgettext_lazy("bulk", "created")
    UNDONE = "UNDONE", _("put back since")


WOULD = (RowOutcome.WOULD_CHANGE, RowOutcome.WOULD_CREATE)
DID = (RowOutcome.CHANGED, RowOutcome.CREATED)


class Job(models.Model):
    """A change of many objects of one list: a dry run first, then, if asked for, the change.

    `label` is the model, such as `locations.evse`. `targets` are the keys that were selected,
    `file` what was uploaded: both are emptied once there are rows. `values` is what a change sets:
    by field, `{"data": [...], "how": "set" | "add" | "remove"}`. `counts` are rows by outcome.
    """

    kind = models.CharField(pgettext_lazy("bulk", "kind"), max_length=6, choices=JobKind.choices)
    label = models.CharField(_("list"), max_length=100)
    state = models.CharField(
        _("state"), max_length=8, choices=JobState.choices, default=JobState.CHECKING
    )
    started_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("started by"),
        on_delete=models.SET_NULL,
        related_name="+",
        null=True,
    )
    started_by_name = models.CharField(_("started by"), max_length=150)
    language = models.CharField(_("language"), max_length=10, default="en")
    targets = ArrayField(models.BigIntegerField(), default=list)
    file_name = models.CharField(_("file"), max_length=255, default="")
    file = models.BinaryField(null=True)
    columns = ArrayField(models.TextField(), default=list)
    values = models.JSONField(default=dict)
    undoes = models.ForeignKey(
        "self", verbose_name=_("undoes"), on_delete=models.SET_NULL, related_name="undos", null=True
    )
    prepared = models.BooleanField(default=False)
    total = models.PositiveIntegerField(_("objects"), default=0)
    counts = models.JSONField(default=dict)
    error = models.TextField(default="")
    started_at = models.DateTimeField(_("started (UTC)"))
    moved_at = models.DateTimeField()
    applied_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(_("finished (UTC)"), null=True)

    class Meta:
        verbose_name = _("bulk change")
        verbose_name_plural = _("bulk changes")
        indexes = [
            # Staff: the newest, of one person or of all; what is old enough to be deleted.
            models.Index(fields=["started_at"], name="bulk_newest"),
            # The beat: what should be moving.
            models.Index(
                fields=["moved_at"],
                condition=Q(state__in=["CHECKING", "APPLYING"]),
                name="bulk_working",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.pk}"

    @property
    def waiting(self) -> int:
        """How many rows the present work has before it."""
        names = (RowOutcome.PENDING,) if self.applied_at is None else WOULD
        return sum(self.counts.get(name.value, 0) for name in names)

    @property
    def is_discardable(self) -> bool:
        """Tell whether it changed nothing and is not at work: nothing is lost with it."""
        return self.applied_at is None and self.state in IDLE

    @property
    def would(self) -> int:
        """How many objects an application would write."""
        return sum(self.counts.get(name.value, 0) for name in WOULD)

    @property
    def did(self) -> int:
        """How many objects were written, and not put back since."""
        return sum(self.counts.get(name.value, 0) for name in DID)


class JobRow(models.Model):
    """One object of a job, or one row of its file.

    `values` are the cells of a file by column, or what an undo puts back: the data of a form.
    `before` and `after` are the form's data by field, where they differ. `seen` is the form's
    fingerprint at the dry run, `left` the one after the change. `reasons` are `[field, sentence]`.
    """

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="rows")
    number = models.PositiveIntegerField(_("row"))
    object_id = models.BigIntegerField(null=True)
    source = models.ForeignKey("self", on_delete=models.SET_NULL, related_name="+", null=True)
    name = models.CharField(_("object"), max_length=255, default="")
    values = models.JSONField(default=dict)
    outcome = models.CharField(
        _("outcome"), max_length=12, choices=RowOutcome.choices, default=RowOutcome.PENDING
    )
    before = models.JSONField(default=dict)
    after = models.JSONField(default=dict)
    reasons = models.JSONField(default=list)
    seen = models.CharField(max_length=16, default="")
    left = models.CharField(max_length=16, default="")

    class Meta:
        verbose_name = _("row of a bulk change")
        verbose_name_plural = _("rows of bulk changes")
        constraints = [
            # Also: the rows of a job in their order.
            models.UniqueConstraint(fields=["job", "number"], name="bulk_row_once"),
        ]
        indexes = [
            # Workers: the next to be checked or applied. Staff: those that were refused.
            models.Index(fields=["job", "outcome", "number"], name="bulk_row_by_outcome"),
        ]

    def __str__(self) -> str:
        return self.name or str(self.number)
