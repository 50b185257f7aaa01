"""What staff reads of charging profiles and preferences, and of what is held back."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from roaming.models import ProfileRequest, Quarantined
from sessions_app.models import Session
from tests.factories import NOW, SessionFactory
from tests.roaming.conftest import Registered, make_partner

pytestmark = pytest.mark.django_db
REQUESTS = "/admin/roaming/profilerequest/"
PROFILE: dict[str, Any] = {
    "charging_rate_unit": "A",
    "duration": 3600,
    "min_charging_rate": 6,
    "charging_profile_period": [
        {"start_period": 0, "limit": 16},
        {"start_period": 900, "limit": 6.5},
    ],
}


def text_of(client: Client, url: str) -> str:
    return str(client.get(url).content.decode())


def make_request(who: Registered, session: Session, **fields: Any) -> ProfileRequest:
    values: dict[str, Any] = {
        "action": "SET",
        "response_url": "https://emsp.example/profiles/1",
        "charging_profile": PROFILE,
        "state": "FINISHED",
        "result": "ACCEPTED",
        "received_at": NOW,
        "deadline": NOW + timedelta(seconds=50),
        "finished_at": NOW + timedelta(seconds=2),
    }
    return ProfileRequest.objects.create(partner=who.partner, session=session, **(values | fields))


def page_of(session: Session) -> str:
    return f"/admin/sessions_app/session/{session.pk}/change/"


def test_a_request_is_shown_with_its_limits_and_what_became_of_it(
    admin_client: Client, first: Registered
) -> None:
    session = SessionFactory()
    row = make_request(
        first,
        session,
        message="as you wish",
        active_profile={"start_date_time": "2026-05-04T10:00:00Z", "charging_profile": PROFILE},
    )
    text = text_of(admin_client, f"{REQUESTS}{row.pk}/change/")
    for told in (
        *("Set a profile", "First eMSP", session.ocpi_id, "Accepted", "as you wish"),
        *("0:15:00", "6.5 A", "1:00:00", "Limits in force", "https://emsp.example/profiles/1"),
    ):
        assert told in text, told
    listed = text_of(admin_client, f"{REQUESTS}?q={session.ocpi_id}")
    assert "Set a profile" in listed
    assert "2.0 s" in listed


def test_an_empty_list_says_where_requests_come_from(admin_client: Client) -> None:
    assert "Partners ask how fast" in text_of(admin_client, REQUESTS)


def test_a_session_shows_what_partners_asked_of_it(admin_client: Client, first: Registered) -> None:
    session = SessionFactory()
    assert "No partner has asked for" in text_of(admin_client, page_of(session))

    waiting = make_request(
        first, session, action="GET", state="ACCEPTED", result="", finished_at=None
    )

    text = text_of(admin_client, page_of(session))
    assert "Ask for the active profile" in text
    assert f"{REQUESTS}{waiting.pk}/change/" in text


@pytest.mark.parametrize(
    ("preferences", "told"),
    [
        (None, "The driver has not said any."),
        ({"profile_type": "FAST"}, "Fast"),
        (
            {
                "profile_type": "GREEN",
                "departure_time": "2026-05-04T18:30:00Z",
                "energy_need": 20.5,
                "discharge_allowed": True,
            },
            "Green; leaves at 2026-05-04 18:30 UTC; needs 20.5 kWh; the car may be discharged",
        ),
    ],
)
def test_a_session_says_how_its_driver_wishes_to_charge(
    admin_client: Client, preferences: Any, told: str
) -> None:
    session = SessionFactory()
    Session.objects.filter(pk=session.pk).update(
        charging_preferences=preferences, last_updated=NOW + timedelta(seconds=1)
    )
    assert f"<dd>{told}</dd>" in text_of(admin_client, page_of(session))


@pytest.mark.parametrize("size", [1, 6])
def test_the_list_and_the_session_take_the_same_queries_for_any_number(
    admin_client: Client,
    django_assert_num_queries: DjangoAssertNumQueries,
    first: Registered,
    size: int,
) -> None:
    session = SessionFactory()
    for number in range(size):
        made = make_partner(f"P{number}", f"P{number:02}")
        make_request(made, session, received_at=NOW + timedelta(seconds=number))
    text_of(admin_client, REQUESTS)  # fills the caches that live longer than a request
    with django_assert_num_queries(5):
        text_of(admin_client, REQUESTS)
    text_of(admin_client, page_of(session))
    with django_assert_num_queries(19):
        text_of(admin_client, page_of(session))


def test_the_home_page_tells_of_what_is_held_back_when_something_is(
    admin_client: Client,
) -> None:
    listed = "/admin/roaming/quarantined/"
    home = text_of(admin_client, "/admin/")
    assert f'href="{listed}"' in home
    assert "Held back from partners" not in home

    Quarantined.objects.create(
        module="locations",
        object_id=7,
        version="2.2.1/1",
        problems=["city: is required"],
        last_updated=NOW,
        found_at=NOW,
    )
    home = text_of(admin_client, "/admin/")
    assert "Held back from partners" in home
    assert "city: is required" in home
