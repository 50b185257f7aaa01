"""A field that several models share."""

from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import models


def open_enum_array(label: Any, max_length: int = 64) -> "ArrayField[list[str], list[str]]":
    """Return a field for a list of open enum values: unknown ones are legal and kept."""
    return ArrayField(
        models.CharField(max_length=max_length), verbose_name=label, default=list, blank=True
    )
