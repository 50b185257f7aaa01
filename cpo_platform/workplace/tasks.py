"""Celery's part of the workplace."""

from typing import Any

from celery import shared_task

from cpo_platform.common import clock
from cpo_platform.workplace import tallies


@shared_task(name="workplace.count_attention")
def count_attention(**_kwargs: Any) -> None:
    """Write down what needs somebody now, so that tomorrow the home page can tell a trend."""
    tallies.count(now=clock.now())
