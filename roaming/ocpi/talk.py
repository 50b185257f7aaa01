"""A conversation with a partner about credentials, told step by step.

Every request has what is left of one deadline; the first that fails ends the conversation.
"""

import time
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any
from uuid import uuid4

from cpo_platform.common import clock, http, json
from cpo_platform.common.saying import Saying
from cpo_platform.common.shapes import ShapeError, parse
from roaming import message_log
from roaming.client import (
    HTTP_SUCCESS,
    NOT_AUTHENTICATED,
    Credential,
    Reply,
    Request,
    send_once,
)
from roaming.ocpi.versions import Version
from roaming.operations.partners import Step
from roaming.redaction import redact_url
from roaming.visibility import ONE_PARTY

UNUSABLE_API = 3001
MAX_DETAIL = 1000
# The partner waits for our answer while we call it: longer than this, and it has hung up.
DEADLINE_SECONDS = 25.0


class HandshakeFailed(Exception):
    """The handshake did not come about; `steps` tells how far it got."""

    def __init__(self, message: str, *, status_code: int, steps: list[Step]) -> None:
        self.status_code = status_code
        self.steps = steps
        super().__init__(message[:MAX_DETAIL])


class Unanswered(HandshakeFailed):
    """A request was sent, and nothing came back that says what became of it."""


class AnswerLost(HandshakeFailed):
    """The partner may have taken our credentials, but its own did not reach us."""

    @classmethod
    def of(cls, failure: HandshakeFailed) -> "AnswerLost":
        return cls(str(failure), status_code=failure.status_code, steps=failure.steps)


@dataclass
class Talk:
    """One conversation with a partner: what we call it with, and the steps so far.

    `refused` is what staff is told where the partner does not know the token: `%(reason)s`.
    """

    partner_id: int
    credential: Credential
    refused: Saying | None = None
    steps: list[Step] = field(default_factory=list)
    correlation_id: str = field(default_factory=lambda: str(uuid4()))
    # Whether the partner has shown which form of the token it takes.
    form_is_known: bool = False
    ends_at: float = field(default_factory=lambda: time.monotonic() + DEADLINE_SECONDS)

    def get(self, what: str, url: str, *, missing: Saying | None = None) -> Reply:
        """Read something; `missing` is what staff is told where there is none: `%(reason)s`."""
        reply = self._send_either_way(self._request("GET", url))
        return self._note(f"GET {what} ({redact_url(url)})", reply, missing)

    def send(self, what: str, method: str, url: str, body: object = None) -> Reply:
        request = self._request(method, url, None if body is None else json.dumps(body))
        return self._note(f"{method} {what} ({redact_url(url)})", self._send_either_way(request))

    def _request(self, method: str, url: str, body: bytes | None = None) -> Request:
        # One conversation, one correlation id: so it is found as a whole in both logs.
        return Request(method, url, body=body, correlation_id=self.correlation_id)

    def prefer(self, version: Version) -> None:
        """Write the token as the version says, until the partner shows that it wants otherwise."""
        if not self.form_is_known:
            self.credential = replace(self.credential, base64=in_base64(version))

    def _send_either_way(self, request: Request) -> Reply:
        """Send, and once more with the token written the other way (Base64 or plain).

        Each request anew: a partner may want it in Base64 for its versions, which are of no
        version yet, and plain in 2.1.1.
        """
        reply = self._send(request)
        if _may_be_the_form(reply):
            other = replace(self.credential, base64=not self.credential.base64)
            second = self._send(request, other)
            if not _may_be_the_form(second):
                self.credential, self.form_is_known = other, True
                return second
        return reply

    def _send(self, request: Request, credential: Credential | None = None) -> Reply:
        left = self.ends_at - time.monotonic()
        if left <= 0:
            raise self.fail(
                Saying(f"{request.method} {redact_url(request.url)}"),
                f"not sent: the handshake took longer than {DEADLINE_SECONDS:g} s",
                UNUSABLE_API,
            )
        reply = send_once(
            request,
            credential or self.credential,
            timeout_seconds=min(http.TIMEOUT_SECONDS, left),
        )
        entry = message_log.sent(
            reply, partner_id=self.partner_id, at=clock.now(), module="credentials"
        )
        message_log.write([entry])
        return reply

    def _note(self, text: str, reply: Reply, missing: Saying | None = None) -> Reply:
        detail = "" if reply.ok else self._explained(reply, missing)
        self.steps.append(Step(Saying(text), reply.ok, detail))
        if reply.ok:
            return reply
        failure = self.failed(f"{text}: {reply.reason}", UNUSABLE_API)
        if _is_unanswered(reply):
            raise Unanswered(str(failure), status_code=UNUSABLE_API, steps=self.steps)
        raise failure

    def _explained(self, reply: Reply, missing: Saying | None) -> str:
        """Return what came back, with what to do about it where that is known."""
        known: dict[int | None, Saying | None] = {
            HTTPStatus.UNAUTHORIZED: self.refused,
            HTTPStatus.NOT_FOUND: missing,
        }
        advice = known.get(reply.http_status)
        if advice is None:
            return reply.reason
        return str(advice.filled(reason=reply.reason[:MAX_DETAIL]))

    def read(self, shape: Any, reply: Reply, step: Saying) -> Any:
        try:
            return parse(shape, reply.data)
        except ShapeError as error:
            raise self.fail(step, str(error), UNUSABLE_API) from error

    def fail(self, step: Saying, detail: str, status_code: int) -> HandshakeFailed:
        detail = detail[:MAX_DETAIL]
        self.steps.append(Step(step, ok=False, detail=detail))
        return self.failed(f"{step}: {detail}", status_code)

    def failed(self, message: str, status_code: int) -> HandshakeFailed:
        return HandshakeFailed(message, status_code=status_code, steps=self.steps)


def _may_be_the_form(reply: Reply) -> bool:
    """Tell whether the partner may have refused, or stumbled over, how the token is written.

    What decodes it from Base64 unasked fails on a plain one with whatever error it has (HTTP 200
    with 3000); to ask again is no harm for a GET.
    """
    if reply.http_status in NOT_AUTHENTICATED:
        return True
    told = reply.http_status in HTTP_SUCCESS and reply.status_code is not None
    return reply.request.method == "GET" and told and not reply.ok


def _is_unanswered(reply: Reply) -> bool:
    """Tell a request that was refused from one of which nobody knows what became.

    What stands between us and the partner answers 5xx as well, and without an envelope.
    """
    if reply.http_status is None:
        return True
    if reply.http_status in NOT_AUTHENTICATED and reply.request.method == "PUT":
        # The same token was good a moment ago: our request came twice, or the partner changed its
        # token before it failed.
        return True
    told = reply.status_code is not None
    return not told and (reply.http_status >= 500 or reply.http_status in HTTP_SUCCESS)


def in_base64(version: Version) -> bool:
    """Tell how a version has the token in the Authorization header: 2.1.1 as it is."""
    return version.number != ONE_PARTY
