"""One location, EVSE or connector (OCPI, mod_locations, Sender interface, GET object)."""

import logging
from collections.abc import Iterator
from typing import Any

import orjson

from roaming import visibility
from roaming.ocpi import documents
from roaming.ocpi.common.envelope import Request, Response
from roaming.ocpi.common.errors import NotFound
from roaming.ocpi.dialects import adapt, dialect_of
from roaming.ocpi.views.base import OcpiView
from roaming.operations.places import of_party

logger = logging.getLogger(__name__)

UNKNOWN_LOCATION = 2003

Json = dict[str, Any]


class LocationView(OcpiView):
    """A location as the list and the pushes have it, or a part of it.

    What a version cannot express (an EVSE whose only connector it has no name for) is no part.
    """

    def get(
        self,
        request: Request,
        location_id: str,
        evse_uid: str | None = None,
        connector_id: str | None = None,
        **_kwargs: Any,
    ) -> Response:
        parts = [part for part in (location_id, evse_uid, connector_id) if part is not None]
        unknown: NotFound | None = None
        for reading in _readings(parts):
            try:
                return self._answer(*reading)
            except NotFound as error:
                unknown = unknown or error
        assert unknown is not None  # noqa: S101  there is always a reading
        raise unknown

    def _answer(
        self, location_id: str, evse_uid: str | None = None, connector_id: str | None = None
    ) -> Response:
        text = self._location(location_id)
        if evse_uid is None:
            return self.done(text.encode())
        document = _part(orjson.loads(text).get("evses", []), "uid", evse_uid)
        if connector_id is not None:
            document = _part(document["connectors"], "id", connector_id)
        return self.done(document)

    def _location(self, location_id: str) -> str:
        partner = self.caller.partner
        rows = visibility.locations_for(partner, now=self.now).filter(
            of_party(self.route.receiver), ocpi_id=location_id
        )
        # Two of our parties may use one id; without a receiver the older object answers.
        found = rows.order_by("id").values_list("id", "last_updated").first()
        unknown = NotFound(f"unknown location {location_id}", status_code=UNKNOWN_LOCATION)
        if found is None:
            raise unknown
        bodies = documents.bodies(
            [found], module="locations", version=self.spec, audience=self.audience
        )
        if found[0] not in bodies:
            logger.warning("location %s is quarantined in OCPI %s", found[0], self.spec.number)
            raise unknown
        if not partner.dialect:
            return bodies[found[0]]
        return adapt(
            bodies[found[0]],
            module="locations",
            dialect=dialect_of(partner),
            version=self.spec.number,
        )


def _readings(parts: list[str]) -> Iterator[list[str]]:
    """Return what a path may mean: a %2F in an id looks like any other slash by now.

    Ids without a slash, which is nearly all, are tried first.
    """
    yield parts
    for place in range(len(parts) - 1):
        joined = "/".join(parts[place : place + 2])
        yield [*parts[:place], joined, *parts[place + 2 :]]
    if len(parts) == 3:
        yield ["/".join(parts)]


def _part(parts: list[Json], key: str, value: str) -> Json:
    for part in parts:
        if part[key].lower() == value.lower():
            return part
    raise NotFound(f"unknown {key} {value}", status_code=UNKNOWN_LOCATION)
