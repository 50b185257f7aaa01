"""Objects on their way in: from raw JSON to checked shapes, one EVSE or connector at a time."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from cpo_platform.common.shapes import Problem, ShapeError
from locations import canonical
from locations.countries import TIME_ZONES
from locations.importing.mending import mend, shown
from locations.importing.party import PartyKey
from locations.importing.pruning import parse_leniently, path_of
from locations.importing.reader import Path
from locations.importing.report import Action, ImportReport, Kind, Note, Rule
from locations.importing.tariffs import TariffIntake
from locations.importing.versions import respell_connector
from locations.models import Connector, ParkingPlace, Status
from locations.shapes import ConnectorShape, EvseShape, LocationShape, ParkingShape

NOT_AN_OBJECT = "is not a JSON object"


@dataclass
class ReadyEvse:
    """An EVSE that is fit to be written, and what its report will say."""

    shape: EvseShape
    path: Path
    notes: list[Note]


@dataclass
class Intake:
    """Check what one location holds; refuse part by part.

    `owner` is the party that everything belongs to.
    """

    report: ImportReport
    tariffs: TariffIntake
    owner: PartyKey
    location_id: str
    path: Path
    evses: list[ReadyEvse] = field(default_factory=list)
    places: list[ParkingShape] = field(default_factory=list)
    place_notes: list[tuple[str, Path, list[Note]]] = field(default_factory=list)

    def location(self, value: dict[str, Any], notes: list[Note]) -> LocationShape:
        """Return the location without its EVSEs and parking places.

        Raises:
            ShapeError: a required part is wrong.

        """
        value |= {"country_code": self.owner.country_code, "party_id": self.owner.party_id}
        zone = TIME_ZONES.get(str(value.get("country")))
        if "time_zone" not in value and zone:
            value["time_zone"] = zone
            notes.append(Note(("time_zone",), Rule.TIME_ZONE, zone))
        # Whoever may see a location is never widened by leaving something out.
        return parse_leniently(LocationShape, value, notes, keep=("publish_allowed_to",))

    def take_places(self, raw: Any) -> None:
        """Check the location's parking places, each by itself."""
        for index, entry in enumerate(self._entries(raw, Kind.PARKING, "parking_places")):
            path = (*self.path, "parking_places", index)
            notes: list[Note] = []
            name = _name(entry, "id")
            try:
                shape = parse_leniently(ParkingShape, _mended(ParkingShape, entry, notes), notes)
            except ShapeError as error:
                self._refuse(Kind.PARKING, name, path, error)
                continue
            if shape.id.lower() in {place.id.lower() for place in self.places}:
                self._refuse_twin(Kind.PARKING, shape.id, path)
                continue
            self.places.append(shape)
            self.place_notes.append((shape.id, path, notes))

    def take_evses(self, raw: Any) -> None:
        """Check the location's EVSEs, each by itself, and the tariffs that hang on them."""
        uids: set[str] = set()
        for index, entry in enumerate(self._entries(raw, Kind.EVSE, "evses")):
            path = (*self.path, "evses", index)
            ready = self._evse(entry, path)
            if ready is None:
                continue
            uid = ready.shape.uid.lower()
            if uid in uids:
                self._refuse_twin(Kind.EVSE, ready.shape.uid, path)
                continue
            uids.add(uid)
            self.evses.append(ready)

    def _entries(self, raw: Any, kind: Kind, member: str) -> Sequence[Any]:
        if raw is None:
            return ()
        if isinstance(raw, list):
            return raw
        path = (*self.path, member)
        self.report.add(Action.REFUSED, kind, self.location_id, path, reason="is not a list")
        return ()

    def _evse(self, raw: Any, path: Path) -> ReadyEvse | None:
        name = _name(raw, "uid")
        notes: list[Note] = []
        try:
            value = _mended(EvseShape, raw, notes, "connectors")
            wanted = self._tariffs(raw.get("tariffs"), path, notes)
            value["connectors"] = self._connectors(raw.get("connectors"), name, path, wanted)
            if "status" not in value:
                value["status"] = Status.UNKNOWN.value
                notes.append(Note(("status",), Rule.STATUS))
            self._leave_out_unknown_parking(value, notes)
            shape = parse_leniently(EvseShape, value, notes)
        except ShapeError as error:
            self._refuse(Kind.EVSE, name, path, error)
            return None
        return ReadyEvse(shape, path, notes)

    def _tariffs(self, raw: Any, evse_path: Path, notes: list[Note]) -> list[tuple[str, Path]]:
        """Take the tariffs that hang on an EVSE in full; return their ids."""
        wanted = []
        for index, entry in enumerate(raw if isinstance(raw, list) else [raw] if raw else ()):
            path: Path = ("tariffs", index)
            tariff_id = self.tariffs.take(entry, self.owner, (*evse_path, *path))
            if tariff_id is None:
                notes.append(Note(path, Rule.TARIFF_REFUSED))
            else:
                wanted.append((tariff_id, path))
        return wanted

    def _connectors(
        self, raw: Any, uid: str, evse_path: Path, wanted: list[tuple[str, Path]]
    ) -> list[ConnectorShape]:
        if not isinstance(raw, list) or not raw:
            raise _refused("connectors", "at least one connector is required")
        shapes: dict[str, ConnectorShape] = {}
        refused = 0
        for index, entry in enumerate(raw):
            shape = self._connector(
                entry, uid, (*evse_path, "connectors", index), wanted, taken=shapes
            )
            if shape is None:
                refused += 1
            else:
                shapes[shape.id.lower()] = shape
        if not shapes:
            raise _refused("connectors", "no connector is left: each was refused")
        if refused:
            shapes = _known_connectors(uid) | shapes
        return list(shapes.values())

    def _connector(
        self,
        raw: Any,
        uid: str,
        path: Path,
        wanted: list[tuple[str, Path]],
        *,
        taken: dict[str, ConnectorShape],
    ) -> ConnectorShape | None:
        name = f"{uid} {_name(raw, 'id')}".strip()
        notes: list[Note] = []
        try:
            raw = respell_connector(raw) if isinstance(raw, dict) else raw
            value = _mended(ConnectorShape, raw, notes)
            own = value.pop("tariff_ids", None)
            shape = parse_leniently(ConnectorShape, value, notes, keep=("max_electric_power",))
        except ShapeError as error:
            self._refuse(Kind.CONNECTOR, name, path, error)
            return None
        if shape.id.lower() in taken:
            self._refuse_twin(Kind.CONNECTOR, name, path)
            return None
        named = [(str(tariff_id), ("tariff_ids", n)) for n, tariff_id in enumerate(own or ())]
        tariff_ids = self.tariffs.nameable([*named, *wanted], self.owner, notes)
        self.report.mended(Kind.CONNECTOR, name, path, notes)
        return shape.model_copy(update={"tariff_ids": tariff_ids or None})

    def _leave_out_unknown_parking(self, value: dict[str, Any], notes: list[Note]) -> None:
        if not isinstance(value.get("parking"), list):
            return
        known = {place.id.lower() for place in self.places}
        kept = []
        for index, parking in enumerate(value["parking"]):
            parking_id = parking.get("parking_id") if isinstance(parking, dict) else None
            if (
                isinstance(parking_id, str)
                and parking_id.isascii()
                and not self._has_place(parking_id, known)
            ):
                path: Path = ("parking", index, "parking_id")
                notes.append(Note(path, Rule.PARKING_UNKNOWN, shown(parking_id)))
            else:
                kept.append(parking)
        value["parking"] = kept

    def _has_place(self, parking_id: str, known: set[str]) -> bool:
        return (
            parking_id.lower() in known
            or ParkingPlace.objects.filter(
                ocpi_id=parking_id,
                location__country_code=self.owner.country_code,
                location__party_id=self.owner.party_id,
                location__ocpi_id=self.location_id,
            ).exists()
        )

    def _refuse(self, kind: Kind, name: str, path: Path, error: ShapeError) -> None:
        refuse(self.report, kind, name, path, error)

    def _refuse_twin(self, kind: Kind, name: str, path: Path) -> None:
        reason = "has the same id as one before it, which is used"
        self.report.add(Action.REFUSED, kind, name, path, reason=reason)


def refuse(report: ImportReport, kind: Kind, name: str, path: Path, error: ShapeError) -> None:
    """Report an object that does not have its shape, at the place of the first problem."""
    first, *others = error.problems
    reason = first.reason + "".join(f"; {problem}" for problem in others[:5])
    report.add(Action.REFUSED, kind, name, (*path, *path_of(first)), reason=reason)


def _mended(shape: Any, raw: Any, notes: list[Note], *skip: str) -> dict[str, Any]:
    if not isinstance(raw, dict):
        raise _refused("", NOT_AN_OBJECT)
    return mend(shape, raw, notes, skip=skip)


def _refused(path: str, reason: str) -> ShapeError:
    return ShapeError([Problem(path, reason)])


def _name(raw: Any, key: str) -> str:
    return shown(raw.get(key) or "") if isinstance(raw, dict) else ""


def _known_connectors(uid: str) -> dict[str, ConnectorShape]:
    """Return the EVSE's connectors as they are: one that is refused must not remove them."""
    rows = Connector.objects.filter(evse__uid=uid).prefetch_related("tariffs").order_by("pk")
    return {row.ocpi_id.lower(): canonical.connector_shape_of(row) for row in rows}
