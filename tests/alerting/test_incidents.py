"""From what is wrong to who is told: debounce, hysteresis, causes, channels."""

import hashlib
import hmac
import json
from datetime import time, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import mail

from cpo_platform.alerting import tasks
from cpo_platform.alerting.models import (
    Alert,
    Cause,
    Incident,
    Kind,
    Notification,
    NotificationState,
    Severity,
)
from cpo_platform.alerting.operations import incidents, tending
from cpo_platform.alerting.operations.notifying import MOST_ATTEMPTS
from cpo_platform.common import clock, http
from cpo_platform.staff import operations as staff
from tests.alerting.conftest import (
    SECRET,
    Receiver,
    Run,
    come_back,
    go_offline,
    mail_channel,
    rule,
    site,
    webhook,
)
from tests.factories import NOW

pytestmark = pytest.mark.django_db

# Between two looks, while one waits for nothing to happen.
LONG = timedelta(minutes=5)


def test_a_router_that_is_down_is_one_mail_and_one_call(run: Run, receiver: Receiver) -> None:
    rule(Kind.STATION_OFFLINE, delay_minutes=5)
    rule(Kind.EVSE_STATUS, choices=["UNKNOWN"])
    mail_channel()
    webhook()
    place = site(stations=20)
    site(2, stations=3)
    go_offline(place)

    run(minutes=10)
    run(minutes=20, every=LONG)

    incident = Incident.objects.get()
    assert (incident.cause, incident.alert_count, incident.location) == (Cause.SITE, 20, place)
    title = "Site 1: 20 of 20 stations went offline together: probably its router or its power"
    assert str(incident) == title
    assert [message.subject for message in mail.outbox] == [f"[Warning] {title}"]
    assert len(receiver.calls) == 1
    body = json.loads(receiver.calls[0]["body"])
    assert body["event"] == "incident.opened"
    assert body["incident"]["alerts"] == 20

    come_back(place)
    run(minutes=10)
    assert [message.subject for message in mail.outbox][1:] == [f"[Over] {title}"]
    assert len(receiver.calls) == 2
    assert json.loads(receiver.calls[1]["body"])["event"] == "incident.closed"


def test_stations_that_go_one_after_the_other_are_one_incident(run: Run) -> None:
    rule(Kind.STATION_OFFLINE)
    mail_channel()
    place = site(stations=5)
    go_offline(place, count=1)
    run(minutes=2)
    assert "Station CP-1-0 at Site 1 is offline" in mail.outbox[0].subject
    go_offline(place, at=run.now)
    run(minutes=15)
    assert Incident.objects.get().cause == Cause.SITE
    # Once when it was one station, once when it was the site.
    assert len(mail.outbox) == 2
    assert "5 of 5 stations" in mail.outbox[1].subject


def test_what_is_over_before_the_delay_is_told_to_nobody(run: Run) -> None:
    rule(Kind.STATION_OFFLINE, delay_minutes=5)
    mail_channel()
    place = site()
    go_offline(place)
    run(minutes=4)
    assert Alert.objects.get().opened_at is None
    come_back(place)
    run(minutes=10)
    assert not Alert.objects.exists()
    assert not Incident.objects.exists()
    assert mail.outbox == []


def test_what_flaps_is_one_alert_and_told_once(run: Run) -> None:
    rule(Kind.STATION_OFFLINE, clear_minutes=5)
    mail_channel(tells_end=False)
    place = site()
    for _time in range(6):
        go_offline(place, at=run.now)
        run(minutes=3)
        come_back(place)
        run(minutes=3)
    assert Alert.objects.count() == Incident.objects.count() == 1
    assert Incident.objects.get().closed_at is None
    assert len(mail.outbox) == 1


def test_what_comes_back_soon_after_its_end_goes_on(run: Run) -> None:
    rule(Kind.STATION_OFFLINE, clear_minutes=1)
    mail_channel()
    place = site()
    go_offline(place)
    run(minutes=3)
    come_back(place)
    run(minutes=3)
    assert Incident.objects.get().closed_at is not None
    go_offline(place, at=run.now)
    run(minutes=3)
    alert = Alert.objects.get()
    assert alert.closed_at is None
    assert Incident.objects.get().round == 2
    assert [message.subject.partition("]")[0] for message in mail.outbox] == ["[Warning", "[Over"]
    come_back(place)
    run(minutes=20)
    go_offline(place, at=run.now)
    run(minutes=3)
    assert Incident.objects.count() == 2


def test_later_growth_is_told_once(run: Run) -> None:
    rule(Kind.STATION_OFFLINE)
    mail_channel()
    place = site(stations=10)
    go_offline(place, count=4)
    run(minutes=5)
    go_offline(place, at=run.now, count=1)
    run(minutes=20)
    assert len(mail.outbox) == 1
    incident = Incident.objects.get()
    assert incident.params["count"] == 5


