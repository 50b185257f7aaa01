"""Whatever a partner sends, we answer as we describe: never an error of ours, never another shape.

Requests are made from the committed descriptions, good ones and bad ones, always the same; half of
them name things that there are. Each is undone, so that none of them depends on another.
"""

import json
import re
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import schemathesis
import yaml
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, transaction
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import APIOperation, Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from cpo_platform.common import http
from cpo_platform.common.json import format_datetime
from cpo_platform.wsgi import application
from locations.models import Connector
from roaming.ocpi.common.envelope import SUCCESS
from roaming.ocpi.versions import VERSIONS
from sessions_app.metering import Reading
from sessions_app.operations.sessions import stop_session
from tests.conformance.collecting import ROOT
from tests.factories import NOW, LocationFactory, SessionFactory, TokenFactory, evse
from tests.roaming.conftest import Registered

# For each operation; more than 1 500 in all. What takes no body has given every kind of answer
# within 14 requests; what takes one still has new ones after 20.
CASES_WITH_BODY = 28
CASES_WITHOUT_BODY = 16
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
Real = dict[str, list[str]]
AnyOperation = APIOperation[Any, Any, Any, Any]
AnyCase = Case[Any]
CAPABLE = [
    "CHARGING_PREFERENCES_CAPABLE",
    "CHARGING_PROFILE_CAPABLE",
    "REMOTE_START_STOP_CAPABLE",
    "RESERVABLE",
    "UNLOCK_CAPABLE",
]
PARTIES: Real = {
    "ocpi-from-country-code": ["NL"],
    "ocpi-from-party-id": ["EMS"],
    "ocpi-to-country-code": ["NL"],
    "ocpi-to-party-id": ["TST"],
}

# What an unhandled error of ours is told as; nothing that a partner sends may cause one.
OUR_FAULT = 3000


def _moment(ahead: int) -> str:
    return format_datetime(NOW + timedelta(seconds=ahead))


# What the pattern of a DateTime allows is not always a day of the calendar.
schemathesis.openapi.format("date-time", st.integers(-(10**8), 10**8).map(_moment))


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every call to the outside fail at once: made-up URLs lead nowhere."""

    async def send(self: http.Client, method: str, url: str, **_kwargs: Any) -> http.Answer:
        return http.Answer(status=None, error="the network is off")

    monkeypatch.setattr(http.Client, "send", send)


@pytest.fixture(autouse=True)
def one_connection() -> Iterator[None]:
    """Keep the connection of the test, whose transaction a real request would end."""
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    yield
    for signal in signals:
        signal.connect(close_old_connections)


@pytest.fixture
def real(first: Registered) -> Real:
    """What there is: a network, a running and a finished session, a token; all the caller's."""
    location = LocationFactory(id="L1", evses=[evse("E1", capabilities=CAPABLE)])
    TokenFactory(uid="04AA")
    running = SessionFactory(connector=Connector.objects.get(evse__location=location))
    finished = SessionFactory(now=NOW)
    ended = NOW + timedelta(hours=1)
    reading = Reading(ended, Decimal("1010.5"))
    stop_session(session_id=finished.pk, ended_at=ended, now=ended, readings=[reading])
    return {
        "location_id": [location.ocpi_id],
        "evse_uid": ["E1"],
        "connector_id": ["1"],
        "session_id": [running.ocpi_id, finished.ocpi_id],
        "country_code": ["NL"],
        "party_id": ["EMS"],
        "token_uid": ["04AA"],
        "uid": ["04AA"],
        "type": ["RFID"],
        "response_url": ["https://emsp.example/results/1"],
    }


@pytest.mark.long
@pytest.mark.rule("TR-21", "TR-22", "TR-23", "TR-28", "TR-30")
@pytest.mark.parametrize("number", list(VERSIONS))
@pytest.mark.django_db
def test_whatever_is_sent_is_answered_as_described(
    number: str, first: Registered, real: Real
) -> None:
    text = (ROOT / "docs" / "openapi" / f"ocpi-{number}.yaml").read_text(encoding="utf-8")
    schema = schemathesis.openapi.from_dict(yaml.safe_load(text))
    schema.app = application
    described = [result.ok() for result in schema.get_all_operations() if isinstance(result, Ok)]
    told: set[tuple[str, int]] = set()
    for operation in described:
        cases = CASES_WITH_BODY if operation.body else CASES_WITHOUT_BODY
        assert _fuzz(operation, cases, first.call.token, real, told) >= cases, operation.label
    # It did get through: to all that need no body, and to most of the others.
    succeeded = {label for label, code in told if code == SUCCESS}
    simple = {operation.label for operation in described if not operation.body}
    assert {label for label in simple - succeeded if "hubclientinfo" not in label} == set()
    assert len(succeeded) > len(described) * 0.7


def _fuzz(
    operation: AnyOperation,
    cases: int,
    token: str,
    real: Real,
    told: set[tuple[str, int]],
) -> int:
    """Send what can be thought of to one operation; return how many requests that were.

    `told` collects which status codes came back.
    """
    sent = 0

    @settings(
        max_examples=cases,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(_cases(operation), st.data())
    def one(case: AnyCase, data: st.DataObject) -> None:
        nonlocal sent
        sent += 1
        if data.draw(st.booleans()):
            # The parties are right or left out; half of the other requests name what there is not.
            for values in (case.path_parameters, case.query, case.body):
                _make_real(values, real, data)
            _make_real(case.headers, PARTIES, data)
        with _undone():
            # Answers are compressed for those who ask for it; this transport cannot read that.
            headers = {"Authorization": f"Token {token}", "Accept-Encoding": "identity"}
            response = case.call(headers=headers)
            case.validate_response(response, checks=CHECKS)
            answer = json.loads(response.content)
            assert answer["status_code"] != OUR_FAULT, case.as_curl_command()
            told.add((operation.label, answer["status_code"]))

    one()
    return sent


def _cases(operation: AnyOperation) -> st.SearchStrategy[AnyCase]:
    good = operation.as_strategy(GenerationMode.POSITIVE)
    if not operation.body and not operation.query:
        return good
    return good | operation.as_strategy(GenerationMode.NEGATIVE)


def _make_real(values: Any, real: Real, data: st.DataObject) -> None:
    """Name things that there are wherever a thing is named."""
    if not isinstance(values, MutableMapping):
        return
    for name in sorted(values):
        value = values[name]
        if name.lower() in real:
            values[name] = data.draw(st.sampled_from(real[name.lower()]))
        elif isinstance(value, str):
            # Letters that every field may hold; what else there is comes in the other requests.
            values[name] = re.sub(r"[^!-~]", "x", value)
        else:
            _make_real(value, real, data)


@contextmanager
def _undone() -> Iterator[None]:
    with transaction.atomic():
        try:
            yield
        finally:
            transaction.set_rollback(True)
