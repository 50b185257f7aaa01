"""`manage.py simulate`."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from cpo_platform.common import clock
from locations.models import Connector, Status
from sessions_app.models import Cdr, Session, SessionStatus, SimulatedStation
from tests.factories import NOW, ConnectorFactory, TokenFactory, evse

pytestmark = pytest.mark.django_db

Run = Callable[..., str]

SESSION = ["session", "E1", "--token", "04AA", "--minutes", "50", "--energy", "20"]


@pytest.fixture
def connector() -> Connector:
    row: Connector = ConnectorFactory(evses=[evse("E1")])
    return row


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a subcommand at a second after NOW, and return what it prints."""
    moment: list[datetime] = []
    monkeypatch.setattr(clock, "now", lambda: moment[-1])

    def run(second: float, *arguments: str) -> str:
        moment.append(NOW + timedelta(seconds=second))
        out = StringIO()
        call_command("simulate", *arguments, stdout=out)
        return out.getvalue()

    return run


def test_visit_from_plug_to_unplug(at: Run, connector: Connector) -> None:
    TokenFactory(uid="04AA")

    assert at(0, "plug", "e1", "--power", "22", "--need", "5") == "EVSE E1: a car is plugged in.\n"
    assert at(1, "present", "NL*TST*E1", "04AA") == "EVSE E1: token 04AA was accepted.\n"
    assert at(2, "tick").endswith("is PENDING\n")
    assert at(4, "tick").endswith("is ACTIVE\n")
    assert at(364, "tick").endswith(": meter 2.2000 kWh, 22.000 kW\n")
    assert at(364, "status") == (
        f"EVSE E1 CHARGING, a car of 22.000 kW wants 2.8000 kWh more, "
        f"session {Session.objects.get().ocpi_id} ACTIVE, 2.2000 kWh\n0 stations are idle.\n"
    )
    assert at(724, "stop", "E1") == (
        f"EVSE E1: session {Session.objects.get().ocpi_id} ended, "
        f"CDR {Cdr.objects.get().ocpi_id}: 4.4000 kWh, 1.7600 EUR before taxes.\n"
    )
    assert at(725, "unplug", "E1") == "EVSE E1: the car is unplugged.\n"
    assert at(726, "status") == "1 stations are idle.\n"


def test_fault_and_clear(at: Run, connector: Connector) -> None:
    assert at(0, "fault", "E1") == "EVSE E1 is broken.\n"
    assert at(0, "status") == "EVSE E1 OUTOFORDER, broken\n0 stations are idle.\n"
    assert at(1, "clear", "E1") == "EVSE E1 is back in service.\n"
    connector.evse.refresh_from_db()
    assert connector.evse.status == Status.AVAILABLE


def test_stop_before_the_session_is_active_says_that_nothing_is_billed(
    at: Run, connector: Connector
) -> None:
    TokenFactory(uid="04AA")
    at(0, "present", "E1", "04AA")
    at(2, "tick")

    assert at(3, "stop", "E1") == (
        "EVSE E1: the session never became active and will not be billed.\n"
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["plug", "NOWHERE"], "There is no EVSE NOWHERE."),
        (["unplug", "E1"], "EVSE E1: no car is plugged in."),
        (["stop", "E1"], "EVSE E1: no session is running."),
        (["present", "E1", "04AA"], "REJECTED: UNKNOWN_TOKEN."),
        (["plug", "E1", "--power", "much"], "Error: argument --power: much is not a number"),
        (
            [*SESSION, "--start", "2026-01-01T00:00:00Z"],
            "No eMSP has given us a token with the uid 04AA.",
        ),
        (
            [*SESSION, "--start", "yesterday"],
            "Error: argument --start: yesterday: is not an OCPI DateTime such as "
            "2026-01-31T23:59:59Z (RFC 3339, UTC)",
        ),
    ],
)
def test_error_is_one_sentence_and_changes_nothing(
    at: Run, connector: Connector, arguments: list[str], sentence: str
) -> None:
    with pytest.raises(CommandError) as raised:
        at(0, *arguments)

    assert str(raised.value) == sentence
    assert raised.value.returncode == 1
    assert Session.objects.count() == 0
    assert not SimulatedStation.objects.filter(plugged_in=True).exists()


def test_session_in_the_past_ends_with_its_cdr(at: Run, connector: Connector) -> None:
    token = TokenFactory(uid="04AA")
    SimulatedStation.objects.create(evse=connector.evse, meter_kwh=Decimal(100))

    said = at(
        86400,
        *("session", "E1", "--token", "04aa", "--start", "2026-06-01T09:00:00Z"),
        *("--minutes", "60", "--energy", "20"),
    )

    cdr = Cdr.objects.get()
    assert said == f"EVSE E1: CDR {cdr.ocpi_id}, 20.0000 kWh, 8.0000 EUR before taxes.\n"
    assert cdr.cdr_token == token.cdr_token
    assert cdr.start_date_time == NOW + timedelta(hours=1)
    assert cdr.total_parking_time == 0
    session = Session.objects.get()
    assert session.meter_readings.count() == 13
    assert SimulatedStation.objects.get().meter_kwh == 120


def test_impossible_session_is_one_sentence(at: Run, connector: Connector) -> None:
    TokenFactory(uid="04AA")

    with pytest.raises(CommandError, match="too much"):
        at(
            86400,
            *("session", "E1", "--token", "04AA", "--start", "2026-06-01T09:00:00Z"),
            *("--minutes", "10", "--energy", "20"),
        )

    assert Session.objects.count() == 0


def test_run_ends_after_its_time(at: Run, connector: Connector) -> None:
    TokenFactory(uid="04AA")
    SimulatedStation.objects.create(evse=connector.evse)

    said = at(0, "run", "--seconds", "0", "--busy", "1")

    assert said.startswith("EVSE E1: a driver with token 04AA plugged in\nEVSE E1: session ")
    assert Session.objects.get().status == SessionStatus.PENDING


def test_run_ends_with_ctrl_c(
    at: Run, connector: Connector, monkeypatch: pytest.MonkeyPatch
) -> None:
    TokenFactory(uid="04AA")
    at(0, "present", "E1", "04AA")
    naps: list[float] = []

    def nap(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr("time.sleep", nap)

    at(2, "run", "--interval", "3")

    assert naps == [3.0, 3.0]
    assert Session.objects.get().status == SessionStatus.ACTIVE
