"""The pages of incidents, rules and channels, as staff of every kind sees them."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.test import Client
from pytest_django import Settings

from cpo_platform.alerting.models import Channel, Incident, Kind, Notification, Rule, Severity
from cpo_platform.common import clock, http
from cpo_platform.common.secrets import decrypt
from cpo_platform.staff import operations
from tariffs.models import Party
from tests.admin_pages import errors_of, read_form, send_form
from tests.alerting.conftest import (
    SECRET,
    Receiver,
    Run,
    go_offline,
    mail_channel,
    rule,
    site,
    webhook,
)
from tests.factories import NOW

pytestmark = pytest.mark.django_db
INCIDENTS, RULES, CHANNELS = (
    f"/admin/alerting/{name}/" for name in ("incident", "rule", "channel")
)


def send_channel(client: Client, path: str, **changes: Any) -> Any:
    """Send the form of a channel: it has a field `url`, which `send_form` has no room for."""
    fields = read_form(client, path, "channel_form")
    given = {name: [value] for name, value in changes.items()}
    return client.post(path, {"_save": ["Save"], **fields, **given})


def client_of(*roles: str, **scope: Any) -> Client:
    user = User.objects.create_user("-".join(roles), is_staff=True)
    operations.set_roles(user_id=user.pk, roles=roles)
    if scope:
        operations.set_scope(user_id=user.pk, everything=False, **scope)
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def incident(run: Run) -> Incident:
    rule(Kind.STATION_OFFLINE)
    mail_channel()
    go_offline(site(stations=4))
    run(minutes=3)
    return Incident.objects.get()


def test_the_list_and_the_page_say_what_is_wrong(admin_client: Client, incident: Incident) -> None:
    page = admin_client.get(INCIDENTS).content.decode()
    assert "4 of 4 stations went offline together" in page
    assert "?severity__exact=2" in page
    url = f"{INCIDENTS}{incident.pk}/change/"
    page = admin_client.get(url).content.decode()
    assert "Check the site&#x27;s router and its power" in page
    assert "Station CP-1-3 at Site 1 is offline" in page
    assert "Ops" in page
    page = admin_client.get(url, headers={"Accept-Language": "ja"}).content.decode()
    assert "ルーター" in page


def test_the_page_costs_the_same_however_many_alerts(
    admin_client: Client, incident: Incident, run: Run, django_assert_max_num_queries: Any
) -> None:
    url = f"{INCIDENTS}{incident.pk}/change/"
    admin_client.get(url)
    with django_assert_max_num_queries(12):
        admin_client.get(url)
    with django_assert_max_num_queries(12):
        admin_client.get(INCIDENTS)


def test_who_acknowledges_leaves_a_name_and_a_note(incident: Incident) -> None:
    url = f"{INCIDENTS}{incident.pk}/acknowledge/"
    assert client_of("read_only").get(url).status_code == 403
    client = client_of("support")
    assert client.get(url).status_code == 200
    client.post(url, {"note": "I call them"}, follow=True)
    incident.refresh_from_db()
    assert (incident.acknowledged_by, incident.note) == ("support", "I call them")
    assert client.get(f"{INCIDENTS}count/").json()["count"] == 0


def test_who_wants_quiet_says_for_how_long(incident: Incident) -> None:
    before = clock.now()
    client_of("ops").post(f"{INCIDENTS}{incident.pk}/snooze/", {"hours": "4"})
    incident.refresh_from_db()
    assert incident.snoozed_until is not None
    assert timedelta(0) <= incident.snoozed_until - before - timedelta(hours=4) < timedelta(hours=1)


def test_the_bell_counts_what_nobody_sees_to(incident: Incident) -> None:
    answer = client_of("read_only").get(f"{INCIDENTS}count/").json()
    assert (answer["count"], answer["critical"]) == (1, 0)
    assert client_of("finance").get(f"{INCIDENTS}count/").status_code == 403


def test_a_scoped_person_sees_incidents_of_own_places_only(incident: Incident) -> None:
    Incident.objects.create(
        cause="ALONE",
        key="partner:1",
        severity=3,
        params={"kind": "PARTNER_TOKEN", "alert": {"name": "Hidden partner"}},
        opened_at=NOW,
        grown_at=NOW,
    )
    own = client_of("operations", party_ids=[Party.objects.get(party_id="TST").pk])
    page = own.get(INCIDENTS).content.decode()
    assert "Site 1" in page
    assert "Hidden partner" not in page
    assert own.get(f"{INCIDENTS}count/").json()["count"] == 1
    assert own.get(RULES).status_code == own.get(CHANNELS).status_code == 403
    other = client_of("support", party_ids=[])
    assert other.get(f"{INCIDENTS}{incident.pk}/change/").status_code in {302, 404}
    assert other.post(f"{INCIDENTS}{incident.pk}/acknowledge/").status_code in {302, 404}


def test_roles_decide_who_makes_rules_and_channels() -> None:
    for role, allowed in (("operations", True), ("operator_admin", True), ("support", False)):
        client = client_of(role)
        assert (client.get(f"{RULES}add/").status_code == 200) is allowed
        assert (client.get(f"{CHANNELS}add/").status_code == 200) is allowed
    assert client_of("read_only").get(RULES).status_code == 200
    assert Client().get(RULES).status_code == 302


def test_a_rule_is_written_by_its_form(admin_client: Client) -> None:
    answer = send_form(admin_client, f"{RULES}add/", "rule_form", kind="EVSE_STATUS", statuses=[])
    assert errors_of(answer) == {"statuses": ["Choose at least one."]}
    answer = send_form(
        admin_client,
        f"{RULES}add/",
        "rule_form",
        kind="EVSE_STATUS",
        statuses=["OUTOFORDER"],
        delay_minutes="15",
        limit="7",
    )
    assert answer.status_code == 302, errors_of(answer)
    row = Rule.objects.get()
    # What this kind has no use for is not kept.
    assert (row.choices, row.delay_minutes, row.limit) == (["OUTOFORDER"], 15, None)
    url = f"{RULES}{row.pk}/change/"
    answer = send_form(admin_client, url, "rule_form", statuses=["INOPERATIVE"], is_on=None)
    assert answer.status_code == 302, errors_of(answer)
    row.refresh_from_db()
    assert (row.choices, row.is_on, row.kind) == (["INOPERATIVE"], False, "EVSE_STATUS")


def test_a_limit_is_asked_for_where_there_is_one(admin_client: Client) -> None:
    answer = send_form(admin_client, f"{RULES}add/", "rule_form", kind="PARTNER_LAG")
    assert "limit" in errors_of(answer)


def test_a_rule_that_is_written_says_what_it_would_find(admin_client: Client) -> None:
    go_offline(site(stations=12))
    fields = read_form(admin_client, f"{RULES}add/", "rule_form")
    url = f"{RULES}preview/"
    page = admin_client.post(url, {**fields, "kind": ["STATION_OFFLINE"]}).content.decode()
    assert "Would open for 12 things now" in page
    assert "Station CP-1-0 at Site 1 is offline" in page
    assert "and 2 more" in page
    assert not Rule.objects.exists()
    page = admin_client.post(url, {**fields, "kind": ["PARTNER_LAG"]}).content.decode()
    assert "Fill in the form" in page
    assert client_of("support").post(url, fields).status_code == 403
    assert admin_client.get(url).status_code == 405


def test_a_channel_keeps_its_secret_encrypted(
    admin_client: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"{CHANNELS}add/"
    fields = {"name": "Hook", "kind": "WEBHOOK", "url": "https://hooks.example/x"}
    answer = send_channel(admin_client, url, **fields)
    assert "secret" in errors_of(answer)
    answer = send_channel(admin_client, url, secret="short", **fields)
    assert "secret" in errors_of(answer)
    answer = send_channel(admin_client, url, secret=SECRET, **fields)
    assert answer.status_code == 302, errors_of(answer)
    row = Channel.objects.get()
    assert decrypt(row.secret_encrypted) == SECRET
    change = f"{CHANNELS}{row.pk}/change/"
    assert SECRET not in admin_client.get(change).content.decode()
    answer = send_channel(admin_client, change, name="Hook 2")
    assert answer.status_code == 302, errors_of(answer)
    row.refresh_from_db()
    assert (row.name, decrypt(row.secret_encrypted)) == ("Hook 2", SECRET)


@pytest.mark.parametrize(
    "url", ["http://hooks.example/", "https://127.0.0.1/", "https://10.0.0.1/"]
)
def test_a_webhook_does_not_lead_into_our_own_network(admin_client: Client, url: str) -> None:
    answer = send_channel(
        admin_client,
        f"{CHANNELS}add/",
        name="Hook",
        kind="WEBHOOK",
        url=url,
        secret=SECRET,
    )
    assert "url" in errors_of(answer)
    assert not Channel.objects.exists()


def test_an_email_channel_names_somebody(admin_client: Client, settings: Settings) -> None:
    url = f"{CHANNELS}add/"
    fields = {"name": "Ops", "kind": "EMAIL"}
    answer = send_channel(admin_client, url, **fields)
    assert "addresses_text" in errors_of(answer)
    answer = send_channel(
        admin_client, url, addresses_text="a@cpo.example\nb@cpo.example", **fields
    )
    assert answer.status_code == 302, errors_of(answer)
    assert Channel.objects.get().addresses == ["a@cpo.example", "b@cpo.example"]
    settings.EMAIL_IS_ON = False
    answer = send_channel(admin_client, url, **fields | {"name": "Other"})
    assert "kind" in errors_of(answer)


def test_the_test_button_says_what_came_back(admin_client: Client, receiver: Receiver) -> None:
    row = webhook()
    url = f"{CHANNELS}{row.pk}/test/"
    page = admin_client.post(url, follow=True).content.decode()
    assert "The test was taken: HTTP 200" in page
    receiver.answer = http.Answer(404, b"no such hook")
    page = admin_client.post(url, follow=True).content.decode()
    assert "The test was not taken: HTTP 404" in page
    assert "no such hook" in page
    assert admin_client.get(url).status_code == 405
    assert client_of("read_only").post(url).status_code == 403
    assert len(receiver.calls) == 2
    admin_client.post(f"{CHANNELS}{mail_channel().pk}/test/")
    assert mail.outbox[0].to == ["ops@cpo.example"]


def test_deliveries_that_fail_are_to_be_seen(
    admin_client: Client, run: Run, receiver: Receiver
) -> None:
    rule(Kind.STATION_OFFLINE)
    row = webhook()
    go_offline(site())
    receiver.answer = http.Answer(500, b"broken")
    run(minutes=3)
    page = admin_client.get(f"{CHANNELS}{row.pk}/change/").content.decode()
    assert "HTTP 500" in page
    assert "Does not arrive" in admin_client.get(CHANNELS).content.decode()


def test_a_rule_and_a_channel_can_be_deleted(admin_client: Client, incident: Incident) -> None:
    for url in (
        f"{RULES}{Rule.objects.get().pk}/delete/",
        f"{CHANNELS}{Channel.objects.get().pk}/delete/",
    ):
        assert admin_client.post(url, {"post": "yes"}).status_code == 302
    assert not Rule.objects.exists()
    assert not Notification.objects.exists()
    assert admin_client.get(f"{INCIDENTS}{incident.pk}/change/").status_code == 200
    assert incident.severity == Severity.WARNING
