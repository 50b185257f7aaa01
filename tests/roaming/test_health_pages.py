"""The health of a partner: what staff sees of it, and what the buttons do."""

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.management import CommandError, call_command
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings

from cpo_platform.audit.models import Entry
from cpo_platform.common import clock
from cpo_platform.common.admin import duration
from roaming import message_log, traffic
from roaming.client import Verdict
from roaming.models import Change, Delivery, Feed, Lane, Partner, PartnerStatus, Walk
from roaming.models.messages import Direction
from roaming.operations import feed, health, walks
from roaming.operations.health import Circuit, LaneState
from tests.factories import NOW, ConnectorFactory, LocationFactory
from tests.roaming.conftest import Registered, make_partner
from tests.roaming.lanes import feed_of

pytestmark = pytest.mark.django_db
PARTNERS = "/admin/roaming/partner/"
ACTIONS = ("pause", "go_on", "probe", "send_object", "send_window", "resend")


def url(partner: Partner, name: str = "health") -> str:
    return f"{PARTNERS}{partner.pk}/{name}/"


def text_of(response: Any) -> str:
    assert response.status_code == 200, response
    return str(response.content.decode())


def change(partner: Partner | None = None, *, seconds: float = 0.0, **values: Any) -> Change:
    given = {"lane": Lane.NETWORK, "module": "locations", "object_id": 1, **values}
    made = Change.objects.create(partner=partner, **given)
    moment = clock.now() - timedelta(seconds=seconds)
    Change.objects.filter(pk=made.pk).update(created_at=moment)
    return made


def lanes(partner: Partner) -> dict[str, health.LaneHealth]:
    return {lane.feed.lane: lane for lane in health.lanes_of(partner, now=clock.now())}


# States


@pytest.mark.parametrize(
    ("values", "state", "circuit"),
    [
        ({}, LaneState.NEW, Circuit.CLOSED),
        ({"last_success_at": NOW}, LaneState.FINE, Circuit.CLOSED),
        ({"failures": 2}, LaneState.FAILING, Circuit.HALF_OPEN),
        (
            {"failures": 2, "retry_at": clock.now() + timedelta(days=9)},
            LaneState.FAILING,
            Circuit.OPEN,
        ),
        ({"failures": 2, "paused_at": NOW}, LaneState.PAUSED, Circuit.PAUSED),
        ({"paused_at": NOW, "unauthorized_at": NOW}, LaneState.UNAUTHORIZED, Circuit.PAUSED),
    ],
)
def test_a_lane_says_what_is_in_its_way(
    first: Registered, values: dict[str, Any], state: LaneState, circuit: Circuit
) -> None:
    Feed.objects.filter(partner=first.partner, lane=Lane.NETWORK).update(**values)
    lane = lanes(first.partner)[Lane.NETWORK]
    assert (lane.state, lane.circuit) == (state, circuit)


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("http://emsp.example", "https:// is required"),
        ("https://127.0.0.1", "127.0.0.1 is not a public address"),
    ],
)
def test_a_lane_that_we_must_not_call_does_not_look_well(
    admin_client: Client, first: Registered, settings: Settings, address: str, reason: str
) -> None:
    """After a restart without the setting nothing has failed yet, and what was sent is fine."""
    partner = first.partner
    for module, base in (("cdrs", address), ("locations", "https://emsp.example")):
        partner.endpoints.create(identifier=module, role="RECEIVER", url=f"{base}/{module}")
    Feed.objects.update(last_success_at=NOW)
    settings.OUTBOUND_ALLOW_PRIVATE = False

    found = lanes(partner)
    assert found[Lane.CHARGING].state is LaneState.FORBIDDEN
    assert found[Lane.NETWORK].state is LaneState.FINE
    pages = (f"{PARTNERS}{partner.pk}/change/", url(partner))
    assert all(reason in text_of(admin_client.get(page)) for page in pages)
    assert all("We may not call it" in text_of(admin_client.get(page)) for page in pages)
    told = StringIO()
    with pytest.raises(CommandError, match="failing: First eMSP"):
        call_command("feed", "status", stdout=told)
    assert reason in told.getvalue()

    # What has failed says so itself.
    Feed.objects.filter(lane=Lane.CHARGING).update(failures=1)
    assert lanes(partner)[Lane.CHARGING].state is LaneState.FAILING
    Feed.objects.update(failures=0)
    settings.OUTBOUND_ALLOW_PRIVATE = True
    assert lanes(partner)[Lane.CHARGING].state is LaneState.FINE


