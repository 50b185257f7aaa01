"""Pushing for real, over HTTP, to the sandbox partner: also when it fails in every way it can."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import orjson
import pytest
from django.db import connection
from pytest_django import Settings

from cpo_platform.common import clock
from cpo_platform.common.secrets import encrypt
from locations.canonical import shape_of
from locations.models import Evse, Location
from locations.operations import put_location, set_evse_status
from roaming import client
from roaming.models import Command, Delivery, Endpoint, Feed, Lane, Message, MessageBody, Partner
from roaming.ocpi.documents import bodies
from roaming.ocpi.versions import VERSIONS
from roaming.operations import commands, feed, walks
from sandbox.emsp import Emsp, running_emsp
from sessions_app.metering import Reading
from sessions_app.models import Cdr, Session
from sessions_app.operations import sessions
from tariffs.operations import delete_tariff, put_tariff
from tariffs.operations import shape_of as tariff_shape_of
from tests.audiences import EVERYBODY
from tests.factories import LocationFactory, SessionFactory, TariffFactory, cdr_token, evse
from tests.roaming import lanes
from tests.roaming.conftest import make_partner

pytestmark = pytest.mark.django_db(transaction=True)


def _moments() -> Iterator[datetime]:
    moment = clock.now()
    while True:
        moment += timedelta(seconds=1)
        yield moment


@dataclass
class Link:
    """A registered sandbox partner and the feed that leads to it."""

    emsp: Emsp
    partner: Partner
    moments: Iterator[datetime] = field(default_factory=_moments)
    read: int = 0

    @property
    def feed(self) -> Feed:
        return lanes.feed_of(self.partner)

    def drain(self) -> int:
        """Drain now, whatever pause was set."""
        return lanes.drain(self.partner)

    def now(self) -> datetime:
        return next(self.moments)

    def pushed(self) -> list[str]:
        """Return what arrived since it was asked last: `PUT locations/NL/TST/SITE`."""
        messages = [
            f"{message['method']} {message['url'].split('/ocpi/2.2.1/')[-1]}"
            for message in self.emsp.messages(direction="in")
        ]
        new, self.read = messages[self.read :], len(messages)
        return new


def connect(emsp: Emsp, name: str = "First eMSP", party_id: str = "EMS") -> Link:
    """Register a partner without the handshake, which other tests are about."""
    made = make_partner(name, party_id)
    Partner.objects.filter(pk=made.partner.pk).update(
        token_encrypted=encrypt(f"token-{party_id}"), versions_url=emsp.versions_url
    )
    for identifier in ("locations", "tariffs", "sessions", "cdrs"):
        Endpoint.objects.create(
            partner=made.partner,
            identifier=identifier,
            role="RECEIVER",
            url=f"{emsp.url}/ocpi/2.2.1/{identifier}",
        )
    emsp.assume_registered(
        inbound_token=f"token-{party_id}",
        outbound_token="ours",
        versions_url="http://localhost/ocpi/versions",
        endpoints=[],
        roles=[
            {
                "role": "CPO",
                "country_code": "NL",
                "party_id": "TST",
                "business_details": {"name": "Test"},
            }
        ],
    )
    return Link(emsp, Partner.objects.get(pk=made.partner.pk))


@pytest.fixture
def link(emsp: Emsp) -> Link:
    return connect(emsp)


@pytest.fixture
def site(link: Link) -> Evse:
    """One site with one EVSE, known to the partner."""
    tariff = TariffFactory(id="T1")
    LocationFactory(id="SITE", tariff=tariff, evses=[evse("E1")], now=link.now())
    link.drain()
    link.pushed()
    return Evse.objects.get(uid="E1")


def flip(link: Link, site: Evse, status: str) -> None:
    set_evse_status(evse_id=site.pk, status=status, now=link.now())


def held(link: Link, module: str) -> list[dict[str, Any]]:
    return sorted(link.emsp.objects(module), key=lambda item: str(item["id"]))


def ours(module: str, model: Any) -> list[dict[str, Any]]:
    """Return what a pull would give, to compare with what the partner has."""
    rows = model.objects.values_list("id", "last_updated")
    found = bodies(rows, module=module, version=VERSIONS["2.2.1"], audience=EVERYBODY)
    return sorted((orjson.loads(body) for body in found.values()), key=lambda item: item["id"])


@pytest.mark.rule("LOC-29", "TAR-01")
def test_tariffs_arrive_before_the_locations_that_name_them(link: Link) -> None:
    LocationFactory(id="SITE", tariff=TariffFactory(id="T1"), now=link.now())

    link.drain()

    assert link.pushed() == ["PUT tariffs/NL/TST/T1", "PUT locations/NL/TST/SITE"]
    assert link.emsp.violations() == []


@pytest.mark.rule("LOC-07", "TR-134")
def test_a_status_change_is_one_patch_of_the_evse(link: Link, site: Evse) -> None:
    flip(link, site, "CHARGING")

    link.drain()

    assert link.pushed() == ["PATCH locations/NL/TST/SITE/E1"]
    assert link.emsp.violations() == []
    assert held(link, "locations") == ours("locations", Location)


@pytest.mark.rule("TR-131")
def test_ten_flips_while_the_partner_was_away_are_one_request(link: Link, site: Evse) -> None:
    for status in ["CHARGING", "AVAILABLE"] * 4 + ["CHARGING", "BLOCKED"]:
        flip(link, site, status)

    assert link.drain() == 1
    assert link.pushed() == ["PATCH locations/NL/TST/SITE/E1"]
    assert held(link, "locations")[0]["evses"][0]["status"] == "BLOCKED"


def test_a_status_that_came_back_leaves_no_difference(link: Link, site: Evse) -> None:
    flip(link, site, "CHARGING")
    flip(link, site, "AVAILABLE")

    assert link.drain() == 1
    assert held(link, "locations") == ours("locations", Location)
    assert link.drain() == 0


def test_a_changed_location_is_put(link: Link, site: Evse) -> None:
    shape = shape_of(site.location).model_copy(update={"name": "New name"})
    put_location(location=shape, now=link.now())

    link.drain()

    assert link.pushed() == ["PUT locations/NL/TST/SITE"]
    assert held(link, "locations")[0]["name"] == "New name"


def test_a_withdrawn_location_is_told_once(link: Link, site: Evse) -> None:
    shape = shape_of(site.location).model_copy(update={"publish": False})
    put_location(location=shape, now=link.now())
    link.drain()
    assert held(link, "locations")[0]["publish"] is False

    flip(link, site, "CHARGING")
    link.drain()

    assert [line.split()[0] for line in link.pushed()] == ["PUT"]


@pytest.mark.rule("TAR-01")
def test_a_tariff_is_put_when_it_changes_and_deleted_when_it_goes(link: Link) -> None:
    tariff = TariffFactory(id="T9", now=link.now())
    link.drain()
    shape = tariff_shape_of(tariff).model_copy(update={"currency": "NOK"})
    put_tariff(tariff=shape, now=link.now())
    link.drain()
    assert held(link, "tariffs")[0]["currency"] == "NOK"

    delete_tariff(tariff_id=tariff.pk, now=link.now())
    link.drain()

    assert held(link, "tariffs") == []
    assert [line.split()[0] for line in link.pushed()] == ["PUT", "PUT", "DELETE"]
    assert link.emsp.violations() == []


@pytest.mark.rule("SES-05", "SES-06")
def test_a_session_is_put_then_patched_and_its_cdr_posted(link: Link, site: Evse) -> None:
    started = link.now()
    session = SessionFactory(connector=site.connectors.get(), cdr_token=cdr_token(), now=started)
    link.drain()
    for minutes, kwh in ((10, "1001.5"), (20, "1003")):
        moment = started + timedelta(minutes=minutes)
        sessions.record_meter_values(
            session_id=session.pk, readings=[Reading(moment, _decimal(kwh))], now=moment
        )
        link.drain()
    ended = started + timedelta(minutes=30)
    sessions.stop_session(session_id=session.pk, ended_at=ended, now=ended)
    link.drain()

    path = f"sessions/NL/TST/{session.ocpi_id}"
    assert link.pushed() == [
        f"PUT {path}",
        f"PATCH {path}",
        f"PATCH {path}",
        f"PATCH {path}",
        "POST cdrs",
    ]
    assert held(link, "sessions") == ours("sessions", Session)
    assert held(link, "cdrs") == ours("cdrs", Cdr)
    rules = {entry["rule"] for entry in link.emsp.violations()} - {"unknown-token"}
    assert rules == set()


def _decimal(text: str) -> Any:
    return Decimal(text)


@pytest.mark.rule("TR-132")
def test_the_url_of_a_cdr_is_kept_as_the_partner_gave_it(link: Link, site: Evse) -> None:
    _charge(link, site)

    link.drain()

    delivery = Delivery.objects.get(module="cdrs")
    assert delivery.url.startswith(f"{link.emsp.url}/ocpi/2.2.1/cdrs/")
    assert delivery.delivered_at is not None


def _charge(link: Link, site: Evse, *, party_id: str = "EMS") -> Cdr:
    started = link.now()
    session = SessionFactory(
        connector=site.connectors.get(),
        cdr_token=cdr_token(party_id=party_id),
        now=started,
    )
    ended = link.now()
    _session, cdr = sessions.stop_session(
        session_id=session.pk,
        ended_at=ended,
        now=ended,
        readings=[Reading(ended, _decimal("1000.5"))],
    )
    assert cdr is not None
    return cdr


@pytest.mark.rule("CDR-04", "SES-03")
def test_sessions_and_cdrs_of_others_are_not_pushed(link: Link, site: Evse) -> None:
    _charge(link, site, party_id="FOE")

    assert link.drain() == 0
    assert held(link, "sessions") == []
    assert held(link, "cdrs") == []


@pytest.mark.parametrize("fault", ["down", "truncated", "html", "redirect"])
def test_a_partner_in_trouble_gets_the_present_state_when_it_is_back(
    link: Link, site: Evse, fault: str
) -> None:
    link.emsp.misbehave(fault)
    flip(link, site, "CHARGING")
    link.drain()
    failing = link.feed
    assert failing.failures == 1
    assert failing.retry_at is not None
    assert failing.last_error
    flip(link, site, "BLOCKED")

    link.emsp.behave()
    link.drain()

    assert held(link, "locations")[0]["evses"][0]["status"] == "BLOCKED"
    assert link.feed.failures == 0
    assert feed.waiting(link.feed) == 0


def test_retry_after_is_obeyed(link: Link, site: Evse) -> None:
    link.emsp.misbehave("status", status=429, retry_after=90)
    flip(link, site, "CHARGING")
    before = clock.now()

    link.drain()

    retry_at = link.feed.retry_at
    assert retry_at is not None
    assert retry_at - before >= timedelta(seconds=90)


def test_a_partner_that_is_down_does_not_stop_the_others(
    link: Link, site: Evse, settings: Settings
) -> None:
    with running_emsp(party_id="TWO") as healthy:
        other = connect(healthy, "Second eMSP", "TWO")
        Feed.objects.filter(partner=other.partner).update(position=0)
        link.emsp.misbehave("down")
        flip(link, site, "CHARGING")

        link.drain()
        Feed.objects.filter(partner=other.partner).update(lease_until=None, retry_at=None)
        lanes.drain(other.partner)

        assert held(other, "locations")[0]["evses"][0]["status"] == "CHARGING"
        assert link.feed.failures == 1
        assert other.feed.failures == 0


@pytest.mark.rule("TR-113", "LOC-28")
def test_an_object_the_partner_lost_is_put_whole(link: Link, site: Evse) -> None:
    link.emsp.forget()
    link.read = 0
    flip(link, site, "CHARGING")

    link.drain()

    assert link.pushed() == ["PATCH locations/NL/TST/SITE/E1", "PUT locations/NL/TST/SITE"]
    assert held(link, "locations")[0]["evses"][0]["status"] == "CHARGING"


def test_one_refused_object_does_not_hold_up_the_rest(link: Link, site: Evse) -> None:
    link.emsp.misbehave("status", status=400, module="tariffs", count=1)
    TariffFactory(id="BAD", now=link.now())
    flip(link, site, "CHARGING")

    link.drain()

    refused = Delivery.objects.get(refused_at__isnull=False)
    assert (refused.module, "400" in refused.error) == ("tariffs", True)
    assert held(link, "locations")[0]["evses"][0]["status"] == "CHARGING"
    assert feed.waiting(link.feed) == 0


def test_a_lost_answer_to_a_cdr_does_not_book_it_twice(link: Link, site: Evse) -> None:
    link.emsp.misbehave("truncated", module="cdrs", stage="after", count=1)
    cdr = _charge(link, site)
    link.drain()

    link.drain()

    assert [item["id"] for item in held(link, "cdrs")] == [cdr.ocpi_id]
    delivery = Delivery.objects.get(module="cdrs")
    assert delivery.delivered_at is not None
    assert delivery.refused_at is None
    assert link.drain() == 0


def test_a_lost_answer_to_periods_does_not_append_them_twice(link: Link, site: Evse) -> None:
    started = link.now()
    session = SessionFactory(connector=site.connectors.get(), cdr_token=cdr_token(), now=started)
    link.drain()
    link.emsp.misbehave("truncated", module="sessions", stage="after", count=1)
    ended = link.now()
    sessions.stop_session(
        session_id=session.pk,
        ended_at=ended,
        now=ended,
        readings=[Reading(ended, _decimal("1000.5"))],
    )
    link.drain()

    link.drain()

    assert held(link, "sessions") == ours("sessions", Session)
    assert link.emsp.violations("duplicate-period") == []


def test_what_was_sent_is_logged_without_tokens(link: Link, site: Evse) -> None:
    flip(link, site, "CHARGING")
    link.drain()

    message = Message.objects.order_by("-id")[0]

    assert (message.method, message.http_status, message.status_code) == ("PATCH", 200, 1000)
    assert message.module == "locations"
    assert message.correlation_id
    assert '"CHARGING"' in MessageBody.objects.get(pk=message.pk).request_body
    logged = str([*Message.objects.values(), *MessageBody.objects.values()])
    assert "token-EMS" not in logged


def test_everything_can_be_sent_again_but_for_cdrs(link: Link, site: Evse) -> None:
    _charge(link, site)
    link.drain()
    link.pushed()
    assert link.drain() == 0

    walks.send_everything_again(partner_id=link.partner.pk, now=clock.now())
    link.drain()

    assert link.pushed() == ["PUT tariffs/NL/TST/T1", "PUT locations/NL/TST/SITE"]


def test_a_cdr_that_is_refused_after_a_401_is_not_taken_for_delivered(
    link: Link, site: Evse
) -> None:
    link.emsp.misbehave("status", status=401, module="cdrs", count=1)
    _charge(link, site)
    link.drain()
    link.emsp.misbehave("status", status=400, module="cdrs", count=1)

    link.drain()

    delivery = Delivery.objects.get(module="cdrs")
    assert delivery.delivered_at is None
    assert delivery.refused_at is not None
    assert held(link, "cdrs") == []


def test_an_outage_with_answers_sets_nothing_aside(link: Link, site: Evse) -> None:
    link.emsp.misbehave("status", status=502)
    cdr = _charge(link, site)
    flip(link, site, "CHARGING")
    for _each in range(12):
        link.drain()
    assert Delivery.objects.filter(refused_at__isnull=False).count() == 0
    assert link.feed.failures == 12

    link.emsp.behave()
    link.drain()

    assert [item["id"] for item in held(link, "cdrs")] == [cdr.ocpi_id]
    assert held(link, "locations") == ours("locations", Location)
    assert held(link, "sessions") == ours("sessions", Session)


def test_one_object_that_always_fails_is_set_aside_while_others_go_through(
    link: Link, site: Evse
) -> None:
    link.emsp.misbehave("status", status=500, module="tariffs")
    TariffFactory(id="BAD", now=link.now())
    for status in ["CHARGING", "BLOCKED"] * 3:
        flip(link, site, status)
        link.drain()

    refused = Delivery.objects.get(refused_at__isnull=False)
    assert (refused.module, "500" in refused.error) == ("tariffs", True)
    assert held(link, "locations") == ours("locations", Location)
    assert feed.waiting(link.feed) == 0


def test_a_worker_that_lost_its_lease_leaves_the_truth_to_the_next(
    link: Link, site: Evse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another worker takes the feed while our request is under way."""
    flip(link, site, "CHARGING")
    feed_id = link.feed.pk
    real = client.send

    async def slow(*args: Any, **kwargs: Any) -> Any:
        reply = await real(*args, **kwargs)
        await asyncio.to_thread(_take_over, feed_id)
        return reply

    monkeypatch.setattr("roaming.draining.sender.send", slow)
    link.drain()
    monkeypatch.setattr("roaming.draining.sender.send", real)

    delivery = Delivery.objects.get(module="locations")
    assert delivery.sent["uncertain"] is True
    assert link.feed.lease_key == "another"
    link.read = 0
    link.drain()
    assert link.pushed()[-1] == "PUT locations/NL/TST/SITE"
    assert held(link, "locations") == ours("locations", Location)


