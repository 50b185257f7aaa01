"""A system check: do the triggers say what the code says?"""

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Warning  # noqa: A004 - Django's name
from django.db import DatabaseError

from cpo_platform.audit import triggers


def check_triggers(
    *, databases: Sequence[str] | None = None, **_kwargs: Any
) -> Sequence[CheckMessage]:
    """Find tables whose changes are not recorded as `audited` says (`check --database default`).

    A warning only: `migrate` checks the database first, and is what mends it.
    """
    messages: list[CheckMessage] = []
    for using in databases or ():
        try:
            amiss = triggers.amiss(using=using)
        except DatabaseError:
            continue  # there is no database yet, or no table of ours in it
        if amiss:
            messages.append(
                Warning(
                    f"The audit is not in step with the code at: {', '.join(amiss)}.",
                    hint="Run manage.py migrate.",
                    id="audit.W001",
                )
            )
    return messages
