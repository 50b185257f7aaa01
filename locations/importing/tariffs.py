"""The tariffs of an import: those that come in full, and those that connectors name."""

import hashlib
import json
import re
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import DataError, IntegrityError, transaction

from cpo_platform.common.operations import Outcome
from cpo_platform.common.shapes import BusinessDetails, ShapeError, path_text
from locations import operations
from locations.importing.mending import mend, shown
from locations.importing.party import PartyKey
from locations.importing.pruning import parse_leniently, path_of
from locations.importing.reader import Path
from locations.importing.report import Action, ImportReport, Kind, Note, Rule
from locations.importing.versions import respell_tariff
from tariffs import operations as tariff_operations
from tariffs.models import Party, Tariff, TaxIncluded
from tariffs.shapes import TariffShape

# A price must not change by leaving something out; texts and pictures may go.
_PRICES = ("elements", "min_price", "max_price", "type", "tax_included", "preauthorize_amount")
_TIMES = ("start_date_time", "end_date_time")
_ROWS_KEPT = 5_000
_ID = re.compile(r"[\x20-\x7e]{1,36}")

NOT_THEIRS = "needs the permission to add and change tariffs"
REFUSALS = (ValueError, ValidationError, DataError, IntegrityError)


def refusal_text(error: Exception) -> str:
    """Return why an operation refused, in one line."""
    if isinstance(error, ValidationError):
        if hasattr(error, "error_dict"):
            return "; ".join(
                f"{'' if name == '__all__' else f'{name}: '}{' '.join(messages)}"
                for name, messages in error.message_dict.items()
            )
        return " ".join(error.messages)
    return str(error).partition("\n")[0]


@dataclass(frozen=True, slots=True)
class _First:
    """The first tariff of the file with its id; later ones are compared to it."""

    tariff_id: str
    content: bytes
    path: str


class _NotTheirs(Exception):
    """Whoever imports may not write tariffs."""


