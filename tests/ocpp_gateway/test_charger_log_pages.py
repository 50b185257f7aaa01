"""The pages of messages, transactions and alerts, and the page that explains a session."""

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from cpo_platform.common import clock
from cpo_platform.common.saying import say
from ocpp_gateway.frames import Version
from ocpp_gateway.models import (
    AlertKind,
    SignedMeterValue,
    Station,
    StationAlert,
    StationCall,
    StationMessage,
    Transaction,
)
from ocpp_gateway.operations.alerts import raise_alert
from roaming.models import Command, Partner
from tests.factories import NOW, LocationFactory
from tests.ocpp_gateway.placing import place
from tests.ocpp_gateway.world import Charge, keep, make_outlet, minute

pytestmark = pytest.mark.django_db

LOG = "/admin/ocpp_gateway/stationmessage/"
TRANSACTIONS = "/admin/ocpp_gateway/transaction/"
ALERTS = "/admin/ocpp_gateway/stationalert/"


def text_of(response: Any) -> str:
    assert response.status_code == 200, response
    return str(response.content.decode())


def found(client: Client, **query: Any) -> list[str]:
    rows = client.get(f"{LOG}?{urlencode(query)}").context["cl"].result_list
    return [row.action for row in rows]


def sign(transaction: Transaction, verdict: str, position: int = 0) -> None:
    SignedMeterValue.objects.create(
        transaction=transaction,
        position=position,
        at=NOW,
        context="Transaction.Begin",
        data=f"OCMF|<{verdict}>",
        verdict=verdict,
        reason="why",
        judged_at=NOW,
    )


@pytest.fixture
def charge() -> Charge:
    """Return a charge that has ended, with its session and CDR."""
    charge = Charge(make_outlet(), token_uid="04AA")
    charge.start(0)
    for at in range(1, 8):
        charge.meter(at, str(10_000 + at * 300))
    charge.stop(10, 13_000)
    charge.digest(11)
    return charge


# Messages


def test_an_empty_log_says_how_to_look_further_back(admin_client: Client) -> None:
    assert "say since when" in text_of(admin_client.get(LOG))
    assert "Nothing matches" in text_of(admin_client.get(f"{LOG}?action=Reset"))


def test_messages_are_found_by_each_field(admin_client: Client) -> None:
    now = clock.now()
    outlet = make_outlet()
    one, other = outlet.station, place(LocationFactory(), identity="OTHER")
    charge = Charge(outlet)
    keep(one, "Heartbeat", {}, at=now - timedelta(minutes=3))
    keep(one, "MeterValues", {"a": "Needle"}, at=now - timedelta(minutes=2), transaction=charge.row)
    keep(other, "Authorize", {}, at=now - timedelta(minutes=1), error="InternalError: no needle")
    keep(other, "BootNotification", {}, at=now - timedelta(days=3))

    assert found(admin_client) == ["Authorize", "MeterValues", "Heartbeat"]
    assert found(admin_client, station="other") == ["Authorize"]
    assert found(admin_client, station="STATION") == ["MeterValues", "Heartbeat"]
    assert found(admin_client, station="nobody") == []
    assert found(admin_client, action="heartbeat") == ["Heartbeat"]
    assert found(admin_client, direction="OUT") == []
    assert found(admin_client, outcome="failed") == ["Authorize"]
    assert found(admin_client, text="needle") == ["Authorize", "MeterValues"]
    assert found(admin_client, transaction=charge.row.pk) == ["MeterValues"]
    since = f"{now - timedelta(days=4):%Y-%m-%dT%H:%M}"
    until = f"{now - timedelta(days=2):%Y-%m-%dT%H:%M}"
    assert found(admin_client, since=since, until=until) == ["BootNotification"]
    assert found(admin_client, since=until, until=since) == []


@pytest.mark.parametrize("size", [1, 60])
def test_the_log_takes_the_same_queries_for_any_size(
    admin_client: Client, django_assert_num_queries: DjangoAssertNumQueries, size: int
) -> None:
    station = place(LocationFactory())
    for number in range(size):
        keep(station, "Heartbeat", {}, at=clock.now() - timedelta(seconds=number))
    admin_client.get(LOG)
    # Session, user, what is there, the page.
    with django_assert_num_queries(4):
        assert admin_client.get(LOG).status_code == 200


def test_a_message_shows_request_and_answer_side_by_side(
    admin_client: Client, charge: Charge
) -> None:
    message = StationMessage.objects.filter(action="StartTransaction").get()
    StationMessage.objects.filter(pk=message.pk).update(answer='{"idTagInfo":{}}')
    text = text_of(admin_client.get(f"{LOG}{message.pk}/change/"))
    assert "&quot;meterStart&quot;: 10000" in text
    assert "&quot;idTagInfo&quot;: {}" in text
    assert f"{TRANSACTIONS}{charge.row.pk}/change/" in text
    assert f"station={charge.station.identity}" in text


