"""The scheduler of the beat: it reads from the database what the code and people have decided."""

from typing import TYPE_CHECKING, Any

from cpo_platform.upkeep import operations

if TYPE_CHECKING:

    class ModelEntry:
        model: Any

    class DatabaseScheduler: ...

else:
    from django_celery_beat.schedulers import DatabaseScheduler, ModelEntry


class Entry(ModelEntry):
    """A task that is sent for, and when it last was."""

    def save(self) -> None:
        """Write down when it was last sent for, and nothing else.

        The package writes the whole row, and might undo what somebody changes at that moment.
        """
        rows = type(self.model)._default_manager.filter(pk=self.model.pk)  # noqa: SLF001  Django's own public name
        rows.update(last_run_at=self.model.last_run_at, total_run_count=self.model.total_run_count)


class Scheduler(DatabaseScheduler):
    """Sends for what `upkeep.models.Schedule` says, and looks for changes every few seconds."""

    Entry = Entry

    def setup_schedule(self) -> None:
        """Bring the rows in step with the code: an upgrade may have brought new tasks.

        The package would write the code's defaults over what people have changed.
        """
        operations.keep_schedules()