class TariffIntake:
    """Take tariffs, each once, and tell which ids a connector may name.

    Without `writes` those that are there may be named, and none is made or changed.
    """

    def __init__(
        self, report: ImportReport, now: Callable[[], datetime], *, writes: bool = True
    ) -> None:
        self._report = report
        self._writes = writes
        self._now = now
        self._parties: dict[PartyKey, tuple[str, Path] | None] = {}
        self._taken: dict[tuple[PartyKey, bytes], str | None] = {}
        self._firsts: dict[tuple[PartyKey, str], _First] = {}
        self._rows: OrderedDict[tuple[PartyKey, str], Tariff | None] = OrderedDict()

    def expect_party(self, owner: PartyKey, name: object, path: Path) -> None:
        """Prepare to create the party with its first object; `name` is the operator's, if any."""
        if owner not in self._parties:
            title = name if isinstance(name, str) and 0 < len(name) <= 100 else str(owner)
            self._parties[owner] = (title, path)

    def require_party(self, owner: PartyKey) -> None:
        """Create the party if it does not exist."""
        expected = self._parties[owner]
        if expected is None:
            return
        self._parties[owner] = None
        if Party.objects.filter(country_code=owner.country_code, party_id=owner.party_id).exists():
            return
        title, path = expected
        tariff_operations.put_party(
            country_code=owner.country_code,
            party_id=owner.party_id,
            business_details=BusinessDetails(name=title),
        )
        self._report.add(Action.CREATED, Kind.PARTY, f"{owner} {title}", path)

    def take(self, raw: Any, owner: PartyKey, path: Path) -> str | None:
        """Return the id under which connectors name this tariff; None if it cannot be named.

        A tariff stands in the file once for each EVSE: it is written and reported the first time.
        """
        if isinstance(raw, str):
            return raw
        try:
            key = (owner, _digest(raw))
        except RecursionError:
            self._refuse(str(owner), path, "is nested too deeply")
            return None
        if key not in self._taken:
            self._taken[key] = self._take_new(raw, owner, path)
        return self._taken[key]

    def _take_new(self, raw: Any, owner: PartyKey, path: Path) -> str | None:
        if not isinstance(raw, dict):
            self._refuse(str(owner), path, "is not a JSON object")
            return None
        tariff_id: object = raw.get("id")
        name = f"{owner} {shown(tariff_id or '')}".rstrip()
        notes: list[Note] = []
        try:
            shape = _tariff_shape(raw, owner, notes)
        except ShapeError as error:
            problem = error.problems[0]
            self._refuse(name, (*path, *path_of(problem)), "; ".join(map(str, error.problems)))
            # The reference stays good if the platform has that tariff from earlier.
            if isinstance(tariff_id, str) and self.row(owner, tariff_id) is not None:
                return tariff_id
            return None
        first = self._firsts.get((owner, shape.id.lower()))
        if first is not None:
            return self._take_again(shape, first, name, path)
        return self._put(shape, owner, path, notes)

    def _take_again(self, shape: TariffShape, first: _First, name: str, path: Path) -> str:
        if _content(shape) != first.content:
            self._refuse(
                name, path, f"has other content than the same id at {first.path}, which is used"
            )
        return first.tariff_id

    def _put(
        self, shape: TariffShape, owner: PartyKey, path: Path, notes: list[Note]
    ) -> str | None:
        tariff_id: str = shape.id
        name = f"{owner} {tariff_id}"
        self.require_party(owner)
        try:
            with transaction.atomic():
                row, outcome = tariff_operations.put_tariff(tariff=shape, now=self._now())
                self._refuse_theirs(outcome)
        except _NotTheirs:
            self._refuse(name, path, NOT_THEIRS)
            return tariff_id if self.row(owner, tariff_id) is not None else None
        except REFUSALS as error:
            self._refuse(name, path, refusal_text(error))
            return None
        self._firsts[owner, shape.id.lower()] = _First(shape.id, _content(shape), path_text(path))
        self._remember(owner, shape.id, row)
        self._report.add(Action(outcome.value), Kind.TARIFF, name, path)
        self._report.mended(Kind.TARIFF, name, path, notes)
        return tariff_id

    def _refuse_theirs(self, outcome: Outcome) -> None:
        if not self._writes and outcome is not Outcome.UNCHANGED:
            raise _NotTheirs

    def _refuse(self, name: str, path: Path, reason: str) -> None:
        self._report.add(Action.REFUSED, Kind.TARIFF, name, path, reason=reason)

    def row(self, owner: PartyKey, tariff_id: str) -> Tariff | None:
        """Return the party's tariff with this id, if there is one."""
        if _ID.fullmatch(tariff_id) is None:
            return None
        key = (owner, tariff_id.lower())
        if key in self._rows:
            self._rows.move_to_end(key)
            return self._rows[key]
        row = (
            Tariff.objects.in_use()
            .filter(country_code=owner.country_code, party_id=owner.party_id, ocpi_id=tariff_id)
            .first()
        )
        self._remember(owner, tariff_id, row)
        return row

    def _remember(self, owner: PartyKey, tariff_id: str, row: Tariff | None) -> None:
        self._rows[owner, tariff_id.lower()] = row
        if len(self._rows) > _ROWS_KEPT:
            self._rows.popitem(last=False)

    def nameable(
        self, wanted: Sequence[tuple[str, Path]], owner: PartyKey, notes: list[Note]
    ) -> list[str]:
        """Return the ids that a connector may name; note those left out and why."""
        rows: dict[str, Tariff] = {}
        for tariff_id, path in wanted:
            if tariff_id.lower() in rows:
                continue
            row = self.row(owner, tariff_id)
            if row is None:
                notes.append(Note(path, Rule.TARIFF_UNKNOWN, shown(tariff_id)))
                continue
            try:
                operations.refuse_overlapping_tariffs("", [*rows.values(), row])
            except operations.OverlappingTariffs:
                notes.append(Note(path, Rule.TARIFF_OVERLAP, shown(tariff_id)))
                continue
            rows[tariff_id.lower()] = row
        return [row.ocpi_id for row in rows.values()]


def _tariff_shape(raw: dict[str, Any], owner: PartyKey, notes: list[Note]) -> TariffShape:
    respelled = respell_tariff(raw)
    value = mend(TariffShape, respelled, notes)
    party = (value.get("country_code"), value.get("party_id"))
    if party not in ((None, None), owner):
        notes.append(Note(("party_id",), Rule.TARIFF_OWNER, shown("*".join(map(str, party)))))
    value |= {"country_code": owner.country_code, "party_id": owner.party_id}
    if "tax_included" not in value:
        value["tax_included"] = TaxIncluded.NO.value
        notes.append(Note(("tax_included",), Rule.TAX_INCLUDED))
    return parse_leniently(TariffShape, value, notes, keep=(*_PRICES, *_TIMES))


def _digest(raw: Any) -> bytes:
    text = json.dumps(raw, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _content(shape: TariffShape) -> bytes:
    return _digest(shape.model_dump(mode="json", exclude={"id"}, exclude_none=True))