@pytest.mark.parametrize("payload", ["no JSON", "[1]", '{"meterValue": 7}', '{"meterValue": [7]}'])
def test_what_no_station_should_say_is_shown_all_the_same(
    admin_client: Client, payload: str
) -> None:
    station = place(LocationFactory())
    for action in ("MeterValues", "StatusNotification", "TransactionEvent", "BootNotification", ""):
        keep(station, action, {}, at=clock.now())
    StationMessage.objects.update(payload=payload)
    assert len(found(admin_client)) == 5
    row = StationMessage.objects.latest("pk")
    assert text_of(admin_client.get(f"{LOG}{row.pk}/change/"))


# Transactions


def test_transactions_say_what_became_of_them(admin_client: Client, charge: Charge) -> None:
    text = text_of(admin_client.get(TRANSACTIONS))
    assert charge.session.token_contract_id in text
    page = text_of(admin_client.get(f"{TRANSACTIONS}{charge.row.pk}/change/"))
    for said in ("Allowed", "04AA", "3 kWh", "EVDisconnected", "cpo-curve-power"):
        assert said in page
    assert "The station has sent none." in page


def test_an_unbilled_one_says_why(admin_client: Client) -> None:
    charge = Charge(make_outlet(), verdict="BLOCKED", cdr_token=None)
    charge.start(0)
    charge.stop(10, 20_000)
    charge.digest(11)
    reason = charge.now().why_unbilled
    assert reason
    page = text_of(admin_client.get(f"{TRANSACTIONS}{charge.row.pk}/change/"))
    assert reason in page
    assert "Energy without a bill" in page
    for query, count in (("unbilled", 1), ("open", 0), ("broken", 0)):
        cl = admin_client.get(f"{TRANSACTIONS}?bill={query}").context["cl"]
        assert cl.result_count == count


def test_signed_values_are_shown_untouched_with_their_verdicts(
    admin_client: Client, charge: Charge
) -> None:
    for position, verdict in enumerate(("VALID", "BROKEN", "UNVERIFIED")):
        sign(charge.row, verdict, position)
    page = text_of(admin_client.get(f"{TRANSACTIONS}{charge.row.pk}/change/"))
    for said in ("Signed by the meter", "Broken signature", "Not verified"):
        assert said in page
    assert "OCMF|&lt;BROKEN&gt;" in page
    cl = admin_client.get(f"{TRANSACTIONS}?bill=broken").context["cl"]
    assert cl.result_count == 1


@pytest.mark.parametrize("size", [1, 20])
def test_transactions_take_the_same_queries_for_any_size(
    admin_client: Client, django_assert_num_queries: DjangoAssertNumQueries, size: int
) -> None:
    outlet = make_outlet()
    for _ in range(size):
        Charge(outlet)
    admin_client.get(TRANSACTIONS)
    # Session, user, verdicts and versions to filter by, count, the page.
    with django_assert_num_queries(6):
        assert admin_client.get(TRANSACTIONS).status_code == 200


def test_an_empty_list_says_when_there_will_be_some(admin_client: Client) -> None:
    assert "as soon as somebody charges" in text_of(admin_client.get(TRANSACTIONS))


# Alerts


def alert(kind: AlertKind = AlertKind.FLOOD) -> StationAlert:
    station = place(LocationFactory(), identity=f"CP-{Station.objects.count()}")
    raise_alert(kind=kind, station_id=station.pk, saying=say("Seen"), now=NOW)
    return StationAlert.objects.latest("pk")


@pytest.mark.parametrize("kind", AlertKind)
def test_each_kind_of_alert_says_what_to_do(admin_client: Client, kind: AlertKind) -> None:
    row = alert(kind)
    page = text_of(admin_client.get(f"{ALERTS}{row.pk}/change/"))
    assert "What to do" in page
    assert f"{ALERTS}{row.pk}/resolve/" in page


def test_open_alerts_are_listed_and_staff_resolves_them(admin_client: Client) -> None:
    assert "Nothing needs a look." in text_of(admin_client.get(ALERTS))
    one, two, three = alert(), alert(), alert()
    resolve = f"{ALERTS}{one.pk}/resolve/"
    assert "It leaves the home page" in text_of(admin_client.get(resolve))
    admin_client.post(resolve)
    admin_client.post(
        ALERTS, {"action": "resolve", "_selected_action": [two.pk], "index": 0, "select_across": 0}
    )

    cl = admin_client.get(ALERTS).context["cl"]
    assert [row.pk for row in cl.result_list] == [three.pk]
    assert set(StationAlert.objects.values_list("resolved_by", flat=True)) == {"admin", ""}
    assert admin_client.get(f"{ALERTS}?state=resolved").context["cl"].result_count == 2
    assert admin_client.get(f"{ALERTS}?state=all").context["cl"].result_count == 3


def test_the_list_of_alerts_and_its_file_say_what_was_seen_and_find_it(
    admin_client: Client,
) -> None:
    saying = say("The token was refused: %(verdict)s.", verdict="NO_<CREDIT> 5%")
    station_id = make_outlet().station.pk
    raise_alert(kind=AlertKind.UNBILLED, station_id=station_id, saying=saying, now=NOW)

    page = text_of(admin_client.get(f"{ALERTS}?q=no_%3Ccredit"))
    export: Any = admin_client.post(f"{ALERTS}export/", {"format": "csv"})
    file = b"".join(export.streaming_content)

    assert "The token was refused: NO_&lt;CREDIT&gt; 5%." in page
    assert "The token was refused: NO_<CREDIT> 5%." in file.decode()


