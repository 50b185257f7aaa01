"""What every OCPI view does: who calls, which ids to echo, how trouble is told."""

import logging
from datetime import datetime
from functools import cached_property
from http import HTTPStatus
from typing import Any

from django.core.exceptions import SuspiciousOperation
from django.db import InterfaceError, OperationalError, connection
from django.http import Http404, HttpRequest, RawPostDataException
from django.http.request import UnreadablePostError
from django.views import View

from cpo_platform.common import acting, clock, json
from cpo_platform.common.client_address import client_address, network_of
from cpo_platform.common.shapes import ShapeError
from roaming import message_log, refused_calls, visibility
from roaming.message_log import Direction, Entry
from roaming.models import PartnerStatus
from roaming.models.messages import MAX_LOGGED_BODY
from roaming.ocpi.common import callers, errors, limits
from roaming.ocpi.common.audience import Audience
from roaming.ocpi.common.authentication import Caller, authenticate, shown
from roaming.ocpi.common.envelope import (
    Request,
    Response,
    answer,
    compress,
    error_answer,
)
from roaming.ocpi.common.headers import Route, check_route, message_ids, read_route
from roaming.ocpi.common.shapes import Owner
from roaming.ocpi.versions import Version
from roaming.refused_calls import Refusal

logger = logging.getLogger(__name__)

# Without OPTIONS: OCPI has none, and what a framework would answer is no envelope.
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
READING = frozenset({"GET", "HEAD"})

# From this OCPI status code on a request was not done (OCPI 2.2.1, status_codes).
REFUSED = 2000

# OCPI 2.1.1 knows no parties in headers; there they mean nothing, and nothing is said.
WITHOUT_ROUTING = frozenset({"2.1.1"})


