"""Charges that staff begins or ends for a driver, in the words of both versions, and its pages."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import redis
from django.forms import ModelChoiceField
from django.test import Client
from pytest_django import Settings

from cpo_platform.common import clock
from ocpp_gateway import charges
from ocpp_gateway.admin import station_forms
from ocpp_gateway.authorizing import decide
from ocpp_gateway.calling import NeverConnected
from ocpp_gateway.frames import Version
from ocpp_gateway.models import Outlet, RemoteStart, Station, StationCall, Transaction
from sessions_app.authorization import Allowed
from sessions_app.models import AuthMethod, Session, Token
from sessions_app.operations import reservations
from tests.factories import NOW, LocationFactory, SessionFactory, TokenFactory, cdr_token, evse
from tests.ocpp_gateway.gateways import FakeGateway, running
from tests.ocpp_gateway.placing import BOTH, open_transaction, place

pytestmark = pytest.mark.django_db

WHO: Any = {"asked_by": "anna", "now": NOW}
ACCEPTED = {"status": "Accepted"}
STATIONS = "/admin/ocpp_gateway/station/"


class Emsp:
    """The eMSP is connected, and is not asked about its tokens."""

    def is_connected(self, *, country_code: str, party_id: str) -> bool:
        return True


@pytest.fixture(autouse=True)
def emsp(settings: Settings) -> None:
    settings.REALTIME_AUTHORIZER = f"{__name__}.Emsp"


@pytest.fixture(params=BOTH)
def version(request: Any) -> Version:
    found: Version = request.param
    return found


@pytest.fixture
def session() -> Session:
    return SessionFactory()


@pytest.fixture
def station(session: Session, version: Version) -> Station:
    assert session.evse is not None
    now = clock.now()
    return place(
        session.evse.location,
        version,
        online_until=now + timedelta(hours=1),
        connected_at=now,
    )


@pytest.fixture
def charging(station: Station, session: Session) -> Transaction:
    return open_transaction(session, ref="TX-7")


@pytest.fixture
def outlet(station: Station) -> Outlet:
    return station.outlets.select_related("station").get()


@pytest.fixture
def gateway(broker: redis.Redis, station: Station) -> Iterator[FakeGateway]:
    names = (
        *("RemoteStartTransaction", "RequestStartTransaction"),
        *("RemoteStopTransaction", "RequestStopTransaction"),
    )
    with running("gateway", dict.fromkeys(names, ACCEPTED)) as gateway:
        gateway.claim(station.pk)
        yield gateway


@pytest.fixture
def token() -> Token:
    return TokenFactory(uid="04AABB", contract_id="DE-EMS-C1", visual_number="CARD 7")


def asked(gateway: FakeGateway) -> tuple[str, dict[str, Any]]:
    call = gateway.asked[-1]
    return call.action, dict(call.payload)


def url(station: Station, name: str) -> str:
    return f"{STATIONS}{station.pk}/{name}/"


def text_of(response: Any) -> str:
    assert response.status_code == 200, response
    return str(response.content.decode())


def test_a_start_names_the_token_as_a_reader_would(
    gateway: FakeGateway, outlet: Outlet, token: Token, version: Version
) -> None:
    charges.start_charge(outlet, token, **WHO)

    assert asked(gateway) == (
        ("RemoteStartTransaction", {"connectorId": 1, "idTag": "04AABB"})
        if version is Version.V1_6
        else (
            "RequestStartTransaction",
            {
                "evseId": 1,
                "remoteStartId": RemoteStart.objects.get().pk,
                "idToken": {"idToken": "04AABB", "type": "ISO14443"},
            },
        )
    )


def test_what_begins_then_is_authorised_as_it_was_found(
    gateway: FakeGateway, outlet: Outlet, token: Token
) -> None:
    charges.start_charge(outlet, token, **WHO)

    decision = decide(outlet_id=outlet.pk, uid="04AABB", token_type="", now=NOW)

    assert (decision.verdict, decision.cdr_token) == (Allowed.ALLOWED, token.cdr_token)
    assert decision.auth_method == AuthMethod.WHITELIST


def test_the_next_charge_with_that_card_is_decided_on_anew(
    gateway: FakeGateway, outlet: Outlet, token: Token
) -> None:
    charges.start_charge(outlet, token, **WHO)
    Transaction.objects.create(
        station=outlet.station,
        outlet=outlet,
        ref="TX-1",
        opened_at=NOW,
        remote_start=RemoteStart.objects.get(),
    )
    Token.objects.update(valid=False, whitelist="ALWAYS")

    decision = decide(outlet_id=outlet.pk, uid="04AABB", token_type="", now=NOW)

    assert (decision.verdict, decision.remote_start) == (Allowed.NOT_ALLOWED, None)


def test_nothing_is_asked_for_a_token_that_may_not_charge(
    gateway: FakeGateway, outlet: Outlet
) -> None:
    blocked = TokenFactory(valid=False, whitelist="ALWAYS")
    with pytest.raises(charges.NotAllowed) as refused:
        charges.start_charge(outlet, blocked, **WHO)
    assert refused.value.authorization.allowed is Allowed.NOT_ALLOWED
    assert (gateway.asked, RemoteStart.objects.count()) == ([], 0)


@pytest.mark.parametrize("is_valid", [True, False])
def test_nobody_pays_whose_card_has_the_same_uid_as_the_one_that_was_named(
    admin_client: Client, gateway: FakeGateway, outlet: Outlet, *, is_valid: bool
) -> None:
    TokenFactory(uid="04AABB", contract_id="NL-OTH-C9", party_id="OTH", country_code="NL")
    TokenFactory(uid="04AABB", contract_id="DE-EMS-C1", valid=is_valid, whitelist="ALWAYS")

    page = url(outlet.station, "start")
    admin_client.post(page, {"outlet": outlet.pk, "token": "DE-EMS-C1"})

    paying = [row.cdr_token["contract_id"] for row in RemoteStart.objects.all()]
    assert paying == ["DE-EMS-C1"] * is_valid
    assert len(gateway.asked) == is_valid


def test_the_last_free_evse_is_not_given_away_if_it_is_reserved(
    broker: redis.Redis, token: Token
) -> None:
    reservable = ["REMOTE_START_STOP_CAPABLE", "RESERVABLE"]
    station = place(LocationFactory(evses=[evse(capabilities=reservable)]))
    outlet = station.outlets.select_related("connector__evse__location").get()
    reservations.make_reservation(
        number=reservations.next_number(),
        reservation_id="R1",
        location_id=outlet.connector.evse.location_id,
        evse_id=None,
        cdr_token=cdr_token("OTHER"),
        expiry_date=NOW + timedelta(hours=1),
        now=NOW,
    )

    with pytest.raises(charges.KeptForOthers):
        charges.start_charge(outlet, token, **WHO)

    assert not StationCall.objects.exists()


def test_a_stop_names_the_transaction_as_the_station_does(
    gateway: FakeGateway, charging: Transaction, version: Version
) -> None:
    call = charges.stop_charge(charging, **WHO)

    assert asked(gateway) == (
        ("RemoteStopTransaction", {"transactionId": charging.pk})
        if version is Version.V1_6
        else ("RequestStopTransaction", {"transactionId": "TX-7"})
    )
    assert (call.session_id, call.asked_by) == (charging.session_id, "anna")


def test_a_station_that_was_never_here_cannot_be_asked() -> None:
    outlet = place(LocationFactory(), None).outlets.select_related("station").get()
    with pytest.raises(NeverConnected):
        charges.start_charge(outlet, TokenFactory(), **WHO)


@pytest.mark.parametrize("said", ["04aabb", "DE-EMS-C1", "CARD 7"])
def test_staff_starts_a_charge_by_any_name_of_the_token(
    admin_client: Client, gateway: FakeGateway, outlet: Outlet, token: Token, said: str
) -> None:
    page = url(outlet.station, "start")
    response = admin_client.post(page, {"outlet": outlet.pk, "token": said}, follow=True)

    assert "has answered “Accepted”" in text_of(response)
    assert "04AABB" in str(asked(gateway))
    assert StationCall.objects.get().asked_by == "admin"


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("nobody", "No card or contract is known by this name."),
        ("TWICE", "Several tokens are known by this name: give another of its names."),
        ("BLOCKED", "It may not charge here: Not allowed."),
        ("APP", "No card or contract is known by this name."),
    ],
)
def test_a_token_that_cannot_start_is_explained_and_asks_nothing(
    admin_client: Client, gateway: FakeGateway, outlet: Outlet, said: str, why: str
) -> None:
    TokenFactory(uid="1", contract_id="TWICE")
    TokenFactory(uid="2", contract_id="TWICE")
    TokenFactory(uid="BLOCKED", valid=False, whitelist="ALWAYS")
    TokenFactory(uid="APP", type="APP_USER")
    page = url(outlet.station, "start")

    assert why in text_of(admin_client.post(page, {"outlet": outlet.pk, "token": said}))
    assert gateway.asked == []


def test_the_page_of_a_running_session_leads_to_its_stop(
    admin_client: Client, gateway: FakeGateway, charging: Transaction, session: Session
) -> None:
    page = f"{url(charging.station, 'stop')}?charging={charging.pk}"
    assert page in text_of(admin_client.get(f"/admin/sessions_app/session/{session.pk}/change/"))
    shown = text_of(admin_client.get(page))
    assert f'<option value="{charging.pk}" selected>' in shown
    assert "Sessions that run there now: 1." in shown

    response = admin_client.post(page, {"charging": charging.pk}, follow=True)

    assert "has answered “Accepted”" in text_of(response)
    assert len(gateway.asked) == 1


def test_what_has_ended_cannot_be_stopped(
    admin_client: Client, gateway: FakeGateway, charging: Transaction, session: Session
) -> None:
    Transaction.objects.update(ended_at=NOW)
    page = text_of(admin_client.get(f"/admin/sessions_app/session/{session.pk}/change/"))
    assert url(charging.station, "stop") not in page
    response = admin_client.post(url(charging.station, "stop"), {"charging": charging.pk})
    assert "valid choice" in text_of(response)
    assert gateway.asked == []


def test_of_many_open_charges_the_newest_can_be_chosen(
    charging: Transaction, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(station_forms, "MOST_CHARGES", 1)
    newer = Transaction.objects.create(
        station=charging.station,
        outlet=charging.outlet,
        ref="TX-8",
        ocpp_version=charging.ocpp_version,
        opened_at=NOW,
    )
    charge = station_forms.StopForm(station=charging.station).fields["charging"]
    assert isinstance(charge, ModelChoiceField)
    assert charge.queryset is not None
    assert [*charge.queryset] == [newer]