def test_who_may_only_look_resolves_nothing(client: Client) -> None:
    user = User.objects.create_user("viewer", is_staff=True)
    views = Permission.objects.filter(codename__startswith="view_")
    user.user_permissions.set(views.filter(content_type__app_label="ocpp_gateway"))
    client.force_login(user)
    row = alert()
    page = f"{ALERTS}{row.pk}/"
    assert "Mark as resolved" not in text_of(client.get(f"{page}change/"))
    assert client.post(f"{page}resolve/").status_code == 403
    client.post(ALERTS, {"action": "resolve", "_selected_action": [row.pk], "index": 0})
    assert StationAlert.objects.filter(resolved_at=None).count() == 1


# Home


def test_the_home_page_says_what_needs_a_look_only_when_something_does(
    admin_client: Client,
) -> None:
    assert "Charger that" not in text_of(admin_client.get("/admin/"))
    alert()
    Station.objects.create(identity="STRANGER")
    text = text_of(admin_client.get("/admin/"))
    for said in ("Charger that needs a look (1)", "Charger that has knocked", "Charger offline"):
        assert said in text
    assert "connection=offline" in text


@pytest.mark.parametrize("size", [1, 8])
def test_alerts_cost_the_home_page_the_same_queries(
    admin_client: Client, django_assert_num_queries: DjangoAssertNumQueries, size: int
) -> None:
    admin_client.get("/admin/")
    for _ in range(size):
        alert()
    admin_client.get("/admin/")
    # One more to count them where not all are shown.
    with django_assert_num_queries(27 + (size > 5)):
        admin_client.get("/admin/")


# Sessions


def story(client: Client, session_id: int) -> str:
    return text_of(client.get(f"/admin/sessions_app/session/{session_id}/story/"))


def test_a_session_shows_its_transaction_and_a_broken_signature(
    admin_client: Client, charge: Charge
) -> None:
    page = f"/admin/sessions_app/session/{charge.session.pk}/change/"
    text = text_of(admin_client.get(page))
    assert f"{TRANSACTIONS}{charge.row.pk}/change/" in text
    assert "Broken signature" not in text
    sign(charge.row, "BROKEN")
    text = text_of(admin_client.get(page))
    assert "is not what the meter signed" in text
    assert "Broken signature" in text


def test_the_story_of_a_session_has_everything_in_order_of_time(
    admin_client: Client, charge: Charge
) -> None:
    partner = Partner.objects.create(name="First eMSP")
    Command.objects.create(
        partner=partner,
        command="STOP_SESSION",
        response_url="https://x",
        session=charge.session,
        received_at=minute(9),
        deadline=minute(10),
    )
    StationCall.objects.create(
        station=charge.station,
        session=charge.session,
        action="RemoteStopTransaction",
        asked_at=minute(9.1),
        sent_at=minute(9.1),
        answered_at=minute(9.2),
        state="ANSWERED",
        answer={"status": "Accepted"},
    )
    sign(charge.row, "BROKEN")
    text = story(admin_client, charge.session.pk)
    told = [
        "Stop a session",
        "RemoteStopTransaction",
        ">StopTransaction<",
    ]
    places = [text.index(one) for one in told]
    assert places == sorted(places)
    for said in (
        "The session begins",
        "Token 04AA is presented",
        ">StartTransaction<",
        "7 times until",
        "The session ends: 3 kWh",
        charge.cdr.ocpi_id,
        "Broken signature",
    ):
        assert said in text


@pytest.mark.parametrize("size", [1, 40])
def test_a_story_takes_the_same_queries_however_long_it_is(
    admin_client: Client, django_assert_num_queries: DjangoAssertNumQueries, size: int
) -> None:
    charge = Charge(make_outlet(Version.V2_0_1))
    charge.event(0, "Started", 0, 10_000, state="Charging")
    for number in range(size):
        charge.event(1 + number, "Updated", 1 + number, 10_000 + number * 10)
    charge.digest(50)
    story(admin_client, charge.session.pk)
    # Session, user, the session, and what each knows. The platform: the session again, its
    # reservation, readings, periods, hold, CDRs. The gateway: the transaction, its meter values,
    # its other messages, calls, signed values, alerts. Roaming: commands, CDRs, messages.
    with django_assert_num_queries(19):
        text = story(admin_client, charge.session.pk)
    assert ("40 times" in text) == (size == 40)


def test_a_session_without_a_charger_of_ours_has_a_story_too(
    admin_client: Client, charge: Charge
) -> None:
    session = charge.session
    Transaction.objects.filter(pk=charge.row.pk).update(session=None)
    page = f"/admin/sessions_app/session/{session.pk}/change/"
    assert "No charger of ours" in text_of(admin_client.get(page))
    assert "The session begins" in story(admin_client, session.pk)
    response = admin_client.get("/admin/sessions_app/session/999999/story/", follow=True)
    assert "does not exist" in text_of(response)
