"""Abstract models: what every OCPI object of ours has. No tables."""

from datetime import datetime
from typing import Any

from django.contrib.postgres.indexes import GinIndex, OpClass
from django.core.validators import RegexValidator
from django.db import models
from django.db.models.functions import Lower, Upper
from django.utils.translation import gettext_lazy as _

from cpo_platform.common.clock import next_last_updated
from cpo_platform.common.fields import CiStringField

country_code_rule = RegexValidator(r"\A[A-Za-z]{2}\Z", _("Two letters (ISO 3166-1 alpha-2)."))
party_id_rule = RegexValidator(r"\A[A-Za-z0-9]{3}\Z", _("Three letters or digits (ISO 15118)."))
currency_rule = RegexValidator(r"\A[A-Z]{3}\Z", _("Three capital letters (ISO 4217)."))


class Updated(models.Model):
    """`last_updated` as logic: set by operations only, strictly increasing (OCPI date filters)."""

    last_updated = models.DateTimeField(_("last updated"), editable=False)

    class Meta:
        abstract = True

    def touch(self, now: datetime) -> None:
        """Set `last_updated` to `now`, or just after the present value if that is later."""
        self.last_updated = next_last_updated(self.last_updated, now)


class OcpiObject(Updated):
    """An object of one of our CPO parties: `country_code`, `party_id` and `ocpi_id` name it."""

    country_code = CiStringField(_("country code"), max_length=2, validators=[country_code_rule])
    party_id = CiStringField(_("party id"), max_length=3, validators=[party_id_rule])
    ocpi_id = CiStringField(_("id"), max_length=36)
    created_at = models.DateTimeField(
        _("created"), db_default=models.functions.Now(), editable=False
    )

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.party} {self.ocpi_id}"

    @property
    def party(self) -> str:
        """The owning party as people write it: `DE*SLB`."""
        return f"{self.country_code}*{self.party_id}"


def identity_constraint(name: str) -> models.UniqueConstraint:
    """Return the constraint that makes an OCPI identity unique, whatever its case (CiString)."""
    return models.UniqueConstraint(
        Lower("country_code"),
        Lower("party_id"),
        Lower("ocpi_id"),
        name=name,
        violation_error_message=_("This party already has an object with this id."),
    )


def fragments_index(name: str, *fields: str) -> GinIndex:
    """Return the index that finds fragments in some columns (`common.admin.lists.found_by`)."""
    return GinIndex(*(OpClass(Upper(field), name="gin_trgm_ops") for field in fields), name=name)


def changed_fields(instance: models.Model, values: dict[str, Any]) -> list[str]:
    """Assign `values` to `instance`; return the names of the fields that differ."""
    changed = [name for name, value in values.items() if getattr(instance, name) != value]
    for name in changed:
        setattr(instance, name, values[name])
    return changed
