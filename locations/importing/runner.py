"""The whole import: every location of a file, one transaction each."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import datetime
from typing import Any, BinaryIO

from django.db import transaction

from cpo_platform.common import acting
from cpo_platform.common.operations import Outcome
from cpo_platform.common.shapes import ShapeError
from locations import operations
from locations.importing.intake import NOT_AN_OBJECT, Intake, ReadyEvse, refuse
from locations.importing.mending import mend, shown
from locations.importing.party import PartyKey
from locations.importing.reader import Item, read_items
from locations.importing.report import KEPT, Action, Entry, ImportReport, Kind, Note, Progress
from locations.importing.tariffs import REFUSALS, TariffIntake, refusal_text
from locations.importing.versions import detect_version, respell_location
from locations.shapes import LocationShape

PARTS = ("evses", "parking_places")


def import_locations(
    stream: BinaryIO,
    *,
    party: PartyKey | None,
    now: Callable[[], datetime],
    dry_run: bool = False,
    writes_tariffs: bool = True,
    on_progress: Callable[[Progress], None] | None = None,
    on_entry: Callable[[Entry], None] | None = None,
    keep: int = KEPT,
) -> ImportReport:
    """Import OCPI locations of any version from a seekable stream of JSON.

    The file is read to its end once before anything is written, so that a file that breaks off
    changes nothing. `party` owns objects that name no owner (2.1.1); objects of others are then
    refused. `now` is the clock, not a moment: an import of an hour must not hide its last changes
    from a partner that pulled half an hour after it began. With `dry_run` all is done and undone.
    Without `writes_tariffs` the tariffs that are there are named, and none is made or changed.
    `on_entry` gets every line of the report, which itself keeps the first `keep` of each action.

    Raises:
        UnreadableFile: it is not JSON with locations.

    """
    total = sum(1 for _item in read_items(stream))
    stream.seek(0)
    report = ImportReport(dry_run=dry_run, keep=keep, on_entry=on_entry)
    run = _Run(report, party, now, writes_tariffs=writes_tariffs)
    with acting.also("import"), _undone() if dry_run else nullcontext():
        for count, item in enumerate(read_items(stream), start=1):
            run.take(item)
            if on_progress is not None:
                on_progress(Progress(locations=count, evses=run.evses, total=total))
    return report


@contextmanager
def _undone() -> Iterator[None]:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


class _Run:
    def __init__(
        self,
        report: ImportReport,
        party: PartyKey | None,
        now: Callable[[], datetime],
        *,
        writes_tariffs: bool,
    ) -> None:
        self.evses = 0
        self._report = report
        self._party = party
        self._now = now
        self._tariffs = TariffIntake(report, now, writes=writes_tariffs)
        self._seen: set[tuple[PartyKey, str]] = set()

    def take(self, item: Item) -> None:
        """Take one object of the file."""
        if not isinstance(item.value, dict):
            self._refuse("", item, NOT_AN_OBJECT)
            return
        version = detect_version(item.value)
        self._report.versions[version] += 1
        raw = respell_location(item.value, version)
        notes: list[Note] = []
        value = mend(LocationShape, raw, notes, skip=PARTS)
        location_id = value.get("id")
        name = shown(location_id if isinstance(location_id, str) else "")
        try:
            owner = self._owner(value)
        except _NoOwner as error:
            self._refuse(name, item, str(error), "party_id")
            return
        self._take_location(Item(item.path, raw), value, notes, owner)

    def _owner(self, value: dict[str, Any]) -> PartyKey:
        country_code, party_id = value.get("country_code"), value.get("party_id")
        if country_code is None and party_id is None:
            if self._party is None:
                raise _NoOwner("is required; for OCPI 2.1.1, which has none, name the party")
            return self._party
        try:
            owner = PartyKey.parse(f"{country_code or ''}*{party_id or ''}")
        except ValueError as error:
            raise _NoOwner(f"country_code and party_id: {error}") from error
        if self._party is not None and owner != self._party:
            raise _NoOwner(f"belongs to {owner}, but this import is for {self._party} only")
        return owner

    def _take_location(
        self, item: Item, value: dict[str, Any], notes: list[Note], owner: PartyKey
    ) -> None:
        location_id = str(value.get("id", ""))
        name = f"{owner} {shown(location_id)}".strip()
        key = (owner, location_id.lower())
        if key in self._seen:
            self._refuse(name, item, "is in this file a second time: the first was used")
            return
        operator = value.get("operator")
        title = operator.get("name") if isinstance(operator, dict) else None
        self._tariffs.expect_party(owner, title, item.path)
        intake = Intake(self._report, self._tariffs, owner, location_id, item.path)
        intake.take_places(item.value.get("parking_places"))
        intake.take_evses(item.value.get("evses"))
        self.evses += len(intake.evses)
        try:
            shape = intake.location(value, notes)
        except ShapeError as error:
            refuse(self._report, Kind.LOCATION, name, item.path, error)
            self._refuse_evses(intake.evses)
            return
        self._seen.add(key)
        self._put(shape, intake, name, notes)

    def _put(self, shape: LocationShape, intake: Intake, name: str, notes: list[Note]) -> None:
        whole = shape.model_copy(
            update={
                "evses": [evse.shape for evse in intake.evses] or None,
                "parking_places": intake.places or None,
            }
        )
        self._tariffs.require_party(intake.owner)
        try:
            with transaction.atomic():
                result = operations.put_location(location=whole, now=self._now())
        except REFUSALS:
            # One of the EVSEs cannot be written: find out which, and keep the others.
            self._put_one_by_one(whole, intake, name, notes)
            return
        self._report_location(intake, name, result.outcome, notes)
        for evse in intake.evses:
            self._report_evse(evse, result.evses[evse.shape.uid])

    def _put_one_by_one(
        self, whole: LocationShape, intake: Intake, name: str, notes: list[Note]
    ) -> None:
        alone = whole.model_copy(update={"evses": None})
        try:
            with transaction.atomic():
                result = operations.put_location(location=alone, now=self._now())
                outcomes = self._put_evses(result.location.pk, intake.evses)
        except REFUSALS as error:
            self._report.add(
                Action.REFUSED, Kind.LOCATION, name, intake.path, reason=refusal_text(error)
            )
            self._refuse_evses(intake.evses)
            return
        changed = any(outcome is not Outcome.UNCHANGED for _evse, outcome in outcomes)
        outcome = result.outcome
        if outcome is Outcome.UNCHANGED and changed:
            outcome = Outcome.CHANGED
        self._report_location(intake, name, outcome, notes)
        for evse, evse_outcome in outcomes:
            self._report_evse(evse, evse_outcome)

    def _put_evses(
        self, location_id: int, evses: list[ReadyEvse]
    ) -> list[tuple[ReadyEvse, Outcome]]:
        outcomes = []
        for evse in evses:
            try:
                with transaction.atomic():
                    _row, outcome = operations.put_evse(
                        location_id=location_id, evse=evse.shape, now=self._now()
                    )
            except REFUSALS as error:
                self._report.add(
                    Action.REFUSED,
                    Kind.EVSE,
                    evse.shape.uid,
                    evse.path,
                    reason=refusal_text(error),
                )
            else:
                outcomes.append((evse, outcome))
        return outcomes

    def _report_location(
        self, intake: Intake, name: str, outcome: Outcome, notes: list[Note]
    ) -> None:
        self._report.add(Action(outcome.value), Kind.LOCATION, name, intake.path)
        self._report.mended(Kind.LOCATION, name, intake.path, notes)
        for place, path, place_notes in intake.place_notes:
            self._report.mended(Kind.PARKING, place, path, place_notes)

    def _report_evse(self, evse: ReadyEvse, outcome: Outcome) -> None:
        self._report.add(Action(outcome.value), Kind.EVSE, evse.shape.uid, evse.path)
        self._report.mended(Kind.EVSE, evse.shape.uid, evse.path, evse.notes)

    def _refuse_evses(self, evses: list[ReadyEvse]) -> None:
        for evse in evses:
            reason = "its location was refused"
            self._report.add(Action.REFUSED, Kind.EVSE, evse.shape.uid, evse.path, reason=reason)

    def _refuse(self, name: str, item: Item, reason: str, member: str = "") -> None:
        path = (*item.path, member) if member else item.path
        self._report.add(Action.REFUSED, Kind.LOCATION, name, path, reason=reason)


class _NoOwner(ValueError):
    """It is not clear, or not allowed, whose the object is."""