def test_a_lane_is_behind_by_its_oldest_change_that_concerns_the_partner(
    first: Registered, stranger: Registered
) -> None:
    told = change(seconds=5000)
    change(stranger.partner, seconds=4000)
    feed.sequence_changes()
    told.refresh_from_db()
    Feed.objects.update(position=told.sequence)
    change(seconds=100)
    feed.sequence_changes()
    change(seconds=50)  # not sequenced yet

    lane = lanes(first.partner)[Lane.NETWORK]
    assert lane.state is LaneState.BEHIND
    assert lane.lag.total_seconds() == pytest.approx(100, abs=20)
    assert lane.waiting.modules == {"locations": 2}
    assert lanes(stranger.partner)[Lane.NETWORK].lag.total_seconds() == pytest.approx(4000, abs=20)
    assert lanes(first.partner)[Lane.CHARGING].since is None


def test_the_objects_of_a_walk_are_not_late(first: Registered) -> None:
    walk = Walk.objects.create(partner=first.partner, reason="EVERYTHING", total=2, started_at=NOW)
    change(first.partner, walk=walk, seconds=5000)
    lane = lanes(first.partner)[Lane.NETWORK]
    assert (lane.state, lane.since, lane.waiting.of_walks) == (LaneState.WALKING, None, 1)
    change(seconds=60)
    assert lanes(first.partner)[Lane.NETWORK].state is LaneState.BEHIND


def test_waiting_changes_are_counted_up_to_a_number(
    first: Registered, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "MOST_PENDING", 3)
    for number in range(5):
        change(object_id=number)
    waiting = lanes(first.partner)[Lane.NETWORK].waiting
    assert (waiting.total, waiting.is_more) == (3, True)


