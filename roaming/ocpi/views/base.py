"""What every OCPI view does: who calls, which ids to echo, how trouble is told."""

import logging
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.http import Http404
from rest_framework.exceptions import MethodNotAllowed as DrfMethodNotAllowed
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from cpo_platform.common import clock, json
from cpo_platform.common.shapes import ShapeError
from roaming import visibility
from roaming.models import Message, PartnerStatus
from roaming.models.messages import MAX_LOGGED_BODY, Direction
from roaming.ocpi.common import errors
from roaming.ocpi.common.audience import Audience
from roaming.ocpi.common.authentication import Caller, authenticate
from roaming.ocpi.common.envelope import (
    SUCCESS,
    OcpiParser,
    OcpiRenderer,
    answer,
    error_answer,
)
from roaming.ocpi.common.headers import Route, check_route, message_ids, read_route
from roaming.ocpi.common.shapes import Owner
from roaming.ocpi.versions import Version

logger = logging.getLogger(__name__)


class _AlwaysJson(BaseContentNegotiation):
    """OCPI is JSON, whatever the Accept header says."""

    def select_parser(self, request: Request, parsers: Iterable[Any]) -> Any:
        return next(iter(parsers))

    def select_renderer(
        self, request: Request, renderers: Iterable[Any], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        renderer = next(iter(renderers))
        return renderer, renderer.media_type


class OcpiView(APIView):
    """The base of every OCPI endpoint.

    `functional` modules carry routing headers and refuse CREDENTIALS_TOKEN_A; versions and
    credentials are the others (OCPI 2.2.1, transport_and_format and credentials).
    """

    functional = True
    version: Version | None = None
    module_name = ""

    authentication_classes = []
    permission_classes = []
    parser_classes = [OcpiParser]
    renderer_classes = [OcpiRenderer]
    content_negotiation_class = _AlwaysJson
    # Without OPTIONS: what the framework would answer is no envelope.
    http_method_names = ["get", "head", "post", "put", "patch", "delete"]

    now: datetime
    caller: Caller
    route: Route = Route(None, None)
    ids: dict[str, str]

    def initialize_request(self, request: Any, *args: Any, **kwargs: Any) -> Request:
        # Before anything can fail: an error is answered with the ids as well.
        self.now = clock.now()
        self.ids = message_ids(request.headers)
        if self.functional:
            self.route = read_route(request.headers)
        return super().initialize_request(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        self.caller = authenticate(request.headers.get("Authorization"), now=self.now)
        if self.functional:
            if self.caller.is_registering:
                raise errors.Unauthorized("this token is for the credentials handshake only")
            if self.caller.partner.status != PartnerStatus.REGISTERED:
                raise errors.Unauthorized("the handshake is not complete")
            check_route(self.route, self.caller.partner.roles.all())
        _check_names(request)

    @property
    def audience(self) -> Audience:
        """For whom objects are rendered: the caller, now. One query."""
        return Audience(self.now, visibility.own_tariffs(self.caller.partner))

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

    def handle_exception(self, exc: Exception) -> Response:
        response = error_answer(self._as_ocpi(exc), now=self.now)
        response.exception = True
        return response

    def _as_ocpi(self, exc: Exception) -> errors.OcpiError:
        match exc:
            case errors.OcpiError():
                return exc
            case ShapeError():
                return errors.InvalidParameters(str(exc)[:1000])
            case DrfMethodNotAllowed():
                return errors.MethodNotAllowed(f"{self.request.method} is not offered here")
            case Http404():
                return errors.NotFound("there is nothing here")
        logger.error("unhandled error in %s", type(self).__name__, exc_info=exc)
        failure = errors.OcpiError("the platform failed to answer; the error was logged")
        failure.status_code = 3000
        return failure

    def finalize_response(
        self, request: Any, response: Response, *args: Any, **kwargs: Any
    ) -> Response:
        response = super().finalize_response(request, response, *args, **kwargs)
        for name, value in (self.ids | self.route.answer_headers).items():
            response[name] = value
        try:
            self._log(request, response)
        except Exception:
            # What was asked for is done; the partner must not be told otherwise.
            logger.exception("a message was not logged")
        return response

    def _log(self, request: Any, response: Response) -> None:
        """Keep what partners sent us, and what we refused; their reads that went well are many."""
        body = response.data if isinstance(response.data, dict) else {}
        went_well = body.get("status_code") == SUCCESS
        if not hasattr(self, "caller") or (request.method == "GET" and went_well):
            return
        Message.objects.create(
            partner=self.caller.partner,
            at=self.now,
            direction=Direction.IN,
            method=request.method[:7],
            url=request.get_full_path()[:2000],
            module=self.module_name,
            http_status=response.status_code,
            status_code=body.get("status_code"),
            duration_ms=int((clock.now() - self.now).total_seconds() * 1000),
            error="" if went_well else str(body.get("status_message", ""))[:1000],
            request_id=self.ids["X-Request-ID"],
            request_body=self._logged_body(request),
        )

    def _logged_body(self, request: Any) -> str:
        # Credentials hold a token; what could not be parsed is not worth keeping.
        data = getattr(request, "_full_data", None)
        if not self.functional or not isinstance(data, dict):
            return ""
        return json.dump_text(data)[:MAX_LOGGED_BODY].replace("\\u0000", "")


def _check_names(request: Request) -> None:
    """Refuse a URL with a NUL character: nothing of ours can be called that."""
    if "\x00" in request.path:
        raise errors.NotFound("there is nothing here: the URL holds a NUL character")
    for name, values in request.query_params.lists():
        if any("\x00" in text for text in (name, *values)):
            raise errors.InvalidParameters("the query must not hold NUL characters")


class UnknownUrlView(OcpiView):
    """Any URL below `ocpi/` that is none: 404 in an envelope."""

    functional = False

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        # One answer for every method.
        request.method = "GET"
        return super().dispatch(request, *args, **kwargs)

    def get(self, request: Request, **_kwargs: Any) -> Response:
        raise errors.NotFound("there is no such OCPI endpoint")
