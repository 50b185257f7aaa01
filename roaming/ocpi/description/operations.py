"""The table of what partners may call, version by version, in the words of the specification.

A test holds it against the URLs: what is served is described, and what is described is served.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from roaming.ocpi.versions import VERSIONS, Version

Json = dict[str, Any]

# OCPI 2.1.1 knows neither message ids nor routing headers, and a token has no type in its URL.
FIRST_VERSION = "2.1.1"


@dataclass(frozen=True)
class Parameter:
    """A parameter of a request, in its path, query or headers."""

    name: str
    where: str
    text: str
    schema: Json
    required: bool = False


@dataclass(frozen=True)
class Operation:
    """One method at one address. `request` and `data` name components, or are schemas."""

    id: str
    method: str
    path: str
    module: str
    summary: str
    text: str = ""
    parameters: tuple[Parameter, ...] = ()
    request: Json | None = None
    # What `data` of an answer of success is; None: the answer has none.
    data: Json | None = None
    # The answer's own headers.
    headers: tuple[Parameter, ...] = ()
    # HTTP statuses beside 200, 401 and, with a body, 400.
    statuses: tuple[int, ...] = ()
    # Functional modules carry routing headers, configuration modules do not.
    functional: bool = True


@dataclass(frozen=True)
class _Maker:
    """Makes the operations of one version."""

    version: Version
    first: bool = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "first", self.version.number == FIRST_VERSION)

    def at(self, tail: str) -> str:
        return f"/ocpi/{self.version.number}{tail}"

    def versions(self) -> Iterator[Operation]:
        yield Operation(
            "getVersions",
            "GET",
            "/ocpi/versions",
            "versions",
            "The versions that we speak",
            "Open to the registration token and to the current one.",
            data=_list(_ref("Version")),
            functional=False,
        )
        yield Operation(
            "getVersionDetails",
            "GET",
            self.at(""),
            "versions",
            f"The endpoints of {self.version.number}",
            data=_ref("VersionDetails"),
            functional=False,
        )

    def credentials(self) -> Iterator[Operation]:
        credentials = _ref("Credentials")
        yield Operation(
            "getCredentials",
            "GET",
            self.at("/credentials"),
            "credentials",
            "Our credentials",
            "Holds the token that this very request was made with.",
            data=credentials,
            functional=False,
        )
        for method, name, summary, text in (
            (
                "POST",
                "postCredentials",
                "Register",
                "With the registration token. We ask for your versions and their details with the "
                "token in the body, before we answer: have both ready. The answer holds your new "
                "token, and the registration token is void. HTTP 405 when you are registered.",
            ),
            (
                "PUT",
                "putCredentials",
                "Renew the registration, or switch to this version",
                "As POST, with the current token. The token is a new one each time. HTTP 405 when "
                "you are not registered.",
            ),
        ):
            yield Operation(
                name,
                method,
                self.at("/credentials"),
                "credentials",
                summary,
                text,
                request=credentials,
                data=credentials,
                statuses=(405,),
                functional=False,
            )
        yield Operation(
            "deleteCredentials",
            "DELETE",
            self.at("/credentials"),
            "credentials",
            "End the registration",
            "All tokens are void afterwards. HTTP 405 when you are not registered.",
            statuses=(405,),
            functional=False,
        )

    def locations(self) -> Iterator[Operation]:
        yield self._list("locations", "Location", "Locations with their EVSEs and connectors")
        location = _path("location_id", 39 if self.first else 36)
        evse = _path("evse_uid", 39 if self.first else 36)
        connector = _path("connector_id", 36)
        for name, component, tail, parameters, summary in (
            ("getLocation", "Location", "/{location_id}", (location,), "One location"),
            ("getEvse", "EVSE", "/{location_id}/{evse_uid}", (location, evse), "One EVSE"),
            (
                "getConnector",
                "Connector",
                "/{location_id}/{evse_uid}/{connector_id}",
                (location, evse, connector),
                "One connector",
            ),
        ):
            yield Operation(
                name,
                "GET",
                self.at(f"/locations{tail}"),
                "locations",
                summary,
                "HTTP 404 with code 2003 when there is none that you may see.",
                parameters=parameters,
                data=_ref(component),
                statuses=(404,),
            )

    def tariffs(self) -> Iterator[Operation]:
        yield self._list("tariffs", "Tariff", "Tariffs that hold for you")

    def sessions(self) -> Iterator[Operation]:
        yield self._list("sessions", "Session", "Sessions of your tokens", date_from_required=True)

    def charging_preferences(self) -> Iterator[Operation]:
        yield Operation(
            "putChargingPreferences",
            "PUT",
            self.at("/sessions/{session_id}/charging_preferences"),
            "sessions",
            "What the driver wants of a session",
            "HTTP 404 when the session is not yours, or its EVSE cannot.",
            parameters=(_path("session_id", 36),),
            request=_ref("ChargingPreferences"),
            data={
                "type": "string",
                "enum": [
                    "ACCEPTED",
                    "DEPARTURE_REQUIRED",
                    "ENERGY_NEED_REQUIRED",
                    "NOT_POSSIBLE",
                    "PROFILE_TYPE_NOT_SUPPORTED",
                ],
            },
            statuses=(404,),
        )

    def cdrs(self) -> Iterator[Operation]:
        yield self._list("cdrs", "CDR", "CDRs of your tokens")

    def tokens(self) -> Iterator[Operation]:
        parameters = (
            _path("country_code", 2),
            _path("party_id", 3),
            _path("token_uid", 36),
            *(() if self.first else (TOKEN_TYPE,)),
        )
        patch = "" if self.first else " `last_updated` is required."
        for method, name, summary, text, request, data, statuses in (
            ("GET", "getToken", "One token as we have it", "", None, _ref("Token"), ()),
            (
                "PUT",
                "putToken",
                "Create or replace a token",
                "What the body leaves out is reset. HTTP 201 when the token is new.",
                _ref("Token"),
                None,
                (201,),
            ),
            (
                "PATCH",
                "patchToken",
                "Change a token",
                "What the body leaves out stays." + patch,
                _ref(f"Token{PARTIAL}"),
                None,
                (),
            ),
        ):
            yield Operation(
                name,
                method,
                self.at("/tokens/{country_code}/{party_id}/{token_uid}"),
                "tokens",
                summary,
                f"{text} HTTP 404 when the owner is none of your roles".lstrip()
                + ("." if method == "PUT" else ", and with code 2004 when there is no such token."),
                parameters=parameters,
                request=request,
                data=data,
                statuses=(*statuses, 404),
            )

    def commands(self) -> Iterator[Operation]:
        commands = [
            ("StartSession", "START_SESSION", "Start a session"),
            ("StopSession", "STOP_SESSION", "Stop a session"),
            ("ReserveNow", "RESERVE_NOW", "Reserve an EVSE now"),
            ("UnlockConnector", "UNLOCK_CONNECTOR", "Unlock a connector: for your operators"),
        ]
        if self.version.shapes.read_cancel_reservation is not None:
            commands.append(("CancelReservation", "CANCEL_RESERVATION", "Cancel a reservation"))
        for component, command, summary in commands:
            yield Operation(
                f"post{component}",
                "POST",
                self.at(f"/commands/{command}"),
                "commands",
                summary,
                "The answer says whether we understood. After ACCEPTED, and after that alone, we "
                "POST the result to `response_url`.",
                request=_ref(component),
                data=_ref("CommandResponse"),
            )

    def chargingprofiles(self) -> Iterator[Operation]:
        session = _path("session_id", 36)
        response_url = Parameter(
            "response_url",
            "query",
            "Where the result is to be POSTed. Percent-encode it.",
            {"type": "string", "format": "uri", "maxLength": 255},
            required=True,
        )
        duration = Parameter(
            "duration", "query", "Seconds to report.", {"type": "integer"}, required=True
        )
        for method, name, summary, parameters, request in (
            (
                "GET",
                "getActiveChargingProfile",
                "Ask for the profile in force",
                (session, duration, response_url),
                None,
            ),
            (
                "PUT",
                "putChargingProfile",
                "Set a charging profile",
                (session,),
                _ref("SetChargingProfile"),
            ),
            (
                "DELETE",
                "deleteChargingProfile",
                "Clear a charging profile",
                (session, response_url),
                None,
            ),
        ):
            yield Operation(
                name,
                method,
                self.at("/chargingprofiles/{session_id}"),
                "chargingprofiles",
                summary,
                "The answer says whether the request was sent on; the result follows to "
                "`response_url` after ACCEPTED.",
                parameters=parameters,
                request=request,
                data=_ref("ChargingProfileResponse"),
            )

    def hubclientinfo(self) -> Iterator[Operation]:
        parameters = (_path("country_code", 2), _path("party_id", 3))
        for method, name, summary, request, data, statuses in (
            (
                "GET",
                "getClientInfo",
                "What we know of a hub's client",
                None,
                _ref("ClientInfo"),
                (404, 405),
            ),
            (
                "PUT",
                "putClientInfo",
                "Tell us of a hub's client",
                _ref("ClientInfo"),
                None,
                (201, 404, 405),
            ),
        ):
            yield Operation(
                name,
                method,
                self.at("/hubclientinfo/{country_code}/{party_id}"),
                "hubclientinfo",
                summary,
                "For hubs; HTTP 405 for everyone else.",
                parameters=parameters,
                request=request,
                data=data,
                statuses=statuses,
                functional=False,
            )

    def _list(
        self, module: str, component: str, summary: str, *, date_from_required: bool = False
    ) -> Operation:
        return Operation(
            f"get{module.capitalize()}",
            "GET",
            self.at(f"/{module}"),
            module,
            summary,
            "One page, oldest object first. Follow `Link` until there is none.",
            parameters=(
                Parameter(
                    "date_from",
                    "query",
                    "Changed at this time or later.",
                    DATE_TIME,
                    required=date_from_required,
                ),
                Parameter("date_to", "query", "Changed before this time.", DATE_TIME),
                Parameter(
                    "offset", "query", "Objects to pass over.", {"type": "integer", "minimum": 0}
                ),
                CURSOR,
                Parameter(
                    "limit",
                    "query",
                    "Objects in the page, at most; lowered to our maximum (`X-Limit`).",
                    {"type": "integer", "minimum": 1},
                ),
            ),
            data=_list(_ref(component)),
            headers=PAGE_HEADERS,
            statuses=(304,),
        )


PARTIAL = "Patch"
DATE_TIME: Json = {"$ref": "#/components/schemas/DateTime"}
TOKEN_TYPE = Parameter(
    "type",
    "query",
    "The token's type, a part of its identity: RFID when it is left out.",
    {"type": "string", "default": "RFID"},
)
CURSOR = Parameter(
    "after", "query", "A part of our links; of no use by itself.", {"type": "integer", "minimum": 0}
)
PAGE_HEADERS = (
    Parameter("ETag", "header", "For `If-None-Match`.", {"type": "string"}),
    Parameter("Link", "header", "The next page; absent on the last one.", {"type": "string"}),
    Parameter("X-Total-Count", "header", "Objects in all pages.", {"type": "integer"}),
    Parameter("X-Limit", "header", "The largest page we give.", {"type": "integer"}),
)


def operations(number: str) -> list[Operation]:
    """Return what a version offers, in the order of its modules."""
    version = VERSIONS[number]
    maker = _Maker(version)
    made = list(maker.versions())
    for module in version.modules:
        for part in (module.identifier, *module.parts):
            made.extend(getattr(maker, part)())
    return made


def _ref(component: str) -> Json:
    return {"$ref": f"#/components/schemas/{component}"}


def _list(item: Json) -> Json:
    return {"type": "array", "items": item}


def _path(name: str, length: int) -> Parameter:
    schema: Json = {"type": "string", "minLength": 1, "maxLength": length}
    return Parameter(name, "path", "", schema, required=True)
