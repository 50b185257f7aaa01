"""One change, pushed to partners in each version: what differs, and what must not."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from pytest_django import Settings

from cpo_platform.common import clock
from locations.canonical import shape_of
from locations.models import Evse, Location, LocationGroup
from locations.operations import put_evse, put_group, put_location, set_evse_status
from locations.shapes import EvseShape
from roaming import tasks
from roaming.draining import Turn, attendance
from roaming.models import Delivery, Pace, Partner
from roaming.ocpi.handshake import HandshakeFailed, register_with_partner
from roaming.operations import access, feed, walks
from roaming.operations.access import Access
from sessions_app.metering import Reading
from sessions_app.models import Session
from sessions_app.operations import sessions
from tariffs.models import Tariff
from tariffs.operations import put_tariff
from tariffs.operations import shape_of as tariff_shape_of
from tests.conftest import Clock
from tests.factories import (
    LocationFactory,
    PartyFactory,
    SessionFactory,
    TariffFactory,
    cdr_token,
    evse,
)
from tests.roaming import lanes
from tests.roaming.recording import Received, RecordingPeer, drain, recording_peer, success

pytestmark = pytest.mark.django_db(transaction=True)

ALL = ("2.1.1", "2.2.1", "2.3.0")
LATER = ("2.2.1", "2.3.0")
SITE = "locations/NL/TST/SITE"


@pytest.fixture
def peer(settings: Settings) -> Iterator[RecordingPeer]:
    settings.OUTBOUND_ALLOW_PRIVATE = True
    with recording_peer() as running:
        yield running


def site(**fields: object) -> Location:
    location: Location = LocationFactory(
        id="SITE",
        tariff=TariffFactory(id="T1"),
        evses=[evse("E1"), evse("E2")],
        now=clock.now(),
        **fields,
    )
    return location


def flip(uid: str, status: str) -> None:
    set_evse_status(evse_id=Evse.objects.get(uid=uid).pk, status=status, now=clock.now())


# Who is named


@pytest.mark.rule("LOC-29", "TR-115", "TR-40", "TR-41", "TR-42", "TR-50", "TR-130")
@pytest.mark.parametrize("version", ALL)
def test_a_new_location_goes_after_its_tariff_to_the_url_of_its_owner(
    peer: RecordingPeer, version: str
) -> None:
    partner = peer.connect(version)
    site()

    drain(partner)

    requests = peer.new()
    assert [request.line for request in requests] == ["PUT tariffs/NL/TST/T1", f"PUT {SITE}"]
    ids = [request.headers["x-request-id"] for request in requests]
    assert len({UUID(one) for one in ids}) == 2
    assert all(UUID(request.headers["x-correlation-id"]) for request in requests)
    routing = [(request.party("from"), request.party("to")) for request in requests]
    expected = ("", "") if version == "2.1.1" else ("NL*TST", "NL*EMS")
    assert routing == [expected, expected]


@pytest.mark.rule("TR-50")
def test_a_partner_that_knows_no_routing_headers_gets_none(peer: RecordingPeer) -> None:
    partner = peer.connect("2.2.1", dialect={"routing_headers": False})
    site()

    drain(partner)

    named = {name for request in peer.new() for name in request.headers if "ocpi-" in name}
    assert named == set()


def stay(partner: Partner, meanwhile: Callable[[], bool]) -> None:
    """Have a worker tell of E1, do something, and go on for as long as that returns True."""

    class Meanwhile(Turn):
        async def wait(self) -> bool:
            return meanwhile()

    flip("E1", "BLOCKED")
    feed.sequence_changes()
    lanes.attend(partner, Meanwhile())


@pytest.fixture
def informed(peer: RecordingPeer, monkeypatch: pytest.MonkeyPatch) -> Partner:
    """Return a partner that has the site, and that a worker reads anew each time."""
    monkeypatch.setattr(attendance, "TARGET_SECONDS", 0.0)
    partner = peer.connect("2.2.1")
    site()
    drain(partner)
    peer.new()
    return partner


@pytest.mark.rule("TR-50")
def test_a_worker_that_stays_takes_how_a_partner_is_spoken_to_from_the_same_row_as_the_rest(
    peer: RecordingPeer, informed: Partner
) -> None:
    def change() -> bool:
        if informed.dialect:
            return False
        # Written past the operation, which would take the lease away.
        informed.dialect = {"routing_headers": False}
        informed.save(update_fields=["dialect"])
        flip("E2", "BLOCKED")
        feed.sequence_changes()
        return True

    stay(informed, change)

    routed = [(request.line, request.party("from")) for request in peer.new()]
    assert routed == [(f"PATCH {SITE}/E1", "NL*TST"), (f"PATCH {SITE}/E2", "")]


@pytest.mark.rule("CR-31", "TR-50")
def test_a_worker_that_stays_while_the_version_changes_sends_nothing_more(
    peer: RecordingPeer, informed: Partner
) -> None:
    def exchange() -> bool:
        Partner.objects.filter(pk=informed.pk).update(version="2.1.1")
        feed.open_feeds(informed, now=clock.now())
        flip("E2", "BLOCKED")
        feed.sequence_changes()
        return True

    stay(informed, exchange)
    assert peer.lines() == [f"PATCH {SITE}/E1"]

    drain(informed)
    (late,) = peer.new()
    assert (late.line, late.party("from")) == (f"PATCH {SITE}/E2", "")


@pytest.mark.rule("TR-60", "TR-61", "TR-50")
@pytest.mark.parametrize("version", LATER)
def test_through_a_hub_what_is_for_all_goes_to_the_hub_and_the_rest_to_the_one_concerned(
    peer: RecordingPeer, version: str
) -> None:
    partner = peer.connect(version, behind=("EM1", "EM2"))
    location = site()
    drain(partner)
    everybody = [(request.line, request.party("to")) for request in peer.new()]
    _charge(location, "E1", "EM1")
    _charge(location, "E2", "EM2")

    drain(partner)

    assert everybody == [("PUT tariffs/NL/TST/T1", "NL*HUB"), (f"PUT {SITE}", "NL*HUB")]
    sent = peer.new()
    drivers = [(one.method, one.path.split("/")[0], one.party("to")) for one in sent]
    assert sorted(drivers) == [
        ("POST", "cdrs", "NL*EM1"),
        ("POST", "cdrs", "NL*EM2"),
        ("PUT", "sessions", "NL*EM1"),
        ("PUT", "sessions", "NL*EM2"),
    ]
    assert {one.party("from") for one in sent} == {"NL*TST"}
    # The owner in the URL stays ours, whoever passes it on.
    assert all(one.path.startswith("sessions/NL/TST/") for one in sent if one.method == "PUT")


def _charge(location: Location, uid: str, party_id: str) -> Session:
    started = clock.now()
    connector = Evse.objects.get(uid=uid).connectors.get()
    session = SessionFactory(
        connector=connector, cdr_token=cdr_token(f"CARD{party_id}", party_id=party_id), now=started
    )
    ended = started + timedelta(minutes=30)
    reading = Reading(ended, Decimal(1010))
    done, _cdr = sessions.stop_session(
        session_id=session.pk, ended_at=ended, now=ended, readings=[reading]
    )
    return done


# One change


@pytest.mark.rule("LOC-07", "TR-114")
@pytest.mark.parametrize("version", ALL)
def test_a_status_is_patched_at_the_evse(peer: RecordingPeer, version: str) -> None:
    partner = peer.connect(version)
    site()
    drain(partner)
    peer.new()
    flip("E1", "CHARGING")

    drain(partner)

    [request] = peer.new()
    assert request.line == f"PATCH {SITE}/E1"
    assert set(request.body) == {"status", "last_updated"}
    assert request.body["status"] == "CHARGING"


@pytest.mark.rule("LOC-07", "TR-136")
def test_partners_in_different_versions_learn_of_the_same_change(peer: RecordingPeer) -> None:
    partners = [peer.connect(version, f"EM{version[2]}") for version in ALL]
    site()
    for partner in partners:
        drain(partner)
    peer.new()
    flip("E2", "OUTOFORDER")

    for partner in partners:
        drain(partner)

    requests = peer.new()
    assert [request.line for request in requests] == [f"PATCH {SITE}/E2"] * 3
    assert {request.body["status"] for request in requests} == {"OUTOFORDER"}
    # OCPI 2.1.1 has whole seconds.
    assert (
        len({request.body["last_updated"].split(".")[0].rstrip("Z") for request in requests}) == 1
    )


@pytest.mark.rule("LOC-06")
@pytest.mark.parametrize("version", ALL)
def test_a_new_evse_is_put_whole_at_its_own_url(peer: RecordingPeer, version: str) -> None:
    partner = peer.connect(version)
    location = site()
    drain(partner)
    peer.new()
    shape = EvseShape.model_validate(evse("E3", tariff_ids=["T1"]))
    put_evse(location_id=location.pk, evse=shape, now=clock.now())

    drain(partner)

    [request] = peer.new()
    assert request.line == f"PUT {SITE}/E3"
    assert request.body["uid"] == "E3"
    assert request.body["connectors"][0]["id"] == "1"


@pytest.mark.rule("LOC-08")
@pytest.mark.parametrize("version", ALL)
def test_a_schedule_tells_nothing_but_itself_and_the_change_is_told_when_it_comes(
    peer: RecordingPeer, version: str
) -> None:
    partner = peer.connect(version)
    location = site()
    drain(partner)
    peer.new()
    begin = clock.now() + timedelta(days=7)
    schedule = [{"period_begin": begin.isoformat(), "status": "REMOVED"}]
    shape = shape_of(Location.objects.complete().get(pk=location.pk)).evses or []
    planned = shape[0].model_dump(mode="json") | {"status_schedule": schedule}
    put_evse(location_id=location.pk, evse=EvseShape.model_validate(planned), now=clock.now())
    drain(partner)
    [told] = peer.new()

    flip("E1", "REMOVED")
    drain(partner)

    assert told.line == f"PUT {SITE}/E1"
    assert told.body["status"] == "AVAILABLE"
    assert told.body["status_schedule"][0]["status"] == "REMOVED"
    assert [request.body["status"] for request in peer.new()] == ["REMOVED"]


@pytest.mark.rule("TR-113", "SES-21", "LOC-28")
@pytest.mark.parametrize("version", ALL)
def test_a_patch_of_what_the_partner_lost_is_followed_by_the_whole(
    peer: RecordingPeer, version: str
) -> None:
    unknown = b'{"status_code": 2003, "timestamp": "2026-06-01T08:00:00Z"}'
    answers = {
        peer.connect(version, "EM1"): (404, b""),
        peer.connect(version, "EM2"): (200, unknown),
    }
    site()
    for partner in answers:
        drain(partner)
    peer.new()
    flip("E1", "CHARGING")

    lines = []
    for partner, answer in answers.items():
        peer.answers = [answer]
        drain(partner)
        lines.append(peer.lines())

    assert lines == [[f"PATCH {SITE}/E1", f"PUT {SITE}"]] * 2


@pytest.mark.rule("TR-22", "TR-24", "TR-25")
@pytest.mark.parametrize("version", ALL)
def test_a_success_needs_no_data(peer: RecordingPeer, version: str) -> None:
    answers: list[dict[str, object]] = [{}, {"data": None}, {"data": []}, {"data": "whatever"}]
    partners = [peer.connect(version, f"EM{number}") for number in range(len(answers))]
    site()

    for partner, fields in zip(partners, answers, strict=True):
        peer.answers = [(200, success(**fields))] * 2
        drain(partner)

    delivered = Delivery.objects.filter(delivered_at__isnull=False)
    assert [delivered.filter(partner=partner).count() for partner in partners] == [2] * 4


@pytest.mark.rule("TR-23", "TR-131")
@pytest.mark.parametrize("version", ALL)
def test_an_error_is_read_from_its_envelope_and_only_the_present_state_is_sent_later(
    peer: RecordingPeer, version: str
) -> None:
    partner = peer.connect(version)
    site()
    drain(partner)
    peer.new()
    error = (
        b'{"status_code": 3000, "status_message": "asleep", "timestamp": "2026-06-01T08:00:00Z"}'
    )
    peer.answers = [(500, error)]
    flip("E1", "CHARGING")
    drain(partner)
    failed = lanes.feed_of(partner)
    flip("E1", "BLOCKED")
    flip("E1", "CHARGING")
    flip("E1", "OUTOFORDER")

    drain(partner)

    assert failed.last_error == "HTTP 500, OCPI 3000, asleep"
    sent = [request.body["status"] for request in peer.new()]
    assert sent == ["CHARGING", "OUTOFORDER"]


# Sessions and CDRs


@pytest.mark.rule("SES-04", "SES-05", "SES-06")
@pytest.mark.parametrize(
    ("version", "methods"), [("2.1.1", {"PUT"}), *((v, {"PATCH"}) for v in LATER)]
)
def test_new_periods_are_appended_where_the_version_says_how_and_put_elsewhere(
    peer: RecordingPeer, version: str, methods: set[str]
) -> None:
    partner = peer.connect(version)
    location = site()
    drain(partner)
    started = clock.now()
    session = SessionFactory(
        connector=location.evses.get(uid="E1").connectors.get(),
        cdr_token=cdr_token(),
        now=started,
    )
    drain(partner)
    peer.new()
    for minutes, kwh in ((20, "1001"), (40, "1003")):
        moment = started + timedelta(minutes=minutes)
        reading = Reading(moment, Decimal(kwh))
        sessions.record_meter_values(session_id=session.pk, readings=[reading], now=moment)
        drain(partner)
    ended = started + timedelta(minutes=60)
    sessions.stop_session(session_id=session.pk, ended_at=ended, now=ended)
    drain(partner)

    sent = [request for request in peer.new() if request.path.startswith("sessions/")]
    with_periods = [request for request in sent if request.body.get("charging_periods")]
    assert with_periods
    assert {request.method for request in with_periods} == methods
    assert all(request.body["last_updated"] for request in sent)
    assert {request.path.count("/") for request in sent} == {3}
    if version != "2.1.1":
        told = [one["start_date_time"] for one in _periods(with_periods)]
        assert len(told) == len(set(told))


def _periods(requests: list[Received]) -> list[dict[str, str]]:
    return [period for request in requests for period in request.body["charging_periods"]]


@pytest.mark.rule("CDR-04", "SES-03", "TR-132")
@pytest.mark.parametrize("version", ALL)
def test_a_cdr_is_posted_once_and_to_its_owner_only(peer: RecordingPeer, version: str) -> None:
    partner, other = peer.connect(version), peer.connect(version, "FOE")
    location = site()
    _charge(location, "E1", "EMS")
    drain(other)
    assert {line.split("/")[0] for line in peer.lines()} == {"PUT tariffs", "PUT locations"}
    drain(partner)
    walks.send_everything_again(partner_id=partner.pk, now=clock.now())
    drain(partner)

    lines = [request.line for request in peer.new()]
    assert lines.count("POST cdrs") == 1


# What appears, and what goes


@pytest.mark.parametrize("version", ALL)
def test_a_location_that_leaves_a_partners_groups_is_withdrawn_and_comes_back(
    peer: RecordingPeer, version: str
) -> None:
    partner = peer.connect(version, all_locations=False)
    location = site()
    group = LocationGroup.objects.create(name="Fleet")
    partner.location_groups.add(group)
    drain(partner)
    assert peer.lines() == ["PUT tariffs/NL/TST/T1"]
    moments = Location.objects.values_list("last_updated")
    before = list(moments)

    put_group(group=group, location_ids=[location.pk], now=clock.now())
    drain(partner)
    came = peer.lines()
    put_group(group=group, location_ids=[], now=clock.now())
    drain(partner)
    went = peer.new()
    flip("E1", "CHARGING")
    drain(partner)
    silence = peer.new()

    assert came == [f"PUT {SITE}"]
    if version == "2.1.1":
        lines = [(request.line, request.body["status"]) for request in went]
        assert lines == [(f"PATCH {SITE}/E1", "REMOVED"), (f"PATCH {SITE}/E2", "REMOVED")]
    else:
        assert [(request.line, request.body["publish"]) for request in went] == [
            (f"PUT {SITE}", False)
        ]
    assert silence == []
    # Nothing of it is another now: who saw it all along need not hear of it.
    assert before == [(row.last_updated,) for row in [location]]


def own_tariff(partner: Partner, *tariff_ids: int, **changes: object) -> bool:
    """Give a partner these tariffs and no others."""
    chosen = Access.of(partner)
    fields = {**vars(chosen), "tariff_ids": frozenset(tariff_ids), **changes}
    return access.set_access(partner_id=partner.pk, access=Access(**fields), now=clock.now())


@pytest.mark.rule("TAR-01", "LOC-29", "TR-136")
@pytest.mark.parametrize("version", ALL)
def test_a_tariff_that_a_partner_is_given_comes_first_and_goes_last(
    peer: RecordingPeer, version: str
) -> None:
    partner = peer.connect(version)
    own: Tariff = TariffFactory(id="OWN")
    put_tariff(tariff=tariff_shape_of(own), public=False, now=clock.now())
    LocationFactory(id="SITE", tariff=own, evses=[evse("E1")], now=clock.now())
    drain(partner)
    assert peer.lines() == [f"PUT {SITE}"]

    own_tariff(partner, own.pk)
    drain(partner)
    given = peer.new()
    own_tariff(partner)
    drain(partner)
    taken = peer.new()

    assert [one.line.split("/")[0] for one in given] == ["PUT tariffs", "PUT locations"]
    assert "OWN" in str(given[1].body)
    assert [one.line.split("/")[0] for one in taken] == ["PUT locations", "DELETE tariffs"]
    assert "OWN" not in str(taken[0].body)
    if version != "2.1.1":  # which has whole seconds
        assert given[1].body["last_updated"] < taken[0].body["last_updated"]


@pytest.mark.rule("TAR-01", "TAR-04", "TR-134", "TR-136")
def test_a_tariff_comes_and_goes_by_the_clock_where_the_version_has_no_validity(
    peer: RecordingPeer, platform_clock: Clock
) -> None:
    old, new = peer.connect("2.1.1", "OLD"), peer.connect("2.2.1", "NEW")
    start = clock.now() + timedelta(hours=1)
    tariff: Tariff = TariffFactory(
        id="NIGHT", start_date_time=start, end_date_time=start + timedelta(hours=1)
    )
    location = LocationFactory(id="SITE", tariff=tariff, evses=[evse("E1")], now=clock.now())
    drain(old)
    assert peer.lines() == [f"PUT {SITE}"]
    drain(new)
    assert peer.lines() == ["PUT tariffs/NL/TST/NIGHT", f"PUT {SITE}"]

    platform_clock.forward(hours=1, minutes=1)
    tasks.turn_tariffs()
    drain(old)
    began = peer.new()
    platform_clock.forward(hours=1)
    tasks.turn_tariffs()
    drain(old)
    ended = peer.new()
    drain(new)

    assert [one.line for one in began] == ["PUT tariffs/NL/TST/NIGHT", f"PUT {SITE}/E1"]
    assert began[1].body["connectors"][0]["tariff_id"] == "NIGHT"
    assert [one.line for one in ended] == [f"PUT {SITE}/E1", "DELETE tariffs/NL/TST/NIGHT"]
    assert "tariff_id" not in ended[0].body["connectors"][0]
    assert "DELETE" not in {request.method for request in peer.new()}
    connector = location.evses.get().connectors.get()
    assert connector.last_updated > start + timedelta(hours=1)
    # It was said, and is not said again.
    tasks.turn_tariffs()
    assert drain(old) == 0


def test_a_delete_waits_for_the_locations_that_are_announced_behind_it(
    peer: RecordingPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    partner = peer.connect("2.2.1")
    tariff: Tariff = TariffFactory(id="OWN")
    for number in range(3):
        LocationFactory(id=f"L{number}", tariff=tariff, evses=[evse(f"E{number}")])
    drain(partner)
    peer.new()
    put_tariff(tariff=tariff_shape_of(tariff), public=False, now=clock.now())

    monkeypatch.setattr("roaming.operations.feed.WINDOW", 2)
    drain(partner)

    lines = peer.lines()
    assert lines[-1] == "DELETE tariffs/NL/TST/OWN"
    assert len(lines) == 4


# Dialects


@pytest.mark.parametrize("module", ["locations", "tariffs", "sessions", "cdrs"])
@pytest.mark.rule("TR-130")
def test_what_a_partner_wants_to_pull_is_not_pushed(peer: RecordingPeer, module: str) -> None:
    partner = peer.connect("2.2.1", dialect={"push_off": [module]})
    location = site()
    _charge(location, "E1", "EMS")

    drain(partner)

    pushed = {line.split()[1].split("/")[0] for line in peer.lines()}
    assert pushed == {"locations", "tariffs", "sessions", "cdrs"} - {module}


def test_what_is_pushed_again_is_sent_whole(peer: RecordingPeer) -> None:
    partner = peer.connect("2.2.1", dialect={"push_off": ["locations"]})
    site()
    drain(partner)
    peer.new()
    chosen = Access.of(partner)
    dialect = chosen.dialect.model_copy(update={"push_off": []})

    own_tariff(partner, dialect=dialect)
    drain(partner)

    assert peer.lines() == [f"PUT {SITE}"]


def test_fields_are_left_out_and_letters_are_plain_from_now_on(peer: RecordingPeer) -> None:
    partner = peer.connect("2.2.1")
    site(city="Köln", name="Café")
    drain(partner)
    peer.new()
    chosen = Access.of(partner)
    omit = ["locations.name", "locations.evses.capabilities"]
    dialect = chosen.dialect.model_copy(update={"omit": omit, "ascii_only": True})

    own_tariff(partner, dialect=dialect)
    drain(partner)

    [request] = peer.new()
    assert request.line == f"PUT {SITE}"
    assert request.body["city"] == "Koln"
    assert "name" not in request.body
    assert "capabilities" not in request.body["evses"][0]
    assert request.body["evses"][0]["connectors"]


def test_every_request_to_a_partner_with_a_limit_takes_a_turn(peer: RecordingPeer) -> None:
    """Of the turns of `feed.take_turns`, which are all workers' and lanes' together."""
    partner = peer.connect("2.2.1", dialect={"requests_per_minute": 300})
    site()
    LocationFactory(id="OTHER", tariff=None, evses=[evse("E9")])
    before = clock.now()

    drain(partner)
    flip("E1", "CHARGING")
    drain(partner)

    requests = len(peer.new())
    assert requests == 4
    # A tenth may go at once; the others of a minute are spread over it.
    spacing = timedelta(minutes=1) / 270
    assert Pace.objects.get().taken_until >= before + requests * spacing


def test_a_location_that_is_unpublished_is_withdrawn_from_a_2_1_1_partner(
    peer: RecordingPeer,
) -> None:
    partner = peer.connect("2.1.1")
    location = site()
    drain(partner)
    peer.new()
    shape = shape_of(Location.objects.complete().get(pk=location.pk))
    put_location(location=shape.model_copy(update={"publish": False}), now=clock.now())

    drain(partner)

    assert {request.body["status"] for request in peer.new()} == {"REMOVED"}


@pytest.mark.rule("TR-51", "TR-40", "TR-41")
@pytest.mark.parametrize("version", ALL)
def test_the_handshake_carries_ids_and_no_routing_headers(
    peer: RecordingPeer, version: str
) -> None:
    PartyFactory()
    versions = [{"version": version, "url": f"{peer.url}/details"}]
    endpoints = [
        {"identifier": name, "url": f"{peer.url}/{name}"}
        | ({} if version == "2.1.1" else {"role": role})
        for name, role in (("credentials", "SENDER"), ("locations", "RECEIVER"))
    ]
    peer.answers = [
        (200, success(data=versions)),
        (200, success(data={"version": version, "endpoints": endpoints})),
        (200, success()),
    ]

    with pytest.raises(HandshakeFailed) as failure:
        register_with_partner(
            name="New", versions_url=f"{peer.url}/versions", token_a="token-a", now=clock.now()
        )

    requests = peer.new()
    assert {request.path for request in requests} >= {"versions", "details", "credentials"}, (
        failure.value.steps
    )
    assert all("x-request-id" in request.headers for request in requests)
    assert not [name for request in requests for name in request.headers if "ocpi-" in name]
