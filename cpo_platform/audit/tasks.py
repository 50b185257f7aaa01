"""Celery's part of the audit: its months."""

import logging
from typing import Any

from celery import shared_task

from cpo_platform.audit import retention
from cpo_platform.common import clock

logger = logging.getLogger(__name__)


@shared_task(name="audit.tidy")
def tidy(**_kwargs: Any) -> None:
    """Make the months of the audit that come, and drop those that are old."""
    tended = retention.tend(now=clock.now())
    for name in tended.dropped:
        logger.info("dropped %s", name)
