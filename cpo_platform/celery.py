"""The Celery application: `celery -A cpo_platform worker`, `celery -A cpo_platform beat`."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cpo_platform.settings")

app = Celery("cpo_platform")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