class OcpiView(View):
    """The base of every OCPI endpoint; form tokens are for people (`cpo_platform.straight`).

    `functional` modules carry routing headers and refuse CREDENTIALS_TOKEN_A; versions and
    credentials are the others (OCPI 2.2.1, transport_and_format and credentials). `configuration`
    modules carry no routing headers, but hub client info, one of them, is for partners that are
    registered.
    """

    functional = True
    version: Version | None = None
    module_name = ""

    now: datetime
    caller: Caller
    route: Route = Route(None, None)
    ids: dict[str, str]

    def dispatch(self, request: HttpRequest, *_args: Any, **kwargs: Any) -> Response:
        asked = Request(request)
        # Before anything can fail: an error is answered with the ids as well.
        self.now = clock.now()
        self.ids = message_ids(request.headers)
        if self.functional and not self._without_routing():
            self.route = read_route(request.headers)
        try:
            self.initial(asked)
            response = self._handled(asked, kwargs)
        except Exception as error:  # noqa: BLE001  every one of them is answered in an envelope
            response = error_answer(self._as_ocpi(error), now=self.now)
        return self._finish(asked, response)

    def initial(self, request: Request, *_args: Any, **_kwargs: Any) -> None:
        """Find out who calls, and refuse whom this endpoint is not for.

        Raises:
            OcpiError: 401, 404 or 429.

        """
        try:
            caller = self._authenticate(request)
        except errors.Unauthorized:
            address = network_of(client_address(request.http))
            limits.check_stranger(address)
            self._count_refused(request, address)
            raise
        limits.check_partner(caller.partner.pk)
        # Not before: what is too much is counted, and not written down once more each time.
        self.caller = caller
        if self.functional:
            if self.caller.is_registering:
                raise errors.Unauthorized("this token is for the credentials handshake only")
            if self.caller.partner.status != PartnerStatus.REGISTERED:
                raise errors.Unauthorized("the handshake is not complete")
            self._limit_to_version()
            check_route(self.route, self.caller.partner)
            self._limit_to_sender()
        _check_names(request)

    def _count_refused(self, request: Request, address: str) -> None:
        """Have a call counted that is of nobody's messages; it is answered all the same."""
        try:
            seen = shown(request.headers.get("Authorization"))
            refused_calls.record(Refusal(self.now, address, self.module_name, seen))
        except Exception:
            logger.exception("a refused call was not counted")

    def _limit_to_version(self) -> None:
        """Show no more than the version of the URL can say, whichever one the partner speaks.

        In 2.1.1 a location for certain tokens looks public, and a credit like another bill. A
        partner of that version gets no more than it says in the other versions either.
        """
        if self.spec.number == visibility.ONE_PARTY:
            # This request's own copy: nothing saves it.
            self.caller.partner.version = self.spec.number

    def _limit_to_sender(self) -> None:
        """Let one party behind a hub see and do what is its own: its competitors are there too.

        The hub itself sees what all of them do.
        """
        partner, sender = self.caller.partner, self.route.sender
        if sender is None or not partner.hub_party_id:
            return
        if "".join(sender).lower() != partner.hub_party_id.lower():
            callers.limit_roles(partner, *sender)

    @cached_property
    def audience(self) -> Audience:
        """For whom objects are rendered: the caller, now."""
        return Audience(self.now, self.caller.own_tariffs)

    @property
    def token_owner(self) -> Owner | None:
        """The eMSP that a token belongs to which does not say so itself (OCPI 2.1.1)."""
        emsps = visibility.emsps_of(self.caller.partner)
        return Owner(*emsps[0]) if emsps else None

    @property
    def spec(self) -> Version:
        """The version that the URL belongs to."""
        assert self.version is not None  # noqa: S101  the URLs of a version set it
        return self.version

    def done(
        self,
        data: Any = None,
        *,
        http_status: int = 200,
        headers: dict[str, str] | None = None,
    ) -> Response:
        return answer(now=self.now, data=data, http_status=http_status, headers=headers)

    def _authenticate(self, request: Request) -> Caller:
        """Return who calls. A connection that the database closed meanwhile is opened anew.

        The first query of a request tells whether the connection is good, as Django's own check
        would, and it saves that check: nothing has been done yet that could not be repeated.
        """
        header = request.headers.get("Authorization")
        connection.health_check_done = True  # type: ignore[attr-defined]
        try:
            return authenticate(header, now=self.now)
        except (OperationalError, InterfaceError):
            if connection.in_atomic_block:
                raise
            connection.close()
            return authenticate(header, now=self.now)

    def _handled(self, request: Request, names: dict[str, Any]) -> Response:
        """Handle it; what it writes is recorded as done by the partner."""
        if request.method in READING or not hasattr(self, "caller"):
            return self._handle(request, names)
        with acting.by(
            "ocpi",
            name=str(self.caller.partner),
            what=f"{request.method} {request.path}",
            request_id=self.ids["X-Request-ID"],
        ):
            return self._handle(request, names)

    def _handle(self, request: Request, names: dict[str, Any]) -> Response:
        handler = getattr(self, request.method.lower(), None) if request.method in METHODS else None
        if handler is None:
            raise errors.MethodNotAllowed(f"{request.method} is not offered here")
        response: Response = handler(request, **names)
        return response

    def _as_ocpi(self, error: Exception) -> errors.OcpiError:
        match error:
            case errors.OcpiError():
                return error
            case ShapeError():
                return errors.InvalidParameters(str(error)[:1000])
            case Http404():
                return errors.NotFound("there is nothing here")
            case SuspiciousOperation():
                return errors.InvalidParameters("the query has too many parameters")
            case UnreadablePostError() | RawPostDataException():
                return errors.BadJson("the body ended before it was complete")
        logger.error("unhandled error in %s", type(self).__name__, exc_info=error)
        failure = errors.OcpiError("the platform failed to answer; the error was logged")
        failure.status_code = 3000
        return failure

    def _finish(self, request: Request, response: Response) -> Response:
        if not self._without_routing():
            for name, value in (self.ids | self.route.answer_headers).items():
                response[name] = value
        else:
            for name, value in self.ids.items():
                response[name] = value
        try:
            self._log(request, response)
        except Exception:
            # What was asked for is done; the partner must not be told otherwise.
            logger.exception("a message was not logged")
        compress(request, response)
        if response.status_code != HTTPStatus.NOT_MODIFIED:
            response["Content-Length"] = str(len(response.content))
        if request.method == "HEAD":
            response.content = b""
        return response

    def _without_routing(self) -> bool:
        return self.version is not None and self.version.number in WITHOUT_ROUTING

    def _log(self, request: Request, response: Response) -> None:
        """Have the exchange written down; a stranger's is counted only."""
        went_well = response.ocpi_code < REFUSED
        if not hasattr(self, "caller") or not message_log.keeps(failed=not went_well):
            return
        entry = Entry(
            partner_id=self.caller.partner.pk,
            at=self.now,
            direction=Direction.IN,
            method=request.method,
            url=request.get_full_path(),
            module=self.module_name,
            version=self.version.number if self.version else "",
            http_status=response.status_code,
            status_code=response.ocpi_code,
            duration_ms=int((clock.now() - self.now).total_seconds() * 1000),
            error="" if went_well else response.ocpi_message,
            request_id=self.ids["X-Request-ID"],
            correlation_id=self.ids["X-Correlation-ID"],
            request_body=self._logged_body(request),
            response_body=self._cut(response.content),
        )
        message_log.record(entry)

    def _logged_body(self, request: Request) -> bytes:
        # What could not be parsed is not worth keeping, and nobody could tell its secrets.
        data = request.parsed
        return self._cut(json.dumps(data)) if isinstance(data, dict) else b""

    def _cut(self, body: bytes) -> bytes:
        # Credentials are read again to mask their tokens.
        return body[:MAX_LOGGED_BODY] if self.functional else body


def _check_names(request: Request) -> None:
    """Refuse a URL with a NUL character: nothing of ours can be called that."""
    if "\x00" in request.path:
        raise errors.NotFound("there is nothing here: the URL holds a NUL character")
    query = request.META.get("QUERY_STRING", "")
    if "%00" not in query and "\x00" not in query:
        return
    for name, values in request.query_params.lists():
        if any("\x00" in text for text in (name, *values)):
            raise errors.InvalidParameters("the query must not hold NUL characters")


class UnknownUrlView(OcpiView):
    """Any URL below `ocpi/` that is none: 404 in an envelope, whatever the method."""

    functional = False

    def _handle(self, request: Request, names: dict[str, Any]) -> Response:
        raise errors.NotFound("there is no such OCPI endpoint")