def _take_over(feed_id: int) -> None:
    try:
        Feed.objects.filter(pk=feed_id).update(lease_key="another")
    finally:
        connection.close()


def test_a_new_party_that_cannot_be_introduced_holds_up_only_itself(link: Link, site: Evse) -> None:
    LocationFactory(country_code="DE", party_id="NEU", id="NEW", evses=[evse("N1")])
    flip(link, site, "CHARGING")

    link.drain()

    # The partner of these tests has no credentials endpoint to introduce anybody at.
    assert link.feed.last_error
    assert [item["id"] for item in held(link, "locations")] == ["SITE"]
    assert held(link, "locations")[0]["evses"][0]["status"] == "CHARGING"
    partner = Partner.objects.get(pk=link.partner.pk)
    partner.told_parties = ["DE*NEU", "NL*TST"]
    partner.save()
    link.emsp.assume_registered(
        inbound_token="token-EMS",
        outbound_token="ours",
        versions_url="http://localhost/ocpi/versions",
        endpoints=[],
        roles=[
            {
                "role": "CPO",
                "country_code": code,
                "party_id": party,
                "business_details": {"name": "x"},
            }
            for code, party in (("NL", "TST"), ("DE", "NEU"))
        ],
    )
    walks.announce_parties(partner_id=partner.pk, parties=["DE*NEU"], now=clock.now())
    link.drain()
    assert [item["id"] for item in held(link, "locations")] == ["NEW", "SITE"]


