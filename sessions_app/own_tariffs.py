"""Tariffs that are not for everybody: whose drivers may be charged by them.

Another eMSP's session is not priced by one: it would cost what nobody agreed to, and its CDR would
show the terms of a competitor.
"""

from typing import Protocol

from django.conf import settings
from django.utils.module_loading import import_string

from cpo_platform.common.shapes import CdrToken
from tariffs.models import Tariff


class OwnTariffs(Protocol):
    """Who knows which tariffs are for which eMSP. `OWN_TARIFFS` names the class that is used."""

    def of(self, *, country_code: str, party_id: str) -> frozenset[int]:
        """Return the ids of the tariffs that were made for this eMSP."""


def for_token(tariffs: list[Tariff], token: CdrToken | None) -> list[Tariff]:
    """Return those of the tariffs that a token may charge by: the public, and its eMSP's own."""
    if all(tariff.public for tariff in tariffs):
        return tariffs
    own: frozenset[int] = frozenset()
    if token is not None:
        known: OwnTariffs = import_string(settings.OWN_TARIFFS)()
        own = known.of(country_code=token.country_code, party_id=token.party_id)
    return [tariff for tariff in tariffs if tariff.public or tariff.pk in own]