def test_a_suspended_partner_is_sent_nothing(first: Registered, admin_client: Client) -> None:
    Partner.objects.update(status=PartnerStatus.SUSPENDED)
    first.partner.refresh_from_db()
    assert {lane.state for lane in lanes(first.partner).values()} == {LaneState.STOPPED}
    text = text_of(admin_client.get(url(first.partner)))
    assert "Nothing is sent to it: Suspended by us." in text
    assert "Probe now" not in text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "–"),
        (0.0123, "12 ms"),
        (1.44, "1.4 s"),
        (35, "35 s"),
        (720, "12 min"),
        (12_000, "3 h 20 min"),
        (187_200, "2 d 4 h"),
    ],
)
def test_durations_read_well(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


# The page


def test_a_fresh_partner_has_empty_states_that_say_what_to_do(admin_client: Client) -> None:
    partner = Partner.objects.create(name="Fresh")
    text = text_of(admin_client.get(url(partner)))
    for expected in (
        "invite it, or register with it",
        "Nothing was sent in the last 24 hours.",
        "It has refused nothing.",
        "None among the last messages to it.",
    ):
        assert expected in text
    assert "Pause" not in text
    assert "Nothing is sent before the partner is registered." in text_of(
        admin_client.get(url(partner, "change"))
    )


def trouble(partner: Partner, objects: int = 1) -> None:
    """Give a partner one of everything that its page shows."""
    now = clock.now()
    traffic.forget()
    for verdict in (Verdict.DONE, Verdict.TROUBLE):
        traffic.note(
            partner_id=partner.pk,
            module="locations",
            outcome=verdict,
            lag_seconds=0.3 if verdict is Verdict.DONE else None,
            answer_ms=40,
        )
    traffic.flush(now)
    walk = Walk.objects.create(partner=partner, reason="EVERYTHING", total=4, started_at=NOW)
    change(partner, walk=walk)
    Feed.objects.filter(partner=partner, lane=Lane.NETWORK).update(
        failures=3,
        last_error="HTTP 503",
        last_error_at=now,
        retry_at=now + timedelta(hours=1),
    )
    entries = []
    for number in range(objects):
        of_it = {"partner": partner, "module": "locations", "object_id": 100 + number}
        Delivery.objects.create(**of_it, refused_at=now, error="city: is required")
        Delivery.objects.create(**of_it | {"module": "sessions"}, due_at=now, attempts=2)
        entries.append(
            message_log.Entry(
                partner_id=partner.pk,
                at=now,
                direction=Direction.OUT,
                method="PUT",
                url=f"https://x.example/{number}",
                http_status=503,
                error="HTTP 503",
                request_body=b'{"id":"LOC1"}',
                response_body=b'{"status_code":3000}',
            )
        )
    message_log.write(entries)


def test_the_page_says_what_is_wrong(admin_client: Client, first: Registered) -> None:
    trouble(first.partner)
    text = text_of(admin_client.get(url(first.partner)))
    for expected in (
        "Failing",
        "rests until",
        "HTTP 503",
        "Locations: 1",
        "3 of 4 (75 %)",
        "city: is required",
        "Send again…",
        "What is told later",
        "PUT https://x.example/0",
        "&quot;id&quot;: &quot;LOC1&quot;",
        "&quot;status_code&quot;: 3000",
        'class="cpo-spark"',
        "240 ms / 312 ms",
        "This page refreshes by itself.",
    ):
        assert expected in text, expected


@pytest.mark.parametrize("objects", [1, 30])
def test_the_page_takes_the_same_queries_for_any_partner(
    admin_client: Client,
    first: Registered,
    django_assert_num_queries: DjangoAssertNumQueries,
    objects: int,
) -> None:
    trouble(first.partner, objects)
    admin_client.get(url(first.partner))  # fills the caches that live longer than a request
    with django_assert_num_queries(15):
        text = text_of(admin_client.get(url(first.partner)))
    assert text.count("city: is required") == min(objects, 20)
    assert ("Show all" in text) == (objects > 20)
    with django_assert_num_queries(5):
        listed = text_of(admin_client.get(url(first.partner, "refused")))
    assert listed.count("city: is required") == objects


def test_a_page_shows_nothing_of_another_partner(
    admin_client: Client, first: Registered, stranger: Registered
) -> None:
    trouble(stranger.partner)
    text = text_of(admin_client.get(url(first.partner)))
    assert "city: is required" not in text
    assert "x.example" not in text
    assert "Nothing was sent in the last 24 hours." in text


def test_a_refused_token_is_an_alert(admin_client: Client, first: Registered) -> None:
    Feed.objects.filter(partner=first.partner).update(unauthorized_at=NOW)
    text = text_of(admin_client.get(url(first.partner)))
    assert 'role="alert"' in text
    assert f'href="{url(first.partner, "renew")}"' in text

    home = text_of(admin_client.get("/admin/"))
    assert "Partner that refuses our token" in home
    assert f'href="{url(first.partner)}"' in home
    listed = text_of(admin_client.get(f"{PARTNERS}?feed=refused"))
    assert first.partner.name in listed


def test_the_page_speaks_japanese(admin_client: Client, first: Registered) -> None:
    trouble(first.partner)
    page = admin_client.get(url(first.partner), headers={"Accept-Language": "ja"}).content.decode()
    assert "いま接続を試す" in page
    assert "Probe now" not in page
    assert "一括送信" in page


def test_why_sending_fails_is_said_in_plain_words_and_the_readers_language(
    admin_client: Client, first: Registered
) -> None:
    trouble(first.partner)
    said = "[Errno 111] Connect call failed ('127.0.0.1', 8100)"
    Feed.objects.filter(partner=first.partner).update(failures=3, last_error=said)
    pages = ("/admin/", PARTNERS, url(first.partner))
    for page in pages:
        text = text_of(admin_client.get(page))
        assert "the connection was refused: nothing listens there" in text, page
        assert "Errno" not in text, page
        japanese = admin_client.get(page, headers={"Accept-Language": "ja"}).content.decode()
        assert "接続が拒否されました" in japanese, page


# Who may


def test_who_may_only_look_sees_no_button_and_changes_nothing(
    client: Client, first: Registered
) -> None:
    trouble(first.partner)
    viewer = User.objects.create_user("viewer", password="x", is_staff=True)
    client.force_login(viewer)
    assert client.get(url(first.partner)).status_code == 403
    assert client.get(url(first.partner, "refused")).status_code == 403
    viewer.user_permissions.add(Permission.objects.get(codename="view_partner"))
    client.force_login(User.objects.get(pk=viewer.pk))

    text = text_of(client.get(url(first.partner)))
    assert "city: is required" in text
    for button in ("Probe now", "Pause", "Send everything again", "Send again…"):
        assert button not in text
    before = list(Feed.objects.order_by("pk").values())
    for action in ACTIONS:
        assert client.get(url(first.partner, action)).status_code == 403
        assert client.post(url(first.partner, action)).status_code == 403
    assert list(Feed.objects.order_by("pk").values()) == before


def test_nothing_is_done_to_a_partner_that_is_not_registered(
    admin_client: Client, first: Registered
) -> None:
    Partner.objects.update(status=PartnerStatus.SUSPENDED)
    for action in ACTIONS:
        response = admin_client.post(url(first.partner, action))
        assert response.headers["Location"] == url(first.partner, "change")
    assert not Feed.objects.filter(paused_at__isnull=False).exists()
    assert not Entry.objects.filter(action="act").exists()


# What the buttons do


def press(client: Client, partner: Partner, action: str, **values: Any) -> str:
    """Post a confirmation; return the line in the history, having come back to the health page."""
    response = client.post(url(partner, action), values)
    assert response.headers.get("Location") == url(partner), response.content
    notes = Entry.objects.filter(action="act").order_by("pk")
    return str(notes.values_list("after__note", flat=True).last())


def test_pausing_asks_first_and_going_on_undoes_it(admin_client: Client, first: Registered) -> None:
    change()
    asked = text_of(admin_client.get(url(first.partner, "pause")))
    assert "Changes that are waiting now: 1 (Locations: 1)." in asked
    assert feed_of(first.partner).paused_at is None

    assert press(admin_client, first.partner, "pause") == "Paused."
    assert Feed.objects.filter(partner=first.partner, paused_at__isnull=False).count() == len(Lane)
    assert url(first.partner, "go_on") in text_of(admin_client.get(url(first.partner)))
    assert "1 (Locations: 1)" in text_of(admin_client.get(url(first.partner, "go_on")))

    assert press(admin_client, first.partner, "go_on") == "Went on."
    assert feed_of(first.partner).paused_at is None


def test_probing_ends_the_rest(admin_client: Client, first: Registered) -> None:
    Feed.objects.update(failures=3, retry_at=clock.now() + timedelta(hours=1))
    assert "nothing to try with" in text_of(admin_client.get(url(first.partner, "probe")))
    change()
    assert "1 (Locations: 1)" in text_of(admin_client.get(url(first.partner, "probe")))
    assert feed_of(first.partner).retry_at is not None

    assert press(admin_client, first.partner, "probe") == "Tried again."
    assert (feed_of(first.partner).retry_at, feed_of(first.partner).failures) == (None, 3)

    feed.pause(partner_id=first.partner.pk, now=NOW)
    assert "let it go on instead" in text_of(admin_client.get(url(first.partner, "probe")))


def own(partner: Partner) -> list[tuple[str, int]]:
    changes = Change.objects.filter(partner=partner).order_by("pk")
    return list(changes.values_list("module", "object_id"))


def test_one_object_is_sent_again_by_its_id(admin_client: Client, first: Registered) -> None:
    location = LocationFactory(id="SITE")
    page = url(first.partner, "send_object")
    unknown = admin_client.post(page, {"module": "locations", "name": "NOWHERE"})
    assert "There is none of this id" in text_of(unknown)

    for name in ("site", f"{location.country_code}*{location.party_id}/SITE"):
        asked = text_of(admin_client.post(page, {"module": "locations", "name": name}))
        assert "The whole of 1 object is sent" in asked
        assert f'name="pk" value="{location.pk}"' in asked
    assert own(first.partner) == []

    log = press(admin_client, first.partner, "send_object", module="locations", pk=location.pk)
    assert log == f"Sent locations {location.pk} again."
    assert own(first.partner) == [("locations", location.pk)]


def test_a_refused_object_is_sent_again_from_its_row(
    admin_client: Client, first: Registered
) -> None:
    Delivery.objects.create(
        partner=first.partner, module="locations", object_id=7, refused_at=NOW, error="no"
    )
    link = f"{url(first.partner, 'send_object')}?module=locations&amp;pk=7"
    assert link in text_of(admin_client.get(url(first.partner)))
    assert "1 object" in text_of(admin_client.get(link.replace("&amp;", "&")))

    press(admin_client, first.partner, "send_object", module="locations", pk=7)
    assert own(first.partner) == [("locations", 7)]
    assert "It has refused nothing." in text_of(admin_client.get(url(first.partner)))


def test_what_a_partner_may_not_see_is_not_sent_by_its_number(
    admin_client: Client, first: Registered, stranger: Registered
) -> None:
    Delivery.objects.create(partner=stranger.partner, module="sessions", object_id=7)
    response = admin_client.post(
        url(first.partner, "send_object"), {"module": "sessions", "pk": 7}, follow=True
    )
    assert "nothing that this partner may see" in text_of(response)
    assert own(first.partner) == []


def test_a_cdr_that_was_acknowledged_is_not_sent_twice(
    admin_client: Client, first: Registered
) -> None:
    Delivery.objects.create(
        partner=first.partner, module="cdrs", object_id=7, sent={"delivered": True}
    )
    page = f"{url(first.partner, 'send_object')}?module=cdrs&pk=7"
    text = text_of(admin_client.get(page))
    assert "never sent twice" in text
    assert 'type="submit" class="cpo-button cpo-button-primary"' not in text


@pytest.mark.parametrize("pk", ["", "x", "9" * 30, "-1", "٣"])
def test_a_number_that_is_none_asks_for_the_object(
    admin_client: Client, first: Registered, pk: str
) -> None:
    response = admin_client.get(url(first.partner, "send_object"), {"module": "cdrs", "pk": pk})
    assert "Its OCPI id" in text_of(response)


def test_a_window_is_counted_before_it_is_sent(admin_client: Client, first: Registered) -> None:
    location = ConnectorFactory().evse.location
    day = f"{location.last_updated:%Y-%m-%d}"
    page = url(first.partner, "send_window")
    form: dict[str, Any] = {
        "begin": f"{day}T00:00",
        "end": f"{day}T23:59",
        "modules": ["locations"],
    }
    assert "You are told how many" in text_of(admin_client.get(page))
    refused = text_of(admin_client.post(page, form | {"end": f"{day}T00:00"}))
    assert "The end is not after the beginning." in refused

    asked = text_of(admin_client.post(page, form))
    assert "Objects to send now: 1 (Locations: 1)." in asked
    assert own(first.partner) == []

    log = press(admin_client, first.partner, "send_window", confirmed="1", **form)
    assert log == "Sent a time window again: 1."
    assert own(first.partner) == [("locations", location.pk)]

    nothing = form | {"begin": "2001-01-01T00:00", "end": "2001-01-02T00:00"}
    assert "0 objects" in text_of(admin_client.post(page, nothing))


def test_everything_is_counted_before_it_is_sent(admin_client: Client, first: Registered) -> None:
    assert "0 objects" in text_of(admin_client.get(url(first.partner, "resend")))
    location = LocationFactory(id="SITE")
    asked = text_of(admin_client.get(url(first.partner, "resend")))
    assert "Objects to send now: 2 (Tariffs: 1, Locations: 1, Sessions: 0)." in asked
    assert own(first.partner) == []

    log = press(admin_client, first.partner, "resend")
    assert log == "Sent everything again: 2."
    assert own(first.partner)[1:] == [("locations", location.pk)]
    assert "they start anew" in text_of(admin_client.get(url(first.partner, "resend")))
    assert len(walks.progress(first.partner)) == 1


# The list


def test_the_list_shows_the_worst_lane(
    admin_client: Client, first: Registered, stranger: Registered
) -> None:
    make_partner("Third", "THI")
    Feed.objects.filter(partner=first.partner, lane=Lane.RESULTS).update(paused_at=NOW)
    Feed.objects.filter(partner=stranger.partner, lane=Lane.CHARGING).update(
        failures=2, last_error="HTTP 502"
    )
    change(first.partner, seconds=720)
    text = text_of(admin_client.get(PARTNERS))
    assert "Paused by staff" in text
    assert "Nothing sent yet" in text
    assert "HTTP 502" in text
    assert "12 min" in text
    for chosen, names in {
        "paused": {"First eMSP"},
        "failing": {"Other eMSP"},
        "fine": {"Third"},
        "refused": set(),
    }.items():
        found = admin_client.get(f"{PARTNERS}?feed={chosen}").context["cl"].result_list
        assert {partner.name for partner in found} == names, chosen