def test_a_result_that_nobody_waits_for_any_more_does_not_hold_up_the_feed(
    link: Link, site: Evse
) -> None:
    """Its response_url leads nowhere: it is tried until the command's timeout has passed."""
    command = Command.objects.create(
        partner=link.partner,
        command="STOP_SESSION",
        response_url="http://127.0.0.1:1/nowhere",
        location=site.location,
        received_at=clock.now(),
        deadline=clock.now(),
    )
    commands.finish_command(command_id=command.pk, result="ACCEPTED", message="", now=clock.now())
    link.drain()
    assert lanes.feed_of(link.partner, Lane.RESULTS).failures == 1
    assert Delivery.objects.get(module="commands").refused_at is None

    Command.objects.update(received_at=clock.now() - timedelta(seconds=61))
    flip(link, site, "CHARGING")
    link.drain()

    assert link.feed.failures == 0
    assert Delivery.objects.get(module="commands").refused_at is not None
    assert held(link, "locations")[0]["evses"][0]["status"] == "CHARGING"


def test_what_was_not_begun_is_not_marked_as_if_it_had_been_sent(
    link: Link, site: Evse, settings: Settings
) -> None:
    settings.PUSH_CONNECTIONS = 1
    for _each in range(2):
        _charge(link, site)
    link.emsp.misbehave("status", status=429, module="cdrs")

    link.drain()

    first, second = Delivery.objects.filter(module="cdrs").order_by("object_id")
    # The first was not taken, and the partner has said so.
    assert ("429" in first.error, first.sent) == (True, {})
    assert (second.error, second.sent) == ("", {})
    link.emsp.behave()
    link.drain()
    assert held(link, "cdrs") == ours("cdrs", Cdr)
