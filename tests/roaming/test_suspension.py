"""Staff suspends a partner and resumes it: nothing is sent meanwhile, and nothing is lost."""

import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from pytest_django import Settings

from cpo_platform.common import clock
from locations.models import Location
from roaming import visibility
from roaming.locks import HANDSHAKE, partner_lock
from roaming.models import Change, Feed, Partner, PartnerStatus, TokenPurpose
from roaming.operations import feed, partner_tokens, partners, registering, walks
from sessions_app.operations import sessions
from tests.factories import LocationFactory, SessionFactory, cdr_token, evse
from tests.roaming.conftest import Caller, Registered, make_partner
from tests.roaming.recording import RecordingPeer, drain, recording_peer

pytestmark = pytest.mark.django_db(transaction=True)
PARTNERS = "/admin/roaming/partner/"


@pytest.fixture
def peer(settings: Settings) -> Iterator[RecordingPeer]:
    settings.OUTBOUND_ALLOW_PRIVATE = True
    with recording_peer() as running:
        yield running


@pytest.fixture
def site() -> Location:
    location: Location = LocationFactory(
        id="SITE", tariff=None, evses=[evse("E1"), evse("E2")], now=clock.now()
    )
    return location


def act(client: Client, partner: Partner, action: str) -> str:
    response = client.post(f"{PARTNERS}{partner.pk}/{action}/", follow=True)
    return str(response.content.decode())


def status_of(partner: Partner) -> str:
    return Partner.objects.get(pk=partner.pk).status


@pytest.mark.parametrize("version", ["2.1.1", "2.2.1", "2.3.0"])
def test_a_suspended_partner_is_refused_and_sent_nothing_until_it_is_resumed(
    admin_client: Client, peer: RecordingPeer, site: Location, version: str
) -> None:
    partner = peer.connect(version, registered_at=clock.now())
    give = {"purpose": TokenPurpose.OPERATION, "now": clock.now()}
    partner_tokens.give_token(partner, "its-token", **give)  # type: ignore[arg-type]
    call = Caller("its-token")
    drain(partner)
    peer.new()

    assert "is suspended" in act(admin_client, partner, "suspend")
    session = SessionFactory(
        connector=site.evses.get(uid="E1").connectors.get(),
        cdr_token=cdr_token(),
        now=clock.now(),
    )
    ended = clock.now() + timedelta(minutes=30)
    sessions.stop_session(session_id=session.pk, ended_at=ended, now=ended)
    drain(partner)
    assert peer.new() == []
    assert call.get("/ocpi/versions").status == 401
    # Old changes are not kept for those who are away.
    feed.sequence_changes()
    walks.forget_old_changes(now=clock.now() + timedelta(days=8))
    assert not Change.objects.exists()

    assert "is served again" in act(admin_client, partner, "resume")
    assert call.get("/ocpi/versions").status == 200
    drain(partner)
    sent = [one.line.split("/")[0] for one in peer.new()]
    assert "POST cdrs" in sent
    assert any(line.endswith(" sessions") for line in sent)
    assert drain(partner) == 0


def test_what_a_partner_may_not_see_any_more_is_withdrawn_when_it_is_resumed(
    peer: RecordingPeer, site: Location
) -> None:
    partner = peer.connect("2.2.1", registered_at=clock.now())
    drain(partner)
    peer.new()
    partners.suspend_partner(partner_id=partner.pk)
    Partner.objects.filter(pk=partner.pk).update(all_locations=False)

    partners.resume_partner(partner_id=partner.pk, now=clock.now())
    drain(partner)

    hidden = [one for one in peer.new() if one.path.startswith("locations/")]
    assert [one.body["publish"] for one in hidden] == [False]


def test_a_worker_that_is_sending_loses_the_feed_of_a_suspended_partner(first: Registered) -> None:
    feed.announce(module="locations", object_id=1)
    lease = feed.lease_feed(feed_id=Feed.objects.get(lane="NETWORK").pk, now=clock.now())
    assert lease is not None

    partners.suspend_partner(partner_id=first.partner.pk)

    assert not feed.renew_lease(lease=lease, now=clock.now())
    assert feed.lease_feed(feed_id=lease.feed_id, now=clock.now()) is None


def test_a_suspended_partner_keeps_its_registration(first: Registered) -> None:
    partners.suspend_partner(partner_id=first.partner.pk)

    with pytest.raises(partners.PartyTaken):
        partners.invite_partner(
            name=first.partner.name,
            role="EMSP",
            country_code="NL",
            party_id="EMS",
            now=clock.now(),
        )
    with pytest.raises(partners.PartyTaken):
        partners.prepare_partner(name=first.partner.name, now=clock.now())
    with pytest.raises(partners.NotRegistered):
        registering.offer_token(partner_id=first.partner.pk, now=clock.now())
    assert not partner_tokens.is_valid(
        partner_id=first.partner.pk, token=first.call.token, now=clock.now()
    )
    assert status_of(first.partner) == PartnerStatus.SUSPENDED


def test_nobody_is_suspended_while_tokens_are_exchanged(
    admin_client: Client, first: Registered
) -> None:
    held, may_end = threading.Event(), threading.Event()

    def exchange() -> None:
        try:
            with partner_lock(HANDSHAKE, first.partner.pk):
                held.set()
                may_end.wait(timeout=30)
        finally:
            connection.close()

    other = threading.Thread(target=exchange)
    other.start()
    try:
        assert held.wait(timeout=30)
        assert "try again in a minute" in act(admin_client, first.partner, "suspend")
    finally:
        may_end.set()
        other.join()
    assert status_of(first.partner) == PartnerStatus.REGISTERED


def test_both_ask_first_and_each_has_its_moment(admin_client: Client, first: Registered) -> None:
    partner = first.partner
    page = f"{PARTNERS}{partner.pk}/"
    assert "We do not tell the partner" in admin_client.get(f"{page}suspend/").content.decode()
    assert status_of(partner) == PartnerStatus.REGISTERED
    assert "is not suspended" in act(admin_client, partner, "resume")

    act(admin_client, partner, "suspend")
    shown = admin_client.get(f"{page}change/").content.decode()
    assert "Resume" in shown
    assert "Invite again" not in shown
    assert "is announced again" in admin_client.get(f"{page}resume/").content.decode()
    assert "is not registered" in act(admin_client, partner, "suspend")
    assert not visibility.locations_for(
        Partner.objects.get(pk=partner.pk), now=clock.now()
    ).exists()


def test_a_suspended_partner_can_be_unregistered(admin_client: Client, first: Registered) -> None:
    partners.suspend_partner(partner_id=first.partner.pk)

    act(admin_client, first.partner, "unregister")

    assert status_of(first.partner) == PartnerStatus.UNREGISTERED
    assert not first.partner.tokens.exists()


@pytest.mark.parametrize("action", ["suspend", "resume", "pull"])
def test_only_those_who_may_change_partners_do_it(client: Client, action: str) -> None:
    made = make_partner()
    user = User.objects.create_user("viewer", password="x", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_partner"))
    client.force_login(user)

    assert client.post(f"{PARTNERS}{made.partner.pk}/{action}/").status_code == 403
    assert status_of(made.partner) == PartnerStatus.REGISTERED