def test_sites_that_are_dark_together_are_the_gateway(run: Run) -> None:
    rule(Kind.STATION_OFFLINE)
    mail_channel()
    places = [site(number, stations=2) for number in range(1, 6)]
    go_offline(*places)
    run(minutes=5)
    incident = Incident.objects.get()
    assert incident.cause == Cause.GATEWAY
    assert incident.location is None
    assert len(mail.outbox) == 1
    assert "5 of 5 sites" in mail.outbox[0].subject


def test_a_rule_that_finds_much_at_once_is_one_incident(run: Run) -> None:
    rule(Kind.STATION_OFFLINE)
    mail_channel()
    places = [site(number, stations=2) for number in range(1, 31)]
    go_offline(*places, count=1)
    run(minutes=5)
    assert Incident.objects.get().cause == Cause.MANY
    assert len(mail.outbox) == 1


def test_a_webhook_is_signed(run: Run, receiver: Receiver) -> None:
    rule(Kind.STATION_OFFLINE)
    webhook()
    go_offline(site())
    run(minutes=3)
    (call,) = receiver.calls
    seconds, digest = (
        part.partition("=")[2] for part in call["headers"]["X-Cpo-Signature"].split(",")
    )
    expected = hmac.new(SECRET.encode(), f"{seconds}.".encode() + call["body"], hashlib.sha256)
    assert digest == expected.hexdigest()
    assert call["headers"]["X-Cpo-Event-Id"] == json.loads(call["body"])["id"]


def test_a_receiver_that_is_away_is_tried_again_with_pauses(run: Run, receiver: Receiver) -> None:
    rule(Kind.STATION_OFFLINE)
    webhook()
    place = site()
    go_offline(place)
    receiver.answer = http.Answer(None, error="no answer in time")
    run(minutes=2)
    row = Notification.objects.get()
    assert row.answer == "no answer in time"
    run(minutes=20)
    # After 30, 60, 120, 240 and 480 seconds.
    assert len(receiver.calls) == 6
    come_back(place)
    run(minutes=7)
    # What is over by now is told all the same, and in order.
    receiver.answer = http.Answer(204)
    run(hours=1, every=LONG)
    events = [json.loads(call["body"])["event"] for call in receiver.calls[-2:]]
    assert events == ["incident.opened", "incident.closed"]
    assert set(Notification.objects.values_list("state", flat=True)) == {NotificationState.SENT}
    identities = {call["headers"]["X-Cpo-Event-Id"] for call in receiver.calls}
    assert len(identities) == 2


def test_a_delivery_is_given_up_in_the_end(run: Run, receiver: Receiver) -> None:
    rule(Kind.STATION_OFFLINE)
    webhook(reminder_hours=0)
    go_offline(site())
    receiver.answer = http.Answer(500, b"broken")
    run(minutes=2)
    for _time in range(MOST_ATTEMPTS + 3):
        run.jump(hours=1, seconds=1)
    assert Notification.objects.get().state == NotificationState.FAILED
    assert len(receiver.calls) == MOST_ATTEMPTS


def test_quiet_hours_wait_and_what_is_critical_goes_through(run: Run) -> None:
    rule(Kind.STATION_OFFLINE)
    severe = rule(Kind.EVSE_STATUS, choices=["OUTOFORDER"], severity=Severity.CRITICAL)
    # It is 10:00 in Amsterdam.
    mail_channel(
        quiet_from=time(9), quiet_until=time(11), time_zone="Europe/Amsterdam", reminder_hours=0
    )
    place = site(stations=1)
    go_offline(place)
    run(minutes=10)
    assert mail.outbox == []
    place.evses.update(status="OUTOFORDER", last_updated=run.now)
    run(minutes=5)
    assert [message.subject[:10] for message in mail.outbox] == ["[Critical]"]
    severe.delete()
    run(minutes=50, every=LONG)
    assert [message.subject[:9] for message in mail.outbox][2:] == ["[Warning]"]


def test_what_was_over_before_the_end_of_quiet_hours_is_not_told(run: Run) -> None:
    rule(Kind.STATION_OFFLINE)
    mail_channel(quiet_from=time(9), quiet_until=time(11), time_zone="Europe/Amsterdam")
    place = site()
    go_offline(place)
    run(minutes=5)
    come_back(place)
    run(minutes=70, every=LONG)
    assert mail.outbox == []
    assert set(Notification.objects.values_list("state", flat=True)) == {NotificationState.SKIPPED}


def test_a_reminder_comes_until_somebody_has_acknowledged(run: Run) -> None:
    rule(Kind.STATION_OFFLINE)
    mail_channel(reminder_hours=2)
    go_offline(site())
    run(minutes=3)
    for _time in range(4):
        run.jump(hours=1, minutes=1)
    assert [message.subject.partition("]")[0] for message in mail.outbox] == [
        *("[Warning", "[Reminder", "[Reminder"),
    ]
    incidents.acknowledge(
        incident_id=Incident.objects.get().pk, by="anna", note="I go there", now=run.now
    )
    run.jump(hours=5)
    assert len(mail.outbox) == 3


