"""Model fields that OCPI's types need."""

from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.db.models.lookups import Exact, In

printable_ascii = RegexValidator(
    r"\A[\x20-\x7e]*\Z", "Only printable ASCII characters are allowed (OCPI type CiString)."
)
no_control_characters = RegexValidator(
    r"\A[^\x00-\x1f\x7f]*\Z", "Line breaks, tabs and control characters are not allowed."
)


class CiStringField(models.CharField):  # type: ignore[type-arg]
    """A case-insensitive string of printable ASCII (OCPI 2.2.1, types, CiString).

    The case that was given is kept; `field="x"` and `field__in=[...]` compare `LOWER()` on both
    sides, so that a unique index over `Lower(field)` serves them.
    """

    default_validators = [printable_ascii]


class StringField(models.CharField):  # type: ignore[type-arg]
    """A case-sensitive string without control characters (OCPI 2.2.1, types, string)."""

    default_validators = [no_control_characters]


@CiStringField.register_lookup
class _CiExact(Exact):
    def process_lhs(self, compiler: Any, connection: Any, lhs: Any = None) -> tuple[str, Any]:
        sql, params = super().process_lhs(compiler, connection, lhs)
        return f"LOWER({sql})", params

    def get_rhs_op(self, connection: Any, rhs: str) -> str:
        return str(super().get_rhs_op(connection, f"LOWER({rhs})"))


@CiStringField.register_lookup
class _CiIn(In):
    def process_lhs(self, compiler: Any, connection: Any, lhs: Any = None) -> tuple[str, Any]:
        sql, params = super().process_lhs(compiler, connection, lhs)
        return f"LOWER({sql})", params

    def get_prep_lookup(self) -> Any:
        prepared = super().get_prep_lookup()
        if isinstance(prepared, (list, tuple, set)):
            return [value.lower() if isinstance(value, str) else value for value in prepared]
        return prepared


class ShapeField(models.JSONField):
    """A JSON column whose value has a shape: a pydantic type from `cpo_platform.common.shapes`.

    The value is kept as plain JSON (lists and dicts); it is checked on `full_clean`.
    """

    def __init__(self, *args: Any, shape: Any = None, **kwargs: Any) -> None:
        self.shape = shape
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> Any:
        name, _path, args, kwargs = super().deconstruct()
        # A migration needs no shape: it says what the column is, not what Python checks.
        return name, "django.db.models.JSONField", args, kwargs

    def validate(self, value: Any, model_instance: Any) -> None:
        from cpo_platform.common.shapes import ShapeError, normalise  # shapes import nothing here

        super().validate(value, model_instance)
        if self.shape is None or value in self.empty_values:
            return
        try:
            normalise(self.shape, value)
        except ShapeError as error:
            raise ValidationError(
                [f"{problem.path}: {problem.reason}" for problem in error.problems]
            ) from error
