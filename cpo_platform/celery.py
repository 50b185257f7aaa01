"""The Celery application: `celery -A cpo_platform worker`, `celery -A cpo_platform beat`."""

import os
from typing import Any

from celery import Celery
from celery.signals import task_postrun, task_prerun

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cpo_platform.settings")

app = Celery("cpo_platform")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@task_prerun.connect
@task_postrun.connect
def look_at_connections(**_kwargs: Any) -> None:
    """Keep a thread's connection to the database for the next task, unless it is old or broken.

    Celery itself would close it after every task (see CELERY_DB_REUSE_MAX in the settings).
    """
    from django.db import close_old_connections

    close_old_connections()