def test_a_snoozed_incident_is_quiet_until_then(run: Run) -> None:
    rule(Kind.STATION_OFFLINE)
    mail_channel(reminder_hours=1)
    go_offline(site())
    run(minutes=3)
    incident = Incident.objects.get()
    incidents.snooze(incident_id=incident.pk, until=run.now + timedelta(hours=8))
    run.jump(hours=7)
    assert len(mail.outbox) == 1
    run.jump(hours=2)
    assert len(mail.outbox) == 2


def test_what_is_over_cannot_be_acknowledged(run: Run) -> None:
    rule(Kind.STATION_OFFLINE, clear_minutes=0)
    place = site()
    go_offline(place)
    run(minutes=1)
    come_back(place)
    run(minutes=2)
    with pytest.raises(incidents.IncidentOver):
        incidents.acknowledge(
            incident_id=Incident.objects.get().pk, by="anna", note="", now=run.now
        )


def test_a_channel_tells_what_it_is_for(run: Run) -> None:
    offline = rule(Kind.STATION_OFFLINE)
    other = rule(Kind.EVSE_STATUS, choices=["BLOCKED"])
    place = site(1)
    mail_channel("all")
    mail_channel("severe", least_severity=Severity.CRITICAL)
    mail_channel("off", is_on=False)
    for name, row in (("its rule", offline), ("another rule", other)):
        mail_channel(name).rules.add(row)
    go_offline(place)
    run(minutes=3)
    names = Notification.objects.values_list("channel__name", flat=True)
    assert sorted(names) == ["all", "its rule"]


def test_people_are_told_what_their_scope_lets_them_see(run: Run) -> None:
    rule(Kind.STATION_OFFLINE)
    own, other = site(1), site(2, party_id="OTH")
    channel = mail_channel(reminder_hours=0)
    channel.addresses = []
    channel.save()
    boss = User.objects.create_user("boss", "boss@cpo.example", is_staff=True)
    scoped = User.objects.create_user("scoped", "scoped@cpo.example", is_staff=True)
    from tariffs.models import Party

    party = Party.objects.get(party_id="TST")
    staff.set_scope(user_id=scoped.pk, everything=False, party_ids=[party.pk])
    channel.users.set([boss, scoped])
    go_offline(own, other)
    run(minutes=3)
    told = {message.subject[-20:]: sorted(message.to) for message in mail.outbox}
    assert told == {
        "at Site 1 is offline": ["boss@cpo.example", "scoped@cpo.example"],
        "at Site 2 is offline": ["boss@cpo.example"],
    }


def test_a_rule_that_is_switched_off_ends_its_alerts(run: Run) -> None:
    row = rule(Kind.STATION_OFFLINE)
    go_offline(site())
    run(minutes=2)
    row.is_on = False
    row.save()
    run(minutes=1)
    assert Alert.objects.get().closed_at is not None
    assert Incident.objects.get().closed_at is not None


def test_nothing_is_told_twice_when_two_workers_look(run: Run) -> None:
    rule(Kind.STATION_OFFLINE)
    mail_channel()
    go_offline(site())
    run(minutes=3)
    Incident.objects.update(told_at=None)
    run(minutes=3)
    assert len(mail.outbox) == 1


def test_a_mail_is_in_the_language_of_its_channel(run: Run) -> None:
    rule(Kind.STATION_OFFLINE)
    mail_channel(language="ja")
    go_offline(site(stations=3))
    run(minutes=3)
    assert "ルーター" in mail.outbox[0].subject


def test_a_quiet_network_costs_a_constant_number_of_queries(
    run: Run, django_assert_max_num_queries: Any
) -> None:
    for kind in (Kind.STATION_OFFLINE, Kind.EVSE_STATUS, Kind.SESSION_LONG, Kind.PARTNER_FAILING):
        rule(kind, limit=3)
    mail_channel()
    places = [site(number, stations=20) for number in range(1, 4)]
    go_offline(*places)
    run.look()
    with django_assert_max_num_queries(80):
        run.jump(seconds=30)


def test_what_was_over_long_ago_is_forgotten(run: Run) -> None:
    rule(Kind.STATION_OFFLINE, clear_minutes=0)
    place, other = site(1), site(2)
    go_offline(place, other)
    run(minutes=1)
    come_back(place)
    run(minutes=2)
    assert tending.forget(now=run.now) == 0
    # The alert and the incident of the one that is over.
    assert tending.forget(now=run.now + tending.KEPT + timedelta(days=1)) == 2
    assert Incident.objects.get().location == other


def test_the_tasks_of_the_beat_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: NOW + timedelta(minutes=5))
    rule(Kind.STATION_OFFLINE)
    mail_channel()
    go_offline(site())
    tasks.watch()
    monkeypatch.setattr(clock, "now", lambda: NOW + timedelta(minutes=7))
    tasks.watch()
    tasks.deliver()
    tasks.tidy()
    assert len(mail.outbox) == 1
